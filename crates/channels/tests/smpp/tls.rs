//! The channel over TLS, through a proxy that ends it in front of the SMSC.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use pombo_channels::sms::smpp::{Config, Tls};
use pombo_domain::channel::LinkState;
use pombo_peers::smsc::{Behaviour, Smsc};
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

use crate::desk::{Channel, accepted, config, messages};

/// A certificate for `smsc.example`, made by the openssl program: certificate and key files.
fn certificate(folder: &Path) -> (PathBuf, PathBuf) {
    let (certificate, key) = (folder.join("cert.pem"), folder.join("key.pem"));
    let made = Command::new("openssl")
        .args([
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:prime256v1",
            "-nodes",
        ])
        .args(["-days", "2", "-subj", "/CN=smsc.example"])
        .args(["-addext", "subjectAltName=DNS:smsc.example"])
        .args(["-addext", "basicConstraints=critical,CA:FALSE"])
        .arg("-keyout")
        .arg(&key)
        .arg("-out")
        .arg(&certificate)
        .output()
        .expect("the program openssl is needed: apt-get install openssl");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    (certificate, key)
}

async fn proxy(to: SocketAddr, certificate: &Path, key: &Path) -> SocketAddr {
    let chain: Vec<_> =
        CertificateDer::pem_file_iter(certificate).unwrap().map(Result::unwrap).collect();
    let key = PrivateKeyDer::from_pem_file(key).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let settings = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(settings));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                // A client that does not trust us leaves during the handshake.
                let Ok(mut outer) = acceptor.accept(stream).await else { return };
                let mut inner = TcpStream::connect(to).await.unwrap();
                let _ = tokio::io::copy_bidirectional(&mut outer, &mut inner).await;
            });
        }
    });
    addr
}

#[tokio::test]
async fn a_route_speaks_tls_and_checks_the_name() {
    let folder = std::env::temp_dir().join(format!("pombo-tls-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let (certificate, key) = certificate(&folder);
    let smsc = Smsc::start(Behaviour::default()).unwrap();
    let addr = proxy(smsc.addr, &certificate, &key).await;
    let tls = |ca: Option<PathBuf>, name: &str| Config {
        tls: Some(Tls { ca, server_name: Some(name.to_owned()) }),
        ..config(addr)
    };

    let channel = Channel::start(tls(Some(certificate.clone()), "smsc.example"));
    channel.desk.give(messages(1_000));
    assert_eq!(accepted(&channel.reports(1_000).await).len(), 1_000);
    channel.stop().await;

    for distrusting in [tls(Some(certificate), "other.example"), tls(None, "smsc.example")] {
        let channel = Channel::start(distrusting);
        let is_down = |(_, state): &(usize, LinkState)| matches!(state, LinkState::Down { .. });
        channel.until("refused", |desk| desk.links().iter().any(is_down)).await;
        assert!(!channel.desk.links().iter().any(|(_, state)| *state == LinkState::Up));
        channel.stop().await;
    }
    std::fs::remove_dir_all(&folder).unwrap();
}
