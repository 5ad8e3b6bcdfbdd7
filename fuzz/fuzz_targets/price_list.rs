//! Any text as a price list and as a table of prefixes: nothing panics, and no row is lost.

#![no_main]

use libfuzzer_sys::fuzz_target;
use pombo_domain::csv;
use pombo_domain::price::{PriceFile, RangeFile};
use pombo_domain::time::Instant;

fuzz_target!(|text: &[u8]| {
    let text = String::from_utf8_lossy(text);
    let n_rows = csv::read(&text).count().saturating_sub(1);
    if let Ok(file) = PriceFile::read(&text, Instant::from_micros(0)) {
        assert_eq!(file.good.len() + file.bad.len(), n_rows);
    }
    if let Ok(file) = RangeFile::read(&text) {
        assert_eq!(file.good.len() + file.bad.len(), n_rows);
    }
});
