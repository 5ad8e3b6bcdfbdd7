//! `[otp]`: how many one-time codes accounts may have made.

use pombo_domain::otp::{Guard, Limits};

use super::raw::{Mistakes, Node, Origin, Section};
use super::some_text;

/// Limits of every account, and in `[[otp.accounts]]` those of some: a key that is not written there
/// is as for every account.
pub(super) fn otp(mut section: Section<'_>, mistakes: &Mistakes) -> Guard {
    let every = limits(&mut section, Limits::default());
    let nodes = section.get("accounts", Node::list).unwrap_or_default();
    section.finish();
    let mut guard = Guard::new(every);
    for (i, node) in nodes.into_iter().enumerate() {
        let path = format!("otp.accounts[{i}]");
        match node.table() {
            Ok(table) => {
                let section = Section::new(path, table, mistakes);
                account(section, &node.origin, &mut guard, mistakes);
            }
            Err(what) => mistakes.add(&node.origin, &path, &what),
        }
    }
    guard
}

fn account(mut section: Section<'_>, origin: &Origin, guard: &mut Guard, mistakes: &Mistakes) {
    let (key, is_missing) = (section.name("name"), section.origin("name").is_none());
    let name = section.get("name", some_text);
    let own = limits(&mut section, guard.every);
    section.finish();
    if is_missing {
        mistakes.add(origin, &key, "is missing; write the account's name");
    }
    if let Some(name) = name.filter(|name| !guard.set(name, own)) {
        mistakes.add(origin, &key, &format!("names {name:?} a second time; write it once"));
    }
}

fn limits(section: &mut Section<'_>, default: Limits) -> Limits {
    let mut most = |key, default| section.get(key, codes).unwrap_or(default);
    Limits {
        recipient_hour: most("recipient_per_hour", default.recipient_hour),
        recipient_day: most("recipient_per_day", default.recipient_day),
        range_hour: most("range_per_hour", default.range_hour),
        account_hour: most("account_per_hour", default.account_hour),
    }
}

fn codes(node: &Node) -> Result<u32, String> {
    let n = node.integer()?;
    u32::try_from(n).map_err(|_| format!("is {n}, but must be a number of codes, or 0 for any"))
}
