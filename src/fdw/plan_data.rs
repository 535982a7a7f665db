//! What a plan carries: one text constant of JSON in `fdw_private`, so that plans can be copied.

use std::ffi::{CStr, CString};

use pgrx::pg_sys;
use serde::{Deserialize, Serialize};

use crate::error::Error;

/// A comparison, as plans name it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Comparison {
    /// `=` one of the expressions; an array stands for its elements
    Equal,
    /// `<>` all of the expressions; an array stands for its elements
    NotEqual,
    /// `<`
    Less,
    /// `<=`
    LessOrEqual,
    /// `>`
    Greater,
    /// `>=`
    GreaterOrEqual,
    /// A boolean column by itself
    True,
    /// `NOT` a boolean column
    False,
    /// `@>`, `?`, `?&`: the column's array holds the values
    Contains,
    /// `IS NOT NULL`
    NotNull,
}

/// A clause that narrows the requests.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PushedClause {
    /// Number of the declared column.
    pub attribute: i16,
    /// Comparison.
    pub comparison: Comparison,
    /// Indexes of the right-hand sides in `fdw_exprs`; none for booleans.
    pub expressions: Vec<usize>,
    /// Position in the plan's list of clauses.
    pub position: i32,
}

/// A scan below the foreign scan, whose rows hold keys to ask for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Batch {
    /// Number of the declared column that the keys narrow.
    pub attribute: i16,
    /// Position of the key in the rows below, from 1.
    pub position: i16,
    /// Type of the key.
    pub type_oid: u32,
}

/// Everything that the executor needs besides the expressions.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlanData {
    /// Clauses that narrow the requests.
    pub clauses: Vec<PushedClause>,
    /// Numbers of the declared columns that the query reads.
    pub attributes: Vec<i16>,
    /// Rows that are probably enough.
    pub limit: Option<u64>,
    /// Keys that a scan below supplies.
    pub batch: Option<Batch>,
    /// Positions of the clauses that narrow nothing, in the plan's list of clauses.
    pub local: Vec<i32>,
}

impl PlanData {
    /// As a list for `fdw_private`.
    pub fn to_list(&self) -> Result<*mut pg_sys::List, Error> {
        let broken = |_| Error::Internal { what: "plan data cannot be written" };
        let json = serde_json::to_string(self).map_err(broken)?;
        let json =
            CString::new(json).map_err(|_| Error::Internal { what: "plan data holds NUL" })?;
        // SAFETY: makes a text constant and a list of it in the planner's context.
        unsafe {
            let text = pg_sys::cstring_to_text(json.as_ptr());
            let constant = pg_sys::makeConst(
                pg_sys::TEXTOID,
                -1,
                pg_sys::InvalidOid,
                -1,
                pg_sys::Datum::from(text),
                false,
                false,
            );
            Ok(pg_sys::lappend(std::ptr::null_mut(), constant.cast()))
        }
    }

    /// From a plan's `fdw_private`.
    ///
    /// # Safety
    /// `list` comes from a plan that [`PlanData::to_list`] took part in, copied or not.
    pub unsafe fn from_list(list: *mut pg_sys::List) -> Result<Self, Error> {
        // SAFETY: the caller's promise: a list of one text constant.
        let json = unsafe {
            let constant = pg_sys::list_nth(list, 0).cast::<pg_sys::Const>();
            let text = pg_sys::text_to_cstring((*constant).constvalue.cast_mut_ptr());
            CStr::from_ptr(text).to_string_lossy().into_owned()
        };
        serde_json::from_str(&json)
            .map_err(|_| Error::Internal { what: "plan data cannot be read" })
    }
}
