//! Every option: where it may stand, what it accepts, and who may set it.

use pgrx::pg_sys;
use pgrx::prelude::*;

use super::report::tell;
use crate::api::address::{Collection, organization_name};
use crate::catalog::endpoint::Version;
use crate::catalog::names;
use crate::error::Error;
use crate::tables;

/// An option of one kind of object.
struct OptionSpec {
    name: &'static str,
    accepted: &'static str,
    check: fn(&str) -> Result<(), String>,
}

const fn option(
    name: &'static str,
    accepted: &'static str,
    check: fn(&str) -> Result<(), String>,
) -> OptionSpec {
    OptionSpec { name, accepted, check }
}

/// Name and value of an option as they come from PostgreSQL's catalogs.
pub type Pairs = [(String, String)];

const SERVER: &[OptionSpec] = &[
    option(
        "organization",
        "the name of an organization, or its URL https://dev.azure.com/name",
        |v| organization_name(v).map(drop).map_err(str::to_owned),
    ),
    option("base_url", "the URL of a collection, https://host/path", |v| {
        Collection::of_url(v).map(drop).map_err(str::to_owned)
    }),
    option("pat", "a personal access token", secret),
    option("api_version", "a version such as 7.1 or 7.2-preview", |v| {
        api_version(v).map(drop).ok_or_else(|| format!("\"{v}\" is not a version"))
    }),
    option("max_concurrency", "a whole number from 1 to 64", |v| number(v, 1, 64)),
    option("page_size", "a whole number from 1 to 5000", |v| number(v, 1, 5000)),
    option("request_timeout", "whole seconds from 1 to 3600", |v| number(v, 1, 3600)),
    option("max_retries", "a whole number from 0 to 100", |v| number(v, 0, 100)),
    option("skip_inaccessible", "true or false", |v| {
        boolean(v).map(drop).ok_or_else(|| format!("\"{v}\" is not a boolean"))
    }),
    option("ca_certificate", "a certificate in PEM form, or the path of such a file", not_empty),
    option("proxy", "the URL of a proxy, http://host:port, or environment", proxy),
    option("login_url", "the URL of the host that issues tokens, https://host", |v| {
        Collection::of_url(v).map(drop).map_err(str::to_owned)
    }),
    option("fdw_startup_cost", "a cost of the planner, 0 or more", cost),
    option("fdw_page_cost", "a cost of the planner, 0 or more", cost),
];

const USER_MAPPING: &[OptionSpec] = &[
    option("pat", "a personal access token", secret),
    option("pat_secret", "the name or id of a secret in Supabase Vault", not_empty),
    option("tenant_id", "the id or domain of a directory (tenant)", identifier),
    option("client_id", "the id of an application (client)", identifier),
    option("client_secret", "a client secret", secret),
    option("client_secret_secret", "the name or id of a secret in Supabase Vault", not_empty),
];

/// Value of the option `proxy` that takes the environment's.
pub const ENVIRONMENT: &str = "environment";

fn not_empty(value: &str) -> Result<(), String> {
    if value.trim().is_empty() { Err("it is empty".into()) } else { Ok(()) }
}

/// A tenant or client id: it becomes a segment of a URL.
fn identifier(value: &str) -> Result<(), String> {
    let value = value.trim();
    let sound = value.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '.'));
    let named = value.chars().any(|c| c.is_ascii_alphanumeric());
    if sound && named { Ok(()) } else { Err(format!("\"{value}\" is no such id")) }
}

const TABLE: &[OptionSpec] = &[
    option("table", "the name of a table of azure_devops.tables()", |_| Ok(())),
    option("project", "the name or id of a project", not_empty),
    option("rows_estimate", "a number of rows, 1 or more", estimate),
];

/// Rows that somebody may tell the planner of.
fn estimate(value: &str) -> Result<(), String> {
    match value.trim().parse::<f64>() {
        Ok(rows) if (1.0..=1e12).contains(&rows) => Ok(()),
        _ => Err(format!("\"{value}\" is not in range")),
    }
}

/// A cost in the planner's units.
fn cost(value: &str) -> Result<(), String> {
    match value.trim().parse::<f64>() {
        Ok(cost) if (0.0..=1e12).contains(&cost) => Ok(()),
        _ => Err(format!("\"{value}\" is not in range")),
    }
}

const COLUMN: &[OptionSpec] = &[option("field", "a JSON path or a work item field", |v| {
    super::relation::check_field(v).map_err(str::to_owned)
})];

fn secret(value: &str) -> Result<(), String> {
    let sound = !value.trim().is_empty() && value.bytes().all(|b| (0x20..0x7f).contains(&b));
    if sound { Ok(()) } else { Err("it is empty or holds characters that no token has".into()) }
}

fn proxy(value: &str) -> Result<(), String> {
    if value.trim() == ENVIRONMENT {
        return Ok(());
    }
    let collection = Collection::of_url(value)?;
    reqwest::Proxy::all(collection.as_str()).map(drop).map_err(|_| "it is not a URL".into())
}

fn number(value: &str, least: u32, most: u32) -> Result<(), String> {
    match value.trim().parse::<u32>() {
        Ok(number) if (least..=most).contains(&number) => Ok(()),
        _ => Err(format!("\"{value}\" is not in range")),
    }
}

/// A boolean as PostgreSQL spells it.
pub fn boolean(value: &str) -> Option<bool> {
    match value.trim().to_ascii_lowercase().as_str() {
        "true" | "t" | "on" | "yes" | "y" | "1" => Some(true),
        "false" | "f" | "off" | "no" | "n" | "0" => Some(false),
        _ => None,
    }
}

/// Major and minor number of an API version.
pub fn api_version(value: &str) -> Option<Version> {
    let (numbers, stage) = value.split_once('-').unwrap_or((value, "preview"));
    let stage_is_sound = match stage.strip_prefix("preview") {
        Some("") => true,
        Some(rest) => rest.strip_prefix('.').is_some_and(|n| n.parse::<u16>().is_ok()),
        None => false,
    };
    let (major, minor) = numbers.split_once('.')?;
    let version = Version(major.parse().ok()?, minor.parse().ok()?);
    stage_is_sound.then_some(version)
}

/// Checks the options of an object; called for every CREATE and ALTER with the complete list.
pub fn validate(list: &[Option<String>], catalog: Option<pg_sys::Oid>) -> Result<(), Error> {
    let pairs: Vec<(String, String)> = list
        .iter()
        .flatten()
        .filter_map(|text| text.split_once('='))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    let specs = match catalog {
        Some(pg_sys::ForeignServerRelationId) => SERVER,
        Some(pg_sys::UserMappingRelationId) => USER_MAPPING,
        Some(pg_sys::ForeignTableRelationId) => TABLE,
        Some(pg_sys::AttributeRelationId) => COLUMN,
        _ => &[],
    };
    for (name, value) in &pairs {
        let Some(spec) = specs.iter().find(|spec| spec.name == name) else {
            let valid: Vec<&'static str> = specs.iter().map(|spec| spec.name).collect();
            let closest = names::near(name, valid.iter().copied()).first().copied();
            return Err(Error::InvalidOption { name: name.clone(), closest, valid });
        };
        (spec.check)(value).map_err(|reason| Error::InvalidOptionValue {
            name: spec.name,
            reason,
            accepted: spec.accepted,
        })?;
    }
    match catalog {
        Some(pg_sys::ForeignServerRelationId) => check_server(&pairs),
        Some(pg_sys::ForeignTableRelationId) => check_table(&pairs),
        Some(pg_sys::UserMappingRelationId) => check_mapping(&pairs),
        _ => Ok(()),
    }
}

/// The value of an option.
pub fn find<'a>(pairs: &'a Pairs, name: &str) -> Option<&'a str> {
    pairs.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
}

fn check_server(pairs: &Pairs) -> Result<(), Error> {
    // SAFETY: asks for the current user's attribute; no arguments.
    let superuser = unsafe { pg_sys::superuser() };
    if let Some((name, reason)) = restricted(pairs).filter(|_| !superuser) {
        return Err(Error::SuperuserOnly { name, reason });
    }
    if find(pairs, "organization").is_none() && find(pairs, "base_url").is_none() {
        return Err(Error::MissingOrganization { server: "new".into() });
    }
    if find(pairs, "pat").is_some() {
        tell(
            PgLogLevel::NOTICE,
            "every role can read the options of a server, this personal access token included"
                .into(),
            Some("A user mapping is safer: CREATE USER MAPPING … OPTIONS (pat '…')."),
        );
    }
    Ok(())
}

/// One credential, and all of it. None is fine: then the server's own is used.
fn check_mapping(pairs: &Pairs) -> Result<(), Error> {
    /// Per kind of credential its parts, per part the options that may be it.
    const KINDS: [&[&[&str]]; 3] = [
        &[&["pat"]],
        &[&["pat_secret"]],
        &[&["tenant_id"], &["client_id"], &["client_secret", "client_secret_secret"]],
    ];
    let mut used = None;
    for kind in KINDS {
        let given: Vec<Vec<&'static str>> = kind
            .iter()
            .map(|part| part.iter().copied().filter(|name| find(pairs, name).is_some()).collect())
            .collect();
        let Some(&first) = given.iter().flatten().next() else { continue };
        if let Some(before) = used.replace(first) {
            return Err(Error::ConflictingOptions { first: before, second: first });
        }
        for (part, given) in kind.iter().zip(&given) {
            match given[..] {
                [] => return Err(Error::MissingOption { name: part[0] }),
                [first, second, ..] => return Err(Error::ConflictingOptions { first, second }),
                _ => {}
            }
        }
    }
    Ok(())
}

fn check_table(pairs: &Pairs) -> Result<(), Error> {
    match find(pairs, "table") {
        Some(name) if tables::find(name).is_none() => Err(unknown_table(name)),
        _ => Ok(()),
    }
}

/// The error for a table that the catalogue does not have.
pub fn unknown_table(name: &str) -> Error {
    let all = || tables::ALL.iter().map(|table| table.name);
    let mut known = names::near(name, all());
    known.extend(all().filter(|table| !known.contains(table)).collect::<Vec<_>>());
    Error::UnknownTable { name: name.to_owned(), known }
}

/// The option, if any, that only a superuser may give a server, and why.
pub fn restricted(pairs: &Pairs) -> Option<(&'static str, &'static str)> {
    if let Some(collection) = find(pairs, "base_url").and_then(|url| Collection::of_url(url).ok()) {
        if !collection.is_cloud() {
            return Some(("base_url", "its host is not the service's own"));
        }
        if collection.is_plain_http() {
            return Some(("base_url", "it is not encrypted"));
        }
    }
    if let Some(url) = find(pairs, "login_url").and_then(|url| Collection::of_url(url).ok())
        && !url.is_login_host()
    {
        return Some(("login_url", "it receives client secrets"));
    }
    if find(pairs, "proxy").is_some() {
        return Some(("proxy", "it sees where requests go"));
    }
    if find(pairs, "ca_certificate").is_some_and(|value| !is_pem(value)) {
        return Some(("ca_certificate", "it names a file of the server"));
    }
    None
}

/// Whether a certificate is given inline.
pub fn is_pem(value: &str) -> bool {
    value.trim_start().starts_with("-----BEGIN")
}
