//! The ways to scan a table: whole, and for a join, only what its other side names.
//!
//! Costs are counted in requests, because these dominate. A join with few rows is then a nested
//! loop that asks for those, a join with many a full scan and a hash join.

use std::ffi::c_void;

use pgrx::pg_guard;
use pgrx::pg_sys;

use super::batch::{self, Source};
use super::clause::{self, Matched};
use super::options::find;
use super::plan_data::Comparison;
use super::relation::{Attribute, Relation, pairs};
use super::report::ok_or_error;
use crate::catalog::column::Push;
use crate::catalog::endpoint::Parent;
use crate::scan::plan::MOST_GETS;

/// Cost of waiting for the first answer and for each further page, in the planner's units (a
/// sequential page read is 1): tens of milliseconds. A guess; server options change it.
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
        let units = request_costs(relation.server);
        let cost = cost(&relation, &own, (*rel).tuples, units);
        let outer = (*rel).lateral_relids;
        add_path(root, rel, Offer { rows: (*rel).rows, cost, outer, below: None });
        let joins = joins(root, rel, &relation);
        for info in &joins.parameterizations {
            let info = *info;
            let mut columns = narrowed(root, rel, &relation, (*info).ppi_clauses);
            columns.extend(own.iter().cloned());
            let cost = self::cost(&relation, &columns, (*rel).tuples, units);
            if is_key(&relation, &columns) {
                (*info).ppi_rows = 1.0;
            }
            let (rows, outer) = ((*info).ppi_rows, (*info).ppi_req_outer);
            add_path(root, rel, Offer { rows, cost, outer, below: None });
        }
        for source in &joins.sources {
            let mut columns = own.clone();
            columns.push(Fixed { attribute: source.attribute, values: source.rows.max(1.0) });
            let (startup, total) = self::cost(&relation, &columns, (*rel).tuples, units);
            let below = (*source.path).total_cost;
            let cost = (startup + below, total + below);
            let rows = fetched(&relation, &columns, (*rel).rows).min((*rel).rows);
            add_path(root, rel, Offer { rows, cost, outer, below: Some(source) });
        }
    }
}

/// The server's options `fdw_startup_cost` and `fdw_page_cost`.
fn request_costs(server: pg_sys::Oid) -> (f64, f64) {
    // SAFETY: the oid is that of an existing table's server; the result is palloc'd.
    let options = unsafe { pairs((*pg_sys::GetForeignServer(server)).options) };
    let option = |name: &str| find(&options, name)?.trim().parse::<f64>().ok();
    (
        option("fdw_startup_cost").unwrap_or(REQUEST_COST),
        option("fdw_page_cost").unwrap_or(REQUEST_COST),
    )
}

/// Whether the columns identify a row.
pub(super) fn is_key(relation: &Relation, columns: &[Fixed<'_>]) -> bool {
    let fixed = |name: &&str| {
        columns.iter().any(|fixed| fixed.attribute.column.is_some_and(|c| c.name == *name))
    };
    relation.table.key.iter().all(fixed)
}

/// A column that an equality fixes to some values.
#[derive(Debug, Clone)]
pub(super) struct Fixed<'a> {
    pub(super) attribute: &'a Attribute,
    /// How many; estimated where the list is not a constant.
    pub(super) values: f64,
}

/// The values that one of the columns is fixed to.
fn values_of(columns: &[Fixed<'_>], wanted: fn(&Push) -> bool) -> Option<f64> {
    let matching = columns.iter().filter(|f| f.attribute.column.is_some_and(|c| wanted(&c.push)));
    matching.map(|fixed| fixed.values).reduce(f64::min)
}

fn by_project(push: &Push) -> bool {
    matches!(push, Push::ProjectId | Push::ProjectName)
}

/// Rows that the service sends for a scan of these columns, of the `rows` that it has.
fn fetched(relation: &Relation, columns: &[Fixed<'_>], rows: f64) -> f64 {
    let keyed = values_of(columns, |push| matches!(push, Push::Get(_) | Push::Ids(_)));
    match (keyed, values_of(columns, by_project)) {
        (Some(values), _) => values.min(rows),
        (None, Some(projects)) if relation.project.is_none() => {
            rows * (projects / PROJECTS).min(1.0)
        }
        _ => rows,
    }
}

/// Requests and rows of a scan whose conditions fix these columns, as startup and total cost.
fn cost(
    relation: &Relation,
    columns: &[Fixed<'_>],
    rows: f64,
    (startup, page): (f64, f64),
) -> (f64, f64) {
    let endpoint = &relation.table.endpoint;
    let projects = match (endpoint.parent, &relation.project) {
        (Parent::Project, None) => values_of(columns, by_project).unwrap_or(PROJECTS).min(PROJECTS),
        _ => 1.0,
    };
    let fetched = fetched(relation, columns, rows);
    let lists = endpoint.streams.len().max(1) as f64 * projects;
    let full = lists + fetched / f64::from(endpoint.page_size);
    let gets = values_of(columns, |push| matches!(push, Push::Get(_)));
    let ids = values_of(columns, |push| matches!(push, Push::Ids(_)));
    let (requests, fetched) = match (gets, ids) {
        (Some(values), _) if values <= MOST_GETS as f64 => (values, fetched),
        (Some(_), _) => (lists + rows / f64::from(endpoint.page_size), rows),
        (None, Some(values)) => {
            (projects * (values / endpoint.batch.max(1) as f64).ceil(), fetched)
        }
        (None, None) => (full, fetched),
    };
    let waves = (requests / CONCURRENCY).max(1.0);
    (startup, startup + page * (waves - 1.0) + fetched * ROW_COST)
}

/// The columns that equalities in a list of clauses fix.
pub(super) unsafe fn narrowed<'a>(
    root: *mut pg_sys::PlannerInfo,
    rel: *mut pg_sys::RelOptInfo,
    relation: &'a Relation,
    clauses: *mut pg_sys::List,
) -> Vec<Fixed<'a>> {
    let mut columns = Vec::new();
    // SAFETY: a list of RestrictInfos of the planner's own.
    unsafe {
        for index in 0..pg_sys::list_length(clauses) {
            let info = pg_sys::list_nth(clauses, index).cast::<pg_sys::RestrictInfo>();
            let matched = clause::matched(root, (*rel).relid, relation, (*info).clause);
            let Some(equal) = matched.filter(|m| m.comparison == Comparison::Equal) else {
                continue;
            };
            let values = equal.expressions.iter().map(|expr| values_in(root, *expr)).sum();
            let attribute = relation.attribute(equal.attribute);
            columns.extend(attribute.map(|attribute| Fixed { attribute, values }));
        }
    }
    columns
}

/// Values of a right-hand side: one, or about as many as its array has.
#[cfg_attr(not(any(feature = "pg17", feature = "pg18")), allow(unused_variables))]
pub(super) unsafe fn values_in(
    root: *mut pg_sys::PlannerInfo,
    expression: *mut pg_sys::Expr,
) -> f64 {
    // SAFETY: the planner's own expression.
    unsafe {
        let node = expression.cast::<pg_sys::Node>();
        if pg_sys::get_element_type(pg_sys::exprType(node)) == pg_sys::InvalidOid {
            return 1.0;
        }
        #[cfg(any(feature = "pg17", feature = "pg18"))]
        let length = pg_sys::estimate_array_length(root, node);
        #[cfg(not(any(feature = "pg17", feature = "pg18")))]
        let length = f64::from(pg_sys::estimate_array_length(node));
        length
    }
}

/// What joins offer: rows that fix columns one by one, and scans that supply all keys at once.
#[derive(Debug, Default)]
struct Joins<'a> {
    parameterizations: Vec<*mut pg_sys::ParamPathInfo>,
    sources: Vec<Source<'a>>,
}

/// The sets of other relations that can supply values for worthwhile columns, as postgres_fdw
/// finds them: from join clauses, and from equivalence classes.
unsafe fn joins<'a>(
    root: *mut pg_sys::PlannerInfo,
    rel: *mut pg_sys::RelOptInfo,
    relation: &'a Relation,
) -> Joins<'a> {
    let mut found = Joins::default();
    // SAFETY: the planner's own structs and lists.
    unsafe {
        let mut consider = |clauses: *mut pg_sys::List| {
            for index in 0..pg_sys::list_length(clauses) {
                let info = pg_sys::list_nth(clauses, index).cast::<pg_sys::RestrictInfo>();
                let Some(matched) = movable(root, rel, relation, info) else { continue };
                found.sources.extend(batch::source(root, rel, relation, &matched));
                if let Some(path) = parameterization(root, rel, info)
                    && !found.parameterizations.contains(&path)
                {
                    found.parameterizations.push(path);
                }
            }
        };
        consider((*rel).joininfo);
        if (*rel).has_eclass_joins {
            for attribute in relation.attributes.iter().filter(|a| batch::saves(a)) {
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

/// The join clause as one that narrows the relation, if it may be moved there.
unsafe fn movable(
    root: *mut pg_sys::PlannerInfo,
    rel: *mut pg_sys::RelOptInfo,
    relation: &Relation,
    info: *mut pg_sys::RestrictInfo,
) -> Option<Matched> {
    // SAFETY: the planner's own structs.
    unsafe {
        if !pg_sys::join_clause_is_movable_to(info, rel) {
            return None;
        }
        let matched = clause::matched(root, (*rel).relid, relation, (*info).clause)?;
        relation.attribute(matched.attribute).filter(|attribute| batch::saves(attribute))?;
        Some(matched)
    }
}

unsafe fn parameterization(
    root: *mut pg_sys::PlannerInfo,
    rel: *mut pg_sys::RelOptInfo,
    info: *mut pg_sys::RestrictInfo,
) -> Option<*mut pg_sys::ParamPathInfo> {
    // SAFETY: the planner's own structs.
    unsafe {
        let relid = (*rel).relid;
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

/// A path to offer.
struct Offer<'a> {
    rows: f64,
    /// Startup and total.
    cost: (f64, f64),
    outer: pg_sys::Relids,
    /// The scan that supplies keys.
    below: Option<&'a Source<'a>>,
}

/// `create_foreignscan_path` of each major version.
unsafe fn add_path(root: *mut pg_sys::PlannerInfo, rel: *mut pg_sys::RelOptInfo, offer: Offer<'_>) {
    use std::ptr::null_mut;
    let Offer { rows, cost: (startup_cost, total_cost), outer: required_outer, below } = offer;
    // SAFETY: the planner's own structs; every list is NIL or made for this path.
    unsafe {
        let outer_path = below.map_or(null_mut(), |source| source.path);
        let private = below.map_or(null_mut(), |source| batch::to_private(source));
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
            outer_path,
            #[cfg(any(feature = "pg17", feature = "pg18"))]
            null_mut(),
            private,
        );
        pg_sys::add_path(rel, path.cast());
    }
}
