//! Where the server is, and how to speak with it: what `store.url` says, and what it leaves open.

use std::path::PathBuf;
use std::time::Duration;

use tokio_postgres::Config;
use tokio_postgres::config::SslMode;

use super::tls::Tls;
use crate::{OpenError, shown_url};

/// How long the server may take to answer a call, each of its addresses.
const CONNECT: Duration = Duration::from_secs(5);
/// A network that carries nothing is noticed after this, also while nothing is to be said.
const UNANSWERED: Duration = Duration::from_secs(10);
const PROBE_AFTER: Duration = Duration::from_secs(5);
const PROBE_EVERY: Duration = Duration::from_secs(3);
const PROBES: u32 = 3;
/// The client's own default, which means that nobody chose one.
const IDLE_BY_DEFAULT: Duration = Duration::from_secs(2 * 3_600);

/// A server and its database.
#[derive(Clone)]
pub(super) struct Place {
    pub(super) config: Config,
    pub(super) tls: Option<Tls>,
}

impl Place {
    /// Reads a URL. `sslmode` (`disable`, `require`, `verify-full`) and `sslrootcert` mean what they
    /// mean to the server's own programs.
    pub(super) fn parse(url: &str) -> Result<Self, OpenError> {
        let shown = shown_url(url);
        let unusable = |why: String| OpenError::Server { place: shown.clone(), why };
        let (url, security) = Security::split(url);
        let mut config: Config = url.parse().map_err(|_| OpenError::Url(shown.clone()))?;
        config.application_name("pombo");
        if config.get_connect_timeout().is_none() {
            config.connect_timeout(CONNECT);
        }
        if config.get_tcp_user_timeout().is_none() {
            config.tcp_user_timeout(UNANSWERED);
        }
        if config.get_keepalives_idle() == IDLE_BY_DEFAULT {
            config.keepalives_idle(PROBE_AFTER);
        }
        if config.get_keepalives_interval().is_none() {
            config.keepalives_interval(PROBE_EVERY);
        }
        if config.get_keepalives_retries().is_none() {
            config.keepalives_retries(PROBES);
        }
        let tls = security.tls().map_err(unusable)?;
        config.ssl_mode(if tls.is_some() { SslMode::Require } else { SslMode::Disable });
        Ok(Self { config, tls })
    }

    /// How long a call may take in all.
    pub(super) fn patience(&self) -> Duration {
        let n = u32::try_from(self.config.get_hosts().len().max(1)).unwrap_or(1);
        self.config.get_connect_timeout().copied().unwrap_or(CONNECT) * n
    }
}

/// What a URL says of encryption; the client knows less of it than the server's own programs.
#[derive(Debug, Default, PartialEq, Eq)]
struct Security {
    mode: Option<String>,
    authorities: Option<PathBuf>,
}

impl Security {
    /// The URL without it, and it.
    fn split(url: &str) -> (String, Self) {
        let mut security = Self::default();
        // A password may hold a question mark; what follows the last `@` does not.
        let from = url.rfind('@').unwrap_or(0);
        let Some(query) = url[from..].find('?').map(|at| from + at) else {
            return (url.to_owned(), security);
        };
        let mut kept = Vec::new();
        for pair in url[query + 1..].split('&') {
            match pair.split_once('=') {
                Some(("sslmode", mode)) => security.mode = Some(mode.to_owned()),
                Some(("sslrootcert", path)) => security.authorities = Some(decoded(path).into()),
                _ => kept.push(pair),
            }
        }
        let mark = if kept.is_empty() { "" } else { "?" };
        (format!("{}{mark}{}", &url[..query], kept.join("&")), security)
    }

    fn tls(&self) -> Result<Option<Tls>, String> {
        let tls = match (self.mode.as_deref(), &self.authorities) {
            (None | Some("disable"), None) => return Ok(None),
            // As the server's own programs have it: with an authority, it is asked.
            (Some("require"), None) => Tls::unverified(),
            (Some("require" | "verify-full"), authorities) => Tls::verified(authorities.as_deref()),
            (None | Some("disable"), Some(_)) => {
                return Err("sslrootcert needs sslmode=verify-full beside it".to_owned());
            }
            (Some(mode), _) => {
                return Err(format!("sslmode={mode} is none of disable, require and verify-full"));
            }
        };
        tls.map(Some).map_err(|why| format!("sslrootcert: {why}"))
    }
}

/// A path with `%XX` read as octets.
fn decoded(path: &str) -> String {
    let mut octets = Vec::with_capacity(path.len());
    let mut rest = path.as_bytes();
    while let [first, tail @ ..] = rest {
        let hex = tail.get(..2).and_then(|hex| std::str::from_utf8(hex).ok());
        let escaped = hex.and_then(|hex| u8::from_str_radix(hex, 16).ok());
        match (*first, escaped) {
            (b'%', Some(octet)) => {
                octets.push(octet);
                rest = &tail[2..];
            }
            (octet, _) => {
                octets.push(octet);
                rest = tail;
            }
        }
    }
    String::from_utf8_lossy(&octets).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_url_says_of_encryption_is_read_apart() {
        for (url, rest, mode, authorities) in [
            ("postgres://u:p@h/d", "postgres://u:p@h/d", None, None),
            ("postgres://u:p?x@h/d", "postgres://u:p?x@h/d", None, None),
            ("postgres://h/d?sslmode=require", "postgres://h/d", Some("require"), None),
            (
                "postgres://h/d?sslmode=verify-full&connect_timeout=3&sslrootcert=%2Fetc/ca%2epem",
                "postgres://h/d?connect_timeout=3",
                Some("verify-full"),
                Some("/etc/ca.pem"),
            ),
        ] {
            let (found, security) = Security::split(url);
            assert_eq!(found, rest);
            assert_eq!(security.mode.as_deref(), mode);
            assert_eq!(security.authorities, authorities.map(PathBuf::from));
        }
    }

    #[test]
    fn a_mode_that_nobody_knows_or_an_authority_that_nobody_asks_is_refused() {
        for url in [
            "postgres://h/d?sslmode=prefer",
            "postgres://h/d?sslmode=verify-ca",
            "postgres://h/d?sslrootcert=/etc/ca.pem",
            "postgres://h/d?sslmode=verify-full&sslrootcert=/nowhere/ca.pem",
        ] {
            assert!(matches!(Place::parse(url), Err(OpenError::Server { .. })), "{url}");
        }
    }

    #[test]
    fn a_silent_network_is_noticed_unless_the_url_says_otherwise() {
        let place = Place::parse("postgres://h/d").expect("a URL");
        assert_eq!(place.config.get_tcp_user_timeout(), Some(&UNANSWERED));
        assert_eq!(place.config.get_keepalives_idle(), PROBE_AFTER);
        let place = Place::parse("postgres://h/d?tcp_user_timeout=60&keepalives_idle=70");
        let place = place.expect("a URL");
        assert_eq!(place.config.get_tcp_user_timeout(), Some(&Duration::from_secs(60)));
        assert_eq!(place.config.get_keepalives_idle(), Duration::from_secs(70));
    }
}
