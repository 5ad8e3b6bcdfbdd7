//! Patterns of senders: which a route carries.

use std::fmt;

/// A sender as it is shown, in which each `*` stands for any characters, or for none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SenderPattern(String);

impl SenderPattern {
    /// Takes the pattern as it was written.
    #[must_use]
    pub fn new(pattern: &str) -> Self {
        Self(pattern.to_owned())
    }

    /// Whether the sender is one of these; capitals differ from small letters, as on a screen.
    #[must_use]
    pub fn fits(&self, sender: &str) -> bool {
        let Some((head, rest)) = self.0.split_once('*') else { return self.0 == sender };
        let Some(sender) = sender.strip_prefix(head) else { return false };
        let Some((middle, tail)) = rest.rsplit_once('*') else {
            return sender.ends_with(rest);
        };
        let Some(mut sender) = sender.strip_suffix(tail) else { return false };
        // The first place is as good as any later one: a star follows.
        for piece in middle.split('*') {
            let Some((_, behind)) = sender.split_once(piece) else { return false };
            sender = behind;
        }
        true
    }
}

impl fmt::Display for SenderPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_star_stands_for_anything() {
        for (pattern, sender, fits) in [
            ("ACME", "ACME", true),
            ("ACME", "acme", false),
            ("ACME", "ACME1", false),
            ("ACME*", "ACME", true),
            ("ACME*", "ACME-7", true),
            ("ACME*", "XACME", false),
            ("*", "", true),
            ("34*", "34699000001", true),
            ("34*", "35199000001", false),
            ("*SHOP", "MYSHOP", true),
            ("*SHOP", "SHOPS", false),
            ("A*A", "A", false),
            ("A*A", "ABA", true),
            ("A*B*C", "A1B2C", true),
            ("A*B*C", "ABC", true),
            ("A*B*C", "ACB", false),
            ("A**C", "AC", true),
            ("*1*1*", "11", true),
            ("*1*1*", "1", false),
        ] {
            assert_eq!(SenderPattern::new(pattern).fits(sender), fits, "{pattern} {sender}");
        }
    }

    /// The plain definition: a star is nothing, or a character and the star again.
    fn slow(pattern: &[char], sender: &[char]) -> bool {
        match (pattern, sender) {
            ([], sender) => sender.is_empty(),
            (['*', rest @ ..], []) => slow(rest, &[]),
            (['*', rest @ ..], [_, later @ ..]) => slow(rest, sender) || slow(pattern, later),
            ([c, rest @ ..], [first, later @ ..]) => c == first && slow(rest, later),
            (_, []) => false,
        }
    }

    proptest! {
        #[test]
        fn it_fits_what_the_definition_fits(pattern in "[ab*]{0,7}", sender in "[ab]{0,9}") {
            let (p, s): (Vec<char>, Vec<char>) = (pattern.chars().collect(), sender.chars().collect());
            prop_assert_eq!(SenderPattern::new(&pattern).fits(&sender), slow(&p, &s));
        }
    }
}
