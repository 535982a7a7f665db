//! Server and user mapping to a client, kept across scans.

use std::cell::RefCell;
use std::sync::Arc;
use std::time::Duration;

use pgrx::pg_sys;

use super::options::{self, Pairs, api_version, find};
use super::relation::pairs;
use crate::api::address::Collection;
use crate::api::client::{Client, Settings};
use crate::api::credential::{Credential, Secret};
use crate::catalog::endpoint::Version;
use crate::error::Error;

/// What a scan needs of its server.
#[derive(Debug)]
pub struct Server {
    /// Connections and credential.
    pub client: Arc<Client>,
    /// API version that requests ask for.
    pub version: Version,
    /// Requests in flight.
    pub concurrency: usize,
    /// Elements per page, where the user set it.
    pub page_size: Option<u32>,
    /// Whether unreadable projects are skipped.
    pub skip_inaccessible: bool,
}

const DEFAULT_VERSION: &str = "7.1";
const DEFAULT_CONCURRENCY: usize = 8;
const DEFAULT_RETRIES: u32 = 6;
/// The service delays single requests by up to 30 seconds when it throttles.
const DEFAULT_TIMEOUT_SECONDS: u64 = 100;

/// Clients that one backend keeps.
const MOST_CLIENTS: usize = 16;

thread_local! {
    /// Clients by server and role. Options are read afresh for each scan and the client compared
    /// with them, so that ALTER takes effect at once.
    static CLIENTS: RefCell<Vec<(pg_sys::Oid, pg_sys::Oid, Arc<Client>)>> =
        const { RefCell::new(Vec::new()) };
}

/// Resolves the server for the role that a query runs as.
pub fn resolve(server: pg_sys::Oid, user: pg_sys::Oid) -> Result<Server, Error> {
    // SAFETY: the oid is that of the foreign table's server; the result is palloc'd.
    let (name, owner, server_options) = unsafe {
        let found = &*pg_sys::GetForeignServer(server);
        let name = std::ffi::CStr::from_ptr(found.servername).to_string_lossy().into_owned();
        (name, found.owner, pairs(found.options))
    };
    if let Some((option, _)) = options::restricted(&server_options) {
        // SAFETY: looks an existing role up.
        if !unsafe { pg_sys::superuser_arg(owner) } {
            return Err(Error::OwnerNotSuperuser { server: name, option });
        }
    }
    let mapping = user_mapping(user, server);
    let pat = mapping
        .as_deref()
        .and_then(|options| find(options, "pat"))
        .or_else(|| find(&server_options, "pat"))
        .map(|pat| Secret::new(pat.to_owned()))
        .filter(|secret| !secret.is_empty())
        .ok_or_else(|| Error::NoCredential { user: role_name(user), server: name.clone() })?;
    let version = find(&server_options, "api_version").unwrap_or(DEFAULT_VERSION).trim();
    let settings = Settings {
        collection: collection(&name, &server_options)?,
        credential: Credential::Pat(pat),
        api_version: version.to_owned(),
        request_timeout: Duration::from_secs(
            number(&server_options, "request_timeout").unwrap_or(DEFAULT_TIMEOUT_SECONDS),
        ),
        max_retries: number(&server_options, "max_retries").unwrap_or(DEFAULT_RETRIES),
        ca_certificate: certificate(&server_options)?,
        proxy: find(&server_options, "proxy").map(str::to_owned),
    };
    let skip = find(&server_options, "skip_inaccessible").and_then(options::boolean);
    Ok(Server {
        client: client(server, user, settings)?,
        version: api_version(version).unwrap_or(Version(7, 1)),
        concurrency: number(&server_options, "max_concurrency").unwrap_or(DEFAULT_CONCURRENCY),
        page_size: number(&server_options, "page_size"),
        skip_inaccessible: skip.unwrap_or(false),
    })
}

fn client(
    server: pg_sys::Oid,
    user: pg_sys::Oid,
    settings: Settings,
) -> Result<Arc<Client>, Error> {
    CLIENTS.with_borrow_mut(|clients| {
        let known = clients.iter().position(|(s, u, _)| *s == server && *u == user);
        if let Some(index) = known {
            if *clients[index].2.settings() == settings {
                return Ok(Arc::clone(&clients[index].2));
            }
            clients.remove(index);
        }
        let client = Arc::new(Client::new(settings)?);
        if clients.len() >= MOST_CLIENTS {
            clients.remove(0);
        }
        clients.push((server, user, Arc::clone(&client)));
        Ok(client)
    })
}

fn collection(server: &str, options: &Pairs) -> Result<Collection, Error> {
    let problem = |name: &'static str, accepted: &'static str| {
        move |reason: &'static str| Error::InvalidOptionValue {
            name,
            reason: reason.to_owned(),
            accepted,
        }
    };
    if let Some(url) = find(options, "base_url") {
        return Collection::of_url(url).map_err(problem("base_url", "the URL of a collection"));
    }
    match find(options, "organization") {
        Some(name) => Collection::of_organization(name)
            .map_err(problem("organization", "the name of an organization")),
        None => Err(Error::MissingOrganization { server: server.to_owned() }),
    }
}

fn certificate(options: &Pairs) -> Result<Option<String>, Error> {
    let Some(value) = find(options, "ca_certificate") else { return Ok(None) };
    if options::is_pem(value) {
        return Ok(Some(value.to_owned()));
    }
    let read = std::fs::read_to_string(value.trim());
    read.map(Some).map_err(|error| Error::Client {
        reason: format!("option \"ca_certificate\": {}", error.kind()),
    })
}

fn number<T: std::str::FromStr>(options: &Pairs, name: &str) -> Option<T> {
    find(options, name)?.trim().parse().ok()
}

/// The options of the role's user mapping, else of PUBLIC's.
fn user_mapping(user: pg_sys::Oid, server: pg_sys::Oid) -> Option<Vec<(String, String)>> {
    let cache = pg_sys::SysCacheIdentifier::USERMAPPINGUSERSERVER as _;
    let exists = |user: pg_sys::Oid| {
        // SAFETY: the cache's two keys are both oids.
        unsafe {
            let (user, server) = (pg_sys::Datum::from(user), pg_sys::Datum::from(server));
            let none = pg_sys::Datum::from(0);
            pg_sys::SearchSysCacheExists(cache, user, server, none, none)
        }
    };
    if !exists(user) && !exists(pg_sys::InvalidOid) {
        return None;
    }
    // SAFETY: a mapping exists, so GetUserMapping finds one; the result is palloc'd.
    Some(unsafe { pairs((*pg_sys::GetUserMapping(user, server)).options) })
}

fn role_name(role: pg_sys::Oid) -> String {
    // SAFETY: with noerr a missing role gives NULL; the name is palloc'd.
    unsafe {
        let name = pg_sys::GetUserNameFromId(role, true);
        if name.is_null() {
            return role.to_string();
        }
        std::ffi::CStr::from_ptr(name).to_string_lossy().into_owned()
    }
}
