//! The foreign tables, one file each. A new table is a new file and one line here.

mod builds;
mod projects;
mod pull_requests;
mod repositories;
mod work_item_revisions;

use crate::catalog::table::Table;

/// Every table that the extension offers.
pub const ALL: &[&Table] = &[
    &projects::TABLE,
    &repositories::TABLE,
    &builds::TABLE,
    &pull_requests::TABLE,
    &work_item_revisions::TABLE,
];

/// The table whose elements a fan-out visits.
pub const PROJECTS: &Table = &projects::TABLE;

/// The table of that name, ignoring case and underscores.
pub fn find(name: &str) -> Option<&'static Table> {
    let wanted = crate::catalog::names::folded(name);
    ALL.iter().copied().find(|table| crate::catalog::names::folded(table.name) == wanted)
}

#[cfg(test)]
mod tests;
