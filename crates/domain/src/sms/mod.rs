//! What a text costs and how it is cut: alphabets, segmentation, transliteration.

mod alphabet;
mod fit;
pub mod personal;
pub mod received;
mod segment;
mod text;

pub use fit::{Fitted, Form, Unfit};
pub use segment::{CannotEncode, Cut, Part, Segmented, segment};
pub use text::{decode_gsm, decode_utf16be, normalise, transliterate};

/// How a text is written on the wire. The numbers are stored; never change or reuse one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Encoding {
    /// The GSM 7 bit default alphabet (3GPP TS 23.038).
    Gsm = 0,
    /// GSM 7 bit with the Portuguese national language tables where they make it cheaper.
    GsmPt = 1,
    /// UTF-16, big-endian.
    Utf16 = 2,
}

impl Encoding {
    /// Reads the API's word: `gsm`, `gsm-pt` or `utf-16`.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        Some(match word {
            "gsm" => Self::Gsm,
            "gsm-pt" => Self::GsmPt,
            "utf-16" => Self::Utf16,
            _ => return None,
        })
    }

    /// The API's word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Gsm => "gsm",
            Self::GsmPt => "gsm-pt",
            Self::Utf16 => "utf-16",
        }
    }

    /// Reads the stored number.
    #[must_use]
    pub const fn from_stored(number: i64) -> Option<Self> {
        Some(match number {
            0 => Self::Gsm,
            1 => Self::GsmPt,
            2 => Self::Utf16,
            _ => return None,
        })
    }
}

/// Which Portuguese tables the septets of a text are written with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ShiftTables {
    /// The default alphabet and its own extension table.
    None,
    /// The locking table replaces the default alphabet.
    Lock,
    /// The single shift table replaces the extension table.
    Single,
    /// Both.
    Both,
}

impl ShiftTables {
    /// The elements of the user data header that announce the tables (3GPP TS 23.040, 9.2.3.24.15/16).
    #[must_use]
    pub const fn information_elements(self) -> &'static [u8] {
        match self {
            Self::None => &[],
            Self::Lock => &[0x25, 0x01, 0x03],
            Self::Single => &[0x24, 0x01, 0x03],
            Self::Both => &[0x24, 0x01, 0x03, 0x25, 0x01, 0x03],
        }
    }
}

/// Who chooses the tables of a `gsm-pt` text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TableChoice {
    /// The cheapest in parts; on a tie the first of none, lock, single, both.
    Auto,
    /// This one, whatever it costs.
    Only(ShiftTables),
}

#[cfg(test)]
mod tests;
