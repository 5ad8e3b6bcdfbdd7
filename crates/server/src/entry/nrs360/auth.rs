//! Who calls: Basic credentials, and the address that they come from.

use std::net::IpAddr;

use hyper::header::{AUTHORIZATION, HeaderMap};
use pombo_app::auth::{Caller, Cidr};

use super::error::Problem;
use crate::entry::House;

/// The caller, or code 103 or 112.
pub(super) async fn caller(
    house: &House,
    headers: &HeaderMap,
    peer: IpAddr,
) -> Result<Caller, Problem> {
    let authorization = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
    let source = source(peer, headers, &house.trusted_proxies);
    Ok(house.app.authenticate(authorization, source).await?)
}

/// The same, of credentials that stand in the query.
pub(super) async fn caller_by(
    house: &House,
    (name, password): (&str, &str),
    headers: &HeaderMap,
    peer: IpAddr,
) -> Result<Caller, Problem> {
    let source = source(peer, headers, &house.trusted_proxies);
    Ok(house.app.authenticate_pair(name, password, source).await?)
}

/// The address that the request comes from: the peer's own, or, where the peer is a trusted
/// proxy, the right-most address of `X-Forwarded-For` that is no trusted proxy. What stands
/// further left was written by strangers.
fn source(peer: IpAddr, headers: &HeaderMap, trusted: &[Cidr]) -> IpAddr {
    let peer = peer.to_canonical();
    let is_trusted = |address: IpAddr| trusted.iter().any(|network| network.holds(address));
    if trusted.is_empty() || !is_trusted(peer) {
        return peer;
    }
    let mut source = peer;
    let values: Vec<&str> =
        headers.get_all("x-forwarded-for").iter().filter_map(|v| v.to_str().ok()).collect();
    for hop in values.iter().rev().flat_map(|value| value.rsplit(',')) {
        let Some(address) = hop_address(hop.trim()) else { break };
        source = address;
        if !is_trusted(address) {
            break;
        }
    }
    source
}

/// An address, also as `1.2.3.4:5678`, `[::1]` or `[::1]:5678`, which some proxies write.
fn hop_address(hop: &str) -> Option<IpAddr> {
    let plain = hop.parse().ok();
    let with_port = || hop.parse::<std::net::SocketAddr>().ok().map(|a| a.ip());
    let bracketed = || hop.strip_prefix('[')?.strip_suffix(']')?.parse().ok();
    plain.or_else(with_port).or_else(bracketed).map(|a: IpAddr| a.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(peer: &str, forwarded: &[&'static str]) -> String {
        let trusted = [Cidr::parse("10.0.0.0/8").expect("a network")];
        let mut headers = HeaderMap::new();
        for value in forwarded {
            headers.append("x-forwarded-for", value.parse().expect("a header"));
        }
        source(peer.parse().expect("an address"), &headers, &trusted).to_string()
    }

    #[test]
    fn a_stranger_cannot_say_where_he_comes_from() {
        assert_eq!(seen("203.0.113.9", &["198.51.100.1"]), "203.0.113.9");
    }

    #[test]
    fn behind_a_trusted_proxy_the_right_most_stranger_counts() {
        assert_eq!(seen("10.0.0.1", &["198.51.100.1"]), "198.51.100.1");
        assert_eq!(seen("10.0.0.1", &["192.0.2.7, 198.51.100.1, 10.0.0.2"]), "198.51.100.1");
        assert_eq!(seen("10.0.0.1", &["192.0.2.7", "198.51.100.1"]), "198.51.100.1");
        assert_eq!(seen("10.0.0.1", &["198.51.100.1:4711"]), "198.51.100.1");
        assert_eq!(seen("10.0.0.1", &["[2001:db8::1]:4711"]), "2001:db8::1");
        assert_eq!(seen("::ffff:10.0.0.1", &["198.51.100.1"]), "198.51.100.1");
    }

    #[test]
    fn what_is_no_address_ends_the_search() {
        assert_eq!(seen("10.0.0.1", &["198.51.100.1, unknown"]), "10.0.0.1");
        assert_eq!(seen("10.0.0.1", &["198.51.100.1, unknown, 10.0.0.2"]), "10.0.0.2");
        assert_eq!(seen("10.0.0.1", &[]), "10.0.0.1");
    }
}
