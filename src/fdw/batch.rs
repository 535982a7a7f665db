//! Joins by batch: the other side's keys are read first, and asked for in as few requests as hold them.
//!
//! A parameterized path asks once per row of the other side. Where that side is a plain table of
//! moderate size, a scan of it goes below the foreign scan instead: the executor reads its keys and
//! sends them as one `= ANY (…)`. The join itself stays PostgreSQL's.

use std::collections::BTreeSet;

use pgrx::pg_sys;

use super::clause::{self, Matched};
use super::datum;
use super::plan_data::{Batch, Comparison};
use super::relation::{Attribute, Relation};
use crate::catalog::column::Push;
use crate::scan::condition::{Condition, Op, Value};

/// Rows of the other side that are still read for their keys. More keys than this are no
/// narrowing, and a full scan is cheaper.
const MOST_KEYS: usize = 10_000;

/// A scan of another table that supplies the keys.
#[derive(Debug)]
pub struct Source<'a> {
    /// The column that the keys narrow.
    pub attribute: &'a Attribute,
    /// Path of the scan.
    pub path: *mut pg_sys::Path,
    /// Rows that it is expected to return.
    pub rows: f64,
    /// The key among the other table's columns.
    pub key: *mut pg_sys::Var,
}

/// The scan that can supply the values of a join clause, if the other side is a column of a plain
/// table.
///
/// # Safety
/// `root`, `rel` and `matched` are the planner's own; the clause may be moved to `rel`, which means
/// that rows without a partner in it are of no use to the query.
pub unsafe fn source<'a>(
    root: *mut pg_sys::PlannerInfo,
    rel: *mut pg_sys::RelOptInfo,
    relation: &'a Relation,
    matched: &Matched,
) -> Option<Source<'a>> {
    let attribute = relation.attribute(matched.attribute)?;
    let [expression] = matched.expressions.as_slice() else { return None };
    // SAFETY: the caller's promise; casts follow the tags, and the arrays of the planner have an
    // entry for every relation of its range table.
    unsafe {
        if matched.comparison != Comparison::Equal || !(*rel).lateral_relids.is_null() {
            return None;
        }
        let key = clause::strip(*expression);
        if (*key).type_ != pg_sys::NodeTag::T_Var {
            return None;
        }
        let key = key.cast::<pg_sys::Var>();
        let index = usize::try_from((*key).varno).ok()?;
        let size = usize::try_from((*root).simple_rel_array_size).ok()?;
        if (*key).varlevelsup != 0 || index == 0 || index >= size {
            return None;
        }
        let other = *(*root).simple_rel_array.add(index);
        let entry = *(*root).simple_rte_array.add(index);
        if other.is_null() || entry.is_null() {
            return None;
        }
        let kinds = [pg_sys::RELKIND_RELATION, pg_sys::RELKIND_MATVIEW];
        let plain = (*other).reloptkind == pg_sys::RelOptKind::RELOPT_BASEREL
            && (*entry).rtekind == pg_sys::RTEKind::RTE_RELATION
            && kinds.contains(&((*entry).relkind as u8))
            && !(*entry).inh
            && (*entry).tablesample.is_null()
            && (*other).lateral_relids.is_null()
            && (*key).varattno > 0;
        if !plain || (*other).rows > MOST_KEYS as f64 {
            return None;
        }
        let path = pg_sys::create_seqscan_path(root, other, std::ptr::null_mut(), 0);
        Some(Source { attribute, path, rows: (*other).rows, key })
    }
}

/// Whether keys of the column save requests when they are asked for together.
pub fn saves(attribute: &Attribute) -> bool {
    attribute.column.is_some_and(|column| {
        matches!(column.push, Push::Ids(_) | Push::Get(_) | Push::ProjectId | Push::ProjectName)
    })
}

/// What a path carries to the plan, as its private list.
///
/// # Safety
/// `source` was made for this planning.
pub unsafe fn to_private(source: &Source<'_>) -> *mut pg_sys::List {
    // SAFETY: makes nodes in the planner's context.
    unsafe {
        let number = pg_sys::makeInteger(i32::from(source.attribute.number));
        let list = pg_sys::lappend(std::ptr::null_mut(), number.cast());
        pg_sys::lappend(list, source.key.cast())
    }
}

/// What the plan has to know of the scan below it.
///
/// # Safety
/// `private` is a path's, NIL or from [`to_private`]; `outer` is the plan of the path below.
pub unsafe fn of_plan(private: *mut pg_sys::List, outer: *mut pg_sys::Plan) -> Option<Batch> {
    // SAFETY: the caller's promise: an integer and a Var; target lists hold TargetEntry nodes.
    unsafe {
        if private.is_null() || outer.is_null() {
            return None;
        }
        #[cfg(any(feature = "pg13", feature = "pg14"))]
        let attribute = (*pg_sys::list_nth(private, 0).cast::<pg_sys::Value>()).val.ival as i16;
        #[cfg(not(any(feature = "pg13", feature = "pg14")))]
        let attribute = (*pg_sys::list_nth(private, 0).cast::<pg_sys::Integer>()).ival as i16;
        let key = pg_sys::list_nth(private, 1);
        let entries = (*outer).targetlist;
        (0..pg_sys::list_length(entries)).find_map(|index| {
            let entry = pg_sys::list_nth(entries, index).cast::<pg_sys::TargetEntry>();
            pg_sys::equal((*entry).expr.cast(), key).then(|| Batch {
                attribute,
                position: (*entry).resno,
                type_oid: (*key.cast::<pg_sys::Var>()).vartype.to_u32(),
            })
        })
    }
}

/// Reads the keys; `None` if there are too many to narrow anything.
///
/// # Safety
/// `node` is the executor's own, and its plan has the batch.
pub unsafe fn condition(
    node: *mut pg_sys::ForeignScanState,
    relation: &Relation,
    batch: &Batch,
) -> Option<Condition> {
    let column = relation.attribute(batch.attribute)?.column?;
    let position = usize::try_from(batch.position).ok().filter(|at| *at > 0)?;
    let mut keys: BTreeSet<Value> = BTreeSet::new();
    let mut readable = true;
    // SAFETY: the node's left child is the scan of the plan; its rows are read in the query's
    // context, as the executor reads every plan's, and values are copied before the next row.
    unsafe {
        let outer = (*node).ss.ps.lefttree;
        if outer.is_null() {
            return None;
        }
        let before = pg_sys::MemoryContextSwitchTo((*(*node).ss.ps.state).es_query_cxt);
        while let Some(slot) = next(outer) {
            if (*slot).tts_nvalid < batch.position {
                pg_sys::slot_getsomeattrs_int(slot, i32::from(batch.position));
            }
            if *(*slot).tts_isnull.add(position - 1) {
                continue;
            }
            let datum = *(*slot).tts_values.add(position - 1);
            match datum::value(datum, pg_sys::Oid::from(batch.type_oid)) {
                Some(key) => drop(keys.insert(key)),
                None => readable = false,
            }
            if !readable || keys.len() > MOST_KEYS {
                break;
            }
        }
        pg_sys::MemoryContextSwitchTo(before);
    }
    let values: Vec<Value> = keys.into_iter().collect();
    (readable && values.len() <= MOST_KEYS).then_some(Condition { column, op: Op::Equal, values })
}

/// `ExecProcNode`, which is inline in C; `None` at the end.
unsafe fn next(plan: *mut pg_sys::PlanState) -> Option<*mut pg_sys::TupleTableSlot> {
    // SAFETY: an initialised node has its function; it is PostgreSQL's own, so it is called behind
    // the guard, and the closure holds nothing that would need dropping.
    unsafe {
        if !(*plan).chgParam.is_null() {
            pg_sys::ExecReScan(plan);
        }
        let function = (*plan).ExecProcNode?;
        let slot = pg_sys::ffi::pg_guard_ffi_boundary(|| function(plan));
        let empty = slot.is_null() || (*slot).tts_flags & pg_sys::TTS_FLAG_EMPTY as u16 != 0;
        (!empty).then_some(slot)
    }
}
