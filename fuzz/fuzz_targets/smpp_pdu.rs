//! Any bytes as a stream of PDUs: nothing panics, and what is read is written the same.

#![no_main]

use libfuzzer_sys::fuzz_target;
use pombo_wire::smpp::{self, Frames, Pdu, receipt};
use pombo_wire::sms::udh;

fuzz_target!(|bytes: &[u8]| {
    let mut frames = Frames::new(bytes);
    for frame in frames.by_ref().flatten() {
        let Ok(pdu) = smpp::decode(&frame) else { continue };
        if let Pdu::SubmitSm(sm) | Pdu::DeliverSm(sm) = &pdu {
            let _ = receipt::parse(sm);
            if let Some((header, text)) = udh::split(sm.payload()) {
                assert!(header.octets + text.len() == sm.payload().len());
                let _ = header.concat();
            }
        }
        let mut written = Vec::new();
        let header = frame.header;
        if smpp::encode(&mut written, header.command_status, header.sequence, &pdu).is_ok() {
            let again = Frames::new(&written).next().expect("whole").expect("a good length");
            assert_eq!(smpp::decode(&again), Ok(pdu));
        } else {
            assert!(written.is_empty(), "a refusal leaves no trace");
        }
    }
    assert!(frames.consumed() <= bytes.len());
});
