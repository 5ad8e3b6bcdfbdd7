//! What stands behind the question mark of a URL.

use url::form_urlencoded::{Parse, parse};

/// Its names and values, decoded, in their order; none where there is no query.
pub(super) fn pairs(query: Option<&str>) -> Parse<'_> {
    parse(query.unwrap_or_default().as_bytes())
}
