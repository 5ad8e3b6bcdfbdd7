//! Where callbacks may not go: private addresses in every spelling, and names that change.

#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use std::collections::VecDeque;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use pombo_channels::callback::{CallFailed, Caller, Config, Network, guard};
use pombo_domain::channel::BoxFuture;
use pombo_peers::sink::{Answer, Behaviour, Sink};
use proptest::prelude::*;
use tokio::net::TcpStream;

fn recording(answer: Answer) -> Sink {
    Sink::start(Behaviour::recording(answer))
}

#[tokio::test]
async fn no_call_goes_to_a_private_address_unless_allowed() {
    let sink = recording(Answer::Status(200));
    let guarded = Caller::new(Config::default());
    let port = sink.addr.port();
    for host in [
        "127.0.0.1",
        "127.1",
        "2130706433",
        "0x7f000001",
        "0177.0.0.1",
        "localhost",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "[64:ff9b::7f00:1]",
        "0",
        "169.254.169.254",
        "[fd00:ec2::254]",
        "10.0.0.1",
        "100.64.0.1",
    ] {
        let refused = guarded.get(&format!("http://{host}:{port}/")).await.unwrap_err();
        assert!(matches!(refused, CallFailed::Forbidden { .. }), "{host}: {refused}");
    }
    assert_eq!(sink.connections(), 0);
    let open = Caller::new(Config { allow_private_networks: true, ..Config::default() });
    assert_eq!(open.get(&sink.url("/")).await, Ok(200));
}

/// A name server whose answers change, and a network that leads every address to one sink.
#[derive(Clone)]
struct Rebinding {
    answers: Arc<Mutex<VecDeque<Vec<IpAddr>>>>,
    connected: Arc<Mutex<Vec<IpAddr>>>,
    sink: SocketAddr,
}

impl Rebinding {
    fn new(sink: &Sink, answers: &[&[&str]]) -> Self {
        let parsed = answers.iter().map(|all| all.iter().map(|one| one.parse().unwrap()).collect());
        Self {
            answers: Arc::new(Mutex::new(parsed.collect())),
            connected: Arc::default(),
            sink: sink.addr,
        }
    }

    fn connected(&self) -> Vec<IpAddr> {
        self.connected.lock().unwrap().clone()
    }
}

impl Network for Rebinding {
    fn resolve<'a>(&'a self, _: &'a str, _: bool) -> BoxFuture<'a, io::Result<Vec<IpAddr>>> {
        let answer = self.answers.lock().unwrap().pop_front();
        Box::pin(async { answer.ok_or_else(|| io::Error::other("one look-up too many")) })
    }

    fn connect(&self, address: SocketAddr) -> BoxFuture<'_, io::Result<TcpStream>> {
        self.connected.lock().unwrap().push(address.ip());
        Box::pin(TcpStream::connect(self.sink))
    }
}

const PUBLIC: IpAddr = IpAddr::V4(Ipv4Addr::new(8, 8, 4, 4));

#[tokio::test]
async fn the_address_that_was_checked_is_the_one_connected_to() {
    let sink = recording(Answer::Last(200));
    let network = Rebinding::new(&sink, &[&["8.8.4.4"], &["127.0.0.1"]]);
    let caller = Caller::over(Box::new(network.clone()), Config::default());
    assert_eq!(caller.get("http://rebind.example/").await, Ok(200));
    assert_eq!(caller.get("http://rebind.example/").await, Ok(200));
    assert_eq!(
        network.connected(),
        [PUBLIC, PUBLIC],
        "the look-up and its check are kept together"
    );
}

#[tokio::test]
async fn a_name_that_turns_to_a_private_address_is_refused() {
    let sink = recording(Answer::Last(200));
    let network = Rebinding::new(&sink, &[&["8.8.4.4"], &["127.0.0.1"]]);
    let config = Config { lookup_ttl: Duration::ZERO, ..Config::default() };
    let caller = Caller::over(Box::new(network.clone()), config);
    assert_eq!(caller.get("http://rebind.example/").await, Ok(200));
    let refused = caller.get("http://rebind.example/").await.unwrap_err();
    let loopback = IpAddr::V4(Ipv4Addr::LOCALHOST);
    assert_eq!(refused, CallFailed::Forbidden { address: loopback, why: "loopback" });
    assert_eq!(network.connected(), [PUBLIC]);
}

#[tokio::test]
async fn one_private_address_among_public_ones_condemns_the_name() {
    let sink = recording(Answer::Status(200));
    let network = Rebinding::new(&sink, &[&["8.8.4.4", "2600::1", "::ffff:10.0.0.1"]]);
    let caller = Caller::over(Box::new(network.clone()), Config::default());
    let refused = caller.get("http://mixed.example/").await.unwrap_err();
    assert!(matches!(refused, CallFailed::Forbidden { why: "private", .. }), "{refused}");
    assert!(network.connected().is_empty());
}

#[tokio::test]
async fn a_name_without_addresses_is_a_failed_look_up() {
    let sink = recording(Answer::Status(200));
    let network = Rebinding::new(&sink, &[&[]]);
    let caller = Caller::over(Box::new(network), Config::default());
    let failed = caller.get("http://empty.example/").await.unwrap_err();
    assert!(matches!(failed, CallFailed::Dns(_)), "{failed}");
}

#[tokio::test(start_paused = true)]
async fn an_address_that_does_not_answer_gives_the_next_one_its_share_of_the_time() {
    struct FirstIsSilent(SocketAddr);
    impl Network for FirstIsSilent {
        fn resolve<'a>(&'a self, _: &'a str, _: bool) -> BoxFuture<'a, io::Result<Vec<IpAddr>>> {
            Box::pin(async { Ok(vec!["2600::1".parse().unwrap(), PUBLIC]) })
        }
        fn connect(&self, address: SocketAddr) -> BoxFuture<'_, io::Result<TcpStream>> {
            let sink = self.0;
            Box::pin(async move {
                if address.is_ipv6() {
                    std::future::pending::<()>().await;
                }
                let tcp = std::net::TcpStream::connect(sink)?;
                tcp.set_nonblocking(true)?;
                TcpStream::from_std(tcp)
            })
        }
    }
    let sink = recording(Answer::Status(200));
    let config = Config { request_timeout: Duration::from_secs(1 << 20), ..Config::default() };
    let caller = Caller::over(Box::new(FirstIsSilent(sink.addr)), config);
    assert_eq!(caller.get("http://two.example/").await, Ok(200));
}

/// A network that must not be reached, and an account of what was tried.
#[derive(Clone, Default)]
struct Nowhere {
    connected: Arc<Mutex<Vec<SocketAddr>>>,
}

impl Network for Nowhere {
    fn resolve<'a>(&'a self, _: &'a str, _: bool) -> BoxFuture<'a, io::Result<Vec<IpAddr>>> {
        Box::pin(async { Ok(vec![PUBLIC]) })
    }

    fn connect(&self, address: SocketAddr) -> BoxFuture<'_, io::Result<TcpStream>> {
        self.connected.lock().unwrap().push(address);
        Box::pin(async { Err(io::Error::from(io::ErrorKind::ConnectionRefused)) })
    }
}

/// Calls `url` on a network that leads nowhere; gives what came of it and where it went.
fn call(url: &str) -> (CallFailed, Vec<SocketAddr>) {
    let network = Nowhere::default();
    let caller = Caller::over(Box::new(network.clone()), Config::default());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let failed = runtime.block_on(caller.get(url)).unwrap_err();
    let connected = network.connected.lock().unwrap().clone();
    (failed, connected)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn no_text_makes_the_caller_panic_or_reach_a_forbidden_address(text in "\\PC{0,80}") {
        let (_, connected) = call(&text);
        prop_assert!(connected.iter().all(|address| guard::forbidden(address.ip()).is_none()));
    }

    #[test]
    fn no_host_or_path_makes_the_caller_panic_or_reach_a_forbidden_address(
        scheme in "(https?|HTTP|ftp):/{0,3}\\\\?",
        user in "([a-z%:]{0,6}@)?",
        host in "(\\[[0-9a-f:.]{0,20}\\]|[0-9a-fx.%]{0,20}|[\\PC&&[^/?#]]{0,12})",
        port in "(:[0-9]{0,6})?",
        rest in "[/?#]?\\PC{0,30}",
    ) {
        let (failed, connected) = call(&format!("{scheme}{user}{host}{port}{rest}"));
        prop_assert!(connected.iter().all(|address| guard::forbidden(address.ip()).is_none()));
        let known = matches!(
            failed,
            CallFailed::BadUrl(_) | CallFailed::Forbidden { .. } | CallFailed::Connect(_)
        );
        prop_assert!(known, "{failed:?}");
    }

    #[test]
    fn every_spelling_of_an_ipv4_address_gets_the_same_verdict(bits in any::<u32>()) {
        let v4 = Ipv4Addr::from_bits(bits);
        let [a, b, c, d] = v4.octets();
        let verdict = guard::forbidden(IpAddr::V4(v4)).is_some();
        let spellings = [
            format!("{v4}"),
            format!("{bits}"),
            format!("{bits:#x}"),
            format!("0{a:o}.0{b:o}.0{c:o}.0{d:o}"),
            format!("{a}.{b}.{}", u16::from_be_bytes([c, d])),
            format!("{a:#x}.{}", bits & 0x00FF_FFFF),
            format!("[{}]", v4.to_ipv6_mapped()),
            format!("[64:ff9b::{v4}]"),
            format!("[2002:{:x}:{:x}::1]", bits >> 16, bits & 0xFFFF),
        ];
        for host in spellings {
            let (failed, connected) = call(&format!("http://{host}/"));
            let refused = matches!(failed, CallFailed::Forbidden { .. });
            prop_assert_eq!((refused, connected.is_empty()), (verdict, verdict), "{}", host);
        }
    }

    #[test]
    fn what_the_standard_library_calls_special_is_forbidden(bits in any::<u128>(), low in any::<u32>()) {
        let v4 = Ipv4Addr::from_bits(low);
        if v4.is_private() || v4.is_loopback() || v4.is_link_local() || v4.is_multicast()
            || v4.is_broadcast() || v4.is_documentation() || v4.is_unspecified() {
            prop_assert!(guard::forbidden(v4.into()).is_some(), "{v4}");
        }
        let v6 = Ipv6Addr::from_bits(bits);
        if v6.is_unique_local() || v6.is_unicast_link_local() || v6.is_multicast() {
            prop_assert!(guard::forbidden(v6.into()).is_some(), "{v6}");
        }
    }
}
