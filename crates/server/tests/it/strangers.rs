//! The ledger: every route of the dialect refuses who has no credentials. Nothing is excepted, and
//! a route that is new is tested without being named here.

use pombo::entry::nrs360::ROUTES;

use crate::house::House;

#[test]
fn every_route_refuses_strangers() {
    let house = House::open();
    for route in ROUTES {
        let path = format!("/api/rest{}", route.path.replace("{ids}", "1"));
        let answer = house.call_with(route.method, &path, &[], b"{}");
        assert_eq!(answer.status, 401, "{} {path}", route.method);
        assert_eq!(answer.json()["error"]["code"], 103, "{} {path}", route.method);
        let challenge = answer.header("www-authenticate").unwrap_or_default();
        assert!(challenge.starts_with("Basic realm="), "{} {path}", route.method);
    }
}
