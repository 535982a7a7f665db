//! Errors to PostgreSQL: a SQLSTATE, a detail and a hint for each.

use pgrx::PgSqlErrorCode;
use pgrx::pg_sys;
use pgrx::pg_sys::panic::{ErrorReport, ErrorReportable};
use pgrx::prelude::*;

use crate::api::refusal::Refusal;
use crate::error::{Answer, Error, Subject};

/// An [`Error`] on its way to PostgreSQL. A type of its own because the framework wants one.
#[derive(Debug)]
pub struct Problem(Error);

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        Self(error)
    }
}

impl From<Problem> for ErrorReport {
    fn from(problem: Problem) -> Self {
        let error = problem.0;
        let mut report = ErrorReport::new(sqlstate(&error), error.to_string(), "azure_devops_fdw");
        if let Some(detail) = detail(&error) {
            report = report.set_detail(detail);
        }
        if let Some(hint) = hint(&error) {
            report = report.set_hint(hint);
        }
        report
    }
}

/// Ends a callback with an ERROR, or hands out the value.
pub fn ok_or_error<T>(result: Result<T, Error>) -> T {
    result.map_err(|error| ErrorReport::from(Problem(error))).unwrap_or_report()
}

/// Tells the client something below ERROR.
pub fn tell(level: PgLogLevel, message: String, hint: Option<&str>) {
    // Reporting below ERROR ends in CHECK_FOR_INTERRUPTS, which could jump over Rust frames. Take
    // a pending interrupt here, where nothing is held, and none inside.
    pgrx::check_for_interrupts!();
    let mut report = ErrorReport::new(
        PgSqlErrorCode::ERRCODE_SUCCESSFUL_COMPLETION,
        message,
        "azure_devops_fdw",
    );
    if let Some(hint) = hint {
        report = report.set_hint(hint);
    }
    // SAFETY: HOLD_INTERRUPTS and RESUME_INTERRUPTS, on the main thread; below ERROR `report`
    // returns, so the count is always restored.
    unsafe {
        pg_sys::InterruptHoldoffCount += 1;
        report.report(level);
        pg_sys::InterruptHoldoffCount -= 1;
    }
}

fn sqlstate(error: &Error) -> PgSqlErrorCode {
    match error {
        Error::InvalidOption { .. } | Error::InvalidImportOption { .. } => {
            PgSqlErrorCode::ERRCODE_FDW_INVALID_OPTION_NAME
        }
        Error::InvalidOptionValue { .. }
        | Error::InvalidField { .. }
        | Error::ConflictingOptions { .. } => PgSqlErrorCode::ERRCODE_INVALID_PARAMETER_VALUE,
        Error::SuperuserOnly { .. } | Error::OwnerNotSuperuser { .. } => {
            PgSqlErrorCode::ERRCODE_INSUFFICIENT_PRIVILEGE
        }
        Error::MissingOrganization { .. } | Error::MissingOption { .. } => {
            PgSqlErrorCode::ERRCODE_FDW_OPTION_NAME_NOT_FOUND
        }
        Error::NoCredential { .. }
        | Error::NoSecret { .. }
        | Error::Unauthorized { .. }
        | Error::NoToken { .. } => PgSqlErrorCode::ERRCODE_INVALID_AUTHORIZATION_SPECIFICATION,
        Error::UnknownTable { .. } => PgSqlErrorCode::ERRCODE_FDW_TABLE_NOT_FOUND,
        Error::NotOurTable { .. } => PgSqlErrorCode::ERRCODE_WRONG_OBJECT_TYPE,
        Error::UnknownServer { .. } => PgSqlErrorCode::ERRCODE_UNDEFINED_OBJECT,
        Error::UnknownSchema { .. } => PgSqlErrorCode::ERRCODE_FDW_SCHEMA_NOT_FOUND,
        Error::UnknownColumn { .. } => PgSqlErrorCode::ERRCODE_FDW_COLUMN_NAME_NOT_FOUND,
        Error::UnknownProject { .. } => PgSqlErrorCode::ERRCODE_UNDEFINED_OBJECT,
        Error::Forbidden { .. } => PgSqlErrorCode::ERRCODE_INSUFFICIENT_PRIVILEGE,
        Error::Refused { .. } => PgSqlErrorCode::ERRCODE_FDW_ERROR,
        Error::Throttled { .. } => PgSqlErrorCode::ERRCODE_CONFIGURATION_LIMIT_EXCEEDED,
        Error::ServerError { .. } => PgSqlErrorCode::ERRCODE_CONNECTION_FAILURE,
        Error::Unreachable { .. } | Error::Untrusted { .. } | Error::Client { .. } => {
            PgSqlErrorCode::ERRCODE_FDW_UNABLE_TO_ESTABLISH_CONNECTION
        }
        Error::UnexpectedAnswer { .. } | Error::UnexpectedJson { .. } => {
            PgSqlErrorCode::ERRCODE_FDW_INVALID_DATA_TYPE
        }
        Error::PageLoop { .. } | Error::Unstable { .. } | Error::TooLarge { .. } => {
            PgSqlErrorCode::ERRCODE_PROGRAM_LIMIT_EXCEEDED
        }
        Error::Internal { .. } => PgSqlErrorCode::ERRCODE_INTERNAL_ERROR,
    }
}

/// What the service said.
pub fn detail(error: &Error) -> Option<String> {
    match error {
        Error::Unauthorized { answer, .. }
        | Error::NoToken { answer, .. }
        | Error::Forbidden { answer, .. }
        | Error::Refused { answer, .. }
        | Error::Throttled { answer, .. }
        | Error::ServerError { answer, .. } => Some(said(answer)),
        _ => None,
    }
}

fn said(answer: &Answer) -> String {
    format!("The service answered with {answer}")
}

/// What to do.
pub fn hint(error: &Error) -> Option<String> {
    match error {
        Error::InvalidOption { closest, valid, .. } => {
            if valid.is_empty() {
                return Some("There are no valid options in this context.".into());
            }
            let perhaps = closest.map(|name| format!("Perhaps you meant the option \"{name}\". "));
            Some(format!(
                "{}Valid options in this context are: {}.",
                perhaps.unwrap_or_default(),
                valid.join(", ")
            ))
        }
        Error::InvalidOptionValue { accepted, .. } => Some(format!("Accepted: {accepted}.")),
        Error::InvalidField { .. } => Some(
            "Write a path such as definition.name, /definition/name or reviewers[0].vote, or the \
             reference name of a work item field such as Custom.Severity."
                .into(),
        ),
        Error::ConflictingOptions { .. } | Error::MissingOption { .. } => Some(
            "A user mapping has pat, or pat_secret, or tenant_id, client_id and one of \
             client_secret and client_secret_secret."
                .into(),
        ),
        Error::SuperuserOnly { .. } => Some("Ask a superuser to set it.".into()),
        Error::OwnerNotSuperuser { .. } => {
            Some("A superuser must own the server, or the option be removed.".into())
        }
        Error::MissingOrganization { .. } => Some("Set it: OPTIONS (organization 'myorg').".into()),
        Error::NoCredential { user, server } => Some(format!(
            "Create one: CREATE USER MAPPING FOR {} SERVER {} OPTIONS (pat 'your token');",
            pgrx::spi::quote_identifier(user),
            pgrx::spi::quote_identifier(server)
        )),
        Error::UnknownTable { known, .. } => Some(format!("Known tables: {}.", known.join(", "))),
        Error::NotOurTable { .. } => {
            Some("Name a table that IMPORT FOREIGN SCHEMA azure_devops created.".into())
        }
        Error::UnknownServer { .. } => Some("\\des lists the servers.".into()),
        Error::UnknownSchema { .. } => Some("The remote schema is called azure_devops.".into()),
        Error::InvalidImportOption { .. } => Some("IMPORT FOREIGN SCHEMA takes no options.".into()),
        Error::UnknownColumn { near, kind, .. } => {
            let perhaps = if near.is_empty() {
                String::new()
            } else {
                format!("Perhaps you meant one of: {}. ", near.join(", "))
            };
            Some(format!(
                "{perhaps}A column of another name needs the option \"field\" with the JSON path \
                 of the value; azure_devops.columns() lists the fields of {kind}."
            ))
        }
        Error::UnknownProject { .. } => Some(
            "Check the option \"project\" of the foreign table, and that the token can see it."
                .into(),
        ),
        Error::Unauthorized { subject, answer, credential, .. } => {
            Some(match (Refusal::of(answer), *credential) {
                (_, "personal access token") => format!(
                    "Set a valid one: ALTER USER MAPPING … OPTIONS (SET pat '…').{}",
                    scope(subject)
                ),
                _ => "The service principal must be a member of the organization.".into(),
            })
        }
        Error::NoSecret { .. } => Some(
            "Check the option of the user mapping, and that its role may read \
             vault.decrypted_secrets."
                .into(),
        ),
        Error::NoToken { .. } => {
            Some("Check tenant_id, client_id and client_secret of the user mapping.".into())
        }
        Error::Forbidden { subject, answer } | Error::Refused { subject, answer } => {
            Some(refused(subject, answer))
        }
        Error::Throttled { .. } => {
            Some("Narrow the query, lower max_concurrency, or try again in some minutes.".into())
        }
        Error::ServerError { .. } => Some("Try again later, or raise max_retries.".into()),
        Error::Unreachable { .. } => Some(
            "Check organization or base_url, the network, ca_certificate and proxy of the server."
                .into(),
        ),
        Error::Untrusted { .. } => Some(
            "Check the URL of the server. A private authority's certificate goes into server \
             option ca_certificate."
                .into(),
        ),
        Error::UnexpectedJson { .. } => {
            Some("Read the value from the column attrs, or declare the column as jsonb.".into())
        }
        _ => None,
    }
}

/// What to do about a refusal.
fn refused(subject: &Subject, answer: &Answer) -> String {
    let skip = if subject.project.is_some() {
        " With server option skip_inaccessible 'true' such projects are skipped with a warning."
    } else {
        ""
    };
    let scope = scope(subject);
    match Refusal::of(answer) {
        Some(Refusal::ConditionalAccess) => {
            "A conditional access policy of the directory does not let this machine or this \
             identity in. An administrator of Microsoft Entra ID can tell which."
                .into()
        }
        Some(Refusal::Expired) => format!("Make a new token and set it.{scope}"),
        Some(Refusal::PreviewVersion | Refusal::InvalidVersion) => {
            "Set server option api_version to a released version such as 7.1, or to one that ends \
             in -preview."
                .into()
        }
        Some(Refusal::VersionOutOfRange) => {
            "Set server option api_version to one that this server has: Azure DevOps Server 2020 \
             has 6.0, 2022 has 7.0, 2022.1 has 7.1."
                .into()
        }
        Some(Refusal::TooManyResults) => "Narrow the query.".into(),
        Some(Refusal::Repository) => {
            format!(
                "The repository may be deleted, disabled, or hidden from the token.{scope}{skip}"
            )
        }
        Some(Refusal::NotAuthorized) => {
            format!("The owner of the token needs access.{scope}{skip}")
        }
        Some(Refusal::Project) | None if answer.status == 403 => {
            format!("The owner of the token needs access.{scope}{skip}")
        }
        Some(Refusal::Project) | None => {
            format!(
                "It may be deleted, disabled, or hidden from the owner of the token.{scope}{skip}"
            )
        }
    }
}

fn scope(subject: &Subject) -> String {
    subject.scope.map_or_else(String::new, |scope| {
        format!(" Table {} needs scope {} ({}).", subject.table, scope.label, scope.id)
    })
}
