//! The envelope of lists, and page sizes.

use super::failure::Failure;
use super::query::Query;
use crate::http::response::{JSON, Response};
use crate::organization::Organization;

/// Elements of a page, joined by commas.
#[derive(Debug, Default)]
pub struct Page {
    pub elements: Vec<u8>,
    pub rows: usize,
}

impl Page {
    /// Appends an element that `render` writes.
    pub fn push(&mut self, render: impl FnOnce(&mut Vec<u8>)) {
        if self.rows > 0 {
            self.elements.push(b',');
        }
        render(&mut self.elements);
        self.rows += 1;
    }

    pub fn response(self, organization: &Organization) -> Response {
        let count = self.rows;
        let (before, after) = match organization.traps.count_last {
            false => (format!("{{\"count\":{count},\"value\":["), "]}".to_string()),
            true => ("{\"value\":[".to_string(), format!("],\"count\":{count}}}")),
        };
        let mut body = Vec::with_capacity(before.len() + self.elements.len() + after.len());
        body.extend_from_slice(before.as_bytes());
        body.extend_from_slice(&self.elements);
        body.extend_from_slice(after.as_bytes());
        let mut response = Response::new(200, JSON, body);
        response.rows = Some(count);
        response
    }
}

/// The page size asked for, capped; the short-pages trap halves it or worse now and then.
pub fn page_size(
    organization: &mut Organization,
    query: &Query,
    name: &str,
    default: usize,
    cap: usize,
) -> Result<usize, Failure> {
    let asked = match query.number::<i64>(name)? {
        Some(n) if n < 0 => return Err(super::failure::bad_value(name, &n.to_string())),
        Some(0) | None => default,
        Some(n) => usize::try_from(n).unwrap_or(usize::MAX),
    };
    let size = asked.min(cap).max(1);
    if organization.traps.short_pages && size > 1 && organization.random.percent(60) {
        return Ok(1 + organization.random.below(size - 1));
    }
    Ok(size)
}
