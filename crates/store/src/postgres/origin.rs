//! Which server of several is used: one that can be written, and that none has taken the place of.
//!
//! A standby that is promoted begins a new timeline, with a higher number. So an old primary that has
//! come back tells by its timeline that what is written there would be lost, to whoever knows the newer
//! one: by having been there, or by asking all the servers that `store.url` names.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicI64, Ordering};

use tokio_postgres::SimpleQueryMessage;
use tokio_postgres::error::SqlState;

use super::session::silent;
use crate::error::{Error, Result};

/// Asked of each server before it is used.
const ASK: &str = "select pg_is_in_recovery(), \
     (select system_identifier from pg_control_system()), \
     case when pg_is_in_recovery() then '' else pg_walfile_name(pg_current_wal_lsn()) end";

/// Where a server's data comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Origin {
    /// Given when the data was made; its standbys have the same.
    pub(super) system: i64,
    /// Rises when a standby is promoted.
    pub(super) timeline: i64,
}

impl Origin {
    /// Asks a server; a standby is refused. `None` where it knows no such thing: what only speaks
    /// PostgreSQL's protocol looks after this itself.
    pub(super) async fn ask(client: &tokio_postgres::Client) -> Result<Option<Self>> {
        let answer = match client.simple_query(ASK).await {
            Ok(answer) => answer,
            Err(error) if is_unknown(&error) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let row = answer.iter().find_map(|message| match message {
            SimpleQueryMessage::Row(row) => Some([0, 1, 2].map(|i| row.get(i).unwrap_or(""))),
            _ => None,
        });
        let [in_recovery, system, file] = row.ok_or_else(silent)?;
        if in_recovery == "t" {
            let why = "it is a standby, and only one that is promoted can be written";
            return Err(Error::Unavailable(why.into()));
        }
        Ok(Self::read(system, file))
    }

    /// From the system's number and the name of a file of its log, which begins with the timeline: eight
    /// hexadecimal digits.
    fn read(system: &str, file: &str) -> Option<Self> {
        let timeline = i64::from_str_radix(file.get(..8)?, 16).ok()?;
        Some(Self { system: system.parse().ok()?, timeline })
    }
}

/// Whether the server does not have what it was asked for, or does not give it to us.
fn is_unknown(error: &tokio_postgres::Error) -> bool {
    let unknown = [
        SqlState::UNDEFINED_FUNCTION,
        SqlState::UNDEFINED_TABLE,
        SqlState::UNDEFINED_COLUMN,
        SqlState::INSUFFICIENT_PRIVILEGE,
        SqlState::FEATURE_NOT_SUPPORTED,
    ];
    error.code().is_some_and(|code| unknown.contains(code))
}

/// The newest origin that any connection of this opening of the store has seen.
#[derive(Debug, Default)]
pub(super) struct Newest {
    system: OnceLock<i64>,
    timeline: AtomicI64,
}

impl Newest {
    /// Whether a server may be used.
    pub(super) fn allows(&self, origin: Origin) -> Result<()> {
        let Origin { system, timeline } = origin;
        let newest = self.timeline.load(Ordering::Acquire);
        let why = match self.system.get() {
            Some(known) if *known != system => format!(
                "its data has another origin (system identifier {system}) than that of the server \
                 that was used before ({known}); start pombo anew if it is meant"
            ),
            _ if timeline < newest => format!(
                "it is on timeline {timeline}, and a server on timeline {newest} has taken its \
                 place, so that what is written there would be lost; stop it, or make it a standby \
                 of the newer one"
            ),
            _ => return Ok(()),
        };
        Err(Error::Unavailable(why))
    }

    /// A server is used.
    pub(super) fn saw(&self, origin: Origin) {
        self.system.get_or_init(|| origin.system);
        self.timeline.fetch_max(origin.timeline, Ordering::AcqRel);
    }

    /// Whether another server has taken the place of the one with this origin since.
    pub(super) fn is_beyond(&self, origin: Option<Origin>) -> bool {
        origin.is_some_and(|origin| origin.timeline < self.timeline.load(Ordering::Acquire))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_timeline_is_read_from_the_name_of_a_file() {
        let read = |file| Origin::read("7123456789012345678", file);
        let origin = |timeline| Some(Origin { system: 7_123_456_789_012_345_678, timeline });
        assert_eq!(read("0000000100000000000000A7"), origin(1));
        assert_eq!(read("0000001F00000000000000A7"), origin(31));
        assert_eq!(read(""), None);
        assert_eq!(Origin::read("", "0000000100000000000000A7"), None);
    }

    #[test]
    fn a_server_that_another_has_replaced_or_of_another_origin_is_refused() {
        let newest = Newest::default();
        let at = |system, timeline| Origin { system, timeline };
        newest.saw(at(7, 2));
        assert!(newest.allows(at(7, 2)).is_ok() && newest.allows(at(7, 3)).is_ok());
        assert!(!newest.is_beyond(Some(at(7, 2))) && !newest.is_beyond(None));
        newest.saw(at(7, 3));
        newest.saw(at(7, 2));
        assert!(newest.is_beyond(Some(at(7, 2))));
        let why = newest.allows(at(7, 2)).expect_err("it is older").to_string();
        assert!(why.contains("timeline 2") && why.contains("timeline 3"), "{why}");
        let why = newest.allows(at(8, 3)).expect_err("it is another").to_string();
        assert!(why.contains("another origin"), "{why}");
    }
}
