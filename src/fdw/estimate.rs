//! How many rows a scan returns, where the catalogue knows more than PostgreSQL without statistics.

use std::collections::BTreeMap;

use pgrx::pg_sys;

use super::clause::{self, Matched};
use super::datum;
use super::paths::{is_key, narrowed};
use super::plan_data::Comparison;
use super::relation::Relation;
use crate::catalog::column::Push;
use crate::scan::condition::Value;

/// History that an organization is assumed to have: two years, in microseconds.
const HISTORY: f64 = 2.0 * 365.0 * 86_400.0 * 1e6;

/// Least part of the rows that a time window is assumed to leave.
const LEAST_SHARE: f64 = 0.0002;

/// The rows that the conditions of the relation itself leave.
///
/// # Safety
/// `root` and `rel` are the planner's own.
pub unsafe fn rows(
    root: *mut pg_sys::PlannerInfo,
    rel: *mut pg_sys::RelOptInfo,
    relation: &Relation,
) -> f64 {
    // SAFETY: the caller's promise; the list of conditions holds RestrictInfos.
    unsafe {
        let clauses = (*rel).baserestrictinfo;
        let columns = narrowed(root, rel, relation, clauses);
        if is_key(relation, &columns) {
            let values = columns.iter().map(|fixed| fixed.values).product::<f64>();
            return values.clamp(1.0, (*rel).tuples.max(1.0));
        }
        let mut share = 1.0;
        let mut windows: BTreeMap<i16, Window> = BTreeMap::new();
        let mut others: *mut pg_sys::List = std::ptr::null_mut();
        for index in 0..pg_sys::list_length(clauses) {
            let info = pg_sys::list_nth(clauses, index).cast::<pg_sys::RestrictInfo>();
            let matched = clause::matched(root, (*rel).relid, relation, (*info).clause);
            let known = matched.as_ref().and_then(|matched| {
                if let Some(bound) = bound(root, relation, matched) {
                    windows.entry(matched.attribute).or_default().cut(bound);
                    return Some(1.0);
                }
                share_of_values(root, relation, matched)
            });
            match known {
                Some(part) => share *= part,
                None => others = pg_sys::lappend(others, info.cast()),
            }
        }
        let now = super::datum::unix_micros(pg_sys::GetCurrentTimestamp()) as f64;
        share *= windows.values().map(|window| window.share(now)).product::<f64>();
        let join = pg_sys::JoinType::JOIN_INNER;
        let rest = pg_sys::clauselist_selectivity(root, others, 0, join, std::ptr::null_mut());
        pg_sys::clamp_row_est((*rel).tuples * share * rest)
    }
}

/// A window of time, in microseconds since 1970.
#[derive(Debug, Default)]
struct Window {
    lower: Option<f64>,
    upper: Option<f64>,
}

/// One end of a window.
enum Bound {
    Lower(f64),
    Upper(f64),
}

impl Window {
    fn cut(&mut self, bound: Bound) {
        match bound {
            Bound::Lower(at) => self.lower = Some(self.lower.map_or(at, |known| known.max(at))),
            Bound::Upper(at) => self.upper = Some(self.upper.map_or(at, |known| known.min(at))),
        }
    }

    /// The part of the history that it leaves.
    fn share(&self, now: f64) -> f64 {
        let begin = self.lower.map_or(now - HISTORY, |at| at.max(now - HISTORY));
        let end = self.upper.map_or(now, |at| at.min(now));
        ((end - begin) / HISTORY).clamp(LEAST_SHARE, 1.0)
    }
}

/// The bound that a clause sets, if its value can be told while planning.
unsafe fn bound(
    root: *mut pg_sys::PlannerInfo,
    relation: &Relation,
    matched: &Matched,
) -> Option<Bound> {
    let column = relation.attribute(matched.attribute)?.column?;
    if !matches!(column.push, Push::Range(_)) {
        return None;
    }
    let [expression] = matched.expressions.as_slice() else { return None };
    // SAFETY: the planner's own expression; a constant's value is of its type.
    let value = unsafe {
        let estimated = pg_sys::estimate_expression_value(root, expression.cast());
        if (*estimated).type_ != pg_sys::NodeTag::T_Const {
            return None;
        }
        let constant = estimated.cast::<pg_sys::Const>();
        if (*constant).constisnull {
            return None;
        }
        datum::value((*constant).constvalue, (*constant).consttype)?
    };
    let Value::Time(at) = value else { return None };
    match matched.comparison {
        Comparison::Greater | Comparison::GreaterOrEqual => Some(Bound::Lower(at as f64)),
        Comparison::Less | Comparison::LessOrEqual => Some(Bound::Upper(at as f64)),
        _ => None,
    }
}

/// The part of the rows that values of a column with few known ones leave.
unsafe fn share_of_values(
    root: *mut pg_sys::PlannerInfo,
    relation: &Relation,
    matched: &Matched,
) -> Option<f64> {
    let column = relation.attribute(matched.attribute)?.column?;
    let (values, exact) = match column.push {
        Push::OneOf(_, known) | Push::ExactlyOne(_, known) => (known.len() as f64, false),
        Push::Stream => (0.0, true),
        _ => return None,
    };
    if !exact {
        // SAFETY: the planner's own expressions.
        let asked: f64 = unsafe {
            matched.expressions.iter().map(|expr| super::paths::values_in(root, *expr)).sum()
        };
        let equal = matched.comparison == Comparison::Equal;
        return equal.then(|| (asked / values.max(1.0)).min(1.0));
    }
    let mut asked = Vec::new();
    for expression in &matched.expressions {
        // SAFETY: the planner's own expression; a constant's value is of its type.
        unsafe {
            let estimated = pg_sys::estimate_expression_value(root, expression.cast());
            if (*estimated).type_ != pg_sys::NodeTag::T_Const {
                return None;
            }
            let constant = estimated.cast::<pg_sys::Const>();
            if (*constant).constisnull {
                continue;
            }
            let (value, oid) = ((*constant).constvalue, (*constant).consttype);
            match pg_sys::get_element_type(oid) {
                pg_sys::InvalidOid => asked.push(datum::value(value, oid)?),
                element => asked.extend(datum::array_values(value, element)?),
            }
        }
    }
    let asked: Vec<String> = asked.iter().filter_map(Value::parameter).collect();
    let streams = relation.table.endpoint.streams.iter();
    let held: f64 = streams
        .map(|stream| {
            let among = stream.values.iter().filter(|value| asked.iter().any(|a| a == **value));
            stream.share * among.count() as f64 / stream.values.len().max(1) as f64
        })
        .sum();
    match matched.comparison {
        Comparison::Equal => Some(held),
        Comparison::NotEqual => Some(1.0 - held),
        _ => None,
    }
}
