//! Where the server is, and how to speak with it: what `store.url` says, and what it leaves open.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio_postgres::Config;
use tokio_postgres::config::SslMode;

use super::origin::Newest;
use super::tls::Tls;
use crate::error::with_causes;
use crate::{OpenError, shown_url};

/// How long the server may take to answer a call, each of its addresses.
const CONNECT: Duration = Duration::from_secs(5);
/// The same where there are several: while one that is away is called, another may be promoted.
const CONNECT_OF_SEVERAL: Duration = Duration::from_secs(2);
/// A network that carries nothing is noticed after this, also while nothing is to be said.
const UNANSWERED: Duration = Duration::from_secs(10);
const PROBE_AFTER: Duration = Duration::from_secs(5);
const PROBE_EVERY: Duration = Duration::from_secs(3);
const PROBES: u32 = 3;
/// The client's own default, which means that nobody chose one.
const IDLE_BY_DEFAULT: Duration = Duration::from_secs(2 * 3_600);

/// A database, and the server that has it: one, or the one of several that can be written.
#[derive(Clone)]
pub(super) struct Place {
    /// How to reach each of the servers.
    pub(super) doors: Vec<Config>,
    pub(super) tls: Option<Tls>,
    /// What the connections have seen of them so far.
    pub(super) newest: Arc<Newest>,
}

impl Place {
    /// Reads a URL. `sslmode` (`disable`, `require`, `verify-full`) and `sslrootcert` mean what they
    /// mean to the server's own programs.
    pub(super) fn parse(url: &str) -> Result<Self, OpenError> {
        let shown = shown_url(url);
        let unusable = |why: String| OpenError::Server { place: shown.clone(), why };
        let (url, security) = Security::split(url);
        let tls = security.tls().map_err(unusable)?;
        let ssl_mode = if tls.is_some() { SslMode::Require } else { SslMode::Disable };
        let doors: Vec<String> = one_each(&url);
        let patience = if doors.len() > 1 { CONNECT_OF_SEVERAL } else { CONNECT };
        let door = |url: &String| {
            let unread = |why: tokio_postgres::Error| OpenError::ServerUrl {
                place: shown.clone(),
                why: with_causes(&why),
            };
            let mut config: Config = url.parse().map_err(unread)?;
            configure(&mut config, patience);
            config.ssl_mode(ssl_mode);
            Ok(config)
        };
        let doors = doors.iter().map(door).collect::<Result<_, OpenError>>()?;
        Ok(Self { doors, tls, newest: Arc::default() })
    }

    /// How long a call may take in all: the servers are called at once.
    pub(super) fn patience(&self) -> Duration {
        let of_one = |door: &Config| {
            let n = u32::try_from(door.get_hosts().len().max(1)).unwrap_or(1);
            door.get_connect_timeout().copied().unwrap_or(CONNECT) * n
        };
        self.doors.iter().map(of_one).max().unwrap_or(CONNECT)
    }
}

/// What the URL leaves open.
fn configure(config: &mut Config, patience: Duration) {
    config.application_name("pombo");
    if config.get_connect_timeout().is_none() {
        config.connect_timeout(patience);
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
}

/// The URL of each server of one that names several, with commas between them.
fn one_each(url: &str) -> Vec<String> {
    // A password may hold a comma or a slash; what follows the last `@` is hosts up to the database.
    let from = url.rfind('@').map(|at| at + 1);
    let from = from.or_else(|| url.find("://").map(|at| at + 3)).unwrap_or(0);
    let to = url[from..].find(['/', '?']).map_or(url.len(), |at| from + at);
    let (before, hosts, after) = (&url[..from], &url[from..to], &url[to..]);
    hosts.split(',').map(|host| format!("{before}{host}{after}")).collect()
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
    use tokio_postgres::config::Host;

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
        let door = |url| Place::parse(url).expect("a URL").doors.remove(0);
        let config = door("postgres://h/d");
        assert_eq!(config.get_tcp_user_timeout(), Some(&UNANSWERED));
        assert_eq!(config.get_keepalives_idle(), PROBE_AFTER);
        let config = door("postgres://h/d?tcp_user_timeout=60&keepalives_idle=70");
        assert_eq!(config.get_tcp_user_timeout(), Some(&Duration::from_secs(60)));
        assert_eq!(config.get_keepalives_idle(), Duration::from_secs(70));
    }

    #[test]
    fn each_of_several_servers_has_its_host_and_its_port() {
        let url = "postgres://u:p,a/ss@one,two:5433,[::1]:5434,%2Frun%2Fpg/d?connect_timeout=3";
        let place = Place::parse(url).expect("a URL");
        let of = |host: &str| Host::Tcp(host.to_owned());
        let found: Vec<_> =
            place.doors.iter().map(|door| (door.get_hosts().to_vec(), door.get_ports())).collect();
        assert_eq!(
            found,
            [
                (vec![of("one")], [5432].as_slice()),
                (vec![of("two")], [5433].as_slice()),
                (vec![of("::1")], [5434].as_slice()),
                (vec![Host::Unix("/run/pg".into())], [5432].as_slice()),
            ]
        );
        assert!(place.doors.iter().all(|door| door.get_password() == Some(b"p,a/ss")));
        assert_eq!(place.patience(), Duration::from_secs(3));
        let patience = |url| Place::parse(url).expect("a URL").patience();
        assert_eq!(patience("postgres://one,two/d"), CONNECT_OF_SEVERAL);
        assert_eq!(patience("postgres://one/d"), CONNECT);
        assert_eq!(one_each("postgres://one,two"), ["postgres://one", "postgres://two"]);
        assert_eq!(one_each("postgres:///d"), ["postgres:///d"]);
    }
}
