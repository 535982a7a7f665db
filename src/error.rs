//! Everything that can go wrong, in sentences. SQLSTATEs and hints are given in `fdw::report`.

use std::fmt;

use crate::catalog::table::Scope;

/// A table and, where the request was for one, the project: what the service was asked about.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Subject {
    /// Name of the foreign table's kind, e.g. `builds`.
    pub table: String,
    /// Name of the project, if the request was for one.
    pub project: Option<String>,
    /// Scope that the token needs for it.
    pub scope: Option<Scope>,
}

impl PartialEq for Scope {
    fn eq(&self, other: &Self) -> bool {
        self.id == other.id
    }
}

impl Eq for Scope {}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.project {
            Some(project) => write!(f, "\"{}\" of project \"{project}\"", self.table),
            None => write!(f, "\"{}\"", self.table),
        }
    }
}

/// What the service said in an error answer.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// Human-readable message of the body, if it had one.
    pub message: Option<String>,
    /// Machine-readable kind, e.g. `GitRepositoryNotFoundException`.
    pub type_key: Option<String>,
    /// The service's id of the request, for its support.
    pub activity_id: Option<String>,
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "HTTP status {}", self.status)?;
        if let Some(type_key) = &self.type_key {
            write!(f, ", {type_key}")?;
        }
        if let Some(message) = &self.message {
            write!(f, ": {message}")?;
        }
        if let Some(activity_id) = &self.activity_id {
            write!(f, " (ActivityId {activity_id})")?;
        }
        Ok(())
    }
}

/// The one error type of the extension. Messages never hold a secret.
#[derive(Debug, Clone, thiserror::Error, PartialEq, Eq)]
pub enum Error {
    /// An option that the object does not have.
    #[error("invalid option \"{name}\"")]
    InvalidOption {
        /// What was typed.
        name: String,
        /// Closest valid name, if one is close.
        closest: Option<&'static str>,
        /// All names that are valid there.
        valid: Vec<&'static str>,
    },
    /// An option whose value cannot be used. The value is named by the caller only if it is no secret.
    #[error("invalid value for option \"{name}\": {reason}")]
    InvalidOptionValue {
        /// Option.
        name: &'static str,
        /// What is wrong with the value.
        reason: String,
        /// What would be accepted.
        accepted: &'static str,
    },
    /// An option that only a superuser may set.
    #[error("permission denied to set option \"{name}\": {reason}")]
    SuperuserOnly {
        /// Option.
        name: &'static str,
        /// Why it is restricted.
        reason: &'static str,
    },
    /// Two options of which one object can have one.
    #[error("options \"{first}\" and \"{second}\" exclude each other")]
    ConflictingOptions {
        /// The one.
        first: &'static str,
        /// The other.
        second: &'static str,
    },
    /// An option that another one needs.
    #[error("option \"{name}\" is missing")]
    MissingOption {
        /// Option.
        name: &'static str,
    },
    /// A server option that is restricted to superusers, on a server that none owns.
    #[error("server \"{server}\" cannot be used: its {option} needs a superuser as owner")]
    OwnerNotSuperuser {
        /// Server.
        server: String,
        /// Option.
        option: &'static str,
    },
    /// A server without organization or base_url.
    #[error("server \"{server}\" has neither option \"organization\" nor \"base_url\"")]
    MissingOrganization {
        /// Server.
        server: String,
    },
    /// Nothing to sign in with.
    #[error("no credential for user \"{user}\" on server \"{server}\"")]
    NoCredential {
        /// Role that the query runs as.
        user: String,
        /// Server.
        server: String,
    },
    /// A secret that a user mapping refers to and that cannot be had.
    #[error("could not read the secret \"{secret}\" of option \"{option}\": {reason}")]
    NoSecret {
        /// Option.
        option: &'static str,
        /// Name or id of the secret.
        secret: String,
        /// What is wrong.
        reason: &'static str,
    },
    /// A foreign table whose kind is not in the catalogue.
    #[error("table \"{name}\" is not known")]
    UnknownTable {
        /// What was asked for.
        name: String,
        /// Known tables, closest first.
        known: Vec<&'static str>,
    },
    /// A relation that is no foreign table of this extension.
    #[error("\"{name}\" is not a foreign table of azure_devops_fdw")]
    NotOurTable {
        /// Its name.
        name: String,
    },
    /// A server that is not there, is another wrapper's, or may not be used.
    #[error("there is no server \"{name}\" of azure_devops_fdw that you may use")]
    UnknownServer {
        /// Its name.
        name: String,
    },
    /// A remote schema other than ours.
    #[error("remote schema \"{name}\" does not exist")]
    UnknownSchema {
        /// What was asked for.
        name: String,
    },
    /// An option of IMPORT FOREIGN SCHEMA; it takes none.
    #[error("invalid option \"{name}\"")]
    InvalidImportOption {
        /// What was typed.
        name: String,
    },
    /// A declared column that matches nothing in the catalogue.
    #[error("column \"{column}\" of foreign table \"{table}\" matches no field of {kind}")]
    UnknownColumn {
        /// Declared column.
        column: String,
        /// Foreign table.
        table: String,
        /// Kind of the foreign table.
        kind: &'static str,
        /// Columns that look like it, closest first.
        near: Vec<&'static str>,
    },
    /// A `field` option that is no path.
    #[error("option \"field\" of column \"{column}\" is not a JSON path: {reason}")]
    InvalidField {
        /// Declared column.
        column: String,
        /// What is wrong.
        reason: &'static str,
    },
    /// The project of the table option does not exist, or the token cannot see it.
    #[error("project \"{project}\" does not exist or cannot be seen")]
    UnknownProject {
        /// Name or id.
        project: String,
    },
    /// 401, 203, a redirect to the sign-in page, or a web page instead of data.
    #[error(
        "could not read {subject}: the {credential} is invalid or expired{} (HTTP status {})",
        if *accepted { ", or lacks a scope" } else { "" },
        answer.status
    )]
    Unauthorized {
        /// What was asked for.
        subject: Subject,
        /// What came back.
        answer: Answer,
        /// What kind of credential it was.
        credential: &'static str,
        /// Whether the service has taken the credential for something else.
        accepted: bool,
    },
    /// Microsoft Entra ID issued no token.
    #[error(
        "could not read {subject}: the service principal could not sign in (HTTP status {})",
        answer.status
    )]
    NoToken {
        /// What was asked for.
        subject: Subject,
        /// What came back.
        answer: Answer,
    },
    /// 403.
    #[error("could not read {subject}: access denied (HTTP status {})", answer.status)]
    Forbidden {
        /// What was asked for.
        subject: Subject,
        /// What came back.
        answer: Answer,
    },
    /// 404 or another 4xx.
    #[error("could not read {subject}: the service refused the request (HTTP status {})", answer.status)]
    Refused {
        /// What was asked for.
        subject: Subject,
        /// What came back.
        answer: Answer,
    },
    /// 429 to the last attempt.
    #[error(
        "could not read {subject}: the service is limiting requests, {attempts} attempts were refused \
         (HTTP status {})",
        answer.status
    )]
    Throttled {
        /// What was asked for.
        subject: Subject,
        /// Attempts made.
        attempts: u32,
        /// What came back last.
        answer: Answer,
    },
    /// 5xx or an unusable answer to the last attempt.
    #[error("could not read {subject}: gave up at attempt {attempts} (HTTP status {})", answer.status)]
    ServerError {
        /// What was asked for.
        subject: Subject,
        /// Attempts made.
        attempts: u32,
        /// What came back last.
        answer: Answer,
    },
    /// No usable connection: DNS, TLS, refused, reset, timed out.
    #[error("could not read {subject}: gave up at attempt {attempts}: {reason}")]
    Unreachable {
        /// What was asked for.
        subject: Subject,
        /// Attempts made.
        attempts: u32,
        /// What went wrong last.
        reason: String,
    },
    /// A certificate that nobody vouches for, or a server that speaks no TLS.
    #[error("could not read {subject}: no trusted connection: {reason}")]
    Untrusted {
        /// What was asked for.
        subject: Subject,
        /// What is wrong.
        reason: String,
    },
    /// An answer that is not of the documented shape.
    #[error("could not read {subject}: {problem}")]
    UnexpectedAnswer {
        /// What was asked for.
        subject: Subject,
        /// Member, expected and found kind.
        problem: String,
    },
    /// An element's field of another kind than documented.
    #[error("column \"{column}\" of \"{table}\": expected {expected} but found {found}")]
    UnexpectedJson {
        /// Kind of the table.
        table: String,
        /// Column.
        column: String,
        /// Kind that was expected.
        expected: &'static str,
        /// Kind that was found.
        found: &'static str,
    },
    /// Paging that does not get on.
    #[error("could not read {subject}: the service's paging does not advance")]
    PageLoop {
        /// What was asked for.
        subject: Subject,
    },
    /// A list that changes faster than it can be read.
    #[error("could not read {subject}: the list changed too often while it was being read")]
    Unstable {
        /// What was asked for.
        subject: Subject,
    },
    /// One answer larger than memory should hold.
    #[error("could not read {subject}: one answer is larger than {limit_mb} MB")]
    TooLarge {
        /// What was asked for.
        subject: Subject,
        /// Limit in MB.
        limit_mb: u64,
    },
    /// The HTTP client could not be made.
    #[error("could not set up the HTTP client: {reason}")]
    Client {
        /// What went wrong.
        reason: String,
    },
    /// A defect of the extension, not of the service.
    #[error("internal error in azure_devops_fdw: {what}")]
    Internal {
        /// What was found.
        what: &'static str,
    },
}
