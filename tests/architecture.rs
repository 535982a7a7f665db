//! The borders between the parts of the crate, kept by reading the sources.

use std::fs;
use std::path::{Path, PathBuf};

/// What each part may use of the others. `error` is everybody's.
const MAY_USE: &[(&str, &[&str])] = &[
    // The reference of the catalogue reads the tables in its test.
    ("catalog", &["catalog", "tables"]),
    ("tables", &["catalog", "tables"]),
    ("api", &["api"]),
    ("scan", &["api", "catalog", "scan", "tables"]),
    ("fdw", &["api", "catalog", "fdw", "scan", "tables"]),
];

/// Longest file; longer ones are about more than one thing.
const MOST_LINES: usize = 400;

fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).expect("the folder can be read") {
        let path = entry.expect("the entry can be read").path();
        if path.is_dir() {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    found
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

/// The parts that a source names after `crate::`.
fn parts_used(text: &str) -> impl Iterator<Item = &str> {
    text.split("crate::").skip(1).map(|rest| {
        let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_');
        &rest[..end.unwrap_or(rest.len())]
    })
}

#[test]
fn each_part_uses_only_what_lies_below_it() {
    for (part, allowed) in MAY_USE {
        for path in sources(&root().join(part)) {
            let text = fs::read_to_string(&path).expect("the source can be read");
            for used in parts_used(&text).filter(|used| *used != "error") {
                assert!(allowed.contains(&used), "{} uses crate::{used}", path.display());
            }
        }
    }
}

#[test]
fn unsafe_code_and_postgresql_stay_in_fdw() {
    for (part, _) in MAY_USE.iter().filter(|(part, _)| *part != "fdw") {
        for path in sources(&root().join(part)) {
            let text = fs::read_to_string(&path).expect("the source can be read");
            for word in ["unsafe ", "pgrx", "pg_sys"] {
                assert!(!text.contains(word), "{} holds {word}", path.display());
            }
        }
    }
}

#[test]
fn every_file_says_what_it_owns_and_stays_short() {
    for path in sources(&root()) {
        let text = fs::read_to_string(&path).expect("the source can be read");
        assert!(text.starts_with("//!"), "{} has no opening sentence", path.display());
        assert!(text.lines().count() <= MOST_LINES, "{} is too long", path.display());
    }
}
