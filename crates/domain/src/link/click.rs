//! A click, as the event of a message keeps it.

use super::Visitor;

/// Who followed a link, and where to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Click {
    /// `mobile`, `tablet`, `desktop`, `tv`; empty when unknown.
    pub device: String,
    /// The browser's name; empty when unknown.
    pub browser: String,
    /// The operating system's name; empty when unknown.
    pub system: String,
    /// Whether it is a phone or a tablet.
    pub is_mobile: bool,
    /// The URL that the link led to.
    pub url: String,
}

impl Click {
    /// A visitor's click on a link to `url`.
    #[must_use]
    pub fn of(visitor: &Visitor, url: &str) -> Self {
        Self {
            device: visitor.device.as_str().to_owned(),
            browser: visitor.browser.to_owned(),
            system: visitor.system.to_owned(),
            is_mobile: visitor.device.is_mobile(),
            url: url.to_owned(),
        }
    }

    /// One line: device, browser, system, `1` for mobile, URL, with tabs between.
    #[must_use]
    pub fn to_stored(&self) -> String {
        let mobile = if self.is_mobile { "1" } else { "0" };
        [&self.device, &self.browser, &self.system, mobile, &self.url].join("\t")
    }

    /// Reads what [`Click::to_stored`] gave; what is missing is empty.
    #[must_use]
    pub fn from_stored(line: &str) -> Self {
        let mut cells = line.splitn(5, '\t');
        let mut next = || cells.next().unwrap_or_default().to_owned();
        Self {
            device: next(),
            browser: next(),
            system: next(),
            is_mobile: next() == "1",
            url: next(),
        }
    }
}
