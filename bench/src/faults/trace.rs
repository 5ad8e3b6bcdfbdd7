//! Shows with strace that the store's log is synced between each request and its 202.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use pombo_peers::load::{Post, ask};

use crate::pombo::{Pombo, authorization};
use crate::process::{TempFolder, free_port, local, wait_until};

/// Sends `n` requests one after another to a traced pombo; a line that says what was seen.
pub(super) fn run(parent: &TempFolder, n: u32) -> Result<String> {
    let folder = TempFolder::new("crash-trace")?;
    let nobody = local(free_port()?);
    let pombo = Pombo::prepare(&folder, nobody, 10)?;
    let path = parent.join("strace.txt");
    let output = path.display().to_string();
    let calls = "trace=read,recvfrom,recvmsg,write,writev,sendto,sendmsg,fsync,fdatasync";
    let mut tracer =
        pombo.serve_traced("strace", &["-f", "-y", "-s", "64", "-e", calls, "-o", &output])?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    for idx in 0..n {
        let answer = runtime.block_on(ask(pombo.http(), &request(pombo.http(), idx)))?;
        if answer.status != 202 {
            bail!("answered with {}: {}", answer.status, String::from_utf8_lossy(&answer.body));
        }
    }
    // The tracer ends with what it traces.
    let children = format!("/proc/{0}/task/{0}/children", tracer.pid());
    let child = std::fs::read_to_string(children)?.trim().to_owned();
    Command::new("kill").args(["-TERM", &child]).status()?;
    wait_until("the traced pombo stops", Duration::from_secs(30), || {
        Ok(tracer.must_run().is_err())
    })?;
    let seen = read(&std::fs::read_to_string(&path).with_context(|| output.clone())?);
    if seen.answers < n || seen.unsynced > 0 {
        bail!("of {n} answers {} were traced, {} left before a sync", seen.answers, seen.unsynced);
    }
    Ok(format!("traced answers after a sync         {} of {n}", seen.answers))
}

fn request(address: SocketAddr, idx: u32) -> Vec<u8> {
    let headers = [authorization(), "Content-Type: application/json".to_owned()];
    let to = 34_600_000_000 + u64::from(idx);
    let body = format!(r#"{{"to":["{to}"],"from":"pombo","message":"traced"}}"#);
    let mut bytes = Vec::new();
    Post::new(&address.to_string(), "/api/rest/sms", &headers).append(body.as_bytes(), &mut bytes);
    bytes
}

/// What a trace of sequential requests shows.
#[derive(Debug, Default, PartialEq, Eq)]
struct Seen {
    answers: u32,
    unsynced: u32,
}

/// Reads a trace: a sync counts for an answer when it began after the request was read, and ended
/// before the answer was written.
fn read(trace: &str) -> Seen {
    let mut seen = Seen::default();
    let mut is_synced = false;
    let mut begun: BTreeMap<&str, ()> = BTreeMap::new();
    for line in trace.lines() {
        let (thread, call) = line.split_once(' ').unwrap_or(("", line));
        let call = call.trim_start();
        let is_sync = call.starts_with("fdatasync(") || call.starts_with("fsync(");
        if call.contains("POST /api/rest/sms") {
            is_synced = false;
            begun.clear();
        } else if is_sync && call.contains("-wal") && call.ends_with("= 0") {
            is_synced = true;
        } else if is_sync && call.contains("-wal") && call.ends_with("<unfinished ...>") {
            begun.insert(thread, ());
        } else if call.contains("sync resumed>") && call.ends_with("= 0") {
            is_synced |= begun.remove(thread).is_some();
        } else if call.contains("HTTP/1.1 202") {
            seen.answers += 1;
            seen.unsynced += u32::from(!is_synced);
        }
    }
    seen
}

#[cfg(test)]
mod tests {
    use super::*;

    const READ: &str = "11 recvfrom(9<socket:[1]>, \"POST /api/rest/sms HTTP\"..., 8192) = 310\n";
    const ANSWER: &str = "11 sendto(9<socket:[1]>, \"HTTP/1.1 202 Accepted\"..., 300) = 300\n";

    #[test]
    fn an_answer_after_a_whole_sync_is_good() {
        let sync = "12 fdatasync(5</x/pombo.db-wal>) = 0\n";
        let trace = [READ, sync, ANSWER].concat();
        assert_eq!(read(&trace), Seen { answers: 1, unsynced: 0 });
    }

    #[test]
    fn a_sync_that_began_before_the_request_proves_nothing() {
        let begin = "12 fdatasync(5</x/pombo.db-wal> <unfinished ...>\n";
        let end = "12 <... fdatasync resumed>) = 0\n";
        let early = [begin, READ, end, ANSWER].concat();
        assert_eq!(read(&early), Seen { answers: 1, unsynced: 1 });
        let in_time = [READ, begin, end, ANSWER].concat();
        assert_eq!(read(&in_time), Seen { answers: 1, unsynced: 0 });
    }
}
