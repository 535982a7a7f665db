//! `azure_devops.check(server)`: can the organization be read, and if not, what is missing.

use std::sync::Arc;

use pgrx::pg_sys;
use pgrx::prelude::*;

use super::clients;
use super::io::Stream;
use super::report::{self, ok_or_error};
use super::server::{self, Server};
use crate::api::client::{Client, Settings};
use crate::api::refusal::Refusal;
use crate::catalog::endpoint::Version;
use crate::catalog::table::Table;
use crate::error::{Answer, Error};
use crate::scan::decode::Decoder;
use crate::scan::plan::plan;
use crate::scan::stream::{Event, Scan};
use crate::tables;

/// A check wants an answer soon, also if it is no good one.
const RETRIES: u32 = 1;

/// One row per table: whether a first row of it can be read with the credential of the current
/// user, and what to do if not. `status` is one of: ok, no credential, invalid token, missing scope,
/// no access, conditional access, wrong organization, wrong api_version, unreachable, untrusted
/// connection, throttled, service error, unexpected answer. Asks the service.
#[pg_extern(volatile, parallel_unsafe)]
#[allow(clippy::type_complexity)]
fn check(
    server: &str,
) -> TableIterator<
    'static,
    (
        name!(table_name, String),
        name!(reachable, bool),
        name!(status, String),
        name!(message, String),
        name!(scope, String),
        name!(hint, Option<String>),
    ),
> {
    let oid = ok_or_error(server::find(server));
    // SAFETY: reads the current user.
    let resolved = server::resolve(oid, unsafe { pg_sys::GetUserId() });
    let results: Vec<(&Table, Result<(), Error>)> = match resolved.and_then(|s| patient(&s)) {
        Ok((client, version)) => {
            tables::ALL.iter().map(|table| (*table, look(table, &client, version))).collect()
        }
        Err(error) => tables::ALL.iter().map(|table| (*table, Err(error.clone()))).collect(),
    };
    let accepted = results.iter().any(|(_, result)| result.is_ok());
    let rows: Vec<_> = results
        .into_iter()
        .map(|(table, result)| {
            let (status, message, hint) = match &result {
                Ok(()) => ("ok", "can be read".to_owned(), None),
                Err(error) => (status(error, accepted), message(error), report::hint(error)),
            };
            let (name, scope) = (table.name.to_owned(), table.scope.id.to_owned());
            (name, result.is_ok(), status.to_owned(), message, scope, hint)
        })
        .collect();
    TableIterator::new(rows)
}

::pgrx::extension_sql!(
    "COMMENT ON FUNCTION azure_devops.check(text) IS\n  \
     'Whether each table of a server can be read with your credential, and if not, what is missing.';",
    name = "comment_check",
    requires = [check]
);

/// A client that gives up early. It keeps to what the service has said of the credential.
fn patient(server: &Server) -> Result<(Arc<Client>, Version), Error> {
    let settings = server.client.settings().clone();
    let settings = Settings { max_retries: RETRIES.min(settings.max_retries), ..settings };
    Ok((clients::client(settings)?, server.version))
}

/// Reads until the first row, or the end of the first project.
fn look(table: &'static Table, client: &Arc<Client>, version: Version) -> Result<(), Error> {
    let key: Vec<String> = table.key_columns().map(|column| column.pointer()).collect();
    let scan = Scan {
        most_projects: Some(1),
        page_size: Some(1),
        limit: Some(1),
        // Of revisions no fields are needed.
        members: table
            .endpoint
            .projection
            .as_ref()
            .map(|projection| projection.always.iter().map(|&name| name.to_owned()).collect()),
        ..Scan::new(
            table,
            plan(table, &[], version),
            Decoder::new(table.name, &[], &key),
            Arc::clone(client),
        )
    };
    let mut stream = Stream::start(Arc::new(scan))?;
    loop {
        match stream.receive()? {
            Event::Page(_) | Event::End { .. } => return Ok(()),
            Event::Request(_) | Event::Warning(_) => {}
        }
    }
}

/// The kind of trouble. `accepted`: the credential is good for another table.
fn status(error: &Error, accepted: bool) -> &'static str {
    match error {
        Error::NoCredential { .. } | Error::NoSecret { .. } => "no credential",
        Error::Unauthorized { accepted: before, .. } if accepted || *before => "missing scope",
        Error::Unauthorized { .. } | Error::NoToken { .. } => "invalid token",
        Error::Forbidden { answer, .. } | Error::Refused { answer, .. } => refused(answer),
        Error::Unreachable { .. } => "unreachable",
        Error::Untrusted { .. } => "untrusted connection",
        Error::Throttled { .. } => "throttled",
        Error::ServerError { .. } => "service error",
        _ => "unexpected answer",
    }
}

fn refused(answer: &Answer) -> &'static str {
    match Refusal::of(answer) {
        Some(Refusal::ConditionalAccess) => "conditional access",
        Some(Refusal::Expired) => "invalid token",
        Some(Refusal::PreviewVersion | Refusal::VersionOutOfRange | Refusal::InvalidVersion) => {
            "wrong api_version"
        }
        // A page instead of the service's own words: nothing of the service is at that address.
        None if answer.status == 404 && answer.type_key.is_none() => "wrong organization",
        _ if answer.status == 400 => "service error",
        _ => "no access",
    }
}

/// The message with what the service said.
fn message(error: &Error) -> String {
    match report::detail(error) {
        Some(detail) => format!("{error}. {detail}"),
        None => error.to_string(),
    }
}
