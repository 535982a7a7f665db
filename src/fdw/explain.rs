//! EXPLAIN: what the scan asks of the API, and with ANALYZE what that cost. Never sends a request.

use std::ffi::{CStr, CString};
use std::sync::atomic::Ordering;

use pgrx::pg_guard;
use pgrx::pg_sys;

use super::executor::ScanState;
use super::plan_data::PlanData;
use super::relation::Relation;
use super::report::ok_or_error;
use crate::catalog::endpoint::Parent;

/// Adds the scan's lines.
#[pg_guard]
pub unsafe extern "C-unwind" fn explain_foreign_scan(
    node: *mut pg_sys::ForeignScanState,
    es: *mut pg_sys::ExplainState,
) {
    // SAFETY: the executor's own node and EXPLAIN's own state. The plan is read, never the scan's
    // state, which does not exist without ANALYZE.
    unsafe {
        if (*es).verbose {
            let plan = (*node).ss.ps.plan.cast::<pg_sys::ForeignScan>();
            let table = (*(*node).ss.ss_currentRelation).rd_id;
            let relation = ok_or_error(Relation::load(table));
            let data = ok_or_error(PlanData::from_list((*plan).fdw_private));
            text(es, c"Azure DevOps API", &endpoint(&relation));
            text(es, c"Azure DevOps Filter", &filter(&relation, &data));
        }
        if !(*es).analyze {
            return;
        }
        if let Some(state) = (*node).fdw_state.cast::<ScanState>().as_ref() {
            let usage = &state.usage;
            let load = |counter: &std::sync::atomic::AtomicU64| counter.load(Ordering::Relaxed);
            integer(es, c"API Requests", load(&usage.requests));
            integer(es, c"API Retries", load(&usage.retries));
            integer(es, c"API Pages", state.pages);
            integer(es, c"API Rows", state.rows);
            integer(es, c"API Bytes", load(&usage.bytes));
            integer(es, c"API Throttled Milliseconds", load(&usage.waited_ms));
        }
    }
}

fn endpoint(relation: &Relation) -> String {
    let endpoint = &relation.table.endpoint;
    let place = match (endpoint.parent, &relation.project) {
        (Parent::Project, None) => "/{project}",
        (Parent::Project, Some(_)) | (Parent::OptionalProject, Some(_)) => {
            "/{table option project}"
        }
        _ => "",
    };
    format!("GET {place}{}", endpoint.path)
}

/// The columns whose clauses narrow the requests; their expressions are shown by core's Filter line.
fn filter(relation: &Relation, data: &PlanData) -> String {
    let mut names: Vec<&str> = data
        .clauses
        .iter()
        .filter_map(|clause| relation.attribute(clause.attribute))
        .map(|attribute| attribute.name.as_str())
        .collect();
    names.dedup();
    if names.is_empty() { "none".into() } else { names.join(", ") }
}

unsafe fn text(es: *mut pg_sys::ExplainState, label: &CStr, value: &str) {
    let value = CString::new(value).unwrap_or_default();
    // SAFETY: both strings are NUL-terminated and copied by the call.
    unsafe { pg_sys::ExplainPropertyText(label.as_ptr(), value.as_ptr(), es) }
}

unsafe fn integer(es: *mut pg_sys::ExplainState, label: &CStr, value: u64) {
    let value = i64::try_from(value).unwrap_or(i64::MAX);
    // SAFETY: the label is NUL-terminated; no unit.
    unsafe { pg_sys::ExplainPropertyInteger(label.as_ptr(), std::ptr::null(), value, es) }
}
