//! The table of what was promised and what was seen, and its place in the documentation.

use std::path::Path;

use anyhow::{Context, Result};

use super::{Outcome, Scenario};

/// What stands around the table in the page.
const BEGIN: &str = "<!-- table: written by `cargo xtask faults --all` -->";
const END: &str = "<!-- end of table -->";

/// One scenario's row.
pub(super) struct Row {
    pub(super) scenario: &'static Scenario,
    pub(super) outcome: Result<Outcome>,
    pub(super) seconds: f64,
}

impl Row {
    pub(super) fn is_broken(&self) -> bool {
        match &self.outcome {
            Ok(Outcome::Seen(seen)) => seen.verdict.is_broken(),
            Ok(Outcome::Skipped(_)) => false,
            Err(_) => true,
        }
    }

    /// Whether it could not be run here, so that nothing was seen.
    pub(super) const fn is_skipped(&self) -> bool {
        matches!(self.outcome, Ok(Outcome::Skipped(_)))
    }

    /// What became of it, for the one who waits.
    pub(super) fn in_words(&self) -> String {
        let name = self.scenario.name;
        let words = match &self.outcome {
            Ok(Outcome::Seen(seen)) if seen.verdict.is_broken() => {
                format!("{}NOT AS PROMISED: {}", seen.verdict, seen.verdict.broken())
            }
            Ok(Outcome::Seen(seen)) => format!("{}as promised; {}", seen.verdict, seen.words),
            Ok(Outcome::Skipped(why)) => format!("SKIPPED: {why}"),
            Err(error) => format!("FAILED: {error:#}"),
        };
        format!("{name}: {words} ({:.1} s)", self.seconds)
    }

    fn cells(&self) -> Vec<String> {
        let Scenario { name, fault, promise, .. } = self.scenario;
        let mut cells = vec![(*name).to_owned(), (*fault).to_owned(), (*promise).to_owned()];
        match &self.outcome {
            Ok(Outcome::Seen(seen)) => {
                let verdict = &seen.verdict;
                let broken = verdict.broken();
                cells.push(if broken.is_empty() { seen.words.clone() } else { broken });
                cells.extend(verdict.counts().map(|n| n.to_string()));
                cells.push(verdict.standings().map(|n| n.to_string()).join(" + "));
            }
            Ok(Outcome::Skipped(why)) => cells.push(one_line(&format!("skipped: {why}"))),
            Err(error) => cells.push(one_line(&format!("failed: {error:#}"))),
        }
        cells.resize(10, "-".to_owned());
        cells
    }
}

/// As a cell can hold it.
fn one_line(words: &str) -> String {
    words.split(['|', '\n']).map(str::trim).collect::<Vec<_>>().join(" ")
}

const HEAD: &str = "\
| scenario | what is done | promised | seen | accepted | at the SMSC | lost | repeated, named | repeated silently | final + pending + uncertain |
|---|---|---|---|---|---|---|---|---|---|
";

/// All rows, as Markdown.
pub(super) fn table(rows: &[Row]) -> String {
    let lines = rows.iter().map(|row| format!("| {} |\n", row.cells().join(" | ")));
    format!("{HEAD}{}", lines.collect::<String>())
}

/// Puts the table into `docs/reliability.md`.
pub(super) fn write(rows: &[Row]) -> Result<()> {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/reliability.md");
    let text = std::fs::read_to_string(&page).context("docs/reliability.md")?;
    Ok(std::fs::write(&page, placed(&text, &table(rows))?)?)
}

/// What stands before the table, the table, and what stands behind it.
fn around(page: &str) -> Result<[&str; 3]> {
    let (before, rest) = page.split_once(BEGIN).context("the page has no place for the table")?;
    let (table, after) = rest.split_once(END).context("the table's place has no end")?;
    Ok([before, table, after])
}

fn placed(page: &str, table: &str) -> Result<String> {
    let [before, _, after] = around(page)?;
    Ok(format!("{before}{BEGIN}\n\n{table}\n{END}{after}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whoever changes a scenario runs `faults --all` again.
    #[test]
    fn the_page_tells_of_every_scenario_as_it_is() {
        let page = include_str!("../../../docs/reliability.md");
        let [_, table, _] = around(page).unwrap();
        let told = table.lines().filter_map(|line| line.strip_prefix("| "));
        let mut told = told.skip(1).map(|row| row.splitn(4, " | ").take(3).collect::<Vec<_>>());
        for Scenario { name, fault, promise, .. } in super::super::scenarios() {
            assert_eq!(told.next(), Some(vec![*name, *fault, *promise]));
        }
        assert_eq!(told.next(), None);
    }

    #[test]
    fn the_table_takes_the_place_of_the_one_before() {
        let page = format!("above\n{BEGIN}\nold\n{END}\nbelow\n");
        let new = placed(&page, "new\n").unwrap();
        assert_eq!(new, format!("above\n{BEGIN}\n\nnew\n\n{END}\nbelow\n"));
        assert_eq!(placed(&new, "new\n").unwrap(), new);
    }
}
