//! `azure_devops_fdw.progress`: how far a scan is, every few seconds, as a NOTICE.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use pgrx::prelude::*;

use super::report::tell;
use super::settings;
use crate::api::usage::Usage;
use crate::scan::stream::Progress;

/// Time between two notices of a scan.
const INTERVAL: Duration = Duration::from_secs(5);

/// When a scan says next how far it is.
#[derive(Debug, Default)]
pub struct Reporter {
    due: Option<Instant>,
}

impl Reporter {
    /// When the next notice is due; never while the setting is off.
    pub fn due(&mut self) -> Option<Instant> {
        if !settings::progress() {
            self.due = None;
            return None;
        }
        Some(*self.due.get_or_insert_with(|| Instant::now() + INTERVAL))
    }

    /// Shows a line if one is due.
    pub fn tell(&mut self, table: &str, rows: u64, progress: &Progress, usage: &Usage) {
        if self.due().is_some_and(|due| due <= Instant::now()) {
            self.due = None;
            tell(PgLogLevel::NOTICE, line(table, rows, progress, usage), None);
        }
    }
}

fn line(table: &str, rows: u64, progress: &Progress, usage: &Usage) -> String {
    let mut line = format!("scan of \"{table}\": ");
    let projects = progress.projects.load(Ordering::Relaxed);
    if projects > 0 {
        let done = progress.projects_done.load(Ordering::Relaxed);
        line.push_str(&format!("{done} of {projects} projects, "));
    }
    line.push_str(&format!(
        "{rows} rows, {} requests, {} MB, throttled for {} s",
        usage.requests.load(Ordering::Relaxed),
        usage.bytes.load(Ordering::Relaxed) >> 20,
        usage.waited().as_secs(),
    ));
    line
}
