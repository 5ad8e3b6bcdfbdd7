//! What a `command_status` means for a part: the table `data/smpp_status.tsv`, and its outcomes.

use std::time::Duration;

use pombo_domain::channel::{Cause, Outcome};
use pombo_domain::message::PartState;
use pombo_wire::smpp::receipt::State;
use pombo_wire::smpp::status;

/// What kind of answer a status is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// Accepted.
    Ok,
    /// Worth another try later.
    Temporary,
    /// Final.
    Permanent,
    /// Something is wrong with the session, not with the message.
    Session,
    /// A defect of ours, or of the route's settings: the operator should know.
    Config,
    /// Nobody knows.
    Unknown,
}

/// One status.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Row {
    /// The code in the header.
    pub code: u32,
    /// Its name in the SMPP documents.
    pub name: &'static str,
    /// What kind of answer it is.
    pub class: Class,
    /// How many later tries are worth while.
    pub tries: u8,
    /// Seconds to wait before a later try.
    pub wait_s: u16,
}

const fn row(code: u32, name: &'static str, class: Class, tries: u8, wait_s: u16) -> Row {
    Row { code, name, class, tries, wait_s }
}

/// Every status that the SMPP documents name, by code. A test compares it with the data file.
#[rustfmt::skip]
const ROWS: &[Row] = &[
    row(0x000, "ESME_ROK", Class::Ok, 0, 0),
    row(0x001, "ESME_RINVMSGLEN", Class::Permanent, 0, 0),
    row(0x002, "ESME_RINVCMDLEN", Class::Session, 2, 5),
    row(0x003, "ESME_RINVCMDID", Class::Session, 2, 5),
    row(0x004, "ESME_RINVBNDSTS", Class::Session, 3, 1),
    row(0x005, "ESME_RALYBND", Class::Session, 2, 5),
    row(0x006, "ESME_RINVPRTFLG", Class::Config, 0, 0),
    row(0x007, "ESME_RINVREGDLVFLG", Class::Config, 0, 0),
    row(0x008, "ESME_RSYSERR", Class::Temporary, 2, 30),
    row(0x00A, "ESME_RINVSRCADR", Class::Permanent, 0, 0),
    row(0x00B, "ESME_RINVDSTADR", Class::Permanent, 0, 0),
    row(0x00C, "ESME_RINVMSGID", Class::Permanent, 0, 0),
    row(0x00D, "ESME_RBINDFAIL", Class::Session, 2, 5),
    row(0x00E, "ESME_RINVPASWD", Class::Config, 0, 0),
    row(0x00F, "ESME_RINVSYSID", Class::Config, 0, 0),
    row(0x011, "ESME_RCANCELFAIL", Class::Permanent, 0, 0),
    row(0x013, "ESME_RREPLACEFAIL", Class::Permanent, 0, 0),
    row(0x014, "ESME_RMSGQFUL", Class::Temporary, 2, 180),
    row(0x015, "ESME_RINVSERTYP", Class::Config, 0, 0),
    row(0x033, "ESME_RINVNUMDESTS", Class::Permanent, 0, 0),
    row(0x034, "ESME_RINVDLNAME", Class::Permanent, 0, 0),
    row(0x040, "ESME_RINVDESTFLAG", Class::Permanent, 0, 0),
    row(0x042, "ESME_RINVSUBREP", Class::Config, 0, 0),
    row(0x043, "ESME_RINVESMCLASS", Class::Config, 0, 0),
    row(0x044, "ESME_RCNTSUBDL", Class::Permanent, 0, 0),
    row(0x045, "ESME_RSUBMITFAIL", Class::Permanent, 1, 60),
    row(0x048, "ESME_RINVSRCTON", Class::Config, 0, 0),
    row(0x049, "ESME_RINVSRCNPI", Class::Config, 0, 0),
    row(0x050, "ESME_RINVDSTTON", Class::Config, 0, 0),
    row(0x051, "ESME_RINVDSTNPI", Class::Config, 0, 0),
    row(0x053, "ESME_RINVSYSTYP", Class::Config, 0, 0),
    row(0x054, "ESME_RINVREPFLAG", Class::Config, 0, 0),
    row(0x055, "ESME_RINVNUMMSGS", Class::Permanent, 0, 0),
    row(0x058, "ESME_RTHROTTLED", Class::Temporary, 0, 1),
    row(0x061, "ESME_RINVSCHED", Class::Temporary, 2, 300),
    row(0x062, "ESME_RINVEXPIRY", Class::Config, 0, 0),
    row(0x063, "ESME_RINVDFTMSGID", Class::Config, 0, 0),
    row(0x064, "ESME_RX_T_APPN", Class::Temporary, 5, 30),
    row(0x065, "ESME_RX_P_APPN", Class::Permanent, 0, 0),
    row(0x066, "ESME_RX_R_APPN", Class::Permanent, 0, 0),
    row(0x067, "ESME_RQUERYFAIL", Class::Permanent, 0, 0),
    row(0x0C0, "ESME_RINVOPTPARSTREAM", Class::Config, 0, 0),
    row(0x0C1, "ESME_ROPTPARNOTALLWD", Class::Config, 0, 0),
    row(0x0C2, "ESME_RINVPARLEN", Class::Config, 0, 0),
    row(0x0C3, "ESME_RMISSINGOPTPARAM", Class::Config, 0, 0),
    row(0x0C4, "ESME_RINVOPTPARAMVAL", Class::Config, 0, 0),
    row(0x0FE, "ESME_RDELIVERYFAILURE", Class::Permanent, 0, 0),
    row(0x0FF, "ESME_RUNKNOWNERR", Class::Unknown, 1, 60),
    row(0x100, "ESME_RSERTYPUNAUTH", Class::Config, 0, 0),
    row(0x101, "ESME_RPROHIBITED", Class::Config, 0, 0),
    row(0x102, "ESME_RSERTYPUNAVAIL", Class::Temporary, 5, 30),
    row(0x103, "ESME_RSERTYPDENIED", Class::Permanent, 0, 0),
    row(0x104, "ESME_RINVDCS", Class::Config, 0, 0),
    row(0x105, "ESME_RINVSRCADDRSUBUNIT", Class::Config, 0, 0),
    row(0x106, "ESME_RINVDSTADDRSUBUNIT", Class::Config, 0, 0),
    row(0x107, "ESME_RINVBCASTFREQINT", Class::Permanent, 0, 0),
    row(0x108, "ESME_RINVBCASTALIAS_NAME", Class::Permanent, 0, 0),
    row(0x109, "ESME_RINVBCASTAREAFMT", Class::Permanent, 0, 0),
    row(0x10A, "ESME_RINVNUMBCAST_AREAS", Class::Permanent, 0, 0),
    row(0x10B, "ESME_RINVBCASTCNTTYPE", Class::Permanent, 0, 0),
    row(0x10C, "ESME_RINVBCASTMSGCLASS", Class::Permanent, 0, 0),
    row(0x10D, "ESME_RBCASTFAIL", Class::Permanent, 0, 0),
    row(0x10E, "ESME_RBCASTQUERYFAIL", Class::Permanent, 0, 0),
    row(0x10F, "ESME_RBCASTCANCELFAIL", Class::Permanent, 0, 0),
    row(0x110, "ESME_RINVBCAST_REP", Class::Permanent, 0, 0),
    row(0x111, "ESME_RINVBCASTSRVGRP", Class::Permanent, 0, 0),
    row(0x112, "ESME_RINVBCASTCHANIND", Class::Permanent, 0, 0),
];

/// The row of a code; `None` for vendors' codes and for what no document names.
#[must_use]
pub fn find(code: u32) -> Option<&'static Row> {
    ROWS.binary_search_by_key(&code, |row| row.code).ok().map(|idx| &ROWS[idx])
}

/// A status in words: its name, or its number where it has none.
#[must_use]
pub fn name(code: u32) -> String {
    find(code).map_or_else(|| format!("status 0x{code:08X}"), |row| row.name.to_owned())
}

/// What an answer with an error status means. `detail` is what the carrier adds in words.
///
/// Throttling is not here: how long to wait depends on how often it came (see the session).
#[must_use]
pub fn outcome(code: u32, detail: &str) -> Outcome {
    let cause = cause(code, detail);
    let Some(row) = find(code) else {
        // Vendors' codes and unknown ones: final, unless the route says otherwise.
        return Outcome::Refused { state: PartState::Rejected, cause };
    };
    if row.tries > 0 {
        let wait = Duration::from_secs(u64::from(row.wait_s));
        return Outcome::Deferred { wait, tries_max: Some(row.tries), cause };
    }
    let state = match code {
        DELIVERY_FAILURE => PartState::Undelivered,
        _ => PartState::Rejected,
    };
    Outcome::Refused { state, cause }
}

/// What an error status means that the route's settings call temporary, whatever the table says.
#[must_use]
pub fn try_later(code: u32, detail: &str) -> Outcome {
    const WAIT: Duration = Duration::from_secs(60);
    const TRIES: u8 = 3;
    Outcome::Deferred { wait: WAIT, tries_max: Some(TRIES), cause: cause(code, detail) }
}

/// `ESME_RDELIVERYFAILURE`: the carrier tried at once, and failed.
const DELIVERY_FAILURE: u32 = 0xFE;

/// The carrier's own words for an error status.
#[must_use]
pub fn cause(code: u32, detail: &str) -> Cause {
    let mut text = name(code);
    if !detail.is_empty() {
        text.push_str(": ");
        text.push_str(detail);
    }
    Cause { code: code.to_string(), text }
}

/// Whether only the operator can mend what a bind was refused for.
#[must_use]
pub const fn is_misconfigured(code: u32) -> bool {
    matches!(code, status::RINVPASWD | status::RINVSYSID | status::RINVSYSTYP)
}

/// What a receipt's state means for the part, and the word for the customer's callback.
#[must_use]
pub const fn receipt(state: State) -> (PartState, &'static str) {
    match state {
        State::Scheduled | State::Enroute | State::Accepted => (PartState::Sent, "ACCEPTD"),
        State::Received => (PartState::Sent, "RECEIVED"),
        State::Delivered => (PartState::Delivered, "DELIVRD"),
        State::Expired => (PartState::Expired, "EXPIRED"),
        State::Deleted => (PartState::Undelivered, "DELETED"),
        State::Undeliverable | State::Skipped => (PartState::Undelivered, "UNDELIV"),
        State::Unknown => (PartState::Undelivered, "UNKNOWN"),
        State::Rejected => (PartState::Rejected, "REJECTD"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str = include_str!("../../../data/smpp_status.tsv");

    fn rows(kind: &str) -> impl Iterator<Item = Vec<&'static str>> {
        TABLE
            .lines()
            .map(|line| line.split('\t').collect::<Vec<_>>())
            .filter(move |fields| fields[0] == kind)
    }

    #[test]
    fn every_status_of_the_table_is_known_with_its_class_and_retry() {
        let mut n = 0;
        for fields in rows("command_status") {
            let code = u32::from_str_radix(fields[1].trim_start_matches("0x"), 16).unwrap();
            let row = find(code).unwrap_or_else(|| panic!("{} is missing", fields[2]));
            assert_eq!(row.name, fields[2]);
            assert_eq!(format!("{:?}", row.class).to_lowercase(), fields[4], "{}", row.name);
            let mut words = fields[5].split(' ');
            if let (Some(Ok(tries)), Some("x"), Some(wait)) =
                (words.next().map(str::parse::<u8>), words.next(), words.next())
            {
                assert_eq!((row.tries, row.wait_s), (tries, wait.parse().unwrap()), "{}", row.name);
            }
            if fields[5] == "no" && row.class != Class::Session {
                assert_eq!(row.tries, 0, "{}", row.name);
            }
            n += 1;
        }
        assert_eq!(n, ROWS.len());
        assert!(ROWS.is_sorted_by_key(|row| row.code));
    }

    #[test]
    fn every_state_and_word_of_the_table_is_known() {
        for fields in rows("message_state").chain(rows("stat_alias")) {
            let state = match fields[0] {
                "message_state" => State::from_octet(fields[1].parse().unwrap()),
                _ => State::from_word(fields[2].as_bytes()),
            };
            let (part, word) = receipt(state.unwrap_or_else(|| panic!("{}", fields[2])));
            let event = match part {
                PartState::Sent => "sent",
                PartState::Delivered => "delivered",
                PartState::Expired => "expired",
                PartState::Rejected => "rejected",
                _ => "undelivered",
            };
            let silent = fields[6] == "-";
            assert!(silent || event == fields[6], "{}: {event}", fields[2]);
            let same_word = word == fields[8] || (fields[2] == "RECEIVED" && word == "RECEIVED");
            assert!(silent || same_word, "{}: {word}", fields[2]);
        }
    }

    #[test]
    fn errors_become_the_outcomes_of_their_class() {
        let rejected = |code, detail| match outcome(code, detail) {
            Outcome::Refused { state: PartState::Rejected, cause } => cause,
            other => panic!("{other:?}"),
        };
        assert_eq!(rejected(0x0B, "").text, "ESME_RINVDSTADR");
        assert_eq!(rejected(0x0B, "").code, "11");
        assert_eq!(rejected(0x0A, "not yours").text, "ESME_RINVSRCADR: not yours");
        assert_eq!(rejected(0x401, "").text, "status 0x00000401");
        let Outcome::Deferred { wait, tries_max, .. } = outcome(0x08, "") else { panic!() };
        assert_eq!((wait, tries_max), (Duration::from_secs(30), Some(2)));
        let Outcome::Refused { state, .. } = outcome(0xFE, "") else { panic!() };
        assert_eq!(state, PartState::Undelivered);
    }
}
