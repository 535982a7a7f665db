//! The ways to scan a table: whole, and for a join, only what its other side names.
//!
//! Costs are counted in requests, because these dominate. A join with few rows is then a nested
//! loop that asks for those, a join with many a full scan and a hash join.

use std::ffi::c_void;

use pgrx::pg_guard;
use pgrx::pg_sys;

use super::clause;
use super::plan_data::Comparison;
use super::relation::{Attribute, Relation};
use super::report::ok_or_error;
use crate::catalog::column::Push;
use crate::catalog::endpoint::Parent;

/// Cost of waiting for an answer, in the planner's units (a sequential page read is 1): tens of
/// milliseconds. A guess; a slow network changes all paths alike.
const REQUEST_COST: f64 = 100.0;

/// Cost of a row: its bytes cross the network and are decoded.
const ROW_COST: f64 = 0.05;

/// Projects of a mid-sized organization; a guess.
const PROJECTS: f64 = 40.0;

/// Requests under way at once, by default.
const CONCURRENCY: f64 = 8.0;

/// Offers the paths.
#[pg_guard]
pub unsafe extern "C-unwind" fn get_foreign_paths(
    root: *mut pg_sys::PlannerInfo,
    rel: *mut pg_sys::RelOptInfo,
    table: pg_sys::Oid,
) {
    let relation = ok_or_error(Relation::load(table));
    // SAFETY: the planner's own structs; paths are made in the planner's context.
    unsafe {
        let own = narrowed(root, rel, &relation, (*rel).baserestrictinfo);
        let cost = cost(&relation, &own, (*rel).tuples);
        let outer = (*rel).lateral_relids;
        add_path(root, rel, (*rel).rows, cost, outer);
        for info in parameterizations(root, rel, &relation) {
            let mut columns = narrowed(root, rel, &relation, (*info).ppi_clauses);
            columns.extend(&own);
            let cost = self::cost(&relation, &columns, (*rel).tuples);
            if is_key(&relation, &columns) {
                (*info).ppi_rows = 1.0;
            }
            add_path(root, rel, (*info).ppi_rows, cost, (*info).ppi_req_outer);
        }
    }
}

/// Whether the columns identify a row.
fn is_key(relation: &Relation, columns: &[&Attribute]) -> bool {
    let fixed = |name: &&str| {
        columns.iter().any(|attribute| attribute.column.is_some_and(|c| c.name == *name))
    };
    relation.table.key.iter().all(fixed)
}

/// The rows that conditions of a relation's own leave, where they fix its key; the planner has no
/// statistics that would tell.
///
/// # Safety
/// `root` and `rel` are the planner's own.
pub unsafe fn rows_of_key(
    root: *mut pg_sys::PlannerInfo,
    rel: *mut pg_sys::RelOptInfo,
    relation: &Relation,
) -> Option<f64> {
    // SAFETY: the caller's promise.
    let columns = unsafe { narrowed(root, rel, relation, (*rel).baserestrictinfo) };
    is_key(relation, &columns).then_some(1.0)
}

/// Requests and rows of a scan whose conditions fix these columns, as startup and total cost.
fn cost(relation: &Relation, columns: &[&Attribute], rows: f64) -> (f64, f64) {
    let has = |wanted: fn(&Push) -> bool| {
        columns.iter().any(|attribute| attribute.column.is_some_and(|column| wanted(&column.push)))
    };
    let endpoint = &relation.table.endpoint;
    let one_project = relation.project.is_some()
        || has(|push| matches!(push, Push::ProjectId | Push::ProjectName));
    let fan_out = endpoint.parent == Parent::Project;
    let projects = if fan_out && !one_project { PROJECTS } else { 1.0 };
    let (requests, fetched) = if has(|push| matches!(push, Push::Get(_))) {
        (1.0, 1.0)
    } else if has(|push| matches!(push, Push::Ids(_))) {
        (projects, 1.0)
    } else {
        let fetched = if fan_out && one_project { rows / PROJECTS } else { rows };
        let lists = endpoint.streams.len().max(1) as f64 * projects;
        (lists + fetched / f64::from(endpoint.page_size), fetched)
    };
    let waves = (requests / CONCURRENCY).max(1.0);
    (REQUEST_COST, REQUEST_COST * waves + fetched * ROW_COST)
}

/// The columns that equalities in a list of clauses fix.
unsafe fn narrowed(
    root: *mut pg_sys::PlannerInfo,
    rel: *mut pg_sys::RelOptInfo,
    relation: &Relation,
    clauses: *mut pg_sys::List,
) -> Vec<&Attribute> {
    let mut columns = Vec::new();
    // SAFETY: a list of RestrictInfos of the planner's own.
    unsafe {
        for index in 0..pg_sys::list_length(clauses) {
            let info = pg_sys::list_nth(clauses, index).cast::<pg_sys::RestrictInfo>();
            let matched = clause::matched(root, (*rel).relid, relation, (*info).clause);
            let equal = matched.filter(|m| m.comparison == Comparison::Equal);
            columns.extend(equal.and_then(|matched| relation.attribute(matched.attribute)));
        }
    }
    columns
}

/// Whether a join on the column is worth a path of its own.
fn worthwhile(attribute: &Attribute) -> bool {
    attribute.column.is_some_and(|column| {
        matches!(column.push, Push::Ids(_) | Push::Get(_) | Push::ProjectId | Push::ProjectName)
    })
}

/// The sets of other relations that can supply values for worthwhile columns, as postgres_fdw
/// finds them: from join clauses, and from equivalence classes.
unsafe fn parameterizations(
    root: *mut pg_sys::PlannerInfo,
    rel: *mut pg_sys::RelOptInfo,
    relation: &Relation,
) -> Vec<*mut pg_sys::ParamPathInfo> {
    let mut found: Vec<*mut pg_sys::ParamPathInfo> = Vec::new();
    // SAFETY: the planner's own structs and lists.
    unsafe {
        let mut consider = |clauses: *mut pg_sys::List| {
            for index in 0..pg_sys::list_length(clauses) {
                let info = pg_sys::list_nth(clauses, index).cast::<pg_sys::RestrictInfo>();
                if let Some(path) = parameterization(root, rel, relation, info)
                    && !found.contains(&path)
                {
                    found.push(path);
                }
            }
        };
        consider((*rel).joininfo);
        if (*rel).has_eclass_joins {
            for attribute in relation.attributes.iter().filter(|a| worthwhile(a)) {
                let mut number = attribute.number;
                let argument: *mut i16 = &mut number;
                consider(pg_sys::generate_implied_equalities_for_column(
                    root,
                    rel,
                    Some(is_column),
                    argument.cast(),
                    (*rel).lateral_referencers,
                ));
            }
        }
    }
    found
}

unsafe fn parameterization(
    root: *mut pg_sys::PlannerInfo,
    rel: *mut pg_sys::RelOptInfo,
    relation: &Relation,
    info: *mut pg_sys::RestrictInfo,
) -> Option<*mut pg_sys::ParamPathInfo> {
    // SAFETY: the planner's own structs.
    unsafe {
        if !pg_sys::join_clause_is_movable_to(info, rel) {
            return None;
        }
        let relid = (*rel).relid;
        let matched = clause::matched(root, relid, relation, (*info).clause)?;
        relation.attribute(matched.attribute).filter(|attribute| worthwhile(attribute))?;
        let all = pg_sys::bms_union((*info).clause_relids, (*rel).lateral_relids);
        let others = pg_sys::bms_del_member(all, relid as i32);
        if pg_sys::bms_next_member(others, -1) < 0 {
            return None;
        }
        Some(pg_sys::get_baserel_parampathinfo(root, rel, others))
    }
}

/// Whether a member of an equivalence class is the column whose number `argument` points to.
#[pg_guard]
unsafe extern "C-unwind" fn is_column(
    _root: *mut pg_sys::PlannerInfo,
    rel: *mut pg_sys::RelOptInfo,
    _class: *mut pg_sys::EquivalenceClass,
    member: *mut pg_sys::EquivalenceMember,
    argument: *mut c_void,
) -> bool {
    // SAFETY: the argument is the number that parameterizations() passed.
    unsafe {
        let number = *argument.cast::<i16>();
        clause::column_number((*rel).relid, (*member).em_expr) == Some(number)
    }
}

/// `create_foreignscan_path` of each major version.
unsafe fn add_path(
    root: *mut pg_sys::PlannerInfo,
    rel: *mut pg_sys::RelOptInfo,
    rows: f64,
    (startup_cost, total_cost): (f64, f64),
    required_outer: pg_sys::Relids,
) {
    use std::ptr::null_mut;
    // SAFETY: the planner's own structs; every list is NIL.
    unsafe {
        let path = pg_sys::create_foreignscan_path(
            root,
            rel,
            null_mut(),
            rows,
            #[cfg(feature = "pg18")]
            0,
            startup_cost,
            total_cost,
            null_mut(),
            required_outer,
            null_mut(),
            #[cfg(any(feature = "pg17", feature = "pg18"))]
            null_mut(),
            null_mut(),
        );
        pg_sys::add_path(rel, path.cast());
    }
}
