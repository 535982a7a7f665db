//! Scans of one query side by side: with the first row that is asked for, every other scan begins
//! that the query will certainly read, so that the requests of a UNION ALL or a join overlap.
//!
//! Certain are the inputs of appends, hash and merge joins, sorts and aggregates, the outer one of a
//! nested loop; below a LIMIT nothing is, unless something in between reads all of its input.

use std::cell::RefCell;

use pgrx::pg_sys::{self, NodeTag};

type Node = *mut pg_sys::ForeignScanState;

thread_local! {
    /// Scans that have been begun and not ended, in all queries of the session.
    static SCANS: RefCell<Vec<Node>> = const { RefCell::new(Vec::new()) };
}

/// Remembers a scan until [`forget`].
pub fn remember(node: Node) {
    SCANS.with_borrow_mut(|scans| scans.push(node));
}

/// Forgets a scan. Runs also when a query's memory goes: only compares pointers.
pub fn forget(node: Node) {
    SCANS.with_borrow_mut(|scans| scans.retain(|known| *known != node));
}

/// The other scans of the same query that will certainly be read.
///
/// # Safety
/// `node` is the executor's own, under execution.
pub unsafe fn companions(node: Node) -> Vec<Node> {
    let all = SCANS.with_borrow(Vec::clone);
    if all.len() < 2 {
        return Vec::new();
    }
    // SAFETY: nodes in the list live until they are forgotten; a statement under execution has its
    // plan tree.
    unsafe {
        let estate = (*node).ss.ps.state;
        let statement = (*estate).es_plannedstmt;
        if statement.is_null() {
            return Vec::new();
        }
        let mut certain = Vec::new();
        collect((*statement).planTree, true, &mut certain);
        let plan = |node: Node| (*node).ss.ps.plan;
        // A cursor may never be read to its end, but then pages wait only in a short queue. What
        // runs inside something uncertain starts nothing else.
        if !certain.contains(&plan(node)) {
            return Vec::new();
        }
        all.into_iter()
            .filter(|other| *other != node && (**other).ss.ps.state == estate)
            .filter(|other| certain.contains(&plan(*other)))
            .collect()
    }
}

/// The foreign scans of a plan that are certainly read; `all`: whether all rows of it are.
unsafe fn collect(plan: *mut pg_sys::Plan, all: bool, certain: &mut Vec<*mut pg_sys::Plan>) {
    if plan.is_null() {
        return;
    }
    // SAFETY: a node of a plan tree; casts follow its tag.
    unsafe {
        let (outer, inner) = ((*plan).lefttree, (*plan).righttree);
        match (*plan).type_ {
            // A scan that asks for the keys of another table begins by reading that.
            NodeTag::T_ForeignScan if all && outer.is_null() => certain.push(plan),
            NodeTag::T_Append => {
                let append = plan.cast::<pg_sys::Append>();
                // Which of them run is decided when they do.
                if (*append).part_prune_info_is_absent() {
                    each((*append).appendplans, all, certain);
                }
            }
            NodeTag::T_MergeAppend => {
                let append = plan.cast::<pg_sys::MergeAppend>();
                if (*append).part_prune_info_is_absent() {
                    each((*append).mergeplans, all, certain);
                }
            }
            NodeTag::T_SubqueryScan => {
                collect((*plan.cast::<pg_sys::SubqueryScan>()).subplan, all, certain);
            }
            NodeTag::T_Sort | NodeTag::T_Hash => collect(outer, true, certain),
            NodeTag::T_Agg => {
                let sorted = pg_sys::AggStrategy::AGG_SORTED;
                let lazy = (*plan.cast::<pg_sys::Agg>()).aggstrategy == sorted;
                collect(outer, all || !lazy, certain);
            }
            NodeTag::T_HashJoin | NodeTag::T_MergeJoin => {
                collect(outer, all, certain);
                collect(inner, all, certain);
            }
            NodeTag::T_Limit => collect(outer, false, certain),
            NodeTag::T_NestLoop
            | NodeTag::T_Result
            | NodeTag::T_ProjectSet
            | NodeTag::T_ModifyTable
            | NodeTag::T_Material
            | NodeTag::T_IncrementalSort
            | NodeTag::T_Group
            | NodeTag::T_Unique
            | NodeTag::T_WindowAgg
            | NodeTag::T_LockRows => collect(outer, all, certain),
            _ => {}
        }
    }
}

unsafe fn each(plans: *mut pg_sys::List, all: bool, certain: &mut Vec<*mut pg_sys::Plan>) {
    // SAFETY: a list of plans.
    unsafe {
        for plan in pgrx::PgList::<pg_sys::Plan>::from_pg(plans).iter_ptr() {
            collect(plan, all, certain);
        }
    }
}

/// Whether the children of an append are all executed: 18 names the information differently.
trait Pruning {
    fn part_prune_info_is_absent(&self) -> bool;
}

macro_rules! pruning {
    ($kind:ty) => {
        impl Pruning for $kind {
            #[cfg(not(feature = "pg18"))]
            fn part_prune_info_is_absent(&self) -> bool {
                self.part_prune_info.is_null()
            }

            #[cfg(feature = "pg18")]
            fn part_prune_info_is_absent(&self) -> bool {
                self.part_prune_index < 0
            }
        }
    };
}

pruning!(pg_sys::Append);
pruning!(pg_sys::MergeAppend);
