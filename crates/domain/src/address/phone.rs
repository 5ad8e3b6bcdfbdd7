//! A telephone number that a message can go to, its country and its kind.

use std::fmt;

use rlibphonenumber::{NumberLengthType, PHONE_NUMBER_UTIL, PhoneNumber, PhoneNumberType, Region};

/// Bytes of a number as people write it, with its spaces and brackets.
const WRITTEN_BYTES_MAX: usize = 40;

/// No numbering plan has numbers of more than 18 digits; those fit a signed 64 bit integer.
const DIGITS_END: u64 = 1_000_000_000_000_000_000;

/// An international telephone number: the country code and the national number, as digits.
///
/// It is *possible*: its country code is assigned and its length is one of that country's. It need
/// not be in a range that the numbering plan of this build knows, because plans grow and a
/// customer's new number must not be refused; [`Phone::kind`] is then [`NumberKind::Unknown`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Phone(u64);

/// The text cannot be an international telephone number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an international telephone number")]
pub struct NotAPhone;

/// A country, by its two letters of ISO 3166-1; or none, where a number belongs to no country
/// (satellite telephones, international toll-free numbers).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Country([u8; 2]);

/// What a number is used for, as far as the numbering plan tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum NumberKind {
    /// A mobile telephone.
    Mobile,
    /// A fixed line.
    Fixed,
    /// One of both: the plan does not tell them apart (the United States, for one).
    FixedOrMobile,
    /// Toll-free, premium, Internet telephony, pagers and the like.
    Other,
    /// The range is not in the plan.
    Unknown,
}

impl Phone {
    /// Reads a number with its country code; see [`Phone::parse_with_country`].
    pub fn parse(text: &str) -> Result<Self, NotAPhone> {
        Self::parse_with_country(text).map(|(phone, _)| phone)
    }

    /// Reads a number with its country code, and tells its country from the same look-up.
    ///
    /// Takes at most 40 bytes: digits, with `+` or `00` or nothing before the country code, and
    /// with spaces, hyphens, dots and round brackets anywhere. A trunk prefix that people write
    /// after the country code, as in `+44 (0)7…`, is dropped. Refuses unassigned country codes
    /// and lengths that the country does not have.
    pub fn parse_with_country(text: &str) -> Result<(Self, Country), NotAPhone> {
        let mut phone = read_digits(text)?;
        // Dropping a trunk prefix changes the digits: look the result up as well, so that every
        // number is read back from its own digits as itself.
        for _ in 0..3 {
            let number = phone.look_up()?;
            let found = Self::of(&number)?;
            if found == phone {
                return Ok((phone, country_of(&number)));
            }
            phone = found;
        }
        Err(NotAPhone)
    }

    /// Reads digits, country code first, by the rules of [`Phone::parse`].
    pub fn from_digits(digits: u64) -> Result<Self, NotAPhone> {
        Self::parse(&digits.to_string())
    }

    /// Takes back what [`Phone::digits`] gave; not checked again.
    #[must_use]
    pub const fn from_stored(digits: u64) -> Self {
        Self(digits)
    }

    /// The country code and the national number as one number: E.164 without its `+`.
    #[must_use]
    pub const fn digits(self) -> u64 {
        self.0
    }

    /// The number's country: by its country code alone where one country has it (some tens of
    /// nanoseconds), else looked up in the numbering plans (about a microsecond).
    #[must_use]
    pub fn country(self) -> Country {
        self.sole_country()
            .unwrap_or_else(|| self.look_up().map_or(Country::NONE, |number| country_of(&number)))
    }

    /// The one country that has this number's country code; `None` where several share it, or none
    /// has it. No country code begins with another.
    fn sole_country(self) -> Option<Country> {
        let n_digits = self.0.checked_ilog10()? + 1;
        (1..=n_digits.min(3)).find_map(|n| {
            let code = i32::try_from(self.0 / 10_u64.pow(n_digits - n)).ok()?;
            let mut regions = PHONE_NUMBER_UTIL.get_regions_for_country_calling_code(code)?;
            if regions.len() == 1 { regions.next().map(Country::of) } else { None }
        })
    }

    /// The number's use, looked up in the numbering plans (some microseconds).
    #[must_use]
    pub fn kind(self) -> NumberKind {
        let Ok(number) = self.look_up() else {
            return NumberKind::Unknown;
        };
        match PHONE_NUMBER_UTIL.get_number_type(&number) {
            PhoneNumberType::Mobile => NumberKind::Mobile,
            PhoneNumberType::FixedLine => NumberKind::Fixed,
            PhoneNumberType::FixedLineOrMobile => NumberKind::FixedOrMobile,
            PhoneNumberType::Unknown => NumberKind::Unknown,
            PhoneNumberType::TollFree
            | PhoneNumberType::PremiumRate
            | PhoneNumberType::SharedCost
            | PhoneNumberType::VoIP
            | PhoneNumberType::PersonalNumber
            | PhoneNumberType::Pager
            | PhoneNumberType::UAN
            | PhoneNumberType::VoiceMail => NumberKind::Other,
        }
    }

    fn of(number: &PhoneNumber) -> Result<Self, NotAPhone> {
        let zeros = match number.italian_leading_zero {
            Some(true) => u32::try_from(number.number_of_leading_zeros()).map_err(|_| NotAPhone)?,
            Some(false) | None => 0,
        };
        let national_digits = zeros + number.national_number.checked_ilog10().unwrap_or(0) + 1;
        let country_code = u64::try_from(number.country_code).map_err(|_| NotAPhone)?;
        10_u64
            .checked_pow(national_digits)
            .and_then(|shift| country_code.checked_mul(shift))
            .and_then(|shifted| shifted.checked_add(number.national_number))
            .filter(|&digits| digits < DIGITS_END)
            .map(Self)
            .ok_or(NotAPhone)
    }

    fn look_up(self) -> Result<PhoneNumber, NotAPhone> {
        let text = format!("+{}", self.0);
        let number = PHONE_NUMBER_UTIL.parse(text, None).map_err(|_| NotAPhone)?;
        // A length that is possible only within one town is none for an international number.
        match PHONE_NUMBER_UTIL.is_possible_number_with_reason(&number) {
            Ok(NumberLengthType::IsPossible) => Ok(number),
            Ok(NumberLengthType::IsPossibleLocalOnly) | Err(_) => Err(NotAPhone),
        }
    }
}

impl fmt::Display for Phone {
    /// The digits, without `+`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Takes the digits out of a number as people write it; not looked up yet.
fn read_digits(text: &str) -> Result<Phone, NotAPhone> {
    if text.len() > WRITTEN_BYTES_MAX {
        return Err(NotAPhone);
    }
    let (mut digits, mut n_zeros, mut has_plus) = (0_u64, 0, false);
    for byte in text.bytes() {
        match byte {
            b'0' if digits == 0 => n_zeros += 1,
            b'0'..=b'9' => digits = digits * 10 + u64::from(byte - b'0'),
            b'+' if n_zeros == 0 && digits == 0 && !has_plus => has_plus = true,
            b' ' | b'-' | b'.' | b'(' | b')' => {}
            _ => return Err(NotAPhone),
        }
        if digits >= DIGITS_END {
            return Err(NotAPhone);
        }
    }
    // `00` says the same as `+`; no country code begins with a zero.
    let has_prefix = n_zeros == 0 || n_zeros == 2 && !has_plus;
    if has_prefix { Ok(Phone(digits)) } else { Err(NotAPhone) }
}

/// The country whose range has the number; else the first of those that share its country code.
fn country_of(number: &PhoneNumber) -> Country {
    PHONE_NUMBER_UTIL
        .get_region_for_number(number)
        .or_else(|| PHONE_NUMBER_UTIL.get_region_for_country_code(number.country_code))
        .map_or(Country::NONE, Country::of)
}

impl Country {
    /// No country.
    pub const NONE: Self = Self([0; 2]);

    /// Reads two Latin letters of either case; `None` for anything else.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let letters: [u8; 2] = text.as_bytes().try_into().ok()?;
        let is_code = letters.iter().all(u8::is_ascii_alphabetic);
        is_code.then(|| Self(letters.map(|letter| letter.to_ascii_uppercase())))
    }

    /// Two capital letters, or the empty text for no country.
    #[must_use]
    pub fn as_str(&self) -> &str {
        if *self == Self::NONE { "" } else { str::from_utf8(&self.0).unwrap_or("") }
    }

    fn of(region: Region) -> Self {
        match region {
            Region::World => Self::NONE,
            // The metadata numbers its regions by their two letters.
            region => Self((region as u16).to_be_bytes()),
        }
    }
}

impl fmt::Display for Country {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for Country {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Country({})", self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_plans_tell_country_and_kind() {
        use NumberKind::*;
        for (written, country, kind) in [
            ("34666555444", "ES", Mobile),
            ("34699000001", "ES", Mobile),
            ("34699000099", "ES", Mobile),
            ("34600000000", "ES", Mobile),
            ("34711000000", "ES", Mobile),
            ("34910000000", "ES", Fixed),
            ("34900000000", "ES", Other),
            ("34500000000", "ES", Unknown),
            ("351910000000", "PT", Mobile),
            ("351210000000", "PT", Fixed),
            ("33600000000", "FR", Mobile),
            ("33612345678", "FR", Mobile),
            ("33100000000", "FR", Fixed),
            ("33700000000", "FR", Unknown),
            ("447400000000", "GB", Mobile),
            ("442070000000", "GB", Fixed),
            ("447781000000", "GG", Mobile),
            ("12015550123", "US", FixedOrMobile),
            ("14165550123", "CA", FixedOrMobile),
            ("18095550123", "DO", FixedOrMobile),
            ("18005550123", "US", Other),
            ("573001234567", "CO", Mobile),
            ("576012345678", "CO", Fixed),
            ("5511966778899", "BR", Mobile),
            ("551123456789", "BR", Fixed),
            ("525512345678", "MX", FixedOrMobile),
            ("5491123456789", "AR", Mobile),
            ("56961234567", "CL", FixedOrMobile),
            ("51912345678", "PE", Mobile),
            ("4915112345678", "DE", Mobile),
            ("4930123456", "DE", Fixed),
            ("393123456789", "IT", Mobile),
            ("390612345678", "IT", Fixed),
            ("353850123456", "IE", Mobile),
            ("31612345678", "NL", Mobile),
            ("32470123456", "BE", Mobile),
            ("41781234567", "CH", Mobile),
            ("48512345678", "PL", Mobile),
            ("212650123456", "MA", Mobile),
            ("244923123456", "AO", Mobile),
            ("258821234567", "MZ", Mobile),
            ("919812345678", "IN", Mobile),
            ("8613123456789", "CN", Mobile),
            ("79123456789", "RU", Mobile),
            ("77071234567", "KZ", Mobile),
            ("61412345678", "AU", Mobile),
            ("870773111632", "", Mobile),
        ] {
            let (phone, found) = Phone::parse_with_country(written).expect(written);
            assert_eq!(phone.to_string(), written);
            assert_eq!((found.as_str(), phone.kind()), (country, kind), "{written}");
            assert_eq!(phone.country(), found, "{written}");
        }
    }

    #[test]
    fn every_magic_number_of_the_sandbox_is_a_spanish_mobile() {
        for n in 0..100 {
            let phone = Phone::parse(&format!("+34 699 000 0{n:02}")).expect("a magic number");
            assert_eq!((phone.country().as_str(), phone.kind()), ("ES", NumberKind::Mobile));
        }
    }

    #[test]
    fn a_number_is_read_as_people_write_it() {
        for (written, digits) in [
            ("34666555444", 34_666_555_444),
            ("+34666555444", 34_666_555_444),
            ("0034666555444", 34_666_555_444),
            ("+34 666-555.444", 34_666_555_444),
            (" (+34) 666 555 444 ", 34_666_555_444),
            ("00 34 666 555 444", 34_666_555_444),
            ("+44 (0)7400 000000", 447_400_000_000),
            ("+55 (11) 96677-8899", 5_511_966_778_899),
            ("+39 06 1234 5678", 390_612_345_678),
        ] {
            assert_eq!(Phone::parse(written).map(Phone::digits), Ok(digits), "{written}");
        }
    }

    #[test]
    fn what_cannot_be_a_number_is_refused() {
        for bad in [
            "",
            " ",
            "+",
            "0",
            "00",
            "34",
            "346665554",
            "3466655544",
            "346665554444",
            "666555444",
            "0666555444",
            "+0034666555444",
            "++34666555444",
            "34+666555444",
            "34666555444x1",
            "34 666 555 444;ext=1",
            "tel:+34666555444",
            "３４666555444",
            "34666\u{a0}555444",
            "99999999999",
            "21012345678",
            "999999999999999999999999999999",
            "34666555444                              ",
            "not a number",
        ] {
            assert_eq!(Phone::parse(bad), Err(NotAPhone), "{bad:?}");
        }
        assert_eq!(Phone::from_digits(u64::MAX), Err(NotAPhone));
        assert_eq!(Phone::from_digits(34), Err(NotAPhone));
    }

    #[test]
    fn a_country_is_two_letters_or_none() {
        assert_eq!(Country::parse("es").map(|c| c.to_string()), Some("ES".to_owned()));
        for bad in ["", "E", "ESP", "E1", "ñ", "  "] {
            assert_eq!(Country::parse(bad), None, "{bad:?}");
        }
        assert_eq!(Country::NONE.as_str(), "");
    }

    proptest! {
        #[test]
        fn no_input_makes_it_panic(text: String, digits: u64) {
            let _ = Phone::parse(&text);
            let phone = Phone::from_stored(digits);
            let _ = (phone.country(), phone.kind(), Phone::from_digits(digits));
        }

        #[test]
        fn a_number_is_read_back_from_its_digits_as_itself(text in "[+0-9][-0-9 .()]{5,20}") {
            if let Ok((phone, country)) = Phone::parse_with_country(&text) {
                prop_assert_eq!(Phone::parse_with_country(&phone.to_string()), Ok((phone, country)));
                prop_assert_eq!(Phone::from_digits(phone.digits()), Ok(phone));
                prop_assert_eq!(phone.country(), country);
            }
        }
    }
}
