//! The tests' side, below `/__sim`: `organizations`, `dump`, `mutate`, and the log of requests.

mod dump;
mod mutate;
mod organizations;

use std::sync::Arc;

use serde_json::{Value, json};

use crate::http::request::Request;
use crate::http::response::{JSON, Response};
use crate::state::State;

/// A control request that cannot be done: its status and why.
pub struct Refused(u16, String);

impl Refused {
    fn bad(reason: impl std::fmt::Display) -> Self {
        Self(400, reason.to_string())
    }

    fn missing(what: impl std::fmt::Display) -> Self {
        Self(404, format!("there is no {what}"))
    }
}

pub fn answer(state: &Arc<State>, request: &Request) -> Response {
    match dispatch(state, request) {
        Ok(response) => response,
        Err(Refused(status, reason)) => Response::json(status, &json!({ "error": reason })),
    }
}

fn dispatch(state: &Arc<State>, request: &Request) -> Result<Response, Refused> {
    let segments = request.segments();
    let words: Vec<&str> = segments.iter().skip(1).map(String::as_str).collect();
    let query = request.query();
    let filter = query.iter().find(|(name, _)| name == "organization").map(|(_, v)| v.as_str());
    match (request.method.as_str(), words.as_slice()) {
        ("GET", ["organizations"]) => Ok(ok(&json!(state.names()))),
        ("PUT", ["organizations", name]) => organizations::put(state, name, &request.body),
        ("PATCH", ["organizations", name]) => organizations::patch(state, name, &request.body),
        ("GET", ["organizations", name]) => organizations::get(state, name),
        ("DELETE", ["organizations", name]) => match state.remove(name) {
            true => Ok(ok(&json!({}))),
            false => Err(Refused::missing(format!("organization {name}"))),
        },
        ("PUT", ["organizations", name, "faults"]) => {
            organizations::put_faults(state, name, &request.body)
        }
        ("GET", ["organizations", name, "dump", table]) => dump::dump(state, name, table, &query),
        ("POST", ["organizations", name, "mutate"]) => mutate::mutate(state, name, &request.body),
        ("GET", ["requests"]) => {
            let log = state.log();
            let entries = serde_json::to_vec(&log.entries(filter)).map_err(Refused::bad)?;
            Ok(Response::new(200, JSON, entries))
        }
        ("GET", ["requests", "summary"]) => Ok(ok(&state.log().summary(filter))),
        ("DELETE", ["requests"]) => {
            state.log().clear();
            Ok(ok(&json!({})))
        }
        (method, _) => Err(Refused::missing(format!("{method} {}", request.raw_path))),
    }
}

fn ok(value: &Value) -> Response {
    Response::json(200, value)
}
