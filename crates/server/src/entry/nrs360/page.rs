//! Pages of a list: which one is asked for, and what the answer's `meta` says of it.

use std::num::NonZeroUsize;

use super::error::Problem;
use super::query::pairs;
use super::write;

/// A page that was answered.
pub(super) struct Page<'a> {
    /// The list's own URL.
    pub(super) url: &'a str,
    /// The query it was asked with.
    pub(super) query: Option<&'a str>,
    /// From 1.
    pub(super) number: usize,
    /// Entries of a page.
    pub(super) limit: usize,
    /// Entries of this page.
    pub(super) count: usize,
    /// Entries in all.
    pub(super) total: usize,
}

impl Page<'_> {
    /// Writes `"meta":{…}`.
    pub(super) fn write_meta(&self, out: &mut Vec<u8>) {
        let n_pages = self.total.div_ceil(self.limit).max(1);
        write::raw(out, "\"meta\":{\"pagination\":{");
        let counts = [
            ("\"total\":", self.total),
            (",\"count\":", self.count),
            (",\"per_page\":", self.limit),
            (",\"current_page\":", self.number),
            (",\"total_pages\":", n_pages),
        ];
        for (key, n) in counts {
            write::raw(out, key);
            write::integer(out, i64::try_from(n).unwrap_or(i64::MAX));
        }
        write::raw(out, ",\"links\":{");
        if self.number > 1 {
            write::raw(out, "\"previous\":");
            write::text(out, &self.at(self.number - 1));
        }
        if self.number < n_pages {
            write::raw(out, if self.number > 1 { ",\"next\":" } else { "\"next\":" });
            write::text(out, &self.at(self.number + 1));
        }
        write::raw(out, "}}}");
    }

    /// The same list at another page.
    fn at(&self, page: usize) -> String {
        let mut written = url::form_urlencoded::Serializer::new(String::new());
        let before = pairs(self.query);
        written.extend_pairs(before.filter(|(name, _)| name != "page"));
        written.append_pair("page", &page.to_string());
        format!("{}?{}", self.url, written.finish())
    }
}

/// A number of a query, at least 1.
pub(super) fn number(field: &str, text: &str) -> Result<NonZeroUsize, Problem> {
    text.trim().parse().map_err(|_| Problem::wrong_type(field, "an integer of at least 1"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_keep_the_filters() {
        let page =
            |query| Page { url: "https://h/x", query, number: 1, limit: 1, count: 1, total: 9 };
        let url = page(Some("tags=a%2Cb&page=1&limit=2")).at(2);
        assert_eq!(url, "https://h/x?tags=a%2Cb&limit=2&page=2");
        assert_eq!(page(None).at(2), "https://h/x?page=2");
    }
}
