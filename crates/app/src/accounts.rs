//! The accounts as they stand, in memory: read anew when the store has changed.

use std::collections::HashMap;
use std::sync::Arc;

use pombo_domain::id::AccountId;
use pombo_store::Store;
use pombo_store::operation as op;
pub use pombo_store::operation::account::Account;

use crate::current::Current;
use crate::error::Fault;

/// A snapshot, replaced as a whole.
#[derive(Debug, Default)]
pub(crate) struct Snapshot {
    by_name: HashMap<String, Arc<Account>>,
    by_id: HashMap<AccountId, Arc<Account>>,
}

/// The newest snapshot; cheap to clone.
#[derive(Debug, Clone, Default)]
pub(crate) struct Accounts {
    current: Current<Snapshot>,
}

impl Accounts {
    pub(crate) async fn load(store: &Store) -> Result<Self, Fault> {
        let accounts = Self::default();
        accounts.refresh(store).await?;
        Ok(accounts)
    }

    /// Reads all accounts anew.
    pub(crate) async fn refresh(&self, store: &Store) -> Result<(), Fault> {
        let mut snapshot = Snapshot::default();
        for account in store.ask(op::account::List).await? {
            let account = Arc::new(account);
            snapshot.by_name.insert(account.name.clone(), Arc::clone(&account));
            snapshot.by_id.insert(account.id, account);
        }
        self.current.set(snapshot);
        Ok(())
    }

    pub(crate) fn by_name(&self, name: &str) -> Option<Arc<Account>> {
        self.current.get().by_name.get(name).cloned()
    }

    pub(crate) fn by_id(&self, id: AccountId) -> Option<Arc<Account>> {
        self.current.get().by_id.get(&id).cloned()
    }
}
