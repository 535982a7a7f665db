//! What an organisation is made of and how it behaves: the body of the control API's PUT and PATCH.

use serde::{Deserialize, Serialize};

/// Everything that PUT accepts; every member is optional.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Specification {
    pub seed: u64,
    pub projects: usize,
    pub builds_per_project: usize,
    pub pull_requests_per_project: usize,
    /// In the whole organisation.
    pub work_items: usize,
    /// Size of a build, about.
    pub element_bytes: usize,
    pub pat: String,
    /// The organisation's present: a time, or `real`.
    pub now: String,
    pub latency_ms: u64,
    /// Whether clients that accept gzip get it.
    pub gzip: bool,
    pub caps: Caps,
    pub traps: Traps,
    /// Whether answers are kept as rendered, for benchmarks.
    pub cache: bool,
    /// A directory with one application that is a member of the organisation.
    pub entra: Option<Entra>,
}

/// Microsoft Entra ID, as far as the client credentials grant goes.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entra {
    pub tenant: String,
    pub client_id: String,
    pub client_secret: String,
    /// How long a token lives.
    #[serde(default = "hour")]
    pub token_seconds: u64,
}

fn hour() -> u64 {
    3600
}

impl Default for Specification {
    fn default() -> Self {
        Self {
            seed: 1,
            projects: 6,
            builds_per_project: 400,
            pull_requests_per_project: 120,
            work_items: 300,
            element_bytes: 6000,
            pat: "simulator-token".into(),
            now: "2026-06-30T12:00:00Z".into(),
            latency_ms: 0,
            gzip: true,
            caps: Caps::default(),
            traps: Traps::default(),
            entra: None,
            cache: false,
        }
    }
}

/// The largest page per table. 5000 and 1000 were observed by others; 1000 for revisions is folklore.
#[derive(Debug, Clone, Copy, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Caps {
    pub projects: usize,
    pub builds: usize,
    pub pull_requests: usize,
    pub revisions: usize,
}

impl Default for Caps {
    fn default() -> Self {
        Self { projects: 1000, builds: 5000, pull_requests: 1000, revisions: 1000 }
    }
}

/// What happens to builds with equal times at the border of two pages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Ties {
    #[default]
    Exact,
    Duplicate,
    Skip,
}

/// The shape of a refused credential. `Real` depends on what the client sent, as the service does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Refusal {
    #[default]
    Real,
    #[serde(rename = "suppressed_401")]
    Suppressed401,
    #[serde(rename = "redirect_302")]
    Redirect302,
    #[serde(rename = "html_203")]
    Html203,
    #[serde(rename = "json_401")]
    Json401,
    #[serde(rename = "forbidden_403")]
    Forbidden403,
    ConditionalAccess,
}

/// Requests that are allowed in a span of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Limited {
    pub requests: u64,
    pub seconds: u64,
}

/// Deviations from a well-behaved service; all off at first.
#[derive(Debug, Clone, PartialEq, Default, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Traps {
    pub builds_ties: Ties,
    /// Every page of builds is the first one.
    pub builds_token_ignored: bool,
    /// Lists of several statuses come group by group, ordered only inside each.
    pub builds_grouped_by_status: bool,
    /// minTime, maxTime and startDateTime leave out the very moment they name.
    pub exclusive_bounds: bool,
    /// Pages are now and then shorter than asked.
    pub short_pages: bool,
    /// A page of revisions is now and then empty while its token moves on.
    pub empty_pages: bool,
    /// The body of revisions lacks the token (`false`); the next link has it.
    pub revisions_token_in_body: Option<bool>,
    /// A page of revisions starts with rows of the page before.
    pub revisions_duplicates: bool,
    /// The token of revisions is the one that was sent.
    pub revisions_token_stuck: bool,
    /// Identities in revisions are objects even when nobody asked.
    pub identity_refs: bool,
    /// `count` comes after `value`.
    pub count_last: bool,
    pub auth: Refusal,
    pub pull_requests_inserted_while_paging: bool,
    pub pull_requests_removed_while_paging: bool,
    pub builds_finish_while_paging: bool,
    pub builds_retried_while_paging: bool,
    /// Names or ids of projects that are listed but whose children nobody may see.
    pub projects_hidden: Vec<String>,
    /// Every seventh element has enum values no specification lists.
    pub unknown_enum_values: bool,
    pub rate_limit_headers: bool,
    /// A limit of requests per time, told in X-RateLimit headers; what is over it is blocked.
    pub limited: Option<Limited>,
    /// Retry-After seconds on every good answer.
    pub delayed_200: Option<u64>,
}
