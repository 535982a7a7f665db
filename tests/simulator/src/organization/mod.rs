//! One organisation in memory. Read `specification`, `element` and `index` first, then the tables:
//! `project`, `repository`, `build`, `pull_request`, `revision`, and `changes` to them.

pub mod build;
pub mod changes;
pub mod element;
pub mod index;
pub mod project;
pub mod pull_request;
pub mod repository;
pub mod revision;
pub mod specification;

use std::time::Instant;

use crate::cache::Cache;
use crate::fault::Faults;
use crate::generate;
use crate::generate::people::Person;
use crate::random::Random;
use crate::time::{self, SECOND, Ticks};
use build::Builds;
use project::{Project, Projects};
use pull_request::PullRequests;
use repository::Repositories;
use revision::Revisions;
use specification::{Caps, Entra, Specification, Traps};

pub struct Organization {
    pub name: String,
    pub seed: u64,
    pub pat: String,
    pub latency_ms: u64,
    pub gzip: bool,
    pub caps: Caps,
    pub traps: Traps,
    pub entra: Option<Entra>,
    /// Tokens issued for the application, and when each ends.
    pub tokens: Vec<(String, Instant)>,
    pub faults: Faults,
    /// Begin of the span that [`Traps::limited`] counts in, in seconds since 1970, and its requests.
    pub spent: (u64, u64),
    pub people: Vec<Person>,
    pub projects: Projects,
    pub repositories: Repositories,
    pub builds: Builds,
    pub pull_requests: PullRequests,
    pub revisions: Revisions,
    /// For traps that act now and then.
    pub random: Random,
    /// Rendered answers; none: every one is rendered anew.
    pub cache: Option<Cache>,
    clock: Ticks,
}

impl Organization {
    /// Generates the organisation; fails when `now` is not a time.
    pub fn new(name: &str, specification: &Specification) -> Result<Self, String> {
        let now = match specification.now.as_str() {
            "real" => time::now(),
            text => time::parse(text).ok_or_else(|| format!("now: \"{text}\" is not a time"))?,
        };
        let mut organization = Self {
            name: name.to_string(),
            seed: specification.seed,
            pat: specification.pat.clone(),
            latency_ms: specification.latency_ms,
            gzip: specification.gzip,
            caps: specification.caps,
            traps: specification.traps.clone(),
            entra: specification.entra.clone(),
            tokens: Vec::new(),
            faults: Faults::default(),
            spent: (0, 0),
            people: Vec::new(),
            projects: Projects::default(),
            repositories: Repositories::default(),
            builds: Builds::default(),
            pull_requests: PullRequests::default(),
            revisions: Revisions::default(),
            random: Random::new(specification.seed, "traps"),
            cache: specification.cache.then(Cache::default),
            clock: now,
        };
        generate::fill(&mut organization, specification, now);
        Ok(organization)
    }

    /// Forgets rendered answers: something has changed.
    pub fn forget(&mut self) {
        if let Some(cache) = &mut self.cache {
            cache.clear();
        }
    }

    /// The time of the next change: every change moves the organisation's clock on.
    pub fn tick(&mut self) -> Ticks {
        self.clock += SECOND + self.random.between(0, SECOND - 1);
        self.clock
    }

    /// Moves the clock on to a time a mutation named, so that later changes come after it.
    pub fn advance(&mut self, to: Ticks, limit: Ticks) {
        if to > self.clock && to < self.clock + limit {
            self.clock = to;
        }
    }

    pub fn is_hidden(&self, project: &Project) -> bool {
        let same = |name: &String| {
            name.eq_ignore_ascii_case(&project.id) || name.eq_ignore_ascii_case(&project.name)
        };
        self.traps.projects_hidden.iter().any(same)
    }

    /// Whether children of a project can be read: it is well formed and visible.
    pub fn is_readable(&self, project: usize) -> bool {
        let project = self.projects.at(project);
        project.state == "wellFormed" && !self.is_hidden(project)
    }
}
