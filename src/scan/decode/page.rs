//! The rows of one page: its bytes, and where each wanted value stands in them.

use crate::api::budget::Grant;
use crate::scan::seen::{Key, Seen};

/// A value's place in the page's bytes; empty if the field is absent or null.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cell {
    /// First byte.
    pub start: u32,
    /// Bytes.
    pub length: u32,
}

/// A decoded page. Values are slices of the answer's own bytes: nothing is copied.
#[derive(Debug)]
pub struct Page {
    /// The answer.
    pub(super) body: String,
    pub(super) cells: Vec<Cell>,
    width: usize,
    /// Per element, its key.
    pub(super) keys: Vec<Option<Key>>,
    /// Elements that are delivered: those not seen before.
    rows: Vec<u32>,
    /// What it holds of the scan's bytes, given back when the page is dropped.
    grant: Option<Grant>,
    /// Time of the last element, if all have one and they ascend.
    pub last_time: Option<i64>,
    /// Time of the last element, if all have one and they descend.
    pub earliest: Option<i64>,
    /// The body's `continuationToken`, or the one in its `nextLink`.
    pub body_token: Option<String>,
    /// The body's `isLastBatch`.
    pub is_last: Option<bool>,
}

impl Page {
    pub(super) fn new(width: usize) -> Self {
        Self {
            body: String::new(),
            cells: Vec::new(),
            width,
            keys: Vec::new(),
            rows: Vec::new(),
            grant: None,
            last_time: None,
            earliest: None,
            body_token: None,
            is_last: None,
        }
    }

    pub(super) fn add_element(&mut self) -> usize {
        let start = self.cells.len();
        self.cells.resize(start + self.width, Cell::NONE);
        start
    }

    /// Ties the bytes that it takes to its life.
    pub fn hold(&mut self, mut grant: Grant) {
        grant.settle(self.body.capacity() + self.cells.capacity() * size_of::<Cell>());
        self.grant = Some(grant);
    }

    /// Elements of the answer.
    pub fn elements(&self) -> usize {
        self.cells.len() / self.width
    }

    /// Leaves the elements that `seen` does not know, and tells it of them.
    pub fn keep_unseen(&mut self, seen: &mut Seen) {
        self.rows = (0u32..)
            .zip(&self.keys)
            .filter(|(_, key)| key.is_none_or(|key| seen.insert(key)))
            .map(|(element, _)| element)
            .collect();
    }

    /// Leaves those of the rows that `seen` does not know either, and tells it of them.
    pub fn drop_seen(&mut self, seen: &mut Seen) {
        let keys = std::mem::take(&mut self.keys);
        let key = |row: &u32| keys.get(*row as usize).copied().flatten();
        self.rows.retain(|row| key(row).is_none_or(|key| seen.insert(key)));
    }

    /// Whether the first element had been seen before.
    pub fn starts_known(&self) -> bool {
        self.elements() > 0 && self.rows.first() != Some(&0)
    }

    /// Whether the last element had been seen before.
    pub fn ends_known(&self) -> bool {
        self.elements() > 0
            && self.rows.last().is_none_or(|row| *row as usize + 1 < self.elements())
    }

    /// Rows to deliver.
    pub fn rows(&self) -> usize {
        self.rows.len()
    }

    /// Bytes of the answer.
    pub fn bytes(&self) -> usize {
        self.body.len()
    }

    /// The JSON text of a row's value; empty if it is absent or null.
    pub fn value(&self, row: usize, slot: usize) -> &str {
        self.rows.get(row).map_or("", |element| self.text(*element as usize, slot))
    }

    pub(super) fn text(&self, element: usize, slot: usize) -> &str {
        let cell = self.cells.get(element * self.width + slot).copied().unwrap_or(Cell::NONE);
        let start = cell.start as usize;
        // The decoder cut whole values out of this very text.
        self.body.get(start..start + cell.length as usize).unwrap_or_default()
    }
}

impl Drop for Page {
    fn drop(&mut self) {
        if let Some(grant) = &self.grant {
            grant.recycle(std::mem::take(&mut self.body).into_bytes());
        }
    }
}
