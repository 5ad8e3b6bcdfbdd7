//! Any octets as pieces of a text from a handset: nothing panics, the order they come in does not
//! matter, and whatever it says is judged.

#![no_main]

use libfuzzer_sys::fuzz_target;
use pombo_domain::opt_out::word;
use pombo_domain::sms::received::{Alphabet, Coded, join};

fuzz_target!(|octets: &[u8]| {
    let Some((&[total, alphabet], text)) = octets.split_first_chunk::<2>() else { return };
    let mut pieces: Vec<(u8, Coded)> = Vec::new();
    for piece in text.chunks(40) {
        let alphabet = Alphabet::from_stored(i64::from(alphabet) + pieces.len() as i64 % 2);
        let number = u8::try_from(pieces.len() + 1).unwrap_or(u8::MAX);
        pieces.push((number, Coded { alphabet, octets: piece.to_vec() }));
        if number == u8::MAX {
            break;
        }
    }
    let text = join(total, &pieces);
    pieces.reverse();
    if pieces.len() < usize::from(u8::MAX) {
        assert_eq!(join(total, &pieces), text);
    }
    let words = word::fold(&text);
    assert!(words.iter().all(|word| !word.is_empty()));
    let _ = word::effect::<()>(&text, |word| Ok(word::known(word)));
});
