//! Answers kept as they were rendered, for benchmarks: the simulator's own work must not be measured.
//!
//! Off unless the specification asks for it. Whatever changes the organisation empties it, and traps
//! and faults go past it.

use std::collections::HashMap;

use crate::api::Call;
use crate::http::request::Request;
use crate::http::response::Response;
use crate::organization::Organization;
use crate::organization::specification::Traps;

/// An answer before the headers of its own, and the parameters that were ignored.
type Answer = (Response, Vec<String>);

#[derive(Debug, Default)]
pub struct Cache(HashMap<String, Answer>);

impl Cache {
    pub fn clear(&mut self) {
        self.0.clear();
    }
}

/// The answer to a request that no fault strikes, compressed if the client takes it so.
pub fn answer(call: &Call, organization: &mut Organization, request: &Request) -> Answer {
    let calm = organization.traps == Traps::default();
    let Some(key) = key(request).filter(|_| calm && organization.cache.is_some()) else {
        return call.answer(organization, request);
    };
    if let Some(kept) = organization.cache.as_ref().and_then(|cache| cache.0.get(&key)) {
        return kept.clone();
    }
    let (mut response, ignored) = call.answer(organization, request);
    if organization.gzip && request.accepts_gzip() {
        response.compress();
    }
    if let Some(cache) = &mut organization.cache {
        cache.0.insert(key, (response.clone(), ignored.clone()));
    }
    (response, ignored)
}

/// All that an answer may depend on; requests with a body are not kept.
fn key(request: &Request) -> Option<String> {
    let mut key = format!("{} {}?{}", request.method, request.raw_path, request.raw_query);
    for (name, value) in request.headers.iter().filter(|(name, _)| *name != "user-agent") {
        key.push_str(&format!("\n{name}: {value}"));
    }
    request.body.is_empty().then_some(key)
}
