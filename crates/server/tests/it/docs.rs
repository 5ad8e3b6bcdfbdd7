//! Every example of the pages in `docs/howto`, as a reader would run it: by a shell, against the
//! `demo` that the README starts.
//!
//! A page's `sh` blocks run in order on a server of their own. What is commented behind a line as
//! `# {…}` or `# "…"` must be in the answer. A block marked `sh no-run` needs what no test has.
//! The translated pages have the same blocks, which `cargo xtask tidy` sees to.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::cli::command;
use crate::house::folder;

/// The password of the demo account, where the pages say PASSWORD.
const PASSWORD: &str = "demo-password-1";
/// What the pages have for the ids of a request's two messages.
const IDS_IN_PAGES: [&str; 2] = ["1497922441822208", "1497922854567936"];
/// What there is before a page's first example: two messages of a campaign.
const BEFORE: &str = r#"curl -u demo:PASSWORD http://127.0.0.1:8360/api/rest/sms -d '{
  "to":["34666555444","34666555333"],"from":"TEST","message":"Hello","campaignName":"Before"}'"#;
/// As a reader's shell: an answer that is no success is a failure.
const PRELUDE: &str = "set -eu\ncurl() { command curl --silent --show-error --fail-with-body \"$@\"; }\n\
    pombo() { \"$POMBO\" \"$@\"; }\n";

/// `pombo demo`, ended with the test.
struct Demo {
    child: Child,
    folder: PathBuf,
    url: String,
    ids: Vec<String>,
}

impl Drop for Demo {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

impl Demo {
    fn start() -> Self {
        let folder = folder();
        // Bad rows and all, as the page on opt-outs shows them.
        std::fs::write(folder.join("list.csv"), "phone,email\n34666555111,\n,ana@example.com\n")
            .unwrap();
        let mut child = command(&folder, &["demo"])
            .env("POMBO_DEMO_PASSWORD", PASSWORD)
            .env("POMBO_HTTP__LISTEN", "127.0.0.1:0")
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        let url = line.trim().strip_prefix("ready ").expect(&line).to_owned();
        let mut demo = Self { child, folder, url, ids: Vec::new() };
        demo.run("before the page", BEFORE);
        demo
    }

    /// Runs a block as it stands there, but for the names of this server and of its messages.
    fn run(&mut self, page: &str, block: &str) {
        let mut script =
            block.replace("PASSWORD", PASSWORD).replace("http://127.0.0.1:8360", &self.url);
        for (shown, real) in IDS_IN_PAGES.iter().zip(&self.ids) {
            script = script.replace(shown, real);
        }
        let output = Command::new("bash")
            .args(["-c", &format!("{PRELUDE}{script}")])
            .current_dir(&self.folder)
            .env("POMBO", env!("CARGO_BIN_EXE_pombo"))
            .env("POMBO_STORE__URL", "sqlite:pombo-data/pombo.db")
            .output()
            .expect("bash is there");
        let stdout = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{page}:\n{script}\n{stdout}{}", {
            String::from_utf8_lossy(&output.stderr)
        });
        for expected in block.lines().filter_map(told) {
            assert!(stdout.contains(expected), "{page}: {expected} is not in\n{stdout}");
        }
        let ids: Vec<String> = stdout.split("\"id\":\"").skip(1).filter_map(quoted).collect();
        if !ids.is_empty() {
            self.ids = ids;
        }
    }
}

/// What a line's comment says that comes back.
fn told(line: &str) -> Option<&str> {
    let (_, comment) = line.rsplit_once("# ")?;
    (comment.starts_with('{') || comment.starts_with('"')).then_some(comment.trim())
}

fn quoted(rest: &str) -> Option<String> {
    rest.split_once('"').map(|(id, _)| id.to_owned())
}

/// The blocks of a page that a reader can run.
fn blocks(page: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut lines = page.lines();
    while let Some(line) = lines.next() {
        if line == "```sh" {
            let block: Vec<&str> = lines.by_ref().take_while(|line| *line != "```").collect();
            found.push(block.join("\n"));
        }
    }
    found
}

/// The pages of a folder, by name.
fn pages(of: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs").join(of);
    let mut pages: Vec<PathBuf> =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    pages.sort();
    pages
}

#[test]
fn every_example_of_the_how_to_pages_runs_as_it_stands() {
    let mut n_run = 0;
    for path in pages("howto") {
        let blocks = blocks(&std::fs::read_to_string(&path).unwrap());
        if blocks.is_empty() {
            continue;
        }
        let mut demo = Demo::start();
        for block in &blocks {
            demo.run(&path.display().to_string(), block);
            n_run += 1;
        }
    }
    assert!(n_run > 20, "only {n_run} examples");
}
