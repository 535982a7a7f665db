//! A foreign table as the user declared it, matched with the catalogue.

use pgrx::pg_sys;
use pgrx::{PgRelation, PgTupleDesc};

use super::options::{find, unknown_table};
use crate::catalog::column::Column;
use crate::catalog::names;
use crate::catalog::table::Table;
use crate::error::Error;
use crate::tables;

/// A declared column that is not dropped.
#[derive(Debug, Clone)]
pub struct Attribute {
    /// Number, from 1.
    pub number: i16,
    /// Name as declared.
    pub name: String,
    /// Type.
    pub type_oid: pg_sys::Oid,
    /// Type modifier, −1 for none.
    pub type_modifier: i32,
    /// Where its value stands in the element.
    pub pointer: String,
    /// The catalogue's column, if the pointer is one's.
    pub column: Option<&'static Column>,
}

/// A foreign table.
#[derive(Debug)]
pub struct Relation {
    /// Its oid.
    pub oid: pg_sys::Oid,
    /// Name as declared.
    pub name: String,
    /// Its server.
    pub server: pg_sys::Oid,
    /// Table of the catalogue.
    pub table: &'static Table,
    /// Project that it is limited to, by name or id.
    pub project: Option<String>,
    /// Rows that the planner assumes.
    pub rows_estimate: f64,
    /// Its columns.
    pub attributes: Vec<Attribute>,
}

impl Relation {
    /// Reads the declaration of a foreign table.
    pub fn load(oid: pg_sys::Oid) -> Result<Self, Error> {
        // SAFETY: the planner and the executor hold a lock on the table for as long as they call
        // us; PgRelation only adds a reference and drops it again.
        let relation = unsafe { PgRelation::open(oid) };
        Self::of(&relation)
    }

    /// Reads the declaration of a table that a user names, which may be anything.
    pub fn load_own(oid: pg_sys::Oid) -> Result<Self, Error> {
        let not_ours = || Error::NotOurTable { name: name_of(oid) };
        // SAFETY: looks the relation up in the catalogs; a missing one has no kind.
        if unsafe { pg_sys::get_rel_relkind(oid) } as u8 != pg_sys::RELKIND_FOREIGN_TABLE {
            return Err(not_ours());
        }
        // SAFETY: the relation is a foreign table; a lock for reading is taken and kept to the end
        // of the transaction, as by any query.
        let relation = unsafe { PgRelation::with_lock(oid, pg_sys::AccessShareLock as _) };
        // SAFETY: the oids come from the catalogs; the results are palloc'd.
        let ours = unsafe {
            let server = pg_sys::GetForeignServer((*pg_sys::GetForeignTable(oid)).serverid);
            let wrapper = pg_sys::GetForeignDataWrapper((*server).fdwid);
            std::ffi::CStr::from_ptr((*wrapper).fdwname).to_bytes() == b"azure_devops_fdw"
        };
        if ours { Self::of(&relation) } else { Err(not_ours()) }
    }

    fn of(relation: &PgRelation) -> Result<Self, Error> {
        // SAFETY: the oid is that of an open foreign table; the result is palloc'd.
        let (server, options) = unsafe {
            let foreign = &*pg_sys::GetForeignTable(relation.oid());
            (foreign.serverid, pairs(foreign.options))
        };
        let name = relation.name().to_owned();
        let kind = find(&options, "table").unwrap_or(&name);
        let table = tables::find(kind).ok_or_else(|| unknown_table(kind))?;
        let attributes = attributes(relation.oid(), &relation.tuple_desc(), table, &name)?;
        let project = find(&options, "project").map(|project| project.trim().to_owned());
        let rows_estimate = find(&options, "rows_estimate")
            .and_then(|rows| rows.trim().parse().ok())
            .unwrap_or(table.rows_estimate);
        let oid = relation.oid();
        Ok(Self { oid, server, table, project, rows_estimate, attributes, name })
    }

    /// The declared column of that number.
    pub fn attribute(&self, number: i16) -> Option<&Attribute> {
        self.attributes.iter().find(|attribute| attribute.number == number)
    }
}

fn attributes(
    oid: pg_sys::Oid,
    descriptor: &PgTupleDesc,
    table: &'static Table,
    relation: &str,
) -> Result<Vec<Attribute>, Error> {
    let mut attributes = Vec::with_capacity(descriptor.len());
    for attribute in descriptor.iter().filter(|attribute| !attribute.is_dropped()) {
        // SAFETY: the number is that of an existing column of the relation.
        let options = unsafe { pairs(pg_sys::GetForeignColumnOptions(oid, attribute.attnum)) };
        let name = attribute.name().to_owned();
        let (pointer, column) = match find(&options, "field") {
            Some(field) => {
                let pointer = pointer_of_field(table, field)
                    .map_err(|reason| Error::InvalidField { column: name.clone(), reason })?;
                let column = table.columns.iter().find(|column| column.pointer() == pointer);
                (pointer, column)
            }
            None => {
                let column = names::find_column(table, &name)
                    .ok_or_else(|| unknown_column(table, relation, &name))?;
                (column.pointer(), Some(column))
            }
        };
        attributes.push(Attribute {
            number: attribute.attnum,
            type_oid: attribute.atttypid,
            type_modifier: attribute.atttypmod,
            name,
            pointer,
            column,
        });
    }
    Ok(attributes)
}

fn unknown_column(table: &'static Table, relation: &str, name: &str) -> Error {
    let mut near = names::near(name, table.columns.iter().map(|column| column.name));
    near.truncate(5);
    Error::UnknownColumn {
        column: name.to_owned(),
        table: relation.to_owned(),
        kind: table.name,
        near,
    }
}

/// The JSON pointer of a `field` option: a pointer itself (`/a/b`), a path (`a.b[0]`, `$.a.b`), or
/// for tables whose elements hold a map of fields, a field's reference name (`Custom.Severity`).
fn pointer_of_field(table: &Table, field: &str) -> Result<String, &'static str> {
    let field = field.trim();
    if field.starts_with('/') {
        return Ok(field.to_owned());
    }
    if let Some(path) = field.strip_prefix("$.") {
        return pointer_of_path(path);
    }
    let has_fields = table.columns.iter().any(|column| column.pointer() == "/fields");
    if has_fields {
        if let Some(reference) = field.strip_prefix("fields.") {
            return Ok(format!("/fields/{}", escaped(reference)));
        }
        let top = table.columns.iter().any(|column| column.pointer() == format!("/{field}"));
        if !top && !field.is_empty() {
            return Ok(format!("/fields/{}", escaped(field)));
        }
    }
    pointer_of_path(field)
}

/// Whether a `field` option can be a path at all; what it means depends on the table.
pub fn check_field(field: &str) -> Result<(), &'static str> {
    match field.trim() {
        "" => Err("it is empty"),
        pointer if pointer.starts_with('/') => Ok(()),
        path => pointer_of_path(path.strip_prefix("$.").unwrap_or(path)).map(drop),
    }
}

fn pointer_of_path(path: &str) -> Result<String, &'static str> {
    let mut pointer = String::new();
    for part in path.split('.') {
        let (name, indexes) = match part.find('[') {
            Some(at) => part.split_at(at),
            None => (part, ""),
        };
        if name.is_empty() {
            return Err("a member's name is empty");
        }
        pointer.push('/');
        pointer.push_str(&escaped(name));
        let mut rest = indexes;
        while let Some(inner) = rest.strip_prefix('[') {
            let (index, after) = inner.split_once(']').ok_or("a bracket is not closed")?;
            index.parse::<usize>().map_err(|_| "an index is not a number")?;
            pointer.push('/');
            pointer.push_str(index);
            rest = after;
        }
        if !rest.is_empty() {
            return Err("there is text behind a bracket");
        }
    }
    Ok(pointer)
}

fn escaped(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}

fn name_of(oid: pg_sys::Oid) -> String {
    // SAFETY: a missing relation has no name; a name is palloc'd.
    unsafe {
        let name = pg_sys::get_rel_name(oid);
        if name.is_null() {
            return oid.to_u32().to_string();
        }
        std::ffi::CStr::from_ptr(name).to_string_lossy().into_owned()
    }
}

/// Names and values of a list of options.
///
/// # Safety
/// `list` is NIL or a list of DefElem, as PostgreSQL's catalogs hand it out.
pub unsafe fn pairs(list: *mut pg_sys::List) -> Vec<(String, String)> {
    let mut pairs = Vec::new();
    // SAFETY: the caller's promise; defGetString returns a string of the server's own.
    unsafe {
        let list = pgrx::PgList::<pg_sys::DefElem>::from_pg(list);
        for element in list.iter_ptr() {
            let name = std::ffi::CStr::from_ptr((*element).defname).to_string_lossy();
            let value = std::ffi::CStr::from_ptr(pg_sys::defGetString(element)).to_string_lossy();
            pairs.push((name.into_owned(), value.into_owned()));
        }
        // The list stays PostgreSQL's; from_pg does not free it.
    }
    pairs
}
