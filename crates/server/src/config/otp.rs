//! `[otp]`: how many one-time codes accounts may have made.

use pombo_domain::otp::{Guard, Limits};

use super::raw::{Mistakes, Node, Section};
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
                let mut section = Section::new(path.clone(), table, mistakes);
                let name = section.get("name", some_text);
                let own = limits(&mut section, every);
                section.finish();
                match name.map(|name| (guard.set(&name, own), name)) {
                    Some((true, _)) => {}
                    Some((false, name)) => {
                        let what = format!("names {name:?} a second time; write it once");
                        mistakes.add(&node.origin, &format!("{path}.name"), &what);
                    }
                    None if mistakes.are_about(&format!("{path}.name")) => {}
                    None => {
                        let what = "is missing; write the account's name";
                        mistakes.add(&node.origin, &format!("{path}.name"), what);
                    }
                }
            }
            Err(what) => mistakes.add(&node.origin, &path, &what),
        }
    }
    guard
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
