//! libfaketime, under which a program sees another time.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

/// Where Debian's package puts the library.
const LIBRARY: &str = "faketime/libfaketimeMT.so.1";

/// What is missing where [`library`] finds nothing.
pub(crate) const MISSING: &str = "libfaketime is not installed: apt-get install faketime";

/// The library, where it is installed.
pub(crate) fn library() -> Option<PathBuf> {
    let folders = std::fs::read_dir("/usr/lib").ok()?;
    let here = Path::new("/usr/lib").join(LIBRARY);
    let places = folders.filter_map(|folder| Some(folder.ok()?.path().join(LIBRARY)));
    places.chain([here]).find(|path| path.is_file())
}

/// The environment of a program that sees a time so many days ago. Only the day's time is another.
pub(crate) fn days_ago(days: u32) -> Result<[(&'static str, String); 3]> {
    let library = library().context(MISSING)?;
    Ok([
        ("LD_PRELOAD", library.display().to_string()),
        ("FAKETIME", format!("-{days}d")),
        ("FAKETIME_DONT_FAKE_MONOTONIC", "1".to_owned()),
    ])
}
