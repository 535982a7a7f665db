//! An ordered index over the rows of one table: pages are walks over it, never scans of the table.

use std::collections::BTreeSet;
use std::iter::Peekable;

use crate::time::Ticks;

/// Where a row stands inside its group: its time, then its slot (which breaks ties).
pub type Position = (Ticks, usize);

/// Rows by (group, time, slot); a group is a status, so that a status filter costs nothing.
#[derive(Debug, Default, Clone)]
pub struct Index(BTreeSet<(u8, Ticks, usize)>);

type Keys<'a> = Box<dyn Iterator<Item = (u8, Ticks, usize)> + 'a>;

impl Index {
    pub fn insert(&mut self, group: u8, time: Ticks, slot: usize) {
        self.0.insert((group, time, slot));
    }

    pub fn remove(&mut self, group: u8, time: Ticks, slot: usize) {
        self.0.remove(&(group, time, slot));
    }

    /// All groups that have rows.
    pub fn groups(&self) -> Vec<u8> {
        let mut groups = Vec::new();
        let mut from = (0, Ticks::MIN, 0);
        while let Some(&(group, ..)) = self.0.range(from..).next() {
            groups.push(group);
            if group == u8::MAX {
                break;
            }
            from = (group + 1, Ticks::MIN, 0);
        }
        groups
    }

    /// Rows of the given groups between two positions (inclusive), merged by time.
    pub fn walk(&self, groups: &[u8], low: Position, high: Position, descending: bool) -> Walk<'_> {
        let sources = groups
            .iter()
            .filter(|_| low <= high)
            .map(|&group| {
                let range = self.0.range((group, low.0, low.1)..=(group, high.0, high.1)).copied();
                let keys: Keys = if descending { Box::new(range.rev()) } else { Box::new(range) };
                keys.peekable()
            })
            .collect();
        Walk { sources, descending }
    }
}

/// A merge of one ordered range per group; yields (group, time, slot).
pub struct Walk<'a> {
    sources: Vec<Peekable<Keys<'a>>>,
    descending: bool,
}

impl Iterator for Walk<'_> {
    type Item = (u8, Ticks, usize);

    fn next(&mut self) -> Option<Self::Item> {
        let mut best: Option<(usize, Position)> = None;
        for (at, source) in self.sources.iter_mut().enumerate() {
            let Some(&(_, time, slot)) = source.peek() else { continue };
            let better = best.is_none_or(|(_, position)| {
                if self.descending { (time, slot) > position } else { (time, slot) < position }
            });
            if better {
                best = Some((at, (time, slot)));
            }
        }
        self.sources[best?.0].next()
    }
}

#[cfg(test)]
mod tests {
    use super::Index;

    #[test]
    fn groups_are_merged_by_time_in_both_directions() {
        let mut index = Index::default();
        for (group, time, slot) in [(2, 10, 0), (1, 20, 1), (2, 30, 2), (2, 30, 3), (9, 15, 4)] {
            index.insert(group, time, slot);
        }
        let slots = |groups: &[u8], descending| -> Vec<usize> {
            let walk = index.walk(groups, (i64::MIN, 0), (i64::MAX, usize::MAX), descending);
            walk.map(|(.., slot)| slot).collect()
        };
        assert_eq!(index.groups(), [1, 2, 9]);
        assert_eq!(slots(&[1, 2, 9], false), [0, 4, 1, 2, 3]);
        assert_eq!(slots(&[1, 2], true), [3, 2, 1, 0]);
    }
}
