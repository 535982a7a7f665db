//! Rules that every table has to keep.

use std::collections::HashSet;

use super::*;
use crate::catalog::column::Push;
use crate::catalog::endpoint::{Paging, Parent};
use crate::catalog::names::folded;

#[test]
fn column_names_are_unique_even_folded() {
    for table in ALL {
        let mut seen = HashSet::new();
        for column in table.columns {
            assert!(seen.insert(folded(column.name)), "{}.{}", table.name, column.name);
        }
    }
}

#[test]
fn keys_are_columns_and_attrs_comes_last() {
    for table in ALL {
        assert_eq!(table.key_columns().count(), table.key.len(), "{}", table.name);
        assert_eq!(table.columns.last().map(|c| c.name), Some("attrs"), "{}", table.name);
    }
}

#[test]
fn docs_are_sentences() {
    for table in ALL {
        assert!(table.doc.ends_with('.'), "{}", table.name);
        for column in table.columns {
            assert!(column.doc.ends_with('.'), "{}.{}", table.name, column.name);
        }
    }
}

#[test]
fn projects_are_narrowed_only_where_the_path_has_one() {
    for table in ALL {
        for column in table.columns {
            if matches!(column.push, Push::ProjectId | Push::ProjectName) {
                assert_ne!(table.endpoint.parent, Parent::Organization, "{}", table.name);
            }
        }
    }
}

#[test]
fn time_paging_names_a_column_with_a_window() {
    for table in ALL {
        if let Paging::Time { column } = table.endpoint.paging {
            let column = table.column(column).expect("the paging column exists");
            assert!(matches!(column.push, Push::Range(_)), "{}", table.name);
        }
    }
}

#[test]
fn every_file_is_listed() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/tables");
    let mut files: Vec<String> = std::fs::read_dir(folder)
        .expect("src/tables can be read")
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter_map(|name| Some(name.strip_suffix(".rs")?.to_owned()))
        .filter(|name| name != "mod" && name != "tests")
        .collect();
    files.sort();
    let mut listed: Vec<&str> = ALL.iter().map(|table| table.name).collect();
    listed.sort();
    assert_eq!(files, listed);
}
