//! Where a feed is continued: what incremental refresh tells the next scan of a table, and learns
//! from the last one.
//!
//! Both hold within one statement of the client only, so that a refresh that failed half way leaves
//! nothing behind for an unrelated scan.

use std::cell::RefCell;
use std::collections::HashMap;

use pgrx::pg_sys;
use pgrx::prelude::*;

#[derive(Debug, Default)]
struct Feed {
    start: Option<(i64, String)>,
    end: Option<(i64, String)>,
}

thread_local! {
    static FEEDS: RefCell<HashMap<pg_sys::Oid, Feed>> = RefCell::default();
}

/// Begin of the client's statement: tells statements apart.
fn statement() -> i64 {
    // SAFETY: reads a variable of the backend.
    unsafe { pg_sys::GetCurrentStatementStartTimestamp() }
}

fn current(mark: Option<(i64, String)>) -> Option<String> {
    mark.filter(|(at, _)| *at == statement()).map(|(_, token)| token)
}

/// The token that the scan that is about to start has to begin with.
pub fn take_start(table: pg_sys::Oid) -> Option<String> {
    FEEDS.with_borrow_mut(|feeds| current(feeds.get_mut(&table)?.start.take()))
}

/// Notes where a complete scan ended.
pub fn ended(table: pg_sys::Oid, token: Option<String>) {
    let end = token.map(|token| (statement(), token));
    FEEDS.with_borrow_mut(|feeds| feeds.entry(table).or_default().end = end);
}

/// Makes the next scan of the table in this statement begin at the token; NULL: at the beginning.
#[pg_extern(volatile, parallel_unsafe)]
fn start_feed(source: pg_sys::Oid, token: Option<&str>) {
    let start = token.map(|token| (statement(), token.to_owned()));
    FEEDS.with_borrow_mut(|feeds| *feeds.entry(source).or_default() = Feed { start, end: None });
}

/// The token at which a scan of the table in this statement ended; NULL if it ended nowhere.
#[pg_extern(volatile, parallel_unsafe)]
fn feed_token(source: pg_sys::Oid) -> Option<String> {
    FEEDS.with_borrow_mut(|feeds| current(feeds.get_mut(&source)?.end.take()))
}
