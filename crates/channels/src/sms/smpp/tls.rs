//! TLS to carriers that speak it.

use std::io;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::config::Tls;

/// Shakes hands on `stream`, a connection to `address` (`host:port`).
///
/// # Errors
/// An unreadable authority file, a name that cannot be one, or a handshake that failed.
pub(super) async fn shake_hands(
    settings: &Tls,
    address: &str,
    stream: TcpStream,
) -> io::Result<TlsStream<TcpStream>> {
    let host = address.rsplit_once(':').map_or(address, |(host, _)| host);
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let name = settings.server_name.as_deref().unwrap_or(host).to_owned();
    let name = ServerName::try_from(name).map_err(io::Error::other)?;
    connector(settings)?.connect(name, stream).await
}

fn connector(settings: &Tls) -> io::Result<TlsConnector> {
    let mut roots = RootCertStore::empty();
    match &settings.ca {
        None => roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned()),
        Some(path) => {
            let unreadable = |error| io::Error::other(format!("{}: {error}", path.display()));
            for authority in CertificateDer::pem_file_iter(path).map_err(unreadable)? {
                roots.add(authority.map_err(unreadable)?).map_err(io::Error::other)?;
            }
        }
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(io::Error::other)?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(TlsConnector::from(Arc::new(config)))
}
