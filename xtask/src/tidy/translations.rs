//! The how-to pages are there in every language, and their translations say, line for line, what
//! the English pages say: the same code, names, numbers and links.
//!
//! So the examples of the English pages, which a test runs, are those of all languages.

use std::collections::BTreeSet;

use super::File;
use super::docs::{leads_to, links};

/// A language's folder below `docs`, and what it calls itself. All are translated from the first.
const LANGUAGES: &[(&str, &str)] = &[("", "English"), ("pt/", "Português"), ("es/", "Español")];

/// What names all how-to pages of a language; translated like them.
const INDEX: &str = "README.md";

/// Where a page has the links to itself in the other languages.
const SWITCH_LINE_IDX: usize = 2;

pub(super) fn check(tree: &[File]) -> Vec<String> {
    let mut complaints = Vec::new();
    for (folder, _) in LANGUAGES {
        let pages = tree.iter().filter_map(|file| Some((file, name(&file.path, folder)?)));
        for (page, name) in pages {
            complaints.extend(switch(page, name, folder));
            if folder.is_empty() {
                complaints.extend(translations(page, name, tree));
                complaints.extend(missing_in_index(page, name, tree));
            } else if find(tree, &format!("docs/{name}")).is_none() {
                complaints.push(format!("{}: translates no docs/{name}: remove it", page.path));
            }
        }
    }
    complaints
}

/// What all languages call a page that is to be there in each: `howto/otp.md`.
fn name<'a>(path: &'a str, folder: &str) -> Option<&'a str> {
    let name = path.strip_prefix("docs/")?.strip_prefix(folder)?;
    (name == INDEX || name.starts_with("howto/") && name.ends_with(".md")).then_some(name)
}

fn find<'a>(tree: &'a [File], path: &str) -> Option<&'a File> {
    tree.iter().find(|file| file.path == path)
}

/// The third line leads to the page in the other languages.
fn switch(page: &File, name: &str, own: &str) -> Option<String> {
    let up = "../".repeat(own.matches('/').count() + name.matches('/').count());
    let expected: Vec<String> = LANGUAGES
        .iter()
        .map(|(folder, language)| {
            if *folder == own {
                (*language).to_owned()
            } else {
                format!("[{language}]({up}{folder}{name})")
            }
        })
        .collect();
    let expected = expected.join(" · ");
    let is_there = page.text.lines().nth(SWITCH_LINE_IDX) == Some(&expected);
    (!is_there).then(|| format!("{}:{}: must be: {expected}", page.path, SWITCH_LINE_IDX + 1))
}

fn missing_in_index(page: &File, name: &str, tree: &[File]) -> Option<String> {
    let path = format!("docs/{INDEX}");
    let is_named = name == INDEX
        || find(tree, &path)
            .is_some_and(|index| links(&index.text).any(|(_, target)| target == name));
    (!is_named).then(|| format!("{path}: has no link to {}", page.path))
}

fn translations(english: &File, name: &str, tree: &[File]) -> Vec<String> {
    let mut complaints = Vec::new();
    for (folder, language) in LANGUAGES.iter().skip(1) {
        let path = format!("docs/{folder}{name}");
        match find(tree, &path) {
            None => complaints.push(format!(
                "{path}: is not there: translate {} into {language}, line for line; code, \
                 `names` and numbers stay",
                english.path
            )),
            Some(page) => complaints.extend(difference(english, page, folder, tree)),
        }
    }
    complaints
}

/// The first line of a translation that cannot be that of the English page.
fn difference(english: &File, page: &File, folder: &str, tree: &[File]) -> Option<String> {
    let mut in_code = false;
    let mut lines = page.text.lines();
    for (line_idx, original) in english.text.lines().enumerate() {
        let is_fence = original.starts_with("```");
        let line = lines.next();
        let what = if in_code || is_fence {
            (line != Some(original)).then_some("code is the same in every language")
        } else if line_idx == SWITCH_LINE_IDX {
            None
        } else {
            line.map_or(Some("ends too early"), |line| {
                let expected = targets(original, &english.path)
                    .into_iter()
                    .map(|target| in_language(target, folder, tree))
                    .collect();
                let leads_elsewhere = targets(line, &page.path) != expected;
                unlike(original, line).or_else(|| {
                    leads_elsewhere
                        .then_some("links lead to the same pages, in this language if they are")
                })
            })
        };
        if let Some(what) = what {
            return Some(complaint(page, english, line_idx, what));
        }
        in_code ^= is_fence;
    }
    let n_lines = english.text.lines().count();
    lines.next().map(|_| complaint(page, english, n_lines, "the page ends there"))
}

fn complaint(page: &File, english: &File, line_idx: usize, what: &str) -> String {
    format!(
        "{}:{}: translate what {} has in the same line: {what}",
        page.path,
        line_idx + 1,
        english.path
    )
}

/// What of a line of prose no translation may change.
fn unlike(original: &str, line: &str) -> Option<&'static str> {
    if shape(original) != shape(line) {
        Some("headings, items, rows and paragraphs are the same")
    } else if code(original) != code(line) {
        Some("what is between backticks is the same")
    } else if numbers(original) != numbers(line) {
        Some("the numbers are the same")
    } else {
        None
    }
}

/// What a line is: a heading with its level, an item, a row, a paragraph or nothing.
fn shape(line: &str) -> &str {
    match line.chars().next() {
        Some('#') => &line[..line.len() - line.trim_start_matches('#').len()],
        Some('-') => "-",
        Some('|') => "|",
        Some(_) => "a paragraph",
        None => "",
    }
}

fn code(line: &str) -> BTreeSet<&str> {
    line.split('`').skip(1).step_by(2).collect()
}

/// The numbers outside code, whatever a language puts between their digits.
fn numbers(line: &str) -> BTreeSet<String> {
    line.split('`')
        .step_by(2)
        .flat_map(|prose| {
            prose.split(|c: char| !c.is_ascii_digit() && !['.', ',', '\u{a0}'].contains(&c))
        })
        .map(|number| number.chars().filter(char::is_ascii_digit).collect::<String>())
        .filter(|number| !number.is_empty())
        .collect()
}

/// Where the links of a line lead, anchors apart: files from the workspace's folder, and URLs.
fn targets(line: &str, path: &str) -> BTreeSet<String> {
    links(line)
        .map(|(_, target)| match target.split_once('#').map_or(target, |(file, _)| file) {
            url if url.contains("://") => url.to_owned(),
            file => leads_to(path, file).to_string_lossy().into_owned(),
        })
        .collect()
}

/// The translation of what a link leads to, where there is one.
fn in_language(target: String, folder: &str, tree: &[File]) -> String {
    let translated = target.strip_prefix("docs/").map(|name| format!("docs/{folder}{name}"));
    translated.filter(|path| find(tree, path).is_some()).unwrap_or(target)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TREE: &[(&str, &str)] = &[
        (
            "docs/README.md",
            "# Pages\n\nEnglish · [Português](pt/README.md) · [Español](es/README.md)\n\n\
             [codes](howto/otp.md)\n",
        ),
        (
            "docs/pt/README.md",
            "# Páginas\n\n[English](../README.md) · Português · [Español](../es/README.md)\n\n\
             [códigos](howto/otp.md)\n",
        ),
        (
            "docs/es/README.md",
            "# Páginas\n\n[English](../README.md) · [Português](../pt/README.md) · Español\n\n\
             [códigos](howto/otp.md)\n",
        ),
        (
            "docs/howto/otp.md",
            "# Codes\n\nEnglish · [Português](../pt/howto/otp.md) · [Español](../es/howto/otp.md)\n\n\
             ```sh\npombo demo\n```\n\nAt most 1,000, see [`to`](../README.md).\n",
        ),
        (
            "docs/pt/howto/otp.md",
            "# Códigos\n\n[English](../../howto/otp.md) · Português · [Español](../../es/howto/otp.md)\n\n\
             ```sh\npombo demo\n```\n\nAté 1000: ver [`to`](../README.md).\n",
        ),
        (
            "docs/es/howto/otp.md",
            "# Códigos\n\n[English](../../howto/otp.md) · [Português](../../pt/howto/otp.md) · Español\n\n\
             ```sh\npombo demo\n```\n\nComo máximo 1000: véase [`to`](../README.md).\n",
        ),
    ];

    /// The complaints when a file has one text for another.
    fn when(path: &str, was: &str, is: &str) -> Vec<String> {
        let file = |(at, text): &(&str, &str)| File {
            path: (*at).to_owned(),
            text: if *at == path { text.replace(was, is) } else { (*text).to_owned() },
        };
        check(&TREE.iter().map(file).collect::<Vec<_>>())
    }

    /// The complaints when a file is not there.
    fn without(path: &str) -> Vec<String> {
        let there = TREE.iter().filter(|(at, _)| *at != path);
        let file = |(at, text): &(&str, &str)| File { path: (*at).into(), text: (*text).into() };
        check(&there.map(file).collect::<Vec<_>>())
    }

    #[test]
    fn pages_in_all_languages_are_tidy() {
        assert_eq!(when("", "", ""), Vec::<String>::new());
    }

    #[test]
    fn a_page_is_there_in_every_language_and_in_no_translation_alone() {
        let complains = |found: &[String], what: &str| found.iter().any(|c| c.starts_with(what));
        let found = without("docs/pt/howto/otp.md");
        assert!(complains(&found, "docs/pt/howto/otp.md: is not there: translate"), "{found:?}");
        let found = without("docs/howto/otp.md");
        assert!(complains(&found, "docs/pt/howto/otp.md: translates no docs/howto"), "{found:?}");
        assert!(complains(&found, "docs/es/howto/otp.md: translates no docs/howto"), "{found:?}");
    }

    #[test]
    fn a_change_of_a_translation_alone_is_found_with_its_line() {
        for (was, is, line) in [
            ("# Códigos", "Códigos", 1),
            ("· Português", "", 3),
            ("pombo demo", "pombo serve", 6),
            ("```\n", "", 7),
            ("Até", "- Até", 9),
            ("1000", "2000", 9),
            ("`to`", "`from`", 9),
            ("(../README.md)", "(../../README.md)", 9),
            ("Até 1000: ver [`to`](../README.md).\n", "", 9),
            ("(../README.md).\n", "(../README.md).\n\n## Mais\n", 10),
        ] {
            let found = when("docs/pt/howto/otp.md", was, is);
            assert_eq!(found.len(), 1, "{is}: {found:?}");
            let place = format!("docs/pt/howto/otp.md:{line}: ");
            assert!(found[0].starts_with(&place), "{is}: {found:?}");
        }
    }

    #[test]
    fn a_change_of_the_english_page_is_asked_of_every_translation() {
        let found = when("docs/howto/otp.md", ".\n", ".\n\nNone costs anything.\n");
        assert_eq!(found.len(), 2, "{found:?}");
        assert!(found[0].starts_with("docs/pt/howto/otp.md:10: translate what docs/howto/otp.md"));
        assert!(found[1].starts_with("docs/es/howto/otp.md:10: translate what docs/howto/otp.md"));
    }

    #[test]
    fn the_index_names_every_page() {
        let found = when("docs/README.md", "(howto/otp.md)", "()");
        let expected = "docs/README.md: has no link to docs/howto/otp.md";
        assert!(found.iter().any(|complaint| complaint == expected), "{found:?}");
    }
}
