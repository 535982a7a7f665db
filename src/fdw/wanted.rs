//! What a scan wants of the lists: members of their elements, and a beginning per project.

use std::collections::HashMap;

use super::feed;
use crate::catalog::column::Push;
use crate::catalog::table::Table;
use crate::scan::condition::{Condition, Op};
use crate::scan::plan::lower_bound;

/// The lower bounds of single projects, if the conditions have one for that column.
pub fn lower_bounds(
    table: &Table,
    conditions: &[Condition],
    since: &feed::Since,
) -> Option<(&'static str, HashMap<String, String>)> {
    let bounded = |condition: &Condition| {
        condition.column.name == since.column && condition.op == Op::GreaterOrEqual
    };
    let Push::Range(range) = table.column(&since.column)?.push else { return None };
    conditions.iter().any(bounded).then(|| {
        let values = since.times.iter();
        let values = values.filter_map(|(project, at)| Some((project.clone(), lower_bound(*at)?)));
        (range.since, values.collect())
    })
}

/// The members of the elements that wanted pointers name, if these are all that is wanted and the
/// list can be asked for them.
pub fn members<'a>(table: &Table, wanted: impl Iterator<Item = &'a str>) -> Option<Vec<String>> {
    let projection = table.endpoint.projection.as_ref()?;
    let key: Vec<String> = table.key_columns().map(|column| column.pointer()).collect();
    let mut members: Vec<String> = projection.always.iter().map(|&name| name.to_owned()).collect();
    for pointer in wanted {
        match pointer.strip_prefix(projection.below) {
            Some(name) if !name.contains(['/', '~', ',']) => members.push(name.to_owned()),
            None if key.iter().any(|known| known == pointer) => {}
            _ => return None,
        }
    }
    members.sort();
    members.dedup();
    Some(members)
}
