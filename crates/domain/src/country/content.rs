//! What a country asks of the text of marketing.

use unicode_normalization::UnicodeNormalization as _;
use unicode_normalization::char::is_combining_mark;

use super::Forbidden;
use crate::address::Country;

/// What stands in a text for the number that ends a subscription.
pub const STOP_CODE: &str = "[STOP_CODE]";

/// Digits that such a number has.
const CODE_DIGITS: std::ops::RangeInclusive<usize> = 4..=6;

/// What one country asks. The default asks nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Content {
    /// What stands before each text; empty: nothing.
    pub before: String,
    /// What stands behind each text; empty: nothing.
    pub after: String,
    /// How each text ends.
    pub ending: Option<Ending>,
    /// What nobody may write about.
    pub prohibited: Vec<Topic>,
    /// What accounts may write about that have verified their recipients' ages.
    pub for_adults: Vec<Topic>,
    /// Hosts of shorteners that anybody may use.
    pub shorteners: Vec<String>,
}

/// How each text ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ending {
    /// As in `STOP au [STOP_CODE]`.
    pub text: String,
    /// The number, where the operator has one.
    pub code: Option<String>,
    /// Whether it is added where it lacks; else the text is refused.
    pub is_added: bool,
}

/// Words that tell what a text is about.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Topic {
    name: String,
    /// Folded, with a space before and behind.
    words: Vec<String>,
}

/// What an account may and wants.
#[derive(Debug, Clone, Copy, Default)]
pub struct Sender<'a> {
    /// It says that it has verified its recipients' ages.
    pub has_verified_ages: bool,
    /// Added to texts that say no way to end the subscription; empty: they are refused; `None`: they
    /// go as they are.
    pub opt_out: Option<&'a str>,
}

impl Topic {
    /// Words or groups of words; capitals, accents and punctuation do not count.
    #[must_use]
    pub fn new(name: &str, words: &[String]) -> Self {
        let words = words.iter().map(|word| folded(word)).filter(|word| word.len() > 2).collect();
        Self { name: name.to_owned(), words }
    }

    /// What it is called.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// `text` is folded.
    pub(super) fn is_in(&self, text: &str) -> bool {
        self.words.iter().any(|word| text.contains(word.as_str()))
    }
}

/// Small letters without accents, other signs as one space, and one at both ends.
pub(super) fn folded(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push(' ');
    for c in text.nfkd().filter(|c| !is_combining_mark(*c)).flat_map(char::to_lowercase) {
        if c.is_alphanumeric() {
            out.push(c);
        } else if !out.ends_with(' ') {
            out.push(' ');
        }
    }
    if !out.ends_with(' ') {
        out.push(' ');
    }
    out
}

impl Content {
    /// A text, or its template, as the country wants it, or why it cannot be so.
    pub fn worded(&self, country: Country, text: &str) -> Result<String, Forbidden> {
        let mut text = format!("{}{text}{}", self.before, self.after);
        let Some(ending) = &self.ending else { return Ok(text) };
        if !ending.is_at_the_end_of(&text) {
            if !ending.is_added {
                return Err(Forbidden::Ending(country, ending.text.clone()));
            }
            text = format!("{} {}", text.trim_end(), ending.text);
        }
        match &ending.code {
            Some(code) => Ok(text.replace(STOP_CODE, code)),
            None if text.contains(STOP_CODE) => Err(Forbidden::NoStopCode(country)),
            None => Ok(text),
        }
    }

    /// Whether the country has nothing against a final text.
    pub fn judge(&self, country: Country, text: &str, sender: Sender<'_>) -> Result<(), Forbidden> {
        if !(self.prohibited.is_empty() && self.for_adults.is_empty()) {
            let text = folded(text);
            if let Some(topic) = self.prohibited.iter().find(|topic| topic.is_in(&text)) {
                return Err(Forbidden::Topic(country, topic.name.clone()));
            }
            let mut topics = self.for_adults.iter().filter(|_| !sender.has_verified_ages);
            if let Some(topic) = topics.find(|topic| topic.is_in(&text)) {
                return Err(Forbidden::ForAdults(country, topic.name.clone()));
            }
        }
        match self.shorteners.iter().find(|host| links_to(text, host)) {
            Some(host) => Err(Forbidden::Shortener(country, host.clone())),
            None => Ok(()),
        }
    }
}

impl Ending {
    /// With a number in the place of [`STOP_CODE`], or that itself; the words between the first and
    /// the number may lack, and a full stop may follow.
    fn is_at_the_end_of(&self, text: &str) -> bool {
        let text = text.trim_end().trim_end_matches('.').trim_end();
        let Some((wanted, _)) = self.text.rsplit_once(STOP_CODE) else {
            return folded(text).ends_with(&folded(&self.text));
        };
        let Some((before, code)) = text.rsplit_once(char::is_whitespace) else { return false };
        let is_number =
            CODE_DIGITS.contains(&code.len()) && code.bytes().all(|b| b.is_ascii_digit());
        let wanted = folded(wanted);
        let first = wanted.split(' ').find(|word| !word.is_empty()).unwrap_or_default();
        let before = folded(before);
        (is_number || code == STOP_CODE)
            && (before.ends_with(&wanted) || before.ends_with(&format!(" {first} ")))
    }
}

/// Whether a text names a page of a host. Names that only end or begin like it are others.
fn links_to(text: &str, host: &str) -> bool {
    let text = text.to_ascii_lowercase();
    let is_name = |c: char| c.is_alphanumeric() || c == '-';
    text.match_indices(host).any(|(start, _)| {
        let before = text[..start].strip_suffix("www.").unwrap_or(&text[..start]);
        let mut after = text[start + host.len()..].chars();
        let is_whole = !before.ends_with(|c: char| is_name(c) || c == '.' || c == '@');
        is_whole
            && match after.next() {
                None => true,
                Some('.') => !after.next().is_some_and(is_name),
                Some(c) => !is_name(c),
            }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn country(letters: &str) -> Country {
        Country::parse(letters).expect(letters)
    }

    fn ending(is_added: bool, code: Option<&str>) -> Content {
        let ending =
            Ending { text: "STOP au [STOP_CODE]".into(), code: code.map(str::to_owned), is_added };
        Content { ending: Some(ending), ..Content::default() }
    }

    #[test]
    fn a_text_ends_as_the_country_asks_or_is_refused_or_completed() {
        let fr = country("FR");
        let refusing = ending(false, Some("36111"));
        for (text, worded) in [
            ("Soldes! STOP au [STOP_CODE]", Some("Soldes! STOP au 36111")),
            ("Soldes! STOP au 36222", Some("Soldes! STOP au 36222")),
            ("Soldes! stop 36222 . ", Some("Soldes! stop 36222 . ")),
            ("Soldes! Stop  au 36222.", Some("Soldes! Stop  au 36222.")),
            ("Soldes!", None),
            ("STOP au 36222 puis soldes", None),
            ("Nonstop 36222", None),
            ("Soldes! STOP au 362", None),
            ("Soldes! STOP au code", None),
            ("36222", None),
            ("", None),
        ] {
            let expected = worded.map(str::to_owned);
            let expected =
                expected.ok_or_else(|| Forbidden::Ending(fr, "STOP au [STOP_CODE]".into()));
            assert_eq!(refusing.worded(fr, text), expected, "{text}");
        }
        let adding = ending(true, Some("36111"));
        assert_eq!(adding.worded(fr, "Soldes!").as_deref(), Ok("Soldes! STOP au 36111"));
        assert_eq!(adding.worded(fr, "Non STOP 36222").as_deref(), Ok("Non STOP 36222"));
        assert_eq!(ending(true, None).worded(fr, "Soldes!"), Err(Forbidden::NoStopCode(fr)));
    }

    #[test]
    fn what_a_country_puts_around_a_text_stands_around_it() {
        let content =
            Content { before: "ACME: ".into(), after: " acme.co".into(), ..Content::default() };
        assert_eq!(
            content.worded(country("CO"), "Rebajas").as_deref(),
            Ok("ACME: Rebajas acme.co")
        );
    }

    fn topic(name: &str, words: &[&str]) -> Topic {
        Topic::new(name, &words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn topics_are_known_by_whole_words_whatever_their_capitals_and_accents() {
        let content = Content {
            prohibited: vec![topic(
                "gambling",
                &["casino", "apuestas deportivas", "élection", " "],
            )],
            ..Content::default()
        };
        let es = country("ES");
        let judge = |text: &str| content.judge(es, text, Sender::default()).is_ok();
        for bad in
            ["CASINO!", "el (Casinó)", "Apuestas, deportivas", "ÉLECTION", "ｃａｓｉｎｏ", "casino"]
        {
            assert!(!judge(bad), "{bad}");
        }
        for good in ["Casinos", "occasino", "apuestas y deportivas", "", "sélection", "cas ino"] {
            assert!(judge(good), "{good}");
        }
        let forbidden = Err(Forbidden::Topic(es, "gambling".into()));
        assert_eq!(content.judge(es, "Casino", Sender::default()), forbidden);
    }

    #[test]
    fn what_is_for_adults_needs_an_account_that_knows_their_ages() {
        let content =
            Content { for_adults: vec![topic("gambling", &["casino"])], ..Content::default() };
        let gb = country("GB");
        let sure = Sender { has_verified_ages: true, ..Sender::default() };
        assert_eq!(content.judge(gb, "Casino", sure), Ok(()));
        let refused = Err(Forbidden::ForAdults(gb, "gambling".into()));
        assert_eq!(content.judge(gb, "Casino", Sender::default()), refused);
    }

    #[test]
    fn public_shorteners_are_refused_and_names_like_theirs_are_not() {
        let content =
            Content { shorteners: vec!["bit.ly".into(), "t.co".into()], ..Content::default() };
        let us = country("US");
        for bad in
            ["http://bit.ly/a", "see BIT.LY", "bit.ly.", "(www.bit.ly/x)", "https://t.co/1 now"]
        {
            let refused = content.judge(us, bad, Sender::default());
            assert!(matches!(refused, Err(Forbidden::Shortener(..))), "{bad}");
        }
        for good in [
            "rabbit.ly",
            "bit.lyon",
            "go.bit.ly/x",
            "bit.ly.example.com",
            "att.co",
            "t.com",
            "a@bit.ly",
        ] {
            assert_eq!(content.judge(us, good, Sender::default()), Ok(()), "{good}");
        }
    }
}
