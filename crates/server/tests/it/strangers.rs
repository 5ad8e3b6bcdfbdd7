//! The ledger: every route of the dialect refuses who has no credentials. Nothing is excepted, and
//! a route that is new is tested without being named here.

use pombo::entry::nrs360::ROUTES;

use crate::house::House;

#[test]
fn every_route_refuses_strangers() {
    // Each stranger comes from an address of its own: who fails often from one waits longer and longer.
    let house = House::with(|config| {
        config.http.trusted_proxies = vec!["127.0.0.1".to_owned()];
    });
    for (i, route) in ROUTES.iter().enumerate() {
        let path = format!("/api/rest{}", route.path.replace("{ids}", "1").replace("{id}", "1"));
        let source = format!("192.0.2.{i}");
        let answer = house.call_with(route.method, &path, &[("X-Forwarded-For", &source)], b"{}");
        assert_eq!(answer.status, 401, "{} {path}", route.method);
        assert_eq!(answer.json()["error"]["code"], 103, "{} {path}", route.method);
        let challenge = answer.header("www-authenticate").unwrap_or_default();
        assert!(challenge.starts_with("Basic realm="), "{} {path}", route.method);
    }
}
