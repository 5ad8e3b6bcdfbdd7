//! The API against its own document, asked by a program that nobody here wrote.

use std::path::Path;
use std::process::Command;

use crate::house::House;

/// Requests of each operation, at most, beside those that try each of its parameters' edges.
const EXAMPLES: &str = "25";
/// What the original takes beyond its document is taken, and rules between fields are in no schema.
/// Wrong credentials are slowed down; the tests of authentication send them.
const NOT_CHECKED: &str = "negative_data_rejection,positive_data_acceptance,ignored_auth";

/// Whatever the document allows and whatever it forbids: no server error, and no status, type or
/// body that the document does not tell of.
#[test]
fn every_answer_is_one_that_the_document_tells_of() {
    let site = Path::new(env!("CARGO_MANIFEST_DIR")).join("../peers/foreign/schemathesis/site");
    assert!(site.join("installed").is_file(), "run `cargo xtask setup`");
    let house = House::open();
    let output = Command::new("python3")
        .arg(site.join("bin/st"))
        .arg("run")
        .arg(format!("http://{}/openapi.json", house.address))
        .args(["--auth", "username:apiPassword", "--max-examples", EXAMPLES])
        .args(["--seed", "1", "--generation-database", "none", "--no-color"])
        .args(["--phases", "examples,coverage,fuzzing", "--checks", "all"])
        .args(["--exclude-checks", NOT_CHECKED])
        // Its credentials are in its query, and each that is made up would be slowed down.
        .args(["--exclude-path", "/Api/get/send.php"])
        .env("PYTHONPATH", &site)
        .current_dir(&house.folder)
        .output()
        .expect("python3 is there");
    let told = String::from_utf8_lossy(&output.stdout);
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{told}\n{error}");
}
