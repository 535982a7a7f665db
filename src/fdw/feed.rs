//! Where a feed is continued: what incremental refresh tells the next scan of a table, and learns
//! from the last one.
//!
//! Both hold within one statement of the client only, so that a refresh that failed half way leaves
//! nothing behind for an unrelated scan.

use std::cell::RefCell;
use std::collections::HashMap;

use pgrx::pg_sys;
use pgrx::prelude::*;

/// Where the list of each project begins.
#[derive(Debug, Clone)]
pub struct Since {
    /// Column of the catalogue, whose condition the times are for.
    pub column: String,
    /// Microseconds since 1970, by project id in lower case.
    pub times: HashMap<String, i64>,
}

/// Where a feed begins, and how far it is read.
#[derive(Debug, Clone, Default)]
pub struct Start {
    /// Token of an earlier read; `None`: the beginning.
    pub token: Option<String>,
    /// Pages to read; `None`: all.
    pub pages: Option<u32>,
}

/// Where a scan of a feed ended.
#[derive(Debug, Clone)]
pub struct End {
    /// The token to go on from.
    pub token: Option<String>,
    /// Whether there was nothing left to read.
    pub complete: bool,
}

#[derive(Debug, Default)]
struct Feed {
    since: Option<(i64, Since)>,
    start: Option<(i64, Start)>,
    end: Option<(i64, End)>,
}

thread_local! {
    static FEEDS: RefCell<HashMap<pg_sys::Oid, Feed>> = RefCell::default();
}

/// Begin of the client's statement: tells statements apart.
fn statement() -> i64 {
    // SAFETY: reads a variable of the backend.
    unsafe { pg_sys::GetCurrentStatementStartTimestamp() }
}

fn current<T>(mark: Option<(i64, T)>) -> Option<T> {
    mark.filter(|(at, _)| *at == statement()).map(|(_, token)| token)
}

/// Where the lists of the projects begin, for scans with a condition on that column.
pub fn since(table: pg_sys::Oid) -> Option<Since> {
    FEEDS.with_borrow(|feeds| current(feeds.get(&table)?.since.clone()))
}

/// Makes scans of the table in this statement that have a lower bound for the column use another one
/// in each of these projects: a list that is read for hours has no common end.
#[pg_extern(volatile, parallel_unsafe)]
fn start_lists(
    source: pg_sys::Oid,
    column_name: &str,
    projects: Vec<Option<pgrx::Uuid>>,
    times: Vec<Option<pgrx::datum::TimestampWithTimeZone>>,
) {
    let times = projects.iter().zip(&times).filter_map(|(project, time)| {
        let micros = pg_sys::TimestampTz::from((*time)?);
        Some((project.as_ref()?.to_string().to_lowercase(), super::datum::unix_micros(micros)))
    });
    let since = Since { column: column_name.to_owned(), times: times.collect() };
    FEEDS.with_borrow_mut(|feeds| {
        feeds.entry(source).or_default().since = Some((statement(), since));
    });
}

/// Whether something is kept for the next scan of the table.
pub fn is_told(table: pg_sys::Oid) -> bool {
    let told = |feed: &Feed| feed.start.is_some() || feed.since.is_some();
    FEEDS.with_borrow(|feeds| feeds.get(&table).is_some_and(told))
}

/// How the scan that is about to start has to read the feed.
pub fn take_start(table: pg_sys::Oid) -> Start {
    let taken = FEEDS.with_borrow_mut(|feeds| current(feeds.get_mut(&table)?.start.take()));
    taken.unwrap_or_default()
}

/// Notes where a complete scan ended.
pub fn ended(table: pg_sys::Oid, end: End) {
    let end = Some((statement(), end));
    FEEDS.with_borrow_mut(|feeds| feeds.entry(table).or_default().end = end);
}

/// Makes the next scan of the table in this statement begin at the token (NULL: at the beginning)
/// and end after so many pages (NULL: at the end).
#[pg_extern(volatile, parallel_unsafe)]
fn start_feed(source: pg_sys::Oid, token: Option<&str>, pages: Option<i32>) {
    let pages = pages.and_then(|pages| u32::try_from(pages).ok());
    let start = Some((statement(), Start { token: token.map(str::to_owned), pages }));
    let feed = Feed { start, ..Feed::default() };
    FEEDS.with_borrow_mut(|feeds| drop(feeds.insert(source, feed)));
}

/// The token at which a scan of the table in this statement ended; NULL if it ended nowhere.
#[pg_extern(volatile, parallel_unsafe)]
fn feed_token(source: pg_sys::Oid) -> Option<String> {
    FEEDS.with_borrow(|feeds| current(feeds.get(&source)?.end.clone())?.token)
}

/// Whether that scan left nothing to read.
#[pg_extern(volatile, parallel_unsafe)]
fn feed_is_complete(source: pg_sys::Oid) -> bool {
    let end = FEEDS.with_borrow(|feeds| current(feeds.get(&source)?.end.clone()));
    end.is_none_or(|end| end.complete)
}
