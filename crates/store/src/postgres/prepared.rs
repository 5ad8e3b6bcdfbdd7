//! What a connection has prepared.

use std::cell::RefCell;
use std::sync::{Arc, OnceLock};

use tokio_postgres::Statement;

use super::many;
use super::pipe::{Batch, Write};
use super::session::Session;
use super::together::text_of;
use crate::error::{Error, Result};
use crate::recent::Recent;

/// A statement that is prepared.
pub(crate) struct Known {
    text: String,
    pub(crate) one: Statement,
    write: OnceLock<Arc<Write>>,
    question: OnceLock<Statement>,
}

/// Statements kept prepared, at most; each costs some memory of the server too.
const STATEMENTS_MAX: usize = 512;

/// How often writes come together before that is prepared: it costs more than it saves once.
const TOGETHER_MIN: u32 = 8;

/// Writes that come together, of which that is known, at most.
const TOGETHER_MAX: usize = 128;

/// Writes that come together.
enum Together {
    /// So often so far.
    Seen(u32),
    Prepared(Statement),
}

/// All that is prepared.
pub(super) struct Statements {
    /// By their texts.
    known: RefCell<Recent<String, Arc<Known>>>,
    /// By the numbers of the writes.
    together: RefCell<Recent<Vec<usize>, Together>>,
}

impl Default for Statements {
    fn default() -> Self {
        Self {
            known: RefCell::new(Recent::new(STATEMENTS_MAX)),
            together: RefCell::new(Recent::new(TOGETHER_MAX)),
        }
    }
}

impl Session {
    /// The statement of a text, prepared once.
    pub(super) fn known(&self, text: &str) -> Result<Arc<Known>> {
        if let Some(known) = self.statements.known.borrow_mut().get(text) {
            return Ok(Arc::clone(known));
        }
        let known = Arc::new(Known {
            one: self.wait(self.client().prepare(text))?,
            text: text.to_owned(),
            write: OnceLock::new(),
            question: OnceLock::new(),
        });
        self.statements.known.borrow_mut().insert(text.to_owned(), Arc::clone(&known));
        Ok(known)
    }

    /// What is known of it where it writes.
    pub(super) fn write_of(&self, known: &Known) -> Result<Arc<Write>> {
        if let Some(write) = known.write.get() {
            return Ok(Arc::clone(write));
        }
        let prepare = |text: &str| self.wait(self.client().prepare(text));
        let write = Arc::new(Write::new(&known.text, &known.one, prepare)?);
        Ok(Arc::clone(known.write.get_or_init(|| write)))
    }

    /// Its form that answers for many values at once.
    pub(super) fn question_of(&self, known: &Known) -> Result<Statement> {
        if let Some(question) = known.question.get() {
            return Ok(question.clone());
        }
        let text = many::question(&known.text, known.one.params())
            .ok_or_else(|| Error::Failed(format!("{} is asked of nothing", known.text)))?;
        let question = self.wait(self.client().prepare(&text))?;
        Ok(known.question.get_or_init(|| question).clone())
    }

    /// The statement that writes batches all at once, where they have come together often enough.
    pub(super) fn together(&self, batches: &[Batch]) -> Result<Option<Statement>> {
        if batches.len() < 2 {
            return Ok(None);
        }
        let numbers: Vec<usize> = batches.iter().map(Batch::number).collect();
        if let Some(known) = self.seen_together(&numbers) {
            return Ok(known);
        }
        let statement = self.wait(self.client().prepare(&text_of(batches)))?;
        let prepared = Together::Prepared(statement.clone());
        self.statements.together.borrow_mut().insert(numbers, prepared);
        Ok(Some(statement))
    }

    /// Counts once more that these come together; nothing where that is to be prepared now.
    fn seen_together(&self, numbers: &[usize]) -> Option<Option<Statement>> {
        let mut together = self.statements.together.borrow_mut();
        match together.get(numbers) {
            Some(Together::Prepared(statement)) => Some(Some(statement.clone())),
            Some(Together::Seen(TOGETHER_MIN..)) => None,
            Some(Together::Seen(n)) => {
                *n += 1;
                Some(None)
            }
            None => {
                together.insert(numbers.to_vec(), Together::Seen(1));
                Some(None)
            }
        }
    }

    /// Prepares a statement in all its forms.
    #[cfg(test)]
    pub(crate) fn prepare(&self, text: &str) -> Result<Statement> {
        let known = self.known(text)?;
        match (text.starts_with("select "), known.one.params()) {
            (true, []) => {}
            (true, _) => drop(self.question_of(&known)?),
            (false, _) => drop(self.write_of(&known)?),
        }
        Ok(known.one.clone())
    }

    /// Forgets them all: tables may be others now.
    pub(crate) fn forget_statements(&self) {
        self.statements.known.borrow_mut().clear();
        self.statements.together.borrow_mut().clear();
    }
}
