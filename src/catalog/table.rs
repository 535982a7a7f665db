//! A foreign table as the catalogue declares it.

use super::column::Column;
use super::endpoint::Endpoint;

/// One foreign table: what it is called, what it holds, and where its elements come from.
#[derive(Debug)]
pub struct Table {
    /// Name in SQL: plural, Azure DevOps' own noun.
    pub name: &'static str,
    /// What one row is; becomes the table's comment. Ends with a full stop.
    pub doc: &'static str,
    /// Scope that the personal access token needs, e.g. `vso.build`, and its name in the token dialog.
    pub scope: Scope,
    /// Columns that identify a row within the organisation.
    pub key: &'static [&'static str],
    /// Rows that the planner assumes when nothing better is known. A guess for a mid-sized organisation.
    pub rows_estimate: f64,
    /// The REST resource behind the table.
    pub endpoint: Endpoint,
    /// All columns, in the order in which IMPORT FOREIGN SCHEMA declares them.
    pub columns: &'static [Column],
}

/// A permission of a personal access token.
#[derive(Debug, Clone, Copy)]
pub struct Scope {
    /// Technical name, e.g. `vso.build`.
    pub id: &'static str,
    /// As the token dialog of the service shows it, e.g. `Build (Read)`.
    pub label: &'static str,
}

impl Table {
    /// The column of that exact name.
    pub fn column(&self, name: &str) -> Option<&'static Column> {
        self.columns.iter().find(|column| column.name == name)
    }

    /// The columns of [`Table::key`], in its order.
    pub fn key_columns(&self) -> impl Iterator<Item = &'static Column> + '_ {
        self.key.iter().filter_map(|name| self.column(name))
    }
}
