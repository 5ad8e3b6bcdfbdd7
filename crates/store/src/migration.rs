//! The steps that bring a schema up to date, the same on both engines.
//!
//! They are written in the words of the embedded engine; `postgres/migrate.rs` exchanges the few that
//! differ. A step that stores may have run is never changed: another one follows it.

const TABLES: &str = include_str!("../migrations/distribution.tsv");

/// Tables that only a server has.
const OF_A_SERVER: [&str; 4] = ["schema_version", "shape", "turn", "written"];

/// A table that a whole schema has, beside those of days, and that is not among these.
pub(crate) fn missing(found: &[String], is_server: bool) -> Option<&'static str> {
    names()
        .filter(|table| is_server || !OF_A_SERVER.contains(table))
        .find(|table| !table.contains('{') && !found.iter().any(|found| found == table))
}

/// A table among these that is not ours, nor of a program that the engine brings.
pub(crate) fn foreign(found: &[String]) -> Option<&String> {
    found.iter().find(|found| !found.starts_with("sqlite_") && !names().any(|name| name == *found))
}

fn names() -> impl Iterator<Item = &'static str> {
    tables().filter_map(|row| row.split('\t').next())
}

/// A row for each table that there is: its name, and by what its rows would be divided.
pub(crate) fn tables() -> impl Iterator<Item = &'static str> {
    TABLES.lines().filter(|line| !line.starts_with('#'))
}

/// A step: what is done once, and what is done for each day that has tables (`{day}`).
pub(crate) struct Step {
    /// Run once.
    pub(crate) once: &'static str,
    /// Run for each day that was begun before; new days are made by `day.sql`.
    pub(crate) each_day: &'static str,
}

/// In order; step `i` makes version `i + 1`.
pub(crate) const STEPS: &[Step] = &[
    Step { once: include_str!("../migrations/0001_foundation.sql"), each_day: "" },
    Step { once: include_str!("../migrations/0002_callback_endpoint.sql"), each_day: "" },
    Step { once: include_str!("../migrations/0003_queue_scheduled.sql"), each_day: "" },
    Step {
        once: include_str!("../migrations/0004_link.sql"),
        each_day: include_str!("../migrations/0004_link_day.sql"),
    },
    Step { once: include_str!("../migrations/0005_notification.sql"), each_day: "" },
    Step {
        once: include_str!("../migrations/0006_campaigns.sql"),
        each_day: include_str!("../migrations/0006_campaigns_day.sql"),
    },
    Step { once: include_str!("../migrations/0007_prices.sql"), each_day: "" },
    Step { once: include_str!("../migrations/0008_clicks.sql"), each_day: "" },
    Step { once: include_str!("../migrations/0009_opt_out.sql"), each_day: "" },
    Step { once: include_str!("../migrations/0010_inbound.sql"), each_day: "" },
    Step { once: include_str!("../migrations/0011_leaving_day.sql"), each_day: "" },
    Step { once: include_str!("../migrations/0012_route_health.sql"), each_day: "" },
    Step { once: include_str!("../migrations/0013_otp.sql"), each_day: "" },
    Step { once: "", each_day: include_str!("../migrations/0014_otp_texts_day.sql") },
    Step { once: include_str!("../migrations/0015_otp_guard.sql"), each_day: "" },
    Step { once: include_str!("../migrations/0016_country_texts.sql"), each_day: "" },
    Step { once: include_str!("../migrations/0017_sender.sql"), each_day: "" },
    Step {
        once: include_str!("../migrations/0018_refund.sql"),
        each_day: include_str!("../migrations/0018_refund_day.sql"),
    },
    Step { once: include_str!("../migrations/0019_node.sql"), each_day: "" },
    Step { once: "", each_day: include_str!("../migrations/0020_certificates_day.sql") },
    Step { once: include_str!("../migrations/0021_node_process.sql"), each_day: "" },
];

/// The tables of a day.
pub(crate) const DAY: &str = include_str!("../migrations/day.sql");
