//! Any bytes as the body of each request: taken or refused, never a panic.

#![no_main]

use libfuzzer_sys::fuzz_target;
use pombo_domain::time::Instant;

/// 2026-03-01T12:00:00Z: dates are judged against a fixed day, so that a finding can be repeated.
const NOW: Instant = Instant::from_micros(1_772_366_400_000_000);

fuzz_target!(|body: &[u8]| {
    let _ = pombo::entry::nrs360::takes(body, NOW);
});
