//! Planner callbacks: the estimate and the plan. No callback here calls the API.

use pgrx::pg_guard;
use pgrx::pg_sys;

use super::clause;
use super::plan_data::{PlanData, PushedClause};
use super::relation::Relation;
use super::report::ok_or_error;

/// Sets the rows that the scan is expected to return.
#[pg_guard]
pub unsafe extern "C-unwind" fn get_foreign_rel_size(
    root: *mut pg_sys::PlannerInfo,
    rel: *mut pg_sys::RelOptInfo,
    table: pg_sys::Oid,
) {
    let relation = ok_or_error(Relation::load(table));
    // SAFETY: the planner's own structs, for the duration of the call.
    unsafe {
        (*rel).tuples = relation.rows_estimate;
        pg_sys::set_baserel_size_estimates(root, rel);
        (*rel).rows = super::estimate::rows(root, rel, &relation);
    }
}

/// Makes the plan: what is pushed goes along, and every clause is rechecked.
#[pg_guard]
pub unsafe extern "C-unwind" fn get_foreign_plan(
    root: *mut pg_sys::PlannerInfo,
    rel: *mut pg_sys::RelOptInfo,
    table: pg_sys::Oid,
    path: *mut pg_sys::ForeignPath,
    target_list: *mut pg_sys::List,
    clauses: *mut pg_sys::List,
    outer_plan: *mut pg_sys::Plan,
) -> *mut pg_sys::ForeignScan {
    let relation = ok_or_error(Relation::load(table));
    // SAFETY: the planner's own structs and lists.
    unsafe {
        let relid = (*rel).relid;
        let clauses = pg_sys::extract_actual_clauses(clauses, false);
        let mut data = PlanData {
            attributes: wanted(relid, (*(*rel).reltarget).exprs, clauses, &relation),
            limit: limit(root, rel),
            batch: super::batch::of_plan((*path).fdw_private, outer_plan),
            ..PlanData::default()
        };
        let mut expressions: *mut pg_sys::List = std::ptr::null_mut();
        for index in 0..pg_sys::list_length(clauses) {
            let expr = pg_sys::list_nth(clauses, index).cast();
            let Some(matched) = clause::matched(root, relid, &relation, expr) else {
                data.local.push(index);
                continue;
            };
            let first = pg_sys::list_length(expressions) as usize;
            for expression in &matched.expressions {
                expressions = pg_sys::lappend(expressions, expression.cast());
            }
            data.clauses.push(PushedClause {
                attribute: matched.attribute,
                comparison: matched.comparison,
                expressions: (first..first + matched.expressions.len()).collect(),
                position: index,
            });
        }
        let private = ok_or_error(data.to_list());
        pg_sys::make_foreignscan(
            target_list,
            clauses,
            relid,
            expressions,
            private,
            std::ptr::null_mut(),
            std::ptr::null_mut(),
            outer_plan,
        )
    }
}

/// The declared columns that the query reads; all of them for a whole-row reference.
unsafe fn wanted(
    relid: pg_sys::Index,
    target: *mut pg_sys::List,
    clauses: *mut pg_sys::List,
    relation: &Relation,
) -> Vec<i16> {
    let mut used: *mut pg_sys::Bitmapset = std::ptr::null_mut();
    // SAFETY: walks the planner's own expressions.
    unsafe {
        pg_sys::pull_varattnos(target.cast(), relid, &mut used);
        pg_sys::pull_varattnos(clauses.cast(), relid, &mut used);
    }
    let is_used = |number: i32| {
        // SAFETY: reads the set made above.
        unsafe { pg_sys::bms_is_member(number - pg_sys::FirstLowInvalidHeapAttributeNumber, used) }
    };
    let whole_row = is_used(0);
    let numbers = relation.attributes.iter().map(|attribute| attribute.number);
    numbers.filter(|number| whole_row || is_used(i32::from(*number))).collect()
}

/// Rows that the query can be expected to read, if it has a LIMIT and nothing that reads on. Only a
/// hint for the first page's size.
unsafe fn limit(root: *mut pg_sys::PlannerInfo, rel: *mut pg_sys::RelOptInfo) -> Option<u64> {
    // SAFETY: the planner's own structs.
    unsafe {
        let alone = pg_sys::bms_equal((*rel).relids, (*root).all_baserels);
        let unsorted = (*root).query_pathkeys.is_null();
        let limit = (*root).limit_tuples;
        (alone && unsorted && limit > 0.0 && limit < 1e9).then_some(limit as u64)
    }
}
