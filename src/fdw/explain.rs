//! EXPLAIN: what the scan asks of the API, and with ANALYZE what that cost. Never sends a request.

use std::ffi::{CStr, CString};
use std::sync::atomic::Ordering;

use pgrx::pg_guard;
use pgrx::pg_sys;

use super::executor::ScanState;
use super::plan_data::{Comparison, PlanData};
use super::relation::Relation;
use super::report::ok_or_error;
use crate::catalog::column::{Bounds, Push};
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
            list(es, c"API Parameters", &parameters(node, es, &relation, &data));
            text(es, c"API Fan-out", &fan_out(&relation, &data));
            list(es, c"API Rechecked Only", &rechecked(node, es, &data));
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
            integer(
                es,
                c"API Throttled Milliseconds",
                usage.waited().as_millis().try_into().unwrap_or(u64::MAX),
            );
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

/// Each parameter that conditions set, with the condition.
unsafe fn parameters(
    node: *mut pg_sys::ForeignScanState,
    es: *mut pg_sys::ExplainState,
    relation: &Relation,
    data: &PlanData,
) -> Vec<String> {
    let mut shown = Vec::new();
    for clause in &data.clauses {
        let Some(column) = relation.attribute(clause.attribute).and_then(|a| a.column) else {
            continue;
        };
        // SAFETY: the caller's node and state.
        let condition = unsafe { condition(node, es, clause.position) }
            .unwrap_or_else(|| format!("{} by a value that the plan computes", column.name));
        shown.push(format!("{}: {condition}", column.push.parameter(bounds(clause.comparison))));
    }
    if let Some(batch) = &data.batch
        && let Some(column) = relation.attribute(batch.attribute).and_then(|a| a.column)
    {
        let parameter = column.push.parameter(Bounds::Both);
        shown.push(format!("{parameter}: {} of the rows below", column.name));
    }
    shown
}

fn bounds(comparison: Comparison) -> Bounds {
    match comparison {
        Comparison::Greater | Comparison::GreaterOrEqual => Bounds::Lower,
        Comparison::Less | Comparison::LessOrEqual => Bounds::Upper,
        Comparison::NotNull => Bounds::None,
        _ => Bounds::Both,
    }
}

/// The lists that are read side by side.
fn fan_out(relation: &Relation, data: &PlanData) -> String {
    let columns = data.clauses.iter().map(|clause| clause.attribute);
    let numbers: Vec<i16> = columns.chain(data.batch.iter().map(|batch| batch.attribute)).collect();
    let pushes = |wanted: fn(&Push) -> bool| {
        let mut columns = numbers.iter().filter_map(|n| relation.attribute(*n)?.column);
        columns.any(|column| wanted(&column.push))
    };
    if pushes(|push| matches!(push, Push::Get(_))) {
        return "none, single elements by id".into();
    }
    let narrowed = pushes(|push| matches!(push, Push::ProjectId | Push::ProjectName));
    match (relation.table.endpoint.parent, &relation.project, narrowed) {
        (Parent::Organization | Parent::OptionalProject, ..) => "none, one list".into(),
        (Parent::Project, Some(_), _) => "the project of the table".into(),
        (Parent::Project, None, true) => "wellFormed projects that the conditions name".into(),
        (Parent::Project, None, false) => "every wellFormed project".into(),
    }
}

/// The conditions that narrow nothing.
unsafe fn rechecked(
    node: *mut pg_sys::ForeignScanState,
    es: *mut pg_sys::ExplainState,
    data: &PlanData,
) -> Vec<String> {
    let shown = |position: &i32| {
        // SAFETY: the caller's node and state.
        let shown = unsafe { condition(node, es, *position) };
        shown.unwrap_or_else(|| "a condition on a value that the plan computes".into())
    };
    data.local.iter().map(shown).collect()
}

/// A clause of the plan, as EXPLAIN's own Filter line shows it; `None` if it holds a value that
/// another part of the plan computes, which only core can name.
unsafe fn condition(
    node: *mut pg_sys::ForeignScanState,
    es: *mut pg_sys::ExplainState,
    position: i32,
) -> Option<String> {
    // SAFETY: EXPLAIN's own state and the executor's own plan; deparsing reads both. Strings that
    // PostgreSQL makes end with NUL.
    unsafe {
        let plan = (*node).ss.ps.plan;
        if position >= pg_sys::list_length((*plan).qual) {
            return None;
        }
        let clause = pg_sys::list_nth((*plan).qual, position);
        let written = CStr::from_ptr(pg_sys::nodeToString(clause)).to_string_lossy();
        // PARAM_EXEC is 1.
        if written.contains(":paramkind 1") || written.contains("{SUBPLAN") {
            return None;
        }
        let context =
            pg_sys::set_deparse_context_plan((*es).deparse_cxt, plan, std::ptr::null_mut());
        let text = pg_sys::deparse_expression(clause.cast(), context, true, false);
        Some(CStr::from_ptr(text).to_string_lossy().into_owned())
    }
}

/// A property of several values; left out if there is none.
unsafe fn list(es: *mut pg_sys::ExplainState, label: &CStr, values: &[String]) {
    if values.is_empty() {
        return;
    }
    // SAFETY: strings are copied into the current context; the list is used by the call only.
    unsafe {
        let mut items: *mut pg_sys::List = std::ptr::null_mut();
        for value in values {
            let value = CString::new(value.as_str()).unwrap_or_default();
            items = pg_sys::lappend(items, pg_sys::pstrdup(value.as_ptr()).cast());
        }
        pg_sys::ExplainPropertyList(label.as_ptr(), items, es);
    }
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
