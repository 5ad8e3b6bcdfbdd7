//! Words that opt out and in: how an answer is compared with them, and those that everybody knows.

use std::collections::HashMap;
use std::sync::LazyLock;

use unicode_normalization::UnicodeNormalization as _;
use unicode_normalization::char::is_combining_mark;

/// The words that hold where nobody says otherwise.
const TABLE: &str = include_str!("../../data/opt_out_words.tsv");

/// Words of a message of which the first one counts: a longer one is a sentence.
const SHORT_WORDS_MAX: usize = 6;
/// Characters of a word that can be set.
pub const WORD_CHARS_MAX: usize = 32;

/// What a word does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Effect {
    /// Its writer is messaged no more.
    Out,
    /// Its writer is messaged again.
    In,
}

/// What is known of a word. The numbers are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(i64)]
pub enum Rule {
    /// It means nothing, whatever the table says.
    Off = 0,
    /// It opts out where it is the whole message.
    OutAlone = 1,
    /// It opts out as the first word of a short message, too.
    OutFirst = 2,
    /// It opts in where it is the whole message.
    InAlone = 3,
}

impl Rule {
    /// Reads the stored number.
    #[must_use]
    pub const fn from_stored(number: i64) -> Self {
        match number {
            1 => Self::OutAlone,
            2 => Self::OutFirst,
            3 => Self::InAlone,
            _ => Self::Off,
        }
    }

    /// What it is called on the command line.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::OutAlone => "out",
            Self::OutFirst => "out-first",
            Self::InAlone => "in",
        }
    }

    /// Reads its name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        let all = [Self::Off, Self::OutAlone, Self::OutFirst, Self::InAlone];
        all.into_iter().find(|rule| rule.as_str() == name)
    }

    /// What a message of that word does, whole or as its first.
    #[must_use]
    const fn effect(self, is_alone: bool) -> Option<Effect> {
        match self {
            Self::OutFirst => Some(Effect::Out),
            Self::OutAlone if is_alone => Some(Effect::Out),
            Self::InAlone if is_alone => Some(Effect::In),
            _ => None,
        }
    }
}

/// The words of an answer in the one spelling that is compared: capitals, without accents, signs
/// and decoration.
///
/// Letters written in another way (full width, circled, ligatures) are those letters, by Unicode's
/// compatibility decomposition.
#[must_use]
pub fn fold(text: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    let mut word = String::new();
    for c in text.nfkd() {
        if is_combining_mark(c) || is_joint(c) {
            continue; // It belongs to the letter before it, or joins two.
        }
        if c.is_alphanumeric() {
            word.extend(c.to_uppercase());
        } else if !word.is_empty() {
            words.push(std::mem::take(&mut word));
        }
    }
    if !word.is_empty() {
        words.push(word);
    }
    words
}

/// Signs within a word: `OPT-OUT` is `OPTOUT`, and what is not seen does not part.
const fn is_joint(c: char) -> bool {
    matches!(c, '-' | '\'' | '’' | '.' | '\u{AD}' | '\u{200B}'..='\u{200F}' | '\u{FE00}'..='\u{FE0F}' | '\u{FEFF}')
}

/// One word as it is compared; `None` where it is none, or more than one.
#[must_use]
pub fn fold_word(text: &str) -> Option<String> {
    match &fold(text)[..] {
        [word] if word.chars().count() <= WORD_CHARS_MAX => Some(word.clone()),
        _ => None,
    }
}

/// What an answer asks for, by what `rule` knows of a word: asked of all its words together where
/// there are few (`DAR ME DE BAJA` is no word, `OPT OUT` is), and of its first.
pub fn effect<E>(
    text: &str,
    mut rule: impl FnMut(&str) -> Result<Option<Rule>, E>,
) -> Result<Option<Effect>, E> {
    let words = fold(text);
    if words.is_empty() || words.len() > SHORT_WORDS_MAX {
        return Ok(None);
    }
    let whole = words.concat();
    if whole.chars().count() <= WORD_CHARS_MAX
        && let Some(rule) = rule(&whole)?
        && let Some(effect) = rule.effect(true)
    {
        return Ok(Some(effect));
    }
    if words.len() == 1 {
        return Ok(None);
    }
    Ok(rule(&words[0])?.and_then(|rule| rule.effect(false)))
}

/// What the table says of a folded word.
#[must_use]
pub fn known(word: &str) -> Option<Rule> {
    static WORDS: LazyLock<HashMap<&str, Rule>> = LazyLock::new(|| table().collect());
    WORDS.get(word).copied()
}

/// The table's words, in its order.
pub fn table() -> impl Iterator<Item = (&'static str, Rule)> {
    let lines = TABLE.lines().filter(|line| !line.starts_with('#'));
    lines.filter_map(|line| {
        let mut cells = line.split('\t');
        let (word, effect, place) = (cells.next()?, cells.next()?, cells.next()?);
        let rule = match (effect, place) {
            ("out", "first") => Rule::OutFirst,
            ("out", "alone") => Rule::OutAlone,
            ("in", "alone") => Rule::InAlone,
            _ => return None,
        };
        Some((word, rule))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asks(text: &str) -> Option<Effect> {
        effect::<()>(text, |word| Ok(known(word))).expect("nothing fails")
    }

    #[test]
    fn the_table_has_no_line_that_is_not_read_and_no_word_twice() {
        let lines = TABLE.lines().filter(|line| !line.starts_with('#')).count();
        let words: HashMap<&str, Rule> = table().collect();
        assert_eq!((table().count(), words.len()), (lines, lines));
        for (word, rule) in words {
            assert_eq!(fold_word(word).as_deref(), Some(word));
            assert_eq!(Rule::from_stored(rule as i64), rule);
            assert_eq!(Rule::parse(rule.as_str()), Some(rule));
        }
    }

    #[test]
    fn people_who_want_no_more_are_understood() {
        for text in [
            "STOP",
            "stop",
            " Stop. ",
            "«STOP»",
            "\"stop\"!!",
            "ＳＴＯＰ",
            "S\u{200B}TOP",
            "ⓈⓉⓄⓅ",
            "STOP 🛑",
            "stop please",
            "STOP au 36180",
            "Stop sending me these messages",
            "baja",
            "BAJA OFERTAS",
            "Bája",
            "ARRÊT",
            "arre\u{302}t",
            "Arrêter svp",
            "SAIR",
            "sair por favor",
            "Parar",
            "opt-out",
            "OPT OUT",
            "opt out",
            "cancel",
            "CANCELAR",
            "Quit",
            "désabonner",
            "Stop\nenviado desde mi iPhone",
            "un-subscribe",
            "Désinscrire",
        ] {
            assert_eq!(asks(text), Some(Effect::Out), "{text:?}");
        }
    }

    #[test]
    fn sentences_are_not_taken_for_a_word() {
        for text in [
            "",
            "🛑",
            "Cancel my appointment on Tuesday",
            "End of the month is fine",
            "Yes, of course",
            "Please do not stop",
            "stopwatch",
            "I will stop by at five",
            "no",
            "Altos del mar",
            "Stop by tomorrow at five and bring the papers",
            "Start at nine?",
            "bajas",
            "S T O P P E R",
        ] {
            assert_eq!(asks(text), None, "{text:?}");
        }
    }

    #[test]
    fn people_who_want_messages_again_are_understood() {
        for text in ["START", "unstop", "Yes!", "alta", "Voltar"] {
            assert_eq!(asks(text), Some(Effect::In), "{text:?}");
        }
    }

    #[test]
    fn a_word_that_was_switched_off_does_nothing_and_one_of_an_accounts_own_does() {
        let rule = |word: &str| {
            Ok::<_, ()>(match word {
                "STOP" => Some(Rule::Off),
                "BASTA" => Some(Rule::OutFirst),
                other => known(other),
            })
        };
        assert_eq!(effect("stop", rule), Ok(None));
        assert_eq!(effect("¡Basta ya!", rule), Ok(Some(Effect::Out)));
        assert_eq!(effect("quit", rule), Ok(Some(Effect::Out)));
    }
}
