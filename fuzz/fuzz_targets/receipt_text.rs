//! Any bytes as the text of a receipt: nothing panics, and every field is a piece of the text.

#![no_main]

use libfuzzer_sys::fuzz_target;
use pombo_wire::smpp::{esm, receipt};
use pombo_wire::smpp::Sm;

fuzz_target!(|text: &[u8]| {
    let read = receipt::parse_text(text);
    for field in [read.id, read.stat, read.error, read.submit_date, read.done_date, read.text] {
        assert!(field.is_empty() || text.windows(field.len()).any(|piece| piece == field));
    }
    let marked = Sm { esm_class: esm::RECEIPT, short_message: text, ..Sm::default() };
    assert!(receipt::parse(&marked).is_some(), "a marked receipt is one, whatever it says");
});
