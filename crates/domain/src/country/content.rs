//! What a country asks of the text of marketing.

use unicode_normalization::UnicodeNormalization as _;
use unicode_normalization::char::is_combining_mark;

use super::{Ending, Forbidden, Sender};
use crate::address::Country;

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

/// Words that tell what a text is about.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Topic {
    name: String,
    /// Folded, with a space before and behind.
    words: Vec<String>,
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
