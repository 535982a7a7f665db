//! IMPORT FOREIGN SCHEMA: the catalogue as CREATE FOREIGN TABLE statements. Needs no request.
//!
//! Comments are added by the event trigger in `sql/`, because PostgreSQL accepts only CREATE
//! FOREIGN TABLE from this callback.

use pgrx::spi::{quote_identifier, quote_literal};
use supabase_wrappers::prelude::{ImportForeignSchemaStmt, ImportSchemaType};

use super::options::unknown_table;
use crate::catalog::table::Table;
use crate::error::Error;
use crate::tables;

/// The remote schema's only name.
const SCHEMA: &str = "azure_devops";

/// The statements for an import.
pub fn statements(import: &ImportForeignSchemaStmt) -> Result<Vec<String>, Error> {
    if import.remote_schema != SCHEMA {
        return Err(Error::UnknownSchema { name: import.remote_schema.clone() });
    }
    if let Some(name) = import.options.keys().min() {
        return Err(Error::InvalidImportOption { name: name.clone() });
    }
    let listed = |table: &Table| import.table_list.iter().any(|name| name == table.name);
    let wanted = |table: &Table| match import.list_type {
        ImportSchemaType::FdwImportSchemaAll => true,
        ImportSchemaType::FdwImportSchemaLimitTo => listed(table),
        ImportSchemaType::FdwImportSchemaExcept => !listed(table),
    };
    if matches!(import.list_type, ImportSchemaType::FdwImportSchemaLimitTo) {
        let known = |name: &&String| tables::ALL.iter().any(|table| table.name == name.as_str());
        if let Some(name) = import.table_list.iter().find(|name| !known(name)) {
            return Err(unknown_table(name));
        }
    }
    Ok(tables::ALL
        .iter()
        .filter(|table| wanted(table))
        .map(|table| statement(table, &import.local_schema, &import.server_name))
        .collect())
}

fn statement(table: &Table, schema: &str, server: &str) -> String {
    let columns: Vec<String> = table
        .columns
        .iter()
        .map(|column| format!("  {} {}", quote_identifier(column.name), column.ty.sql()))
        .collect();
    format!(
        "CREATE FOREIGN TABLE {}.{} (\n{}\n) SERVER {} OPTIONS (\"table\" {})",
        quote_identifier(schema),
        quote_identifier(table.name),
        columns.join(",\n"),
        quote_identifier(server),
        quote_literal(table.name)
    )
}
