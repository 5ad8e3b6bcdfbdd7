//! Personal texts: `{name}` and `{name|filter|filter}` give way to each recipient's values.
//!
//! A template is parsed once and rendered per recipient. A placeholder is a name between braces:
//! it begins with a letter, a digit or `_`, and goes on with these, spaces, `-` and `.`. Whatever
//! else stands between braces is text. Names tell capitals from small letters.

mod filter;
mod values;

#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::ops::Range;

use super::{Encoding, Fitted, Form, Segmented, Unfit, decode_gsm, decode_utf16be};
use crate::limits::{FILTERS_MAX, PLACEHOLDERS_MAX, TEXT_BYTES_MAX, VARIABLE_NAME_CHARS_MAX};
use crate::link::Target;

use filter::Filter;

pub use values::{Row, Values};

/// The variable that stands for a one-time code. Its value is no column of a request: it is made
/// for each message when that leaves.
pub const OTP_CODE: &str = "OTP_CODE";

/// How it stands in a text, in a stored one too.
pub const CODE: &str = "{OTP_CODE}";

/// What stands for a code wherever a text is shown.
pub const CODE_SHOWN: &str = "****";

/// A text with placeholders, parsed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    source: Box<str>,
    pieces: Vec<Piece>,
    variables: Vec<Box<str>>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    /// As it stands in the source.
    Text(Range<usize>),
    Placeholder {
        column: usize,
        filters: Vec<Filter>,
    },
    /// A one-time code.
    Code,
}

/// Why a text is no template.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TemplateError {
    /// A filter that does not exist.
    #[error("the filter {0:?} does not exist")]
    UnknownFilter(String),
    /// More than [`PLACEHOLDERS_MAX`] placeholders.
    #[error("too many placeholders")]
    TooManyPlaceholders,
    /// More than [`FILTERS_MAX`] filters of one placeholder.
    #[error("too many filters")]
    TooManyFilters,
    /// A filter of a one-time code: what it made would not be the code.
    #[error("a one-time code has no filters")]
    FilteredCode,
}

/// A rendered text, and where its values stand in it.
#[derive(Debug, Default)]
struct Rendered {
    text: String,
    values: Vec<Range<usize>>,
}

impl Template {
    /// Reads a text.
    pub fn parse(source: &str) -> Result<Self, TemplateError> {
        let mut template =
            Self { source: source.into(), pieces: Vec::new(), variables: Vec::new() };
        let (mut text_from, mut at, mut n_placeholders) = (0, 0, 0);
        while let Some(open) = source[at..].find('{').map(|found| at + found) {
            let inside = open + 1;
            let Some(end) = source[inside..].find(['{', '}']).map(|found| inside + found) else {
                break;
            };
            let placeholder = match source[end..].starts_with('}') {
                true => template.placeholder(&source[inside..end])?,
                false => None,
            };
            let Some(placeholder) = placeholder else {
                at = end; // A brace that opens here may begin one.
                continue;
            };
            n_placeholders += 1;
            if n_placeholders > PLACEHOLDERS_MAX {
                return Err(TemplateError::TooManyPlaceholders);
            }
            template.push_text(text_from..open);
            template.pieces.push(placeholder);
            (text_from, at) = (end + 1, end + 1);
        }
        template.push_text(text_from..source.len());
        Ok(template)
    }

    fn push_text(&mut self, range: Range<usize>) {
        if !range.is_empty() {
            self.pieces.push(Piece::Text(range));
        }
    }

    /// What stands between two braces; `None` where it is no placeholder.
    fn placeholder(&mut self, inside: &str) -> Result<Option<Piece>, TemplateError> {
        let mut words = inside.split('|').map(str::trim);
        let name = words.next().unwrap_or_default();
        if !is_name(name) {
            return Ok(None);
        }
        let filters: Vec<Filter> = words
            .take(FILTERS_MAX + 1)
            .map(|word| {
                let shown = || word.chars().take(VARIABLE_NAME_CHARS_MAX).collect();
                Filter::parse(word).ok_or_else(|| TemplateError::UnknownFilter(shown()))
            })
            .collect::<Result<_, _>>()?;
        if filters.len() > FILTERS_MAX {
            return Err(TemplateError::TooManyFilters);
        }
        if name == OTP_CODE {
            let code = filters.is_empty().then_some(Piece::Code);
            return code.ok_or(TemplateError::FilteredCode).map(Some);
        }
        let known = self.variables.iter().position(|variable| **variable == *name);
        let column = known.unwrap_or_else(|| {
            self.variables.push(name.into());
            self.variables.len() - 1
        });
        Ok(Some(Piece::Placeholder { column, filters }))
    }

    /// The text as it was written.
    #[must_use]
    pub fn source(&self) -> &str {
        &self.source
    }

    /// The names of its variables, each once, in the order in which they first stand: the columns
    /// of its [`Values`].
    #[must_use]
    pub fn variables(&self) -> &[Box<str>] {
        &self.variables
    }

    /// Whether each text has a one-time code.
    #[must_use]
    pub fn has_code(&self) -> bool {
        self.pieces.contains(&Piece::Code)
    }

    /// How many short links each text has.
    #[must_use]
    pub fn n_links(&self) -> usize {
        let has_link = |piece: &&Piece| match piece {
            Piece::Text(_) | Piece::Code => false,
            Piece::Placeholder { filters, .. } => filters.contains(&Filter::Shorten),
        };
        self.pieces.iter().filter(has_link).count()
    }

    /// One recipient's text as it is sent, or why it cannot be. `link` gives the short link of a
    /// URL: one for each time a value is shortened. What a link is made of must be in every
    /// alphabet.
    pub fn render(
        &self,
        values: Row<'_>,
        form: Form,
        link: &mut dyn FnMut(Target) -> String,
    ) -> Result<Fitted, Unfit> {
        self.fill(values, link)?.fit(form)
    }

    fn fill(
        &self,
        values: Row<'_>,
        link: &mut dyn FnMut(Target) -> String,
    ) -> Result<Rendered, Unfit> {
        let mut rendered = Rendered::default();
        for piece in &self.pieces {
            match piece {
                Piece::Text(range) => rendered.text.push_str(&self.source[range.clone()]),
                Piece::Code => {
                    let start = rendered.text.len();
                    rendered.text.push_str(CODE);
                    rendered.values.push(start..rendered.text.len());
                }
                Piece::Placeholder { column, filters } => {
                    let value = values.get(*column);
                    if value.len() > TEXT_BYTES_MAX {
                        return Err(Unfit::TooLong);
                    }
                    let value = self.filtered(*column, value, filters, link)?;
                    let start = rendered.text.len();
                    rendered.text.push_str(&value);
                    rendered.values.push(start..rendered.text.len());
                }
            }
            if rendered.text.len() > TEXT_BYTES_MAX {
                return Err(Unfit::TooLong);
            }
        }
        Ok(rendered)
    }

    fn filtered<'v>(
        &self,
        column: usize,
        value: &'v str,
        filters: &[Filter],
        link: &mut dyn FnMut(Target) -> String,
    ) -> Result<Cow<'v, str>, Unfit> {
        let mut value = Cow::Borrowed(value);
        for filter in filters {
            if *filter == Filter::Shorten {
                let target = Target::parse(&value)
                    .map_err(|_| Unfit::NotAUrl(self.variables[column].to_string()))?;
                // A link leads nowhere once a letter of it has changed: it is the last word.
                return Ok(Cow::Owned(link(target)));
            }
            value = filter.apply(value);
        }
        Ok(value)
    }
}

/// A text that is the same for all but for its one-time codes, as it is sent.
pub fn fit_code(text: &str, form: Form) -> Result<Fitted, Unfit> {
    let values = text.match_indices(CODE).map(|(at, code)| at..at + code.len()).collect();
    Rendered { text: text.to_owned(), values }.fit(form)
}

impl Rendered {
    fn fit(&self, form: Form) -> Result<Fitted, Unfit> {
        let fitted = form.fit(&self.text)?;
        if form.cut.split && fitted.n_parts > 1 && self.is_cut(form, &fitted.segmented) {
            return Err(Unfit::PlaceholderCut);
        }
        Ok(fitted)
    }

    /// Whether a value stands partly in one message and partly in the next.
    ///
    /// Counted in characters, since normalising and transliterating change the length of a text.
    /// A letter that is composed across the edge of a value counts on both sides.
    fn is_cut(&self, form: Form, segmented: &Segmented) -> bool {
        let count = |text: &str| form.with_code(&form.prepare(text)).chars().count();
        let mut cuts = cuts(segmented).peekable();
        let (mut chars, mut at) = (0, 0);
        for value in &self.values {
            chars += count(&self.text[at..value.start]);
            let end = chars + count(&self.text[value.clone()]);
            while cuts.next_if(|cut| *cut <= chars).is_some() {}
            if cuts.peek().is_some_and(|cut| *cut < end) {
                return true;
            }
            (chars, at) = (end, value.end);
        }
        false
    }
}

/// Before which character each part after the first begins.
fn cuts(segmented: &Segmented) -> impl Iterator<Item = usize> {
    let tables = segmented.tables();
    let chars = segmented.parts().map(move |part| match segmented.encoding() {
        Encoding::Utf16 => decode_utf16be(part.septets_or_octets).chars().count(),
        _ => decode_gsm(part.septets_or_octets, tables).chars().count(),
    });
    let ends = chars.scan(0, |end, n| {
        *end += n;
        Some(*end)
    });
    ends.take(segmented.n_parts().saturating_sub(1))
}

fn is_name(name: &str) -> bool {
    let mut chars = name.chars();
    let begins = chars.next().is_some_and(|c| c.is_alphanumeric() || c == '_');
    let goes_on = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | ' ');
    begins && chars.all(goes_on) && name.chars().count() <= VARIABLE_NAME_CHARS_MAX
}
