//! Any text as a file of opt-outs: nothing panics, no row is lost, and every address reads back as itself.

#![no_main]

use libfuzzer_sys::fuzz_target;
use pombo_domain::csv;
use pombo_domain::opt_out::{Address, File};

fuzz_target!(|text: &[u8]| {
    let text = String::from_utf8_lossy(text);
    let n_rows = csv::read(&text).count().saturating_sub(1);
    if let Ok(file) = File::read(&text) {
        assert!(file.good.len() + file.bad.len() >= n_rows);
        for (address, _) in file.good {
            assert_eq!(Address::parse(&address.to_string()), Some(address));
        }
    }
});
