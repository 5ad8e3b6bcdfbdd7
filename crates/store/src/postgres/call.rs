//! Calling the servers that `store.url` names, all of them at once: the newest that can be written is
//! the one to speak with.

use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::{Instant, timeout, timeout_at};
use tokio_postgres::config::Host;
use tokio_postgres::{AsyncMessage, Client, Config, Connection, NoTls};

use super::limits::Limits;
use super::origin::Origin;
use super::place::Place;
use super::session::{Heard, silent};
use super::tls::Tls;
use crate::error::{Error, Result};

/// How long the others are waited for when one has answered that can be used: one that has taken its
/// place answers as fast, and one that is away must not hold everything up.
const GRACE: Duration = Duration::from_millis(500);

/// A connection.
pub(super) struct Line {
    pub(super) client: Arc<Client>,
    /// The task that reads and writes the socket.
    pub(super) task: AbortHandle,
    /// Where the server's data comes from, as far as it tells.
    pub(super) origin: Option<Origin>,
}

impl Line {
    fn timeline(&self) -> i64 {
        self.origin.map_or(0, |origin| origin.timeline)
    }
}

/// Connects to the server that is to be used.
pub(super) async fn call(place: &Place, limits: Limits, heard: Option<&Heard>) -> Result<Line> {
    let line = find(place, heard).await?;
    let words = limits.words();
    let told = timeout(place.patience(), line.client.batch_execute(&words)).await;
    told.map_err(|_| silent())??;
    Ok(line)
}

/// Finds it among those that answer. From then on no connection is used that leads to an older one.
pub(super) async fn find(place: &Place, heard: Option<&Heard>) -> Result<Line> {
    let mut calls = JoinSet::new();
    for door in &place.doors {
        calls.spawn(one(door.clone(), place.tls.clone(), heard.cloned()));
    }
    let mut best: Option<Line> = None;
    let mut refusals = Vec::new();
    let mut until = Instant::now() + place.patience();
    while let Ok(Some(answer)) = timeout_at(until, calls.join_next()).await {
        let (name, answer) = answer.map_err(|_| silent())?;
        let allowed = answer.and_then(|line| match line.origin {
            Some(origin) => place.newest.allows(origin).map(|()| line),
            None => Ok(line),
        });
        match (allowed, &best) {
            (Ok(line), Some(other)) if !are_related(&line, other) => {
                line.task.abort();
                let why = "store.url names several servers that can be written, and their data is \
                     of different origin";
                return Err(Error::Unavailable(why.into()));
            }
            (Ok(line), Some(other)) if line.timeline() <= other.timeline() => line.task.abort(),
            (Ok(line), other) => {
                if let Some(other) = other {
                    other.task.abort();
                }
                best = Some(line);
                until = until.min(Instant::now() + GRACE);
            }
            (Err(why), _) => refusals.push((name, why)),
        }
    }
    let line = best.ok_or_else(|| in_words(refusals))?;
    line.origin.into_iter().for_each(|origin| place.newest.saw(origin));
    Ok(line)
}

/// Whether both servers may be copies of the same data.
fn are_related(one: &Line, other: &Line) -> bool {
    match (one.origin, other.origin) {
        (Some(one), Some(other)) => one.system == other.system,
        _ => true,
    }
}

/// Why none can be used: of one its own words, of several those of each.
fn in_words(mut refusals: Vec<(String, Error)>) -> Error {
    match refusals.as_mut_slice() {
        [] => silent(),
        [_] => refusals.remove(0).1,
        several => {
            let why = |why: &Error| match why {
                Error::Unavailable(why) | Error::Damaged(why) | Error::Failed(why) => why.clone(),
                other => other.to_string(),
            };
            let words: Vec<String> =
                several.iter().map(|(name, error)| format!("{name}: {}", why(error))).collect();
            Error::Unavailable(words.join("; "))
        }
    }
}

/// Calls one server, and asks it who it is.
async fn one(door: Config, tls: Option<Tls>, heard: Option<Heard>) -> (String, Result<Line>) {
    let calling = async {
        let (client, task) = match tls {
            None => attended(door.connect(NoTls).await?, heard),
            Some(tls) => attended(door.connect(tls).await?, heard),
        };
        let origin = Origin::ask(&client).await?;
        Ok(Line { client: Arc::new(client), task, origin })
    };
    let answer = calling.await;
    (name(&door), answer)
}

fn name(door: &Config) -> String {
    let host = match door.get_hosts().first() {
        Some(Host::Tcp(host)) => host.clone(),
        Some(Host::Unix(path)) => path.display().to_string(),
        None => String::new(),
    };
    match door.get_ports().first() {
        Some(port) => format!("{host}:{port}"),
        None => host,
    }
}

/// The connection runs whenever this thread waits for an answer.
fn attended<S, T>(
    (client, mut connection): (Client, Connection<S, T>),
    heard: Option<Heard>,
) -> (Client, AbortHandle)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let task = tokio::spawn(async move {
        loop {
            match std::future::poll_fn(|context| connection.poll_message(context)).await {
                Some(Ok(AsyncMessage::Notification(word))) => {
                    if let Some(heard) = &heard {
                        heard(word.payload());
                    }
                }
                Some(Ok(_)) => {} // The server's notices are for those who look into its log.
                Some(Err(error)) => {
                    tracing::warn!(%error, "the connection to PostgreSQL was lost");
                    return;
                }
                None => return,
            }
        }
    });
    (client, task.abort_handle())
}
