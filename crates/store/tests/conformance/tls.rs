//! The way to a server, encrypted.

use pombo_peers::cluster::Cluster;
use pombo_store::{OpenError, Options, Store};

use crate::place::Folder;

#[test]
fn a_server_is_reached_by_tls_and_must_prove_its_name_where_that_is_asked() {
    let folder = Folder::new();
    let cluster = Cluster::encrypted(&folder.path().join("data"));
    let authority = folder.path().join("data/server.crt").display().to_string();
    let open = |host: &str, query: &str| {
        let url = format!("{}?{query}", cluster.url_by_port(host));
        Store::open(&url, &Options { exclusive: false, ..Options::default() })
    };
    let proved = format!("sslmode=verify-full&sslrootcert={}", authority.replace('/', "%2F"));
    let encrypted = "select count(1) from pg_stat_ssl join pg_stat_activity using (pid) \
         where ssl and application_name = 'pombo'";
    for query in ["sslmode=require", &proved] {
        let store = open("localhost", query).unwrap();
        assert!(!store.is_served());
        // The writer and its readers.
        assert_eq!(cluster.run(encrypted), "3", "{query}");
        store.close();
        drop(store);
        while cluster.run(encrypted) != "0" {
            std::thread::yield_now();
        }
    }
    for (host, query) in [
        ("127.0.0.1", proved.as_str()),
        // Nobody public vouches for it.
        ("localhost", "sslmode=verify-full"),
        ("localhost", "sslmode=verify-full&sslrootcert=/nowhere"),
        ("localhost", "sslmode=verify-ca"),
    ] {
        let opened = open(host, query);
        assert!(matches!(opened, Err(OpenError::Server { .. })), "{host} {query}: {opened:?}");
    }
}
