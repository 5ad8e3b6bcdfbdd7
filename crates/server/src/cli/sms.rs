//! `pombo sms`: what a text takes, without sending it; certificates are in a file of their own.

use std::borrow::Cow;
use std::io::Read;

use clap::{Args, Subcommand, ValueEnum};
use pombo_domain::limits::PARTS_MAX;
use pombo_domain::sms::{
    Cut, Encoding, ShiftTables, TableChoice, normalise, segment, transliterate,
};
use serde::Serialize;

use super::{Failure, certificate, out};
use crate::config::Config;
use crate::entry::nrs360::error::{Code, not_encodable};

/// Of the text; the longest message has some 2,300 characters.
const INPUT_BYTES_MAX: u64 = 1 << 20;

#[derive(Subcommand)]
pub(super) enum Command {
    /// Count the parts of the text on standard input; prints JSON.
    ///
    /// The text is taken byte for byte: a line end counts, braces are plain characters, and letters
    /// with combining marks stay as they are (a send brings them to NFC first).
    Segments(Segments),
    /// Check the evidence of a certified message against its hash chain, and write its certificate.
    Certificate(certificate::Arguments),
}

#[derive(Args)]
pub(super) struct Segments {
    #[arg(long, value_enum)]
    encoding: Alphabet,
    /// Portuguese shift tables of gsm-pt: the cheapest, or always these.
    #[arg(long, value_enum, default_value = "auto")]
    tables: Tables,
    /// Transliterate first, as with `trans`: 1.
    #[arg(long)]
    trans: bool,
    /// Independent messages, as with `splitParts`: true.
    #[arg(long)]
    split: bool,
    /// The most parts allowed.
    #[arg(long, value_name = "N", default_value_t = PARTS_MAX,
          value_parser = clap::value_parser!(u8).range(1..=i64::from(PARTS_MAX)))]
    parts: u8,
}

#[derive(Clone, Copy, ValueEnum)]
enum Alphabet {
    Gsm,
    GsmPt,
    #[value(name = "utf-16")]
    Utf16,
}

#[derive(Clone, Copy, ValueEnum)]
enum Tables {
    Auto,
    None,
    Lock,
    Single,
    Both,
}

/// What is printed.
#[derive(Debug, Serialize, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
struct Answer {
    parts: usize,
    units: usize,
    units_per_part: Vec<usize>,
    encoding: &'static str,
    /// The shift tables' information elements: empty, `25`, `24` or `24+25`.
    udh: &'static str,
    error: Option<Complaint>,
}

#[derive(Debug, Serialize, PartialEq, Eq)]
struct Complaint {
    code: u16,
    description: String,
}

pub(super) fn run(command: &Command, config: &Config) -> Result<(), Failure> {
    match command {
        Command::Segments(asked) => segments(asked),
        Command::Certificate(asked) => certificate::run(asked, config),
    }
}

/// Needs no configuration, and works while it is broken.
pub(super) fn segments(asked: &Segments) -> Result<(), Failure> {
    let mut bytes = Vec::new();
    let limit = INPUT_BYTES_MAX + 1;
    std::io::stdin().lock().take(limit).read_to_end(&mut bytes).map_err(|e| {
        Failure::Failed(format!("standard input: {e}; give the text there, as in `echo -n text |`"))
    })?;
    if bytes.len() as u64 == limit {
        let text = "standard input: more than 1 MiB, which no SMS can carry; give a shorter text";
        return Err(Failure::Failed(text.to_owned()));
    }
    let text = String::from_utf8(bytes).map_err(|e| {
        let at = e.utf8_error().valid_up_to();
        Failure::Failed(format!("standard input: byte {at} is not UTF-8; give the text in UTF-8"))
    })?;
    out::json(&answer(asked, &text))
}

fn answer(asked: &Segments, text: &str) -> Answer {
    let encoding = match asked.encoding {
        Alphabet::Gsm => Encoding::Gsm,
        Alphabet::GsmPt => Encoding::GsmPt,
        Alphabet::Utf16 => Encoding::Utf16,
    };
    let tables = match asked.tables {
        Tables::Auto => TableChoice::Auto,
        Tables::None => TableChoice::Only(ShiftTables::None),
        Tables::Lock => TableChoice::Only(ShiftTables::Lock),
        Tables::Single => TableChoice::Only(ShiftTables::Single),
        Tables::Both => TableChoice::Only(ShiftTables::Both),
    };
    // As given: what a send does first, NFC, is only part of `trans` here.
    let text = if asked.trans { transliterate(&normalise(text)).into() } else { Cow::from(text) };
    let nothing = |code: Code, description: String| Answer {
        parts: 0,
        units: 0,
        units_per_part: Vec::new(),
        encoding: encoding.as_str(),
        udh: "",
        error: Some(Complaint { code: code.number(), description }),
    };
    if text.is_empty() {
        return nothing(Code::TextMissing, Code::TextMissing.description().to_owned());
    }
    let cut = match segment(&text, Cut { encoding, tables, split: asked.split }) {
        Ok(cut) => cut,
        Err(e) => return nothing(Code::InvalidCoding, not_encodable(e.character, e.position)),
    };
    let too_long = cut.n_parts() > usize::from(asked.parts);
    let code = Code::TextTooLong;
    Answer {
        parts: cut.n_parts(),
        units: cut.units_total(),
        units_per_part: cut.units_per_part().collect(),
        encoding: encoding.as_str(),
        udh: match cut.tables() {
            ShiftTables::None => "",
            ShiftTables::Lock => "25",
            ShiftTables::Single => "24",
            ShiftTables::Both => "24+25",
        },
        error: too_long
            .then(|| Complaint { code: code.number(), description: code.description().to_owned() }),
    }
}
