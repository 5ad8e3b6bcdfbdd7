//! Credentials to [`Caller`]; the only place that makes one.
//!
//! An argon2id check costs tens of milliseconds, so a pair that was right is remembered by a keyed
//! hash of its header and costs microseconds from then on. Wrong pairs are answered late, more so
//! the more of them a source sends; a right pair never waits for that.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use argon2::Argon2;
use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use base64::Engine as _;
use hmac::{Hmac, KeyInit, Mac};
use pombo_domain::id::AccountId;
use pombo_domain::time::Instant;
use sha2::Sha256;
use tokio::sync::Semaphore;

use crate::App;
use crate::accounts::Account;
use crate::error::Fault;

/// Headers longer than this are no credentials.
const HEADER_BYTES_MAX: usize = 1_024;
/// Pairs remembered; some 250 bytes each.
const REMEMBERED_MAX: usize = 65_536;
/// argon2 checks at a time: 19 MiB each.
const CHECKS_AT_ONCE: usize = 2;
/// Of one source; its others stand behind, so that a flood of guesses delays no other source.
const CHECKS_PER_SOURCE: usize = 4;
/// Checks that may wait for their turn; beyond, the source is asked to come later.
const CHECKS_WAITING_MAX: usize = 512;
/// Sources whose failures are remembered.
const SOURCES_MAX: usize = 10_000;
/// The longest a wrong pair waits for its answer.
const DELAY_MAX: Duration = Duration::from_secs(5);
/// A source without failures for this long starts anew.
const FORGIVEN_AFTER: Duration = Duration::from_secs(300);

/// An account that has proved who it is, from an address it may call from.
#[derive(Debug, Clone)]
pub struct Caller {
    account: Arc<Account>,
}

impl Caller {
    /// An account for which pombo acts by itself, as when it answers who opts out.
    pub(crate) const fn on_behalf(account: Arc<Account>) -> Self {
        Self { account }
    }

    /// Its number.
    #[must_use]
    pub fn account(&self) -> AccountId {
        self.account.id
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.account.name
    }

    /// ISO 4217 code of what it pays in.
    #[must_use]
    pub fn currency(&self) -> &str {
        &self.settings().currency
    }

    pub(crate) fn settings(&self) -> &Account {
        &self.account
    }
}

/// Why nobody was let in.
#[derive(Debug, thiserror::Error)]
pub enum Denied {
    /// Wrong, missing or malformed credentials, or a disabled account.
    #[error("unknown username or password")]
    UnknownCredentials,
    /// Right credentials from an address that is not on the account's list.
    #[error("this address is not allowed")]
    AddressNotAllowed,
    /// Too many unknown credentials are being checked.
    #[error("too busy checking credentials")]
    Busy {
        /// No sooner than after this.
        retry_after: Duration,
    },
    /// The store could not be asked.
    #[error(transparent)]
    Failed(#[from] Fault),
}

type KeyedHash = [u8; 32];

/// What the door remembers.
#[derive(Debug)]
pub(crate) struct Gate {
    key: [u8; 32],
    known: Mutex<HashMap<KeyedHash, Known>>,
    failures: Mutex<HashMap<IpAddr, (u32, Instant)>>,
    checks: Arc<Semaphore>,
    waiting: Arc<Semaphore>,
    /// Sources with checks under way or waiting.
    sources: Mutex<HashMap<IpAddr, Arc<Semaphore>>>,
}

/// A pair that was right, as long as the account still has this password.
#[derive(Debug, Clone)]
struct Known {
    account: AccountId,
    password_hash: String,
}

impl Gate {
    pub(crate) fn new() -> Self {
        Self {
            key: random(),
            known: Mutex::default(),
            failures: Mutex::default(),
            checks: Arc::new(Semaphore::new(CHECKS_AT_ONCE)),
            waiting: Arc::new(Semaphore::new(CHECKS_WAITING_MAX)),
            sources: Mutex::default(),
        }
    }

    /// The turns of one source.
    fn turns_of(&self, source: IpAddr) -> Arc<Semaphore> {
        let mut sources = self.sources.lock().unwrap_or_else(PoisonError::into_inner);
        // Those that nobody waits for are only here.
        sources.retain(|_, turns| Arc::strong_count(turns) > 1);
        let turns = sources.entry(source);
        Arc::clone(turns.or_insert_with(|| Arc::new(Semaphore::new(CHECKS_PER_SOURCE))))
    }

    fn keyed_hash(&self, header: &str) -> KeyedHash {
        let mut mac =
            Hmac::<Sha256>::new_from_slice(&self.key).expect("HMAC takes a key of any length");
        mac.update(header.as_bytes());
        mac.finalize().into_bytes().into()
    }

    fn recall(&self, hash: &KeyedHash) -> Option<Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).get(hash).cloned()
    }

    fn remember(&self, hash: KeyedHash, known: Known) {
        let mut pairs = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        // Any one makes room: to forget all would let everybody be checked at once.
        if pairs.len() >= REMEMBERED_MAX
            && let Some(any) = pairs.keys().next().copied()
        {
            pairs.remove(&any);
        }
        pairs.insert(hash, known);
    }

    /// Counts a failure; answers how long it waits.
    fn failed(&self, source: IpAddr, now: Instant) -> Duration {
        let mut failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        if failures.len() >= SOURCES_MAX {
            failures.retain(|_, (_, last)| now.since(*last) < FORGIVEN_AFTER);
            if failures.len() >= SOURCES_MAX {
                failures.clear();
            }
        }
        let (count, last) = failures.entry(source).or_insert((0, now));
        if now.since(*last) >= FORGIVEN_AFTER {
            *count = 0;
        }
        *count = count.saturating_add(1);
        *last = now;
        // The first few are typing errors.
        let doublings = count.saturating_sub(3).min(10);
        if doublings == 0 {
            Duration::ZERO
        } else {
            DELAY_MAX.min(Duration::from_millis(50) * (1 << doublings))
        }
    }
}

/// Random octets from the operating system.
pub(crate) fn random<const N: usize>() -> [u8; N] {
    let mut octets = [0; N];
    getrandom::fill(&mut octets).expect("the operating system gives random numbers");
    octets
}

/// A fresh password: 160 bits, in letters that can be copied anywhere.
#[must_use]
pub fn new_password() -> String {
    base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(random::<20>())
}

/// The argon2id hash of a password, as a PHC string with a salt of its own.
pub fn hash_password(password: &str) -> Result<String, String> {
    Argon2::default()
        .hash_password_with_salt(password.as_bytes(), &random::<16>())
        .map(|hash| hash.to_string())
        .map_err(|error| error.to_string())
}

/// Reads `Basic base64(user:password)`; the scheme in any case (RFC 7617).
fn parse_basic(header: &str) -> Option<(String, String)> {
    let (scheme, encoded) = header.trim().split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let octets = base64::engine::general_purpose::STANDARD.decode(encoded.trim()).ok()?;
    let text = String::from_utf8(octets).ok()?;
    let (user, password) = text.split_once(':')?;
    Some((user.to_owned(), password.to_owned()))
}

impl App {
    /// Lets in whoever has an account's credentials and calls from an allowed address.
    /// `authorization` is the header's value; `source` the caller's own address.
    pub async fn authenticate(
        &self,
        authorization: Option<&str>,
        source: IpAddr,
    ) -> Result<Caller, Denied> {
        // Who names no account guesses nothing, and need not be kept waiting.
        let header = authorization.ok_or(Denied::UnknownCredentials)?;
        if header.len() > HEADER_BYTES_MAX {
            return Err(self.turn_away(source).await);
        }
        let gate = &self.inner.gate;
        let hash = gate.keyed_hash(header);
        if let Some(known) = gate.recall(&hash)
            && let Some(account) = self.inner.accounts.by_id(known.account)
            && account.password_hash == known.password_hash
        {
            return self.admit(account, source).await;
        }
        let Some((user, password)) = parse_basic(header) else {
            return Err(self.turn_away(source).await);
        };
        let account = self.find_account(&user).await?;
        if !self.check((hash, password), account.clone(), source).await? {
            return Err(self.turn_away(source).await);
        }
        let Some(account) = account else {
            return Err(self.turn_away(source).await);
        };
        self.admit(account, source).await
    }

    /// The same, of credentials that came otherwise than in a header.
    pub async fn authenticate_pair(
        &self,
        name: &str,
        password: &str,
        source: IpAddr,
    ) -> Result<Caller, Denied> {
        // A header's name ends at the first colon, so that one with a colon is nobody's.
        let pair = (!name.contains(':')).then(|| format!("{name}:{password}"));
        let encode = |pair| base64::engine::general_purpose::STANDARD.encode(pair);
        let header = pair.map(|pair| format!("Basic {}", encode(pair)));
        self.authenticate(header.as_deref(), source).await
    }

    /// From the snapshot, which is read anew where the account is newer than that. Never from the
    /// store itself: who was once answered by new settings is not answered by older ones after.
    async fn find_account(&self, name: &str) -> Result<Option<Arc<Account>>, Denied> {
        let found = self
            .inner
            .store
            .ask(pombo_store::operation::account::Find::Name(name.to_owned()))
            .await
            .map_err(Fault::from)?;
        let newer = match (&found, self.inner.accounts.by_name(name)) {
            (Some(found), Some(seen)) => found.password_hash != seen.password_hash,
            (Some(_), None) => true,
            (None, _) => false,
        };
        if newer {
            self.inner.accounts.refresh(&self.inner.store).await?;
        }
        let seen = || self.inner.accounts.by_name(name);
        Ok(found.map(|found| seen().unwrap_or_else(|| Arc::new(found))))
    }

    /// Compares on a thread of its own, a few at a time. An unknown user costs the same.
    /// Many connections that begin together with one pair cost one comparison.
    async fn check(
        &self,
        (hash, password): (KeyedHash, String),
        account: Option<Arc<Account>>,
        source: IpAddr,
    ) -> Result<bool, Denied> {
        let gate = &self.inner.gate;
        let busy = || Denied::Busy { retry_after: Duration::from_secs(1) };
        let first = gate.turns_of(source).acquire_owned().await.map_err(|_| busy())?;
        let place = Arc::clone(&gate.waiting).try_acquire_owned().map_err(|_| busy())?;
        let turn = Arc::clone(&gate.checks).acquire_owned().await.map_err(|_| busy())?;
        let stored = account.as_ref().map(|account| &account.password_hash);
        if gate.recall(&hash).is_some_and(|known| Some(&known.password_hash) == stored) {
            return Ok(true); // Another connection's turn has shown it meanwhile.
        }
        let app = self.clone();
        let checked = tokio::task::spawn_blocking(move || {
            // Kept until the pair is remembered, so that the next in turn finds it.
            let _kept = (first, place, turn);
            let Some(account) = account else {
                let _ = hash_password(&password);
                return false;
            };
            let right = PasswordHash::new(&account.password_hash).is_ok_and(|stored| {
                Argon2::default().verify_password(password.as_bytes(), &stored).is_ok()
            });
            if right {
                let password_hash = account.password_hash.clone();
                app.inner.gate.remember(hash, Known { account: account.id, password_hash });
            }
            right
        });
        checked.await.map_err(|_| busy())
    }

    async fn admit(&self, account: Arc<Account>, source: IpAddr) -> Result<Caller, Denied> {
        if account.disabled {
            return Err(self.turn_away(source).await);
        }
        if !address_allowed(&account.allow, source) {
            return Err(Denied::AddressNotAllowed);
        }
        Ok(Caller { account })
    }

    async fn turn_away(&self, source: IpAddr) -> Denied {
        let delay = self.inner.gate.failed(source, self.inner.clock.now());
        if !delay.is_zero() {
            tokio::time::sleep(delay).await;
        }
        Denied::UnknownCredentials
    }
}

/// Whether an address is on a list of addresses and CIDRs; an empty list allows all.
#[must_use]
pub fn address_allowed(list: &[String], source: IpAddr) -> bool {
    list.is_empty() || list.iter().filter_map(|text| Cidr::parse(text)).any(|c| c.holds(source))
}

/// A range of addresses: `192.0.2.0/24`, `2001:db8::/32`, or one address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cidr {
    address: IpAddr,
    bits: u8,
}

impl Cidr {
    /// Reads a range; `None` where it is none.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) => (address, Some(bits)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().ok()?;
        let whole = if address.is_ipv4() { 32 } else { 128 };
        let bits = match bits {
            Some(bits) => bits.parse().ok().filter(|bits| *bits <= whole)?,
            None => whole,
        };
        Some(Self { address, bits })
    }

    /// Whether an address lies in it. An IPv4 address in IPv6 clothes is an IPv4 address.
    #[must_use]
    pub fn holds(&self, address: IpAddr) -> bool {
        match (self.address.to_canonical(), address.to_canonical()) {
            (IpAddr::V4(net), IpAddr::V4(one)) => {
                let shift = 32 - u32::from(self.bits.min(32));
                u64::from(net.to_bits()) >> shift == u64::from(one.to_bits()) >> shift
            }
            (IpAddr::V6(net), IpAddr::V6(one)) => {
                let shift = 128 - u32::from(self.bits);
                let cut = |bits: u128| bits.checked_shr(shift).unwrap_or(0);
                cut(net.to_bits()) == cut(one.to_bits())
            }
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn basic_credentials_are_read_as_the_rfc_says() {
        let pair = |user: &str, password: &str| Some((user.to_owned(), password.to_owned()));
        let read = parse_basic("Basic dXNlcm5hbWU6YXBpUGFzc3dvcmQ=");
        assert_eq!(read, pair("username", "apiPassword"));
        assert_eq!(parse_basic("basic YTpiOmM="), pair("a", "b:c"));
        for bad in ["", "Basic", "Basic !!!", "Bearer dXNlcm5hbWU6YXBpUGFzc3dvcmQ=", "Basic YWI="] {
            assert_eq!(parse_basic(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn a_pair_too_many_makes_one_forgotten_and_no_more() {
        let gate = Gate::new();
        let known = Known { account: AccountId(1), password_hash: String::new() };
        let hash = |n: usize| {
            let mut hash = KeyedHash::default();
            hash[..8].copy_from_slice(&n.to_be_bytes());
            hash
        };
        (0..=REMEMBERED_MAX).for_each(|n| gate.remember(hash(n), known.clone()));
        let pairs = gate.known.lock().expect("nobody panicked");
        assert_eq!(pairs.len(), REMEMBERED_MAX);
        assert!(pairs.contains_key(&hash(REMEMBERED_MAX)), "the newest is there");
    }

    #[test]
    fn a_password_is_known_by_its_hash_alone() {
        let hash = hash_password("secret").expect("hashing works");
        assert!(hash.starts_with("$argon2id$"));
        let parsed = PasswordHash::new(&hash).expect("a PHC string");
        assert!(Argon2::default().verify_password(b"secret", &parsed).is_ok());
        assert!(Argon2::default().verify_password(b"Secret", &parsed).is_err());
        assert_ne!(hash, hash_password("secret").expect("hashing works"), "salted");
    }

    #[test]
    fn ranges_hold_what_they_say() {
        let ip = |text: &str| text.parse::<IpAddr>().expect(text);
        for (range, address, inside) in [
            ("192.0.2.0/24", "192.0.2.255", true),
            ("192.0.2.0/24", "192.0.3.0", false),
            ("192.0.2.7", "192.0.2.7", true),
            ("0.0.0.0/0", "203.0.113.9", true),
            ("0.0.0.0/0", "2001:db8::1", false),
            ("2001:db8::/32", "2001:db8:ffff::1", true),
            ("::/0", "2001:db8::1", true),
            ("192.0.2.0/24", "::ffff:192.0.2.1", true),
        ] {
            let cidr = Cidr::parse(range).expect(range);
            assert_eq!(cidr.holds(ip(address)), inside, "{range} {address}");
        }
        for bad in ["", "192.0.2", "192.0.2.0/33", "192.0.2.0/-1", "host", "::/129"] {
            assert_eq!(Cidr::parse(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn wrong_pairs_wait_longer_and_longer_and_are_forgiven() {
        let gate = Gate::new();
        let source: IpAddr = "192.0.2.1".parse().expect("an address");
        let now = Instant::from_micros(1_000_000_000);
        let delays: Vec<Duration> = (0..20).map(|_| gate.failed(source, now)).collect();
        assert_eq!(delays[..3], [Duration::ZERO; 3]);
        assert!(delays.windows(2).all(|pair| pair[0] <= pair[1]));
        assert_eq!(delays[19], DELAY_MAX);
        let other = std::net::IpAddr::from([192, 0, 2, 9]);
        assert_eq!(gate.failed(other, now), Duration::ZERO, "it pays for its own failures only");
        let later = now.plus(FORGIVEN_AFTER);
        assert_eq!(gate.failed(source, later), Duration::ZERO);
    }
}
