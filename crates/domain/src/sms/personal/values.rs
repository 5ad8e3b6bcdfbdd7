//! The values of a request's variables, one row per recipient, without an allocation each.

/// A table: a row per recipient, a column per variable. All cells lie in one text, so that a
/// hundred thousand rows cost little more than their characters.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Values {
    n_columns: usize,
    cells: String,
    /// Where each cell ends.
    ends: Vec<usize>,
}

/// The values of one recipient.
#[derive(Debug, Clone, Copy)]
pub struct Row<'a> {
    table: &'a Values,
    first: usize,
}

impl Values {
    /// An empty table with room for `n_rows`.
    #[must_use]
    pub fn new(n_columns: usize, n_rows: usize) -> Self {
        let ends = Vec::with_capacity(n_columns.saturating_mul(n_rows));
        Self { n_columns, cells: String::new(), ends }
    }

    /// Adds a row; cells that are missing are empty, those too many are left out.
    pub fn push<'a>(&mut self, row: impl IntoIterator<Item = &'a str>) {
        let mut row = row.into_iter();
        for _ in 0..self.n_columns {
            self.cells.push_str(row.next().unwrap_or_default());
            self.ends.push(self.cells.len());
        }
    }

    /// The row with the zero-based index `idx`; of empty values where there is none.
    #[must_use]
    pub fn row(&self, idx: usize) -> Row<'_> {
        Row { table: self, first: idx.saturating_mul(self.n_columns) }
    }
}

impl<'a> Row<'a> {
    /// The value of a variable, by its place in [`super::Template::variables`].
    #[must_use]
    pub fn get(self, column: usize) -> &'a str {
        let at = self.first + column;
        let Some(&end) = self.table.ends.get(at) else { return "" };
        let start = at.checked_sub(1).and_then(|before| self.table.ends.get(before));
        &self.table.cells[start.copied().unwrap_or(0)..end]
    }
}
