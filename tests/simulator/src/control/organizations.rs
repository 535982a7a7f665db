//! Creates, shows and changes organisations.

use std::sync::{Arc, Mutex};

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use super::{Refused, ok};
use crate::fault::{Fault, Faults};
use crate::http::response::Response;
use crate::organization::Organization;
use crate::organization::specification::Specification;
use crate::state::{State, lock};

pub fn find(state: &State, name: &str) -> Result<Arc<Mutex<Organization>>, Refused> {
    state.find(name).ok_or_else(|| Refused::missing(format!("organization {name}")))
}

pub fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, Refused> {
    serde_json::from_slice(body).map_err(Refused::bad)
}

pub fn put(state: &State, name: &str, body: &[u8]) -> Result<Response, Refused> {
    let specification = match body {
        b"" => Specification::default(),
        body => parse::<Specification>(body)?,
    };
    state.create(name, &specification).map_err(Refused::bad)?;
    get(state, name)
}

pub fn get(state: &State, name: &str) -> Result<Response, Refused> {
    let organization = find(state, name)?;
    let organization = lock(&organization);
    Ok(ok(&json!({
        "organization": organization.name,
        "projects": organization.projects.len(),
        "latency_ms": organization.latency_ms,
        "gzip": organization.gzip,
        "caps": organization.caps,
        "traps": organization.traps,
    })))
}

/// Changes what is named and nothing else; inside `caps` and `traps` too. Null resets a trap.
pub fn patch(state: &State, name: &str, body: &[u8]) -> Result<Response, Refused> {
    let organization = find(state, name)?;
    let members: Map<String, Value> = parse(body)?;
    let changes_answers = members.keys().any(|member| member != "latency_ms");
    {
        let mut organization = lock(&organization);
        // Everything is read before anything is changed: a mistake changes nothing.
        let (mut pat, mut latency, mut gzip) =
            (organization.pat.clone(), organization.latency_ms, organization.gzip);
        let (mut caps, mut traps) = (organization.caps, organization.traps.clone());
        let (mut faults, mut entra) = (None, None);
        for (member, value) in members {
            match member.as_str() {
                "pat" => pat = read(value)?,
                "latency_ms" => latency = read(value)?,
                "gzip" => gzip = read(value)?,
                "caps" => caps = overlay(&caps, value)?,
                "traps" => traps = overlay(&traps, value)?,
                // Ends the tokens issued before, too.
                "entra" => entra = Some(read(value)?),
                "faults" => {
                    let list: Vec<Fault> = read(value)?;
                    faults = Some(Faults::new(list).map_err(Refused::bad)?);
                }
                other => return Err(Refused::bad(format!("\"{other}\" cannot be changed"))),
            }
        }
        if changes_answers {
            organization.forget();
        }
        organization.pat = pat;
        organization.latency_ms = latency;
        organization.gzip = gzip;
        organization.caps = caps;
        organization.traps = traps;
        if let Some(entra) = entra {
            organization.entra = entra;
            organization.tokens.clear();
        }
        if let Some(faults) = faults {
            organization.faults = faults;
        }
    }
    get(state, name)
}

pub fn put_faults(state: &State, name: &str, body: &[u8]) -> Result<Response, Refused> {
    let organization = find(state, name)?;
    let faults = Faults::new(parse(body)?).map_err(Refused::bad)?;
    lock(&organization).faults = faults;
    Ok(ok(&json!({})))
}

fn read<T: DeserializeOwned>(value: Value) -> Result<T, Refused> {
    serde_json::from_value(value).map_err(Refused::bad)
}

fn overlay<T: Serialize + DeserializeOwned>(old: &T, changes: Value) -> Result<T, Refused> {
    let Value::Object(mut all) = serde_json::to_value(old).map_err(Refused::bad)? else {
        return Err(Refused::bad("not an object"));
    };
    let changes: Map<String, Value> = read(changes)?;
    for (name, value) in changes {
        match value {
            // Absent members take their default.
            Value::Null if all.contains_key(&name) => drop(all.shift_remove(&name)),
            value => drop(all.insert(name, value)),
        }
    }
    read(Value::Object(all))
}
