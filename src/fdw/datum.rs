//! Values across the border: JSON text to datums, and datums of right-hand sides to conditions.

use std::ffi::CString;

use pgrx::pg_sys;
use pgrx::pg_sys::panic::{CaughtError, ErrorReport};
use pgrx::prelude::*;

use super::plan_data::Comparison;
use super::relation::Attribute;
use crate::catalog::column::Type;
use crate::error::Error;
use crate::scan::condition::{Op, Value};
use crate::scan::value::{self, Time};

/// Microseconds from 1970 to 2000, PostgreSQL's epoch.
const EPOCH_MICROS: i64 = 946_684_800_000_000;

/// Turns one column's JSON into datums. Made once per scan.
#[derive(Debug)]
pub struct Converter {
    attribute: Attribute,
    relation: String,
    fast: Fast,
    input: pg_sys::FmgrInfo,
    io_parameter: pg_sys::Oid,
    utf8: bool,
    /// The value is a time, for the catalogue or for PostgreSQL.
    is_time: bool,
    /// A domain may refuse NULL.
    is_domain: bool,
}

/// Types whose datums are made without their input function.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fast {
    Text,
    Int2,
    Int4,
    Int8,
    Bool,
    Timestamptz,
    Uuid,
    /// Through the input function, with the value's JSON.
    Json,
    /// Through the input function, with the value's text.
    Other,
}

impl Converter {
    /// Prepares the conversion for a declared column.
    ///
    /// # Safety
    /// The current memory context outlives the converter: the function lookup is kept in it.
    pub unsafe fn new(attribute: &Attribute, relation: &str) -> Self {
        let mut function = pg_sys::InvalidOid;
        let mut io_parameter = pg_sys::InvalidOid;
        let mut input = pg_sys::FmgrInfo::default();
        // SAFETY: the type exists, since the column has it; the outputs are filled by the calls.
        let (utf8, is_domain) = unsafe {
            pg_sys::getTypeInputInfo(attribute.type_oid, &mut function, &mut io_parameter);
            pg_sys::fmgr_info(function, &mut input);
            (
                pg_sys::GetDatabaseEncoding() == pg_sys::pg_enc::PG_UTF8 as i32,
                pg_sys::get_typtype(attribute.type_oid) as u8 == pg_sys::TYPTYPE_DOMAIN,
            )
        };
        let fast = match attribute.type_oid {
            pg_sys::TEXTOID => Fast::Text,
            pg_sys::VARCHAROID if attribute.type_modifier < 0 => Fast::Text,
            pg_sys::INT2OID => Fast::Int2,
            pg_sys::INT4OID => Fast::Int4,
            pg_sys::INT8OID => Fast::Int8,
            pg_sys::BOOLOID => Fast::Bool,
            pg_sys::TIMESTAMPTZOID if attribute.type_modifier < 0 => Fast::Timestamptz,
            pg_sys::UUIDOID => Fast::Uuid,
            pg_sys::JSONBOID | pg_sys::JSONOID => Fast::Json,
            _ => Fast::Other,
        };
        let times = [pg_sys::TIMESTAMPTZOID, pg_sys::TIMESTAMPOID, pg_sys::DATEOID];
        let is_time = times.contains(&attribute.type_oid)
            || attribute.column.is_some_and(|column| column.ty == Type::Timestamptz);
        let attribute = attribute.clone();
        Self {
            attribute,
            relation: relation.to_owned(),
            fast,
            input,
            io_parameter,
            utf8,
            is_time,
            is_domain,
        }
    }

    /// Number of the declared column.
    pub fn attribute(&self) -> i16 {
        self.attribute.number
    }

    /// The datum of a value; `None` for NULL. Varlena is made in the current memory context.
    pub fn datum(&mut self, json: &str) -> Result<Option<pg_sys::Datum>, Error> {
        let column = self.attribute.column;
        let json = match (json, column.and_then(|column| column.absent)) {
            ("", Some(literal)) => literal,
            ("", None) if self.is_domain => return Ok(self.null_of_domain()),
            ("", None) => return Ok(None),
            (json, _) => json,
        };
        self.check(json)?;
        if self.fast == Fast::Json {
            return Ok(Some(self.through_input(&value::storable(json))));
        }
        let text = match column {
            Some(column) if column.identity => value::identity(json),
            _ => value::text(json),
        };
        if self.is_time && value::time(&text) == Some(Time::Never) {
            return Ok(if self.is_domain { self.null_of_domain() } else { None });
        }
        Ok(Some(match self.fast(&text) {
            Some(datum) => datum,
            None => self.through_input(&text),
        }))
    }

    /// Refuses objects and arrays where the API documents a scalar.
    fn check(&self, json: &str) -> Result<(), Error> {
        let Some(column) = self.attribute.column else { return Ok(()) };
        let composite = json.starts_with(['{', '[']);
        if !composite || column.ty == Type::Jsonb || self.fast == Fast::Json {
            return Ok(());
        }
        if column.identity && json.starts_with('{') {
            return Ok(());
        }
        Err(Error::UnexpectedJson {
            table: self.relation.clone(),
            column: self.attribute.name.clone(),
            expected: match column.ty {
                Type::Boolean => "a boolean",
                Type::Integer | Type::Bigint | Type::Double => "a number",
                Type::Timestamptz => "a time",
                Type::Uuid => "a GUID",
                Type::Text | Type::Jsonb => "a string",
            },
            found: value::kind(json),
        })
    }

    /// The datum of the common types; `None` sends anything unusual to the input function, whose
    /// error says what is wrong.
    fn fast(&self, text: &str) -> Option<pg_sys::Datum> {
        match self.fast {
            Fast::Text if self.utf8 => Some(text_datum(text)),
            Fast::Int2 => text.parse::<i16>().ok().map(pg_sys::Datum::from),
            Fast::Int4 => text.parse::<i32>().ok().map(pg_sys::Datum::from),
            Fast::Int8 => text.parse::<i64>().ok().map(pg_sys::Datum::from),
            Fast::Bool => text.parse::<bool>().ok().map(pg_sys::Datum::from),
            Fast::Timestamptz => match value::time(text)? {
                Time::At(micros) => Some(pg_sys::Datum::from(micros - EPOCH_MICROS)),
                Time::Never => None,
            },
            Fast::Uuid => uuid_datum(text),
            Fast::Text | Fast::Json | Fast::Other => None,
        }
    }

    /// NULL, if the domain lets it pass.
    fn null_of_domain(&mut self) -> Option<pg_sys::Datum> {
        let modifier = self.attribute.type_modifier;
        // SAFETY: a domain's input function is not strict and checks its constraints for NULL too.
        unsafe {
            let nothing = std::ptr::null_mut();
            pg_sys::InputFunctionCall(&mut self.input, nothing, self.io_parameter, modifier);
        }
        None
    }

    fn through_input(&mut self, text: &str) -> pg_sys::Datum {
        // Both sides of `storable` leave no NUL; what remains of one ends the string.
        let text = CString::new(text).unwrap_or_else(|error| {
            let end = error.nul_position();
            CString::new(&error.into_vec()[..end]).unwrap_or_default()
        });
        let input: *mut pg_sys::FmgrInfo = &mut self.input;
        let (io_parameter, modifier) = (self.io_parameter, self.attribute.type_modifier);
        let (name, relation) = (&self.attribute.name, &self.relation);
        let (utf8, length) = (self.utf8, text.as_bytes().len());
        let convert = std::panic::AssertUnwindSafe(|| {
            // SAFETY: the string is NUL-terminated and outlives the call; `input` was looked up
            // for this column's type.
            unsafe {
                let mut pointer = text.as_ptr().cast_mut();
                if !utf8 {
                    let encoding = pg_sys::pg_enc::PG_UTF8 as i32;
                    pointer = pg_sys::pg_any_to_server(pointer, length as i32, encoding);
                }
                pg_sys::InputFunctionCall(input, pointer, io_parameter, modifier)
            }
        });
        PgTryBuilder::new(convert)
            .catch_others(|caught| match caught {
                CaughtError::PostgresError(report) => {
                    let place = format!("Column \"{name}\" of foreign table \"{relation}\".");
                    let detail = match report.detail() {
                        Some(detail) => format!("{place} {detail}"),
                        None => place,
                    };
                    let code = report.sql_error_code();
                    let mut named = ErrorReport::new(code, report.message(), "azure_devops_fdw");
                    if let Some(hint) = report.hint() {
                        named = named.set_hint(hint);
                    }
                    named.set_detail(detail).report(PgLogLevel::ERROR);
                    unreachable!("reporting an ERROR does not return")
                }
                other => other.rethrow(),
            })
            .execute()
    }
}

fn text_datum(text: &str) -> pg_sys::Datum {
    // SAFETY: copies the bytes into a new varlena; lengths are far below 1 GB (answers are capped).
    unsafe {
        pg_sys::Datum::from(pg_sys::cstring_to_text_with_len(
            text.as_ptr().cast(),
            text.len() as i32,
        ))
    }
}

fn uuid_datum(text: &str) -> Option<pg_sys::Datum> {
    let bytes = uuid_bytes(text.as_bytes())?;
    // SAFETY: a uuid datum is a pointer to 16 palloc'd bytes.
    unsafe {
        let copy = pg_sys::palloc(bytes.len()).cast::<u8>();
        std::ptr::copy_nonoverlapping(bytes.as_ptr(), copy, bytes.len());
        Some(pg_sys::Datum::from(copy))
    }
}

/// The bytes of a GUID in its usual form, with or without hyphens; `None`: PostgreSQL may know more.
fn uuid_bytes(text: &[u8]) -> Option<[u8; 16]> {
    const HYPHENS: [usize; 4] = [8, 13, 18, 23];
    let hyphens = match text.len() {
        36 if HYPHENS.iter().all(|at| text[*at] == b'-') => true,
        32 => false,
        _ => return None,
    };
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let mut bytes = [0; 16];
    let mut at = 0;
    for byte in &mut bytes {
        if hyphens && HYPHENS.contains(&at) {
            at += 1;
        }
        *byte = digit(text[at])? << 4 | digit(text[at + 1])?;
        at += 2;
    }
    Some(bytes)
}

/// The condition's comparison.
pub fn op(comparison: Comparison) -> Op {
    match comparison {
        Comparison::Equal | Comparison::True | Comparison::False => Op::Equal,
        Comparison::NotEqual => Op::NotEqual,
        Comparison::Less => Op::Less,
        Comparison::LessOrEqual => Op::LessOrEqual,
        Comparison::Greater => Op::Greater,
        Comparison::GreaterOrEqual => Op::GreaterOrEqual,
        Comparison::Contains => Op::Contains,
        Comparison::NotNull => Op::NotNull,
    }
}

/// The value of a right-hand side; `None` if its type is not one that clauses are matched with.
///
/// # Safety
/// `datum` is a non-null datum of the type `oid`.
pub unsafe fn value(datum: pg_sys::Datum, oid: pg_sys::Oid) -> Option<Value> {
    // SAFETY: the caller's promise; each branch reads the datum as its type.
    unsafe {
        Some(match oid {
            pg_sys::INT2OID => Value::Integer(i64::from(i16::from_datum(datum, false)?)),
            pg_sys::INT4OID => Value::Integer(i64::from(i32::from_datum(datum, false)?)),
            pg_sys::INT8OID => Value::Integer(i64::from_datum(datum, false)?),
            pg_sys::BOOLOID => Value::Boolean(bool::from_datum(datum, false)?),
            pg_sys::TEXTOID | pg_sys::VARCHAROID => Value::Text(text(datum)),
            pg_sys::UUIDOID => Value::Text(uuid(datum)),
            pg_sys::JSONBOID => Value::Json(output(datum, oid)),
            pg_sys::TIMESTAMPTZOID => Value::Time(unix_micros(i64::from_datum(datum, false)?)),
            pg_sys::TIMESTAMPOID => {
                let datum = direct_call(pg_sys::timestamp_timestamptz, datum);
                Value::Time(unix_micros(i64::from_datum(datum, false)?))
            }
            pg_sys::DATEOID => {
                let datum = direct_call(pg_sys::date_timestamptz, datum);
                Value::Time(unix_micros(i64::from_datum(datum, false)?))
            }
            _ => return None,
        })
    }
}

/// The values of an array's elements that are not NULL.
///
/// # Safety
/// `datum` is a non-null array whose elements have the type `element`.
pub unsafe fn array_values(datum: pg_sys::Datum, element: pg_sys::Oid) -> Option<Vec<Value>> {
    let (mut length, mut by_value, mut align) = (0i16, false, 0 as std::ffi::c_char);
    let (mut items, mut nulls, mut count) = (std::ptr::null_mut(), std::ptr::null_mut(), 0);
    // SAFETY: the caller's promise; the outputs are palloc'd arrays of `count` entries.
    unsafe {
        pg_sys::get_typlenbyvalalign(element, &mut length, &mut by_value, &mut align);
        let array = pg_sys::pg_detoast_datum(datum.cast_mut_ptr()).cast::<pg_sys::ArrayType>();
        pg_sys::deconstruct_array(
            array,
            element,
            i32::from(length),
            by_value,
            align,
            &mut items,
            &mut nulls,
            &mut count,
        );
        let mut values = Vec::new();
        for index in 0..usize::try_from(count).unwrap_or(0) {
            if !*nulls.add(index) {
                values.push(value(*items.add(index), element)?);
            }
        }
        Some(values)
    }
}

/// PostgreSQL's microseconds since 2000 as those since 1970; the infinities stay.
pub fn unix_micros(micros: i64) -> i64 {
    match micros {
        i64::MIN | i64::MAX => micros,
        finite => finite.saturating_add(EPOCH_MICROS),
    }
}

type Function = unsafe fn(pg_sys::FunctionCallInfo) -> pg_sys::Datum;

/// Calls one of the server's own casts of one argument.
unsafe fn direct_call(function: Function, argument: pg_sys::Datum) -> pg_sys::Datum {
    // SAFETY: both casts take one non-null argument of fixed width and never return NULL.
    unsafe { pgrx::direct_function_call_as_datum(function, &[Some(argument)]) }.unwrap_or(argument)
}

/// The UTF-8 text that a type's output function makes of a datum.
unsafe fn output(datum: pg_sys::Datum, oid: pg_sys::Oid) -> String {
    let (mut function, mut is_varlena) = (pg_sys::InvalidOid, false);
    // SAFETY: the type exists, since the datum is of it; the result is a palloc'd string.
    unsafe {
        pg_sys::getTypeOutputInfo(oid, &mut function, &mut is_varlena);
        utf8(pg_sys::OidOutputFunctionCall(function, datum))
    }
}

/// The UTF-8 text of a text or varchar datum.
unsafe fn text(datum: pg_sys::Datum) -> String {
    // SAFETY: the caller checked the type; text_to_cstring detoasts.
    unsafe { utf8(pg_sys::text_to_cstring(datum.cast_mut_ptr())) }
}

/// A string of the server's encoding.
unsafe fn utf8(server: *mut std::ffi::c_char) -> String {
    // SAFETY: the caller's string ends with NUL; the conversion returns its argument when there is
    // nothing to convert.
    unsafe {
        let length = std::ffi::CStr::from_ptr(server).count_bytes() as i32;
        let utf8 = pg_sys::pg_server_to_any(server, length, pg_sys::pg_enc::PG_UTF8 as i32);
        std::ffi::CStr::from_ptr(utf8).to_string_lossy().into_owned()
    }
}

/// The canonical text of a uuid datum.
unsafe fn uuid(datum: pg_sys::Datum) -> String {
    let mut bytes = [0u8; 16];
    // SAFETY: a uuid datum points to 16 bytes.
    unsafe {
        std::ptr::copy_nonoverlapping(datum.cast_mut_ptr::<u8>(), bytes.as_mut_ptr(), bytes.len());
    }
    let hex = format!("{:032x}", u128::from_be_bytes(bytes));
    format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
}
