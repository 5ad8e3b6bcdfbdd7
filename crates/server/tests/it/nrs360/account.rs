//! `GET /account`.

use crate::house::{House, story};

#[test]
fn the_account_is_shown() {
    let house = House::open();
    let answer = house.call("GET", "/api/rest/account", "");
    insta::assert_snapshot!(story("GET /api/rest/account", &answer));
}
