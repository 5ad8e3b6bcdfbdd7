//! The server's key, and the codes that are made with it.
//!
//! A code is not kept: it is HMAC-SHA256 of what it belongs to, read as characters. Who reads the
//! tables without the key learns no code, and the same code can be made again for a resend.

use std::fmt;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use super::Config;
use crate::id::{AccountId, MessageId};

/// Octets of a key.
pub const KEY_BYTES: usize = 32;
/// Octets of the chance that tells one code without a message from another.
pub const SALT_BYTES: usize = 16;

/// A server's secret.
#[derive(Clone)]
pub struct Key([u8; KEY_BYTES]);

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(…)")
    }
}

/// What makes one code another than all others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seed<'a> {
    /// Whose.
    pub account: AccountId,
    /// The message that carries it; 0: none.
    pub message: MessageId,
    /// Chance, where no message does.
    pub salt: &'a [u8],
}

impl Key {
    /// A key of random octets.
    #[must_use]
    pub const fn new(octets: [u8; KEY_BYTES]) -> Self {
        Self(octets)
    }

    /// Its octets, to be stored.
    #[must_use]
    pub const fn octets(&self) -> &[u8; KEY_BYTES] {
        &self.0
    }

    /// The code of a seed, in the form that `config` asks for. Each code is as likely as any other:
    /// octets that would favour some characters are left out.
    #[must_use]
    pub fn code(&self, seed: Seed<'_>, config: &Config) -> String {
        let alphabet = config.alphabet();
        let fair = 256 / alphabet.len() * alphabet.len();
        let octets = (0_u32..).flat_map(|block| self.block(seed, block));
        let symbols = octets.map(usize::from).filter(|octet| *octet < fair);
        let characters = symbols.map(|octet| char::from(alphabet[octet % alphabet.len()]));
        characters.take(config.length.into()).collect()
    }

    /// Whether a guess is the code; capitals and the space around do not count. It takes as long
    /// however much of it is right.
    #[must_use]
    pub fn is_right(&self, code: &str, guess: &str) -> bool {
        let mac = |text: &str| self.mac(&[b"guess", text.as_bytes()]).finalize();
        mac(code) == mac(&guess.trim().to_ascii_uppercase())
    }

    fn block(&self, seed: Seed<'_>, block: u32) -> [u8; 32] {
        let (account, message) = (seed.account.0.to_be_bytes(), seed.message.0.to_be_bytes());
        let parts: [&[u8]; 5] = [b"code", &account, &message, seed.salt, &block.to_be_bytes()];
        self.mac(&parts).finalize().into_bytes().into()
    }

    fn mac(&self, parts: &[&[u8]]) -> Hmac<Sha256> {
        let mut mac =
            Hmac::<Sha256>::new_from_slice(&self.0).expect("HMAC takes a key of any length");
        for part in parts {
            mac.update(part);
        }
        mac
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seed(message: i64, salt: &[u8]) -> Seed<'_> {
        Seed { account: AccountId(7), message: MessageId(message), salt }
    }

    #[test]
    fn a_seed_has_one_code_and_another_seed_or_key_another() {
        let config = Config { length: 10, ..Config::default() };
        let (key, other) = (Key::new([1; KEY_BYTES]), Key::new([2; KEY_BYTES]));
        let code = key.code(seed(1, b""), &config);
        assert_eq!(code, key.code(seed(1, b""), &config));
        let others = [
            key.code(seed(2, b""), &config),
            key.code(seed(1, b"a"), &config),
            key.code(Seed { account: AccountId(8), ..seed(1, b"") }, &config),
            other.code(seed(1, b""), &config),
        ];
        assert!(!others.contains(&code), "{others:?}");
        assert_eq!(format!("{key:?}"), "Key(…)");
    }

    #[test]
    fn a_code_has_the_form_that_was_asked_for() {
        let key = Key::new([3; KEY_BYTES]);
        for alpha in [false, true] {
            for length in super::super::LENGTH {
                let config = Config { alpha, length, ..Config::default() };
                for message in 1..50 {
                    let code = key.code(seed(message, b""), &config);
                    assert_eq!(code.len(), usize::from(length));
                    assert!(code.bytes().all(|c| config.alphabet().contains(&c)), "{code}");
                }
            }
        }
    }

    #[test]
    fn every_character_is_as_likely_in_every_place() {
        // With 30,000 codes a count strays from its mean by five deviations once in a million.
        const N: usize = 30_000;
        let key = Key::new([4; KEY_BYTES]);
        for alpha in [false, true] {
            let config = Config { alpha, ..Config::default() };
            let alphabet = config.alphabet();
            let mut counts = vec![[0_usize; 256]; 4];
            for message in 0..i64::try_from(N).expect("small") {
                for (place, c) in key.code(seed(message, b""), &config).bytes().enumerate() {
                    counts[place][usize::from(c)] += 1;
                }
            }
            let mean = N / alphabet.len();
            let stray = 5 * mean.isqrt();
            for place in counts {
                for c in alphabet {
                    let count = place[usize::from(*c)];
                    assert!(count.abs_diff(mean) <= stray, "{} {count}", char::from(*c));
                }
            }
        }
    }

    #[test]
    fn capitals_and_space_do_not_make_a_guess_wrong() {
        let key = Key::new([5; KEY_BYTES]);
        for (code, guess, right) in [
            ("0123", "0123", true),
            ("0123", " 0123\n", true),
            ("0123", "123", false),
            ("A2BC", "a2bc", true),
            ("A2BC", "A2BD", false),
            ("0123", "", false),
            ("0123", "01230", false),
        ] {
            assert_eq!(key.is_right(code, guess), right, "{code} {guess:?}");
        }
    }
}
