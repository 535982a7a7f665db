//! The catalogue as SQL functions: `azure_devops.tables()` and `azure_devops.columns()`.

use pgrx::prelude::*;

use crate::tables;

/// One row per table of the catalogue.
#[pg_extern(immutable, parallel_safe)]
#[allow(clippy::type_complexity)]
fn tables() -> TableIterator<
    'static,
    (
        name!(table_name, String),
        name!(description, String),
        name!(key, Vec<String>),
        name!(scope, String),
        name!(path, String),
    ),
> {
    TableIterator::new(tables::ALL.iter().map(|table| {
        (
            table.name.to_owned(),
            table.doc.to_owned(),
            table.key.iter().map(|&name| name.to_owned()).collect(),
            table.scope.id.to_owned(),
            table.endpoint.path.to_owned(),
        )
    }))
}

/// One row per column of the catalogue, in order.
#[pg_extern(immutable, parallel_safe)]
#[allow(clippy::type_complexity)]
fn columns() -> TableIterator<
    'static,
    (
        name!(table_name, String),
        name!(column_name, String),
        name!(data_type, String),
        name!(description, String),
        name!(field, String),
        name!(is_key, bool),
        name!(pushed_operators, Vec<String>),
    ),
> {
    TableIterator::new(tables::ALL.iter().flat_map(|table| {
        table.columns.iter().map(|column| {
            (
                table.name.to_owned(),
                column.name.to_owned(),
                column.ty.sql().to_owned(),
                column.doc.to_owned(),
                column.pointer(),
                table.key.contains(&column.name),
                column.operators().iter().map(|&operator| operator.to_owned()).collect(),
            )
        })
    }))
}

::pgrx::extension_sql!(
    "COMMENT ON FUNCTION azure_devops.tables() IS\n  \
     'The tables that there are: what they hold, their keys, and the scope that a token needs.';\n\
     COMMENT ON FUNCTION azure_devops.columns() IS\n  \
     'Their columns: types, meaning, JSON field, and the operators that narrow the requests.';",
    name = "comment_catalogue",
    requires = [tables, columns]
);
