//! `pombo sms certificate`: checks the evidence of a certified message, and writes it to a file.

use std::fs::File;
use std::io::Write;
use std::path::PathBuf;

use clap::Args;
use pombo_app::usecase::certificate::{Certificate, inspect};
use pombo_domain::id::MessageId;
use pombo_store::with_causes;

use super::{Failure, open_store, out};
use crate::certificate::write;
use crate::config::Config;

#[derive(Args)]
pub(super) struct Arguments {
    /// The message's number.
    id: i64,
    /// A new file for the certificate; without one the evidence is checked and nothing is written.
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// In which language: en, pt or es.
    #[arg(long, value_name = "LANGUAGE", default_value = "en")]
    language: String,
}

pub(super) fn run(asked: &Arguments, config: &Config) -> Result<(), Failure> {
    let id = asked.id;
    let store = open_store(config)?;
    let found =
        inspect(&store, MessageId(id)).map_err(|fault| Failure::Failed(with_causes(&fault)))?;
    let evidence = match found {
        Certificate::Ready(evidence) => evidence,
        Certificate::Open => {
            let text = format!("message {id} has no final state yet; ask again when it has one");
            return Err(Failure::Failed(text));
        }
        Certificate::Unknown => {
            let text = format!(
                "there is no certified message {id}; messages with `certified` have certificates"
            );
            return Err(Failure::Failed(text));
        }
    };
    let (n, head) = (evidence.links.len(), evidence.head());
    out::line(&format!("message {id}: {n} links, all as they were written; head {head}"))?;
    let Some(file) = &asked.output else { return Ok(()) };
    let paper = write(&evidence, &config.brand, &asked.language)
        .map_err(|error| Failure::Failed(error.to_string()))?;
    let failed = |e| Failure::Failed(format!("{}: {e}; name a new file", file.display()));
    let mut made = File::create_new(file).map_err(failed)?;
    made.write_all(&paper).and_then(|()| made.sync_all()).map_err(failed)?;
    out::line(&format!("the certificate is in {}", file.display()))
}
