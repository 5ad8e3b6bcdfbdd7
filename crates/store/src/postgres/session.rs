//! One connection: a client with a small runtime of its own, so that the store's threads can wait.

use std::cell::RefCell;
use std::collections::HashMap;
use std::future::Future;
use std::time::Duration;

use tokio::runtime::Runtime;
use tokio_postgres::{Client, Config, NoTls, Statement};

use crate::error::{Error, Result};

/// How long the server may take to answer a call.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// A connection. It is mended by [`Session::revive`], between two transactions.
pub(crate) struct Session {
    /// There until it is dropped.
    runtime: Option<Runtime>,
    config: Config,
    client: Client,
    statements: RefCell<HashMap<String, Statement>>,
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Session").field("hosts", &self.config.get_hosts()).finish_non_exhaustive()
    }
}

impl Session {
    pub(super) fn open(config: Config) -> Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|why| Error::Unavailable(why.to_string()))?;
        let client = call(&runtime, &config)?;
        Ok(Self { runtime: Some(runtime), config, client, statements: RefCell::default() })
    }

    /// Calls the server again where the connection was lost; says whether it was.
    pub(super) fn revive(&mut self) -> Result<bool> {
        if self.client.is_closed() {
            self.statements.borrow_mut().clear();
            let runtime = self.runtime.as_ref().ok_or(Error::Closed)?;
            self.client = call(runtime, &self.config)?;
            tracing::info!("connected to PostgreSQL again");
            return Ok(true);
        }
        Ok(false)
    }

    pub(super) fn wait<T>(
        &self,
        future: impl Future<Output = std::result::Result<T, tokio_postgres::Error>>,
    ) -> Result<T> {
        Ok(self.runtime.as_ref().ok_or(Error::Closed)?.block_on(future)?)
    }

    pub(super) const fn client(&self) -> &Client {
        &self.client
    }

    /// The statement of a text, prepared once.
    pub(crate) fn prepare(&self, text: &str) -> Result<Statement> {
        if let Some(known) = self.statements.borrow().get(text) {
            return Ok(known.clone());
        }
        let statement = self.wait(self.client.prepare(text))?;
        self.statements.borrow_mut().insert(text.to_owned(), statement.clone());
        Ok(statement)
    }

    pub(crate) fn batch(&self, text: &str) -> Result<()> {
        self.wait(self.client.batch_execute(text))
    }

    pub(crate) fn forget_statements(&self) {
        self.statements.borrow_mut().clear();
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        // Whoever drops it may be on a runtime of its own, which must not wait for this one.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

fn call(runtime: &Runtime, config: &Config) -> Result<Client> {
    let connecting = async {
        let (client, connection) = tokio::time::timeout(CONNECT_TIMEOUT, config.connect(NoTls))
            .await
            .map_err(|_| Error::Unavailable("the server does not answer".into()))??;
        // It runs whenever this thread waits for an answer.
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::warn!(%error, "the connection to PostgreSQL was lost");
            }
        });
        Ok(client)
    };
    runtime.block_on(connecting)
}
