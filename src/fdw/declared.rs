//! What incremental refresh has to know of a foreign table: its columns, and its projects as they are.

use std::sync::Arc;

use pgrx::pg_sys;
use pgrx::prelude::*;

use super::io::Stream;
use super::relation::Relation;
use super::report::{ok_or_error, tell};
use super::{server, settings};
use crate::error::Error;
use crate::scan::condition::{Condition, Op, Value};
use crate::scan::decode::Decoder;
use crate::scan::plan::plan;
use crate::scan::stream::{Event, Scan};
use crate::scan::value;
use crate::tables;

/// The columns of a foreign table of ours, with the catalogue's names of those that it knows.
#[pg_extern(stable, parallel_unsafe)]
#[allow(clippy::type_complexity)]
fn declared_columns(
    source: pg_sys::Oid,
) -> TableIterator<
    'static,
    (
        name!(table_name, String),
        name!(column_name, Option<String>),
        name!(declared_name, String),
        name!(is_key, bool),
        name!(has_own_type, bool),
    ),
> {
    let relation = ok_or_error(Relation::load_own(source));
    let table = relation.table;
    let rows: Vec<_> = relation
        .attributes
        .iter()
        .map(|attribute| {
            let column = attribute.column;
            let own_type = column.is_some_and(|column| {
                // SAFETY: formats an existing type's oid; the result is a palloc'd string.
                let name =
                    unsafe { std::ffi::CStr::from_ptr(pg_sys::format_type_be(attribute.type_oid)) };
                let name = name.to_string_lossy();
                name == column.ty.sql()
                    || (name == "timestamp with time zone" && column.ty.sql() == "timestamptz")
            });
            (
                table.name.to_owned(),
                column.map(|column| column.name.to_owned()),
                attribute.name.clone(),
                column.is_some_and(|column| table.key.contains(&column.name)),
                own_type,
            )
        })
        .collect();
    TableIterator::new(rows)
}

/// The ids of the projects that a scan of the foreign table visits: those that are wellFormed and
/// that the token can see. Asks the service.
#[pg_extern(volatile, parallel_unsafe)]
fn visible_projects(source: pg_sys::Oid) -> SetOfIterator<'static, pgrx::Uuid> {
    SetOfIterator::new(ok_or_error(list_projects(source)))
}

fn list_projects(source: pg_sys::Oid) -> Result<Vec<pgrx::Uuid>, Error> {
    let relation = Relation::load_own(source)?;
    // SAFETY: reads the current user.
    let server = server::resolve(relation.server, unsafe { pg_sys::GetUserId() })?;
    let table = tables::PROJECTS;
    let well_formed: Vec<Condition> = table
        .column("state")
        .map(|column| Condition {
            column,
            op: Op::Equal,
            values: vec![Value::Text("wellFormed".into())],
        })
        .into_iter()
        .collect();
    let columns = ["id", "name", "state"].map(|name| (name.to_owned(), format!("/{name}")));
    let decoder = Decoder::new(table.name, &columns, &["/id".to_owned()]);
    let scan = Scan {
        page_size: server.page_size,
        trace: settings::trace_requests(),
        ..Scan::new(table, plan(table, &well_formed, server.version), decoder, server.client)
    };
    let mut stream = Stream::start(Arc::new(scan))?;
    let wanted = relation.project.map(|project| project.to_lowercase());
    let mut ids = Vec::new();
    loop {
        match stream.receive()? {
            Event::Page(page) => {
                for row in 0..page.rows() {
                    let text = |slot| value::text(page.value(row, slot)).into_owned();
                    let (id, name, state) = (text(0), text(1), text(2));
                    let formed = state.is_empty() || state == "wellFormed";
                    let among = wanted.as_ref().is_none_or(|wanted| {
                        *wanted == id.to_lowercase() || *wanted == name.to_lowercase()
                    });
                    if formed && among {
                        ids.push(uuid(&id)?);
                    }
                }
            }
            Event::Request(request) => tell(PgLogLevel::NOTICE, request, None),
            Event::Warning(warning) => tell(PgLogLevel::WARNING, warning, None),
            Event::End { .. } => return Ok(ids),
        }
    }
}

fn uuid(text: &str) -> Result<pgrx::Uuid, Error> {
    let hex: String = text.chars().filter(|c| *c != '-').collect();
    let number = (hex.len() == 32).then(|| u128::from_str_radix(&hex, 16).ok()).flatten();
    number.map(|number| pgrx::Uuid::from_bytes(number.to_be_bytes())).ok_or_else(|| {
        Error::UnexpectedAnswer {
            subject: crate::error::Subject {
                table: tables::PROJECTS.name.into(),
                ..Default::default()
            },
            problem: "the id of a project is no GUID".into(),
        }
    })
}
