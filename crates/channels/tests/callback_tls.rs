//! Callbacks over TLS: trusted servers are called, others are not.

#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::process::Command;
use std::sync::Arc;

use pombo_channels::callback::{CallFailed, Caller, Config, Network};
use pombo_domain::channel::BoxFuture;
use pombo_peers::sink::{Answer, Behaviour, Sink};
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

/// A certificate for `callback.example`, made by the openssl program.
fn certificate() -> (CertificateDer<'static>, PrivateKeyDer<'static>) {
    let made = Command::new("openssl")
        .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"])
        .args(["-nodes", "-days", "2", "-subj", "/CN=callback.example"])
        .args(["-addext", "subjectAltName=DNS:callback.example"])
        .args(["-addext", "basicConstraints=critical,CA:FALSE"])
        .args(["-keyout", "-", "-out", "-"])
        .output()
        .expect("the program openssl is needed: apt-get install openssl");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let certificate = CertificateDer::from_pem_slice(&made.stdout).unwrap();
    (certificate, PrivateKeyDer::from_pem_slice(&made.stdout).unwrap())
}

/// Ends TLS in front of the sink.
async fn proxy(
    sink: SocketAddr,
    certificate: CertificateDer<'static>,
    key: PrivateKeyDer<'static>,
) -> SocketAddr {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let settings = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(settings));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((tcp, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                let Ok(mut tls) = acceptor.accept(tcp).await else { return };
                let mut plain = TcpStream::connect(sink).await.unwrap();
                let _ = tokio::io::copy_bidirectional(&mut tls, &mut plain).await;
            });
        }
    });
    addr
}

/// Every name leads to the proxy.
struct Everywhere(SocketAddr);

impl Network for Everywhere {
    fn resolve<'a>(&'a self, _: &'a str, _: bool) -> BoxFuture<'a, io::Result<Vec<IpAddr>>> {
        Box::pin(async { Ok(vec![IpAddr::V4(Ipv4Addr::new(8, 8, 4, 4))]) })
    }

    fn connect(&self, _: SocketAddr) -> BoxFuture<'_, io::Result<TcpStream>> {
        Box::pin(TcpStream::connect(self.0))
    }
}

#[tokio::test]
async fn a_trusted_server_is_called_over_one_kept_connection_and_others_are_refused() {
    let sink = Sink::start(Behaviour::recording(Answer::Status(204)));
    let (certificate, key) = certificate();
    let proxy = proxy(sink.addr, certificate.clone(), key).await;

    let config = Config { extra_roots: vec![certificate], ..Config::default() };
    let trusting = Caller::over(Box::new(Everywhere(proxy)), config);
    for n in 0..3 {
        let url = format!("https://callback.example/{n}");
        assert_eq!(trusting.get(&url).await, Ok(204));
    }
    assert_eq!((sink.targets().len(), sink.connections()), (3, 1));

    let other_name = trusting.get("https://other.example/").await.unwrap_err();
    assert!(matches!(other_name, CallFailed::Tls(_)), "{other_name}");
    let unknown = Caller::over(Box::new(Everywhere(proxy)), Config::default());
    let untrusted = unknown.get("https://callback.example/").await.unwrap_err();
    assert!(matches!(untrusted, CallFailed::Tls(_)), "{untrusted}");
    assert_eq!(sink.count(), 3, "no request went to a server that was not trusted");
}
