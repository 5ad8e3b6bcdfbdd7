//! What a customer's server answers: a head, and a body in whatever pieces.

#![no_main]

use libfuzzer_sys::fuzz_target;
use pombo_channels::callback::answer::Head;

fuzz_target!(|octets: &[u8]| {
    let Ok(Some(mut head)) = Head::read(octets) else { return };
    assert!(head.len <= octets.len());
    let mut rest = &octets[head.len..];
    // A few octets more each time, as they come over a wire.
    let mut seen = 0;
    while !head.body.is_over() && seen < rest.len() {
        seen = (seen + 7).min(rest.len());
        let Ok(taken) = head.body.take(&rest[..seen]) else { return };
        assert!(taken <= seen);
        (rest, seen) = (&rest[taken..], seen - taken);
    }
});
