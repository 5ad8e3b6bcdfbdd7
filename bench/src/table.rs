//! Prints figures: the machine, the command, then one row per case with median and spread.

use std::io::Write;

/// A table that grows row by row and is printed whole.
pub(crate) struct Table {
    head: Vec<String>,
    rows: Vec<Vec<String>>,
}

impl Table {
    pub(crate) fn new(head: &[&str]) -> Self {
        Self { head: head.iter().map(|&cell| cell.to_owned()).collect(), rows: Vec::new() }
    }

    pub(crate) fn row(&mut self, cells: Vec<String>) {
        self.rows.push(cells);
    }

    /// Prints the machine, the command and the rows, as Markdown.
    pub(crate) fn print(&self) {
        say(&format!("\n{}\n`{}`\n", machine(), command()));
        let all = || std::iter::once(&self.head).chain(&self.rows);
        let width = |column: usize| {
            all().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max()
        };
        let widths: Vec<usize> = (0..self.head.len()).filter_map(width).collect();
        let line = |row: &[String]| {
            let cells = row.iter().zip(&widths).map(|(cell, width)| format!(" {cell:<width$} |"));
            format!("|{}", cells.collect::<String>())
        };
        say(&line(&self.head));
        let rule = widths.iter().map(|width| format!("{}|", "-".repeat(width + 2)));
        say(&format!("|{}", rule.collect::<String>()));
        for row in &self.rows {
            say(&line(row));
        }
    }
}

/// What several runs of one case gave.
#[derive(Debug, Clone, Default)]
pub(crate) struct Runs(Vec<f64>);

impl Runs {
    pub(crate) fn push(&mut self, value: f64) {
        self.0.push(value);
        self.0.sort_by(f64::total_cmp);
    }

    /// The middle one; the mean of the middle two of an even number; 0 of none.
    pub(crate) fn median(&self) -> f64 {
        let n = self.0.len();
        match (self.0.get(n / 2), n % 2) {
            (None, _) => 0.0,
            (Some(upper), 0) => f64::midpoint(self.0[n / 2 - 1], *upper),
            (Some(middle), _) => *middle,
        }
    }

    /// The highest one; 0 of none.
    pub(crate) fn highest(&self) -> f64 {
        self.0.last().copied().unwrap_or_default()
    }

    /// `median [lowest - highest]`, or the one value there is.
    pub(crate) fn show(&self, digits: usize) -> String {
        match self.0.as_slice() {
            [] => "-".to_owned(),
            [one] => grouped(*one, digits),
            [low, .., high] => {
                let (low, high) = (grouped(*low, digits), grouped(*high, digits));
                format!("{} [{low} - {high}]", grouped(self.median(), digits))
            }
        }
    }
}

/// A number with commas between its thousands.
pub(crate) fn grouped(value: f64, digits: usize) -> String {
    let plain = format!("{value:.digits$}");
    let (whole, fraction) = plain.split_once('.').unwrap_or((&plain, ""));
    let mut shown = String::new();
    for (idx, digit) in whole.chars().enumerate() {
        if idx > 0 && (whole.len() - idx) % 3 == 0 && !shown.ends_with('-') {
            shown.push(',');
        }
        shown.push(digit);
    }
    if !fraction.is_empty() {
        shown.push('.');
        shown.push_str(fraction);
    }
    shown
}

/// Prints a line to standard output: what a person asked a bench to say.
pub(crate) fn say(line: &str) {
    // Nobody is left to be told when standard output is closed.
    let _ = writeln!(std::io::stdout(), "{line}");
}

/// Prints a line to standard error: how far it has come.
pub(crate) fn note(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}

fn command() -> String {
    let args: Vec<String> = std::env::args().skip(1).collect();
    format!("cargo xtask bench {}", args.join(" "))
}

fn machine() -> String {
    let read = |path| std::fs::read_to_string(path).unwrap_or_default();
    let field = |text: &str, name: &str| {
        let line = text.lines().find(|line| line.starts_with(name))?;
        Some(line.split_once(':')?.1.trim().to_owned())
    };
    let cpu = field(&read("/proc/cpuinfo"), "model name").unwrap_or_default();
    let memory_kb = field(&read("/proc/meminfo"), "MemTotal").unwrap_or_default();
    let memory_kb: u64 = memory_kb.trim_end_matches(" kB").parse().unwrap_or(0);
    let cores = std::thread::available_parallelism().map_or(0, std::num::NonZero::get);
    let kernel = read("/proc/sys/kernel/osrelease");
    let gib = memory_kb >> 20;
    format!("{cpu}, {cores} cores, {gib} GiB, Linux {}", kernel.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_stands_before_the_spread() {
        let mut runs = Runs::default();
        for value in [3.0, 1.0, 1234.5] {
            runs.push(value);
        }
        assert_eq!(runs.show(1), "3.0 [1.0 - 1,234.5]");
    }

    #[test]
    fn thousands_are_grouped() {
        assert_eq!(grouped(1_234_567.0, 0), "1,234,567");
        assert_eq!(grouped(-123.0, 0), "-123");
    }
}
