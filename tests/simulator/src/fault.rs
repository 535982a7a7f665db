//! Faults: requests that go wrong on purpose, chosen by endpoint, project and count.

use std::sync::Arc;

use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::api::failure::{self, Failure};
use crate::api::{Call, authentication};
use crate::http::response::{HTML, JSON, Manner, Response};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// `status`, `headers` and `body` as given.
    Status,
    #[serde(rename = "json_500")]
    Json500,
    #[serde(rename = "html_502")]
    Html502,
    #[serde(rename = "throttle_429")]
    Throttle429,
    #[serde(rename = "throttle_429_html")]
    Throttle429Html,
    #[serde(rename = "service_503")]
    Service503,
    #[serde(rename = "auth_203")]
    Auth203,
    #[serde(rename = "auth_302")]
    Auth302,
    #[serde(rename = "auth_401")]
    Auth401,
    #[serde(rename = "forbidden_403")]
    Forbidden403,
    #[serde(rename = "not_found_404_html")]
    NotFound404Html,
    ResetBeforeHeaders,
    ResetMidBody,
    TruncatedJson,
    TruncatedBody,
    SlowDrip,
    StalledHeaders,
    StalledBody,
    WrongContentType,
    ValueMissing,
    ValueNotArray,
    ElementNotObject,
    TokenRepeats,
    #[serde(rename = "retry_after_200")]
    RetryAfter200,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    #[serde(default = "any")]
    pub endpoint: String,
    /// Name or id.
    pub project: Option<String>,
    /// Which of the matching requests, from 1, counted since the faults were put; none: all.
    pub nth: Option<Vec<u64>>,
    /// How often at most.
    pub times: Option<u64>,
    pub kind: Kind,
    pub status: Option<u16>,
    #[serde(default)]
    pub headers: Map<String, Value>,
    /// A string as it is, anything else as JSON.
    pub body: Option<Value>,
    pub after_bytes: Option<usize>,
    pub delay_ms: Option<u64>,
    /// Seconds in a Retry-After header; none: no header.
    pub retry_after: Option<u64>,
    #[serde(skip)]
    matched: u64,
    #[serde(skip)]
    used: u64,
}

fn any() -> String {
    "any".into()
}

/// Names faults can be put on.
pub const ENDPOINTS: [&str; 7] =
    ["projects", "repositories", "builds", "pull_requests", "revisions", "token", "any"];

#[derive(Debug, Default)]
pub struct Faults(Vec<Fault>);

impl Faults {
    pub fn new(faults: Vec<Fault>) -> Result<Self, String> {
        for fault in &faults {
            if !ENDPOINTS.contains(&fault.endpoint.as_str()) {
                return Err(format!("endpoint \"{}\" is none of {ENDPOINTS:?}", fault.endpoint));
            }
        }
        Ok(Self(faults))
    }

    /// Counts a request against every fault it matches; the first that is due strikes.
    pub fn strike(&mut self, endpoint: &str, project: &[&str]) -> Option<Fault> {
        let mut struck: Option<Fault> = None;
        for fault in &mut self.0 {
            let named = |name: &String| project.iter().any(|p| p.eq_ignore_ascii_case(name));
            let matches = (fault.endpoint == "any" || fault.endpoint == endpoint)
                && fault.project.as_ref().is_none_or(named);
            if !matches {
                continue;
            }
            fault.matched += 1;
            let due = fault.nth.as_ref().is_none_or(|nth| nth.contains(&fault.matched))
                && fault.times.is_none_or(|times| fault.used < times);
            if due && struck.is_none() {
                fault.used += 1;
                struck = Some(fault.clone());
            }
        }
        struck
    }
}

impl Kind {
    /// Whether the fault spoils the right answer; otherwise nothing is looked up or changed.
    pub fn needs_answer(self) -> bool {
        use Kind::*;
        matches!(
            self,
            ResetMidBody
                | TruncatedJson
                | TruncatedBody
                | SlowDrip
                | StalledBody
                | WrongContentType
                | ValueMissing
                | ValueNotArray
                | ElementNotObject
                | TokenRepeats
                | RetryAfter200
        )
    }
}

impl Fault {
    /// The kind's name, as it was put.
    pub fn name(&self) -> String {
        let mut name = String::new();
        let text = format!("{:?}", self.kind);
        let mut digit = false;
        for c in text.chars() {
            let starts = c.is_uppercase() || (c.is_ascii_digit() && !digit);
            if starts && !name.is_empty() {
                name.push('_');
            }
            digit = c.is_ascii_digit();
            name.push(c.to_ascii_lowercase());
        }
        name
    }

    /// A pause before the answer; in a slow drip it is between the pieces instead.
    pub fn delay_before(&self) -> Option<u64> {
        self.delay_ms.filter(|_| self.kind != Kind::SlowDrip)
    }

    pub fn apply(&self, answer: Response, call: &Call) -> Response {
        let mut response = self.replace(answer, call);
        if let Some(status) = self.status {
            response.status = status;
        }
        for (name, value) in &self.headers {
            let text = value.as_str().map_or_else(|| value.to_string(), str::to_string);
            response.set(name, text);
        }
        if let (Some(body), false) = (&self.body, self.kind.needs_answer()) {
            response.body = Arc::new(match body {
                Value::String(text) => text.clone().into_bytes(),
                other => other.to_string().into_bytes(),
            });
        }
        if let Some(seconds) = self.retry_after {
            response.set("Retry-After", seconds.to_string());
        }
        response
    }

    fn replace(&self, answer: Response, call: &Call) -> Response {
        let html = |status, title: &str| {
            let page = format!(
                "<!DOCTYPE html><html><head><title>{title}</title></head><body><h1>{title}</h1></body></html>"
            );
            Response::html(status, page)
        };
        let half = answer.body.len() / 2;
        let after_bytes = self.after_bytes.unwrap_or(half);
        match self.kind {
            Kind::Status => {
                let html = matches!(&self.body, Some(Value::String(text)) if text.starts_with('<'));
                Response::new(200, if html { HTML } else { JSON }, "")
            }
            Kind::Json500 => {
                Failure::new(500, "Exception", "TF400898: An Internal Error Occurred.").response()
            }
            Kind::Html502 => html(502, "502 - Web server received an invalid response"),
            Kind::Throttle429 => failure::throttled().response(),
            Kind::Throttle429Html => html(429, "Too Many Requests"),
            Kind::Service503 => html(503, "The service is unavailable."),
            Kind::Auth203 => authentication::sign_in_page(),
            Kind::Auth302 => authentication::redirect(&call.organization),
            Kind::Auth401 => authentication::suppressed(&call.organization),
            Kind::Forbidden403 => failure::forbidden().response(),
            Kind::NotFound404Html => html(404, "404 - Page not found"),
            Kind::ResetBeforeHeaders => manner(answer, Manner::ResetBeforeHeaders),
            Kind::StalledHeaders => manner(answer, Manner::StallHeaders),
            Kind::ResetMidBody => manner(answer, Manner::ResetMidBody { after_bytes }),
            Kind::TruncatedBody => manner(answer, Manner::CutBody { after_bytes }),
            Kind::StalledBody => manner(answer, Manner::StallBody { after_bytes }),
            Kind::SlowDrip => {
                let piece = self.after_bytes.unwrap_or(256);
                manner(answer, Manner::Drip { piece, delay_ms: self.delay_ms.unwrap_or(50) })
            }
            Kind::TruncatedJson => {
                let mut answer = answer;
                Arc::make_mut(&mut answer.body).truncate(after_bytes);
                answer
            }
            Kind::WrongContentType => answer.with("Content-Type", HTML),
            Kind::ValueMissing => rewrite(answer, |list, name| {
                list.shift_remove(name);
            }),
            Kind::ValueNotArray => rewrite(answer, |list, name| {
                list.insert(name.into(), json!({ "not": "an array" }));
            }),
            Kind::ElementNotObject => rewrite(answer, |list, name| {
                if let Some(Value::Array(elements)) = list.get_mut(name) {
                    match elements.first_mut() {
                        Some(first) => *first = json!("not an object"),
                        None => elements.push(json!(5)),
                    }
                }
            }),
            Kind::TokenRepeats => repeat_token(answer, call),
            Kind::RetryAfter200 => {
                answer.with("Retry-After", self.retry_after.unwrap_or(1).to_string())
            }
        }
    }
}

fn manner(mut answer: Response, manner: Manner) -> Response {
    answer.manner = manner;
    answer
}

/// Changes a list's `value` (or `values`); an answer that is no list stays as it is.
fn rewrite(mut answer: Response, change: impl FnOnce(&mut Map<String, Value>, &str)) -> Response {
    if let Ok(Value::Object(mut list)) = serde_json::from_slice(answer.body.as_slice()) {
        let name = if list.contains_key("values") { "values" } else { "value" };
        change(&mut list, name);
        answer.body = Arc::new(Value::Object(list).to_string().into_bytes());
    }
    answer
}

/// Sends the token back that was sent; the first page, which has none to repeat, stays right.
fn repeat_token(answer: Response, call: &Call) -> Response {
    let Some(token) = call.query.value("continuationToken") else { return answer };
    if call.endpoint() == "revisions" {
        return rewrite(answer, |list, _| {
            list.insert("continuationToken".into(), json!(token));
            list.insert("isLastBatch".into(), json!(false));
        });
    }
    answer.with("x-ms-continuationtoken", token)
}

#[cfg(test)]
mod tests {
    use super::{Fault, Faults};

    fn fault(text: &str) -> Fault {
        serde_json::from_str(text).expect("the fault is well formed")
    }

    #[test]
    fn a_kind_is_logged_as_it_was_put() {
        for name in [
            "json_500",
            "throttle_429_html",
            "not_found_404_html",
            "retry_after_200",
            "slow_drip",
            "status",
        ] {
            assert_eq!(fault(&format!(r#"{{"kind":"{name}"}}"#)).name(), name);
        }
    }

    #[test]
    fn faults_count_only_what_they_match() {
        let texts = [
            r#"{"kind":"json_500","endpoint":"builds","nth":[2]}"#,
            r#"{"kind":"service_503","times":1,"project":"A"}"#,
        ];
        let mut faults = Faults::new(texts.map(fault).to_vec()).expect("known endpoints");
        let mut strike =
            |endpoint: &str, project: &str| faults.strike(endpoint, &[project]).map(|f| f.name());
        assert_eq!(strike("builds", "B"), None);
        assert_eq!(strike("projects", "B"), None);
        assert_eq!(strike("builds", "a").as_deref(), Some("json_500"));
        assert_eq!(strike("builds", "A").as_deref(), Some("service_503"));
        assert_eq!(strike("builds", "A"), None);
    }
}
