//! Standard Webhooks 1.0.0, the symmetric signature `v1`: HMAC-SHA256 over `{id}.{timestamp}.{body}`,
//! base64, one for each secret that is valid.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// What a secret begins with, where people read it.
const PREFIX: &str = "whsec_";
/// Octets of a key: the specification allows 24 to 64.
const KEY_OCTETS: std::ops::RangeInclusive<usize> = 24..=64;

/// Octets of the keys that are made here.
pub const NEW_KEY_OCTETS: usize = 32;

/// A signing key; it shows itself only where it is asked to.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Box<[u8]>);

/// The text is no secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a secret is whsec_ and 24 to 64 octets in base64")]
pub struct NotASecret;

impl Secret {
    /// A key of these octets, which must be random.
    #[must_use]
    pub fn new(octets: [u8; NEW_KEY_OCTETS]) -> Self {
        Self(octets.into())
    }

    /// Reads `whsec_…`.
    pub fn parse(text: &str) -> Result<Self, NotASecret> {
        let encoded = text.strip_prefix(PREFIX).ok_or(NotASecret)?;
        let octets = STANDARD.decode(encoded).map_err(|_| NotASecret)?;
        if KEY_OCTETS.contains(&octets.len()) { Ok(Self(octets.into())) } else { Err(NotASecret) }
    }

    /// `whsec_…`, for its owner and for the store.
    #[must_use]
    pub fn reveal(&self) -> String {
        format!("{PREFIX}{}", STANDARD.encode(&self.0))
    }

    /// `v1,…` for one body at one time, in whole seconds since the epoch.
    #[must_use]
    pub fn sign(&self, id: &str, timestamp: i64, body: &[u8]) -> String {
        // HMAC takes keys of any length.
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(&self.0) else { return String::new() };
        for piece in [id.as_bytes(), b".", timestamp.to_string().as_bytes(), b".", body] {
            mac.update(piece);
        }
        format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()))
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// The value of `webhook-signature`: one signature for each secret, the newest first.
#[must_use]
pub fn header<'a>(
    secrets: impl IntoIterator<Item = &'a Secret>,
    id: &str,
    timestamp: i64,
    body: &[u8],
) -> String {
    let signatures: Vec<String> =
        secrets.into_iter().map(|secret| secret.sign(id, timestamp, body)).collect();
    signatures.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// In the specification's own test suites.
    const VECTOR: (&str, &str, i64, &str, &str) = (
        "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        "msg_p5jXN8AQM9LWM0D4loKWxJek",
        1_614_265_330,
        "{\"test\": 2432232314}",
        "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    );

    #[test]
    fn the_specifications_vector_is_signed_as_it_says() {
        let (secret, id, timestamp, body, signature) = VECTOR;
        let secret = Secret::parse(secret).expect("the vector's secret");
        assert_eq!(secret.sign(id, timestamp, body.as_bytes()), signature);
        let other = Secret::new([7; NEW_KEY_OCTETS]);
        let both = header([&other, &secret], id, timestamp, body.as_bytes());
        assert_eq!(both.split(' ').nth(1), Some(signature));
        assert_eq!(both.split(' ').count(), 2);
    }

    #[test]
    fn whatever_is_signed_counts() {
        let (secret, id, timestamp, body, signature) = VECTOR;
        let secret = Secret::parse(secret).expect("the vector's secret");
        let body = body.as_bytes();
        for other in [
            secret.sign("msg_p5jXN8AQM9LWM0D4loKWxJel", timestamp, body),
            secret.sign(id, timestamp + 1, body),
            secret.sign(id, timestamp, &body[1..]),
            Secret::new([0; NEW_KEY_OCTETS]).sign(id, timestamp, body),
        ] {
            assert_ne!(other, signature);
        }
    }

    #[test]
    fn a_secret_is_read_as_it_was_shown_and_is_not_shown_in_logs() {
        let secret = Secret::new(std::array::from_fn(|i| u8::try_from(i).expect("small")));
        let shown = secret.reveal();
        assert_eq!(shown, "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=");
        assert_eq!(Secret::parse(&shown), Ok(secret.clone()));
        assert_eq!(format!("{secret:?}"), "Secret(…)");
        for bad in [
            "",
            "whsec_",
            "whsec_AAAA",
            "AAECAwQFBgcICQoLDA0ODxAREhMUFRYX",
            "whsec_*",
            &shown[..44],
        ] {
            assert_eq!(Secret::parse(bad), Err(NotASecret), "{bad:?}");
        }
    }
}
