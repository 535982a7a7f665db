//! What a scan reads, with what, and within which bounds.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize};
use std::sync::{Arc, Mutex, OnceLock};

use super::{Crew, Project};
use crate::api::budget::{self, Budget};
use crate::api::client::Client;
use crate::api::usage::Usage;
use crate::catalog::table::Table;
use crate::scan::decode::Decoder;
use crate::scan::plan::Plan;

/// How far a fan-out is; both are 0 where there is none.
#[derive(Debug, Default)]
pub struct Progress {
    /// Projects to visit.
    pub projects: AtomicU64,
    /// Projects visited.
    pub projects_done: AtomicU64,
}

/// A scan, ready to be run.
#[derive(Debug)]
pub struct Scan {
    /// Table of the catalogue.
    pub table: &'static Table,
    /// Connections to the collection.
    pub client: Arc<Client>,
    /// What to ask.
    pub plan: Plan,
    /// What to cut out of the answers.
    pub decoder: Decoder,
    /// Whether values are wanted that the list holds only on demand.
    pub on_demand: bool,
    /// Members of the elements that are wanted, where the list can be asked for these only.
    pub members: Option<Vec<String>>,
    /// Where the lists of single projects begin: parameter, and its value by project id in lower case.
    pub since: Option<(&'static str, HashMap<String, String>)>,
    /// Where a feed begins: the token of an earlier read, instead of the beginning.
    pub feed_from: Option<String>,
    /// Pages of a feed to read; `None`: all.
    pub feed_pages: Option<u32>,
    /// Where a feed ended: the last token that the service sent.
    pub feed_to: Mutex<Option<String>>,
    /// Whether a feed was left before its end, because enough pages were read.
    pub feed_left: AtomicBool,
    /// Project that the foreign table is limited to, by name or id.
    pub project: Option<String>,
    /// Projects that a fan-out visits at most, to see whether it can; `None`: all.
    pub most_projects: Option<usize>,
    /// Projects read at once.
    pub concurrency: usize,
    /// Elements per page, where the user set it.
    pub page_size: Option<u32>,
    /// Rows that are probably enough.
    pub limit: Option<u64>,
    /// Whether projects that cannot be read are skipped with a warning.
    pub skip_inaccessible: bool,
    /// Whether every request is announced.
    pub trace: bool,
    /// What it has cost so far.
    pub usage: Arc<Usage>,
    /// How far it is.
    pub progress: Arc<Progress>,
    /// Rows delivered so far.
    pub delivered: AtomicU64,
    /// Bytes of the pages that are held.
    pub budget: Arc<Budget>,
    /// Mean size of the largest elements seen, in bytes; 0: none yet.
    pub element_bytes: AtomicUsize,
    /// What the workers do.
    pub crew: Crew,
    /// The organization's projects, once they are listed; kept over rescans.
    pub known_projects: Arc<OnceLock<Vec<Project>>>,
}

impl Scan {
    /// A scan of everything that the plan asks for, one request at a time.
    pub fn new(table: &'static Table, plan: Plan, decoder: Decoder, client: Arc<Client>) -> Self {
        Self {
            table,
            client,
            plan,
            decoder,
            on_demand: false,
            members: None,
            since: None,
            feed_from: None,
            feed_pages: None,
            feed_to: Mutex::default(),
            feed_left: AtomicBool::default(),
            project: None,
            most_projects: None,
            concurrency: 1,
            page_size: None,
            limit: None,
            skip_inaccessible: false,
            trace: false,
            usage: Arc::default(),
            progress: Arc::default(),
            delivered: AtomicU64::new(0),
            budget: Budget::new(budget::LIMIT),
            element_bytes: AtomicUsize::new(0),
            crew: Crew::default(),
            known_projects: Arc::default(),
        }
    }
}
