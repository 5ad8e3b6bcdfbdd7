//! What countries allow, in memory: replaced as a whole when the configuration is read again.

use std::sync::{Arc, RwLock};

use pombo_domain::country::Rules;

/// The rules in force; cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Countries {
    current: Arc<RwLock<Arc<Rules>>>,
}

impl Countries {
    pub(crate) fn new(rules: Rules) -> Self {
        Self { current: Arc::new(RwLock::new(Arc::new(rules))) }
    }

    pub(crate) fn rules(&self) -> Arc<Rules> {
        match self.current.read() {
            Ok(current) => Arc::clone(&current),
            Err(poisoned) => Arc::clone(&poisoned.into_inner()),
        }
    }

    pub(crate) fn replace(&self, rules: Rules) {
        if let Ok(mut current) = self.current.write() {
            *current = Arc::new(rules);
        }
    }
}
