//! The log of requests: what was asked, what was answered, and how many ran at once.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Instant;

use serde::Serialize;
use serde_json::{Value, json};

use crate::state::State;

/// Then the older half goes: a client that never stops must not fill the memory.
const MAX_ENTRIES: usize = 200_000;

#[derive(Debug, Clone, Serialize)]
pub struct Entry {
    pub n: u64,
    pub organization: String,
    pub endpoint: &'static str,
    pub method: String,
    /// Decoded.
    pub path: String,
    /// Decoded names and values in the order they were sent.
    pub query: Vec<(String, String)>,
    pub raw_query: String,
    /// Lower-case names; `authorization` says only whether the credential was right.
    pub headers: BTreeMap<String, String>,
    pub body: String,
    pub status: Option<u16>,
    pub rows: Option<usize>,
    /// Of the body, as sent.
    pub response_bytes: usize,
    /// Which TCP connection it came over.
    pub connection: u64,
    pub started_ms: f64,
    /// None while under way.
    pub finished_ms: Option<f64>,
    /// Requests under way in the organisation when this one started, itself included.
    pub concurrent: usize,
    pub fault: Option<String>,
    /// Query parameters the endpoint does not know.
    pub ignored: Vec<String>,
}

pub struct Log {
    started: Instant,
    next: u64,
    entries: Vec<Entry>,
    under_way: HashMap<String, usize>,
}

impl Default for Log {
    fn default() -> Self {
        Self { started: Instant::now(), next: 1, entries: Vec::new(), under_way: HashMap::new() }
    }
}

/// What is known of a request when it arrives.
#[derive(Debug, Default)]
pub struct Arrival {
    pub organization: String,
    pub endpoint: &'static str,
    pub method: String,
    pub path: String,
    pub query: Vec<(String, String)>,
    pub raw_query: String,
    pub headers: BTreeMap<String, String>,
    pub body: String,
    pub connection: u64,
}

impl Log {
    fn elapsed(&self) -> f64 {
        (self.started.elapsed().as_secs_f64() * 1e6).round() / 1e3
    }

    fn entry(&mut self, n: u64) -> Option<&mut Entry> {
        // Numbers only grow, also over a clearing of the log.
        let at = self.entries.binary_search_by_key(&n, |e| e.n).ok()?;
        self.entries.get_mut(at)
    }

    pub fn clear(&mut self) {
        self.entries.clear();
    }

    /// The entries of one organisation, or all.
    pub fn entries(&self, organization: Option<&str>) -> Vec<&Entry> {
        let matches =
            |e: &&Entry| organization.is_none_or(|o| e.organization.eq_ignore_ascii_case(o));
        self.entries.iter().filter(matches).collect()
    }

    pub fn summary(&self, organization: Option<&str>) -> Value {
        let entries = self.entries(organization);
        let mut endpoints: BTreeMap<&str, (usize, usize, usize)> = BTreeMap::new();
        for entry in &entries {
            let sums = endpoints.entry(entry.endpoint).or_default();
            sums.0 += 1;
            sums.1 += entry.rows.unwrap_or(0);
            sums.2 += entry.response_bytes;
        }
        let per_endpoint = |(name, (requests, rows, bytes)): (&&str, &(usize, usize, usize))| {
            let sums = json!({ "requests": requests, "rows": rows, "response_bytes": bytes });
            (name.to_string(), sums)
        };
        let connections: std::collections::HashSet<u64> =
            entries.iter().map(|e| e.connection).collect();
        json!({
            "requests": entries.len(),
            "rows": entries.iter().filter_map(|e| e.rows).sum::<usize>(),
            "response_bytes": entries.iter().map(|e| e.response_bytes).sum::<usize>(),
            "under_way": entries.iter().filter(|e| e.finished_ms.is_none()).count(),
            "max_concurrent": entries.iter().map(|e| e.concurrent).max().unwrap_or(0),
            "connections": connections.len(),
            "endpoints": endpoints.iter().map(per_endpoint).collect::<serde_json::Map<_, _>>(),
        })
    }
}

/// An entry under way; finished when dropped, however the connection ends.
pub struct Ticket {
    state: Arc<State>,
    organization: String,
    n: u64,
}

impl Ticket {
    pub fn open(state: &Arc<State>, arrival: Arrival) -> Self {
        let mut log = state.log();
        let (n, started_ms) = (log.next, log.elapsed());
        log.next += 1;
        let running = log.under_way.entry(arrival.organization.clone()).or_default();
        *running += 1;
        let concurrent = *running;
        let organization = arrival.organization.clone();
        if log.entries.len() >= MAX_ENTRIES {
            log.entries.drain(..MAX_ENTRIES / 2);
        }
        log.entries.push(Entry {
            n,
            organization: arrival.organization,
            endpoint: arrival.endpoint,
            method: arrival.method,
            path: arrival.path,
            query: arrival.query,
            raw_query: arrival.raw_query,
            headers: arrival.headers,
            body: arrival.body,
            status: None,
            rows: None,
            response_bytes: 0,
            connection: arrival.connection,
            started_ms,
            finished_ms: None,
            concurrent,
            fault: None,
            ignored: Vec::new(),
        });
        Self { state: state.clone(), organization, n }
    }

    pub fn number(&self) -> u64 {
        self.n
    }

    pub fn note(&self, change: impl FnOnce(&mut Entry)) {
        if let Some(entry) = self.state.log().entry(self.n) {
            change(entry);
        }
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        let mut log = self.state.log();
        let finished = log.elapsed();
        if let Some(running) = log.under_way.get_mut(&self.organization) {
            *running = running.saturating_sub(1);
        }
        if let Some(entry) = log.entry(self.n) {
            entry.finished_ms = Some(finished);
        }
    }
}
