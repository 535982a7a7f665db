//! One pass over a page's bytes: the wanted values are cut out, everything else is skipped unparsed.
//!
//! [`trie`]: the wanted paths. [`page`]: the rows of a page. `visit`: serde walking both together.

pub mod page;
pub mod trie;
mod visit;

use crate::api::client::Unreadable;
use crate::error::{Error, Subject};
use crate::scan::seen;
use crate::scan::value;

use page::{Cell, Page};
use trie::Node;

/// What to cut out of the pages of one scan.
#[derive(Debug)]
pub struct Decoder {
    root: Node,
    /// Values per element: the wanted columns, then the key, then the ordering time.
    width: usize,
    columns: Vec<String>,
    key: std::ops::Range<usize>,
    /// Name of the table's kind, for errors.
    table: String,
}

/// Where the elements stand in an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Envelope {
    /// In the array of this member.
    Member(&'static str),
    /// The answer is the element.
    Bare,
}

impl Decoder {
    /// A decoder of the given columns (name and JSON pointer) that also finds the key's pointers.
    pub fn new(table: &str, columns: &[(String, String)], key: &[String]) -> Self {
        let mut root = Node::default();
        for (slot, (_, pointer)) in columns.iter().enumerate() {
            root.insert(pointer, slot);
        }
        let first = columns.len();
        for (index, pointer) in key.iter().enumerate() {
            root.insert(pointer, first + index);
        }
        let mut names: Vec<String> = columns.iter().map(|(name, _)| name.clone()).collect();
        names.extend(key.iter().map(|pointer| pointer.trim_start_matches('/').to_owned()));
        Self {
            root,
            width: first + key.len() + 1,
            columns: names,
            key: first..first + key.len(),
            table: table.to_owned(),
        }
    }

    /// The decoder with the pointer of the time that orders a list.
    pub fn ordered_by(&self, pointer: &str) -> Self {
        let mut root = self.root.clone();
        root.insert(pointer, self.time_slot());
        let mut columns = self.columns.clone();
        columns.push(pointer.trim_start_matches('/').to_owned());
        Self { root, columns, table: self.table.clone(), key: self.key.clone(), width: self.width }
    }

    fn time_slot(&self) -> usize {
        self.width - 1
    }

    /// Reads an answer.
    pub fn decode(
        &self,
        body: Vec<u8>,
        envelope: Envelope,
        subject: &Subject,
    ) -> Result<Page, Unreadable> {
        let mut page = Page::new(self.width);
        // Checked once for all values. What is no UTF-8 becomes the replacement character.
        let body = String::from_utf8(body)
            .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned());
        let context = visit::Context::new(&body, &self.columns, &self.table, subject);
        let mut json = serde_json::Deserializer::from_str(&body);
        let read = match envelope {
            Envelope::Member(member) => visit::answer(&mut json, member, self, &context, &mut page),
            Envelope::Bare => visit::bare(&mut json, self, &context, &mut page),
        };
        read.and_then(|()| json.end()).map_err(|error| match context.take_problem() {
            Some(problem) => Unreadable::Shape(problem),
            None if error.is_data() => Unreadable::Shape(Error::UnexpectedAnswer {
                subject: subject.clone(),
                problem: format!("the answer is not of the documented shape ({error})"),
            }),
            None => Unreadable::Broken(format!("the answer is not complete JSON ({error})")),
        })?;
        page.body = body;
        self.read_keys(&mut page);
        Ok(page)
    }

    fn read_keys(&self, page: &mut Page) {
        page.keys = (0..page.elements())
            .map(|element| {
                let parts: Vec<&str> =
                    self.key.clone().map(|slot| page.text(element, slot)).collect();
                seen::key(&parts)
            })
            .collect();
        let times = (0..page.elements())
            .map(|element| value::time(&value::text(page.text(element, self.time_slot()))));
        let (mut last, mut ascending, mut descending) = (None, true, true);
        for time in times {
            let Some(value::Time::At(time)) = time else {
                return;
            };
            ascending &= last.is_none_or(|before| time >= before);
            descending &= last.is_none_or(|before| time <= before);
            last = Some(time);
        }
        page.last_time = last.filter(|_| ascending);
        page.earliest = last.filter(|_| descending);
    }
}

impl Cell {
    const NONE: Cell = Cell { start: 0, length: 0 };
}

#[cfg(test)]
mod tests;
