//! Server and user mapping to a client and the settings of a scan.

use std::sync::Arc;
use std::time::Duration;

use pgrx::pg_sys;

use super::options::{self, Pairs, api_version, find as option};
use super::relation::pairs;
use super::{clients, credential};
use crate::api::address::Collection;
use crate::api::client::{Client, Proxy, Settings};
use crate::api::credential::Credential;
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

/// The server of that name, if it is one of ours and the current user may use it.
pub fn find(name: &str) -> Result<pg_sys::Oid, Error> {
    // Qualified throughout: the caller's search_path may hold anything.
    let found = pgrx::Spi::get_one_with_args::<pg_sys::Oid>(
        "SELECT server.oid FROM pg_catalog.pg_foreign_server AS server \
         JOIN pg_catalog.pg_foreign_data_wrapper AS wrapper \
         ON wrapper.oid OPERATOR(pg_catalog.=) server.srvfdw \
         WHERE server.srvname OPERATOR(pg_catalog.=) $1::pg_catalog.text \
         AND wrapper.fdwname OPERATOR(pg_catalog.=) 'azure_devops_fdw'::pg_catalog.name \
         AND pg_catalog.has_server_privilege(server.oid, 'USAGE'::pg_catalog.text)",
        &[name.into()],
    );
    match found {
        Ok(Some(oid)) => Ok(oid),
        _ => Err(Error::UnknownServer { name: name.to_owned() }),
    }
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
    let credential = match user_mapping(user, server) {
        Some(mapping) => {
            let reader = if mapping.is_public { owner } else { user };
            credential::of_mapping(&mapping.options, option(&server_options, "login_url"), reader)?
        }
        None => None,
    };
    let of_server = || credential::sound(option(&server_options, "pat")?.to_owned());
    let credential = credential
        .or_else(|| of_server().map(Credential::Pat))
        .ok_or_else(|| Error::NoCredential { user: role_name(user), server: name.clone() })?;
    let version = option(&server_options, "api_version").unwrap_or(DEFAULT_VERSION).trim();
    let concurrency = number(&server_options, "max_concurrency").unwrap_or(DEFAULT_CONCURRENCY);
    let settings = Settings {
        max_concurrency: concurrency,
        collection: collection(&name, &server_options)?,
        credential,
        api_version: version.to_owned(),
        request_timeout: Duration::from_secs(
            number(&server_options, "request_timeout").unwrap_or(DEFAULT_TIMEOUT_SECONDS),
        ),
        max_retries: number(&server_options, "max_retries").unwrap_or(DEFAULT_RETRIES),
        ca_certificate: certificate(&server_options)?,
        proxy: match option(&server_options, "proxy").map(str::trim) {
            None => Proxy::None,
            Some(options::ENVIRONMENT) => Proxy::Environment,
            Some(url) => Proxy::Url(url.to_owned()),
        },
    };
    let skip = option(&server_options, "skip_inaccessible").and_then(options::boolean);
    Ok(Server {
        client: clients::client(settings)?,
        version: api_version(version).unwrap_or(Version(7, 1)),
        concurrency,
        page_size: number(&server_options, "page_size"),
        skip_inaccessible: skip.unwrap_or(false),
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
    if let Some(url) = option(options, "base_url") {
        return Collection::of_url(url).map_err(problem("base_url", "the URL of a collection"));
    }
    match option(options, "organization") {
        Some(name) => Collection::of_organization(name)
            .map_err(problem("organization", "the name of an organization")),
        None => Err(Error::MissingOrganization { server: server.to_owned() }),
    }
}

fn certificate(options: &Pairs) -> Result<Option<String>, Error> {
    let Some(value) = option(options, "ca_certificate") else { return Ok(None) };
    if options::is_pem(value) {
        return Ok(Some(value.to_owned()));
    }
    let read = std::fs::read_to_string(value.trim());
    read.map(Some).map_err(|error| Error::Client {
        reason: format!("option \"ca_certificate\": {}", error.kind()),
    })
}

fn number<T: std::str::FromStr>(options: &Pairs, name: &str) -> Option<T> {
    option(options, name)?.trim().parse().ok()
}

struct Mapping {
    options: Vec<(String, String)>,
    is_public: bool,
}

/// The role's user mapping, else PUBLIC's.
fn user_mapping(user: pg_sys::Oid, server: pg_sys::Oid) -> Option<Mapping> {
    let cache = pg_sys::SysCacheIdentifier::USERMAPPINGUSERSERVER as _;
    let exists = |user: pg_sys::Oid| {
        // SAFETY: the cache's two keys are both oids.
        unsafe {
            let (user, server) = (pg_sys::Datum::from(user), pg_sys::Datum::from(server));
            let none = pg_sys::Datum::from(0);
            pg_sys::SearchSysCacheExists(cache, user, server, none, none)
        }
    };
    let is_public = !exists(user);
    if is_public && !exists(pg_sys::InvalidOid) {
        return None;
    }
    // SAFETY: a mapping exists, so GetUserMapping finds one; the result is palloc'd.
    let options = unsafe { pairs((*pg_sys::GetUserMapping(user, server)).options) };
    Some(Mapping { options, is_public })
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
