//! What an answer means: data, a sign-in page, a refusal, or a passing fault.

use std::time::{Duration, SystemTime};

use reqwest::header::{CONTENT_TYPE, HeaderMap, RETRY_AFTER};
use serde::Deserialize;

use crate::error::{Answer, Error, Subject};

/// What to do with an answer.
#[derive(Debug)]
pub enum Verdict {
    /// Status 200 and JSON.
    Data,
    /// No use in asking again.
    Final(Error),
    /// May pass: try again after the wait of [`retry_after`] or the backoff.
    Passing(Answer),
}

/// Longest part of a message that is worth repeating to a user.
const LONGEST_MESSAGE: usize = 500;

/// Takes secrets out of a text of the service.
pub type Redact<'a> = &'a dyn Fn(String) -> String;

/// Judges an answer by status, content type and, when it is no data, its body.
pub fn judge(
    status: u16,
    headers: &HeaderMap,
    body: &[u8],
    subject: &Subject,
    redact: Redact<'_>,
) -> Verdict {
    let json = is_json(headers);
    if status == 200 && json {
        return Verdict::Data;
    }
    let answer = describe(status, headers, body, redact);
    let subject = subject.clone();
    if super::retry::passes(status) {
        return Verdict::Passing(answer);
    }
    Verdict::Final(match status {
        401 | 203 | 300..=399 => Error::Unauthorized { subject, answer },
        // A web page with a good status is the sign-in page.
        200..=299 if !json => Error::Unauthorized { subject, answer },
        403 => Error::Forbidden { subject, answer },
        _ if status >= 500 => Error::ServerError { subject, attempts: 1, answer },
        _ => Error::Refused { subject, answer },
    })
}

/// Whether the content type is JSON, with whatever parameters behind it.
pub fn is_json(headers: &HeaderMap) -> bool {
    headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).is_some_and(|value| {
        value.trim_start().to_ascii_lowercase().starts_with("application/json")
    })
}

/// The wait that the service asks for, on whatever status: seconds, or an HTTP date.
pub fn retry_after(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let value = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = value.parse::<f64>() {
        return (seconds.is_finite() && seconds > 0.0)
            .then(|| Duration::from_secs_f64(seconds.min(MAX_WAIT_SECONDS)));
    }
    let at = chrono::DateTime::parse_from_rfc2822(value).ok()?;
    let wait = SystemTime::from(at).duration_since(now).ok()?;
    Some(wait.min(Duration::from_secs_f64(MAX_WAIT_SECONDS)))
}

/// A Retry-After beyond this is cut; statement_timeout is the user's own bound.
const MAX_WAIT_SECONDS: f64 = 3600.0;

/// The error body of the service, in its two common spellings.
#[derive(Deserialize, Default)]
struct Body {
    #[serde(alias = "Message")]
    message: Option<String>,
    #[serde(rename = "typeKey")]
    type_key: Option<String>,
    value: Option<Inner>,
}

#[derive(Deserialize, Default)]
struct Inner {
    #[serde(rename = "Message", alias = "message")]
    message: Option<String>,
}

fn describe(status: u16, headers: &HeaderMap, body: &[u8], redact: Redact<'_>) -> Answer {
    let text = |name: &str| headers.get(name).and_then(|v| v.to_str().ok()).map(str::to_owned);
    // Not JSON is no fault here: the body only adds to an error that is reported anyway.
    let parsed: Body = serde_json::from_slice(body).unwrap_or_default();
    let message = parsed
        .message
        .or(parsed.value.and_then(|inner| inner.message))
        .or_else(|| title(body))
        .map(|message| redact(message).chars().take(LONGEST_MESSAGE).collect());
    Answer {
        status,
        message,
        type_key: parsed.type_key.map(redact),
        activity_id: text("ActivityId").or_else(|| text("X-VSS-E2EID")).map(redact),
    }
}

/// The title of a web page.
fn title(body: &[u8]) -> Option<String> {
    let page = String::from_utf8_lossy(&body[..body.len().min(64 * 1024)]);
    let start = page.find("<title>")? + "<title>".len();
    let end = page[start..].find("</title>")? + start;
    let title = page[start..end].trim();
    (!title.is_empty()).then(|| title.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs.iter().map(|(k, v)| (k.parse().expect("name"), v.parse().expect("value"))).collect()
    }

    fn same(text: String) -> String {
        text
    }

    #[test]
    fn only_200_with_json_is_data() {
        let json = headers(&[("content-type", "application/json; charset=utf-8; api-version=7.1")]);
        let html = headers(&[("content-type", "text/html")]);
        let subject = Subject::default();
        assert!(matches!(judge(200, &json, b"{}", &subject, &same), Verdict::Data));
        for (status, headers) in [(200, &html), (203, &html), (302, &html), (401, &json)] {
            let verdict = judge(status, headers, b"", &subject, &same);
            assert!(
                matches!(verdict, Verdict::Final(Error::Unauthorized { .. })),
                "{status}: {verdict:?}"
            );
        }
        assert!(matches!(
            judge(403, &json, b"{}", &subject, &same),
            Verdict::Final(Error::Forbidden { .. })
        ));
        assert!(matches!(
            judge(404, &json, b"{}", &subject, &same),
            Verdict::Final(Error::Refused { .. })
        ));
        assert!(matches!(judge(503, &html, b"", &subject, &same), Verdict::Passing(_)));
    }

    #[test]
    fn message_and_type_key_come_from_the_body() {
        let json = headers(&[("content-type", "application/json"), ("activityid", "42")]);
        let body = br#"{"$id":"1","message":"no such thing","typeKey":"NotFoundException"}"#;
        let answer = describe(404, &json, body, &same);
        assert_eq!(
            answer.to_string(),
            "HTTP status 404, NotFoundException: no such thing (ActivityId 42)"
        );
        let page = describe(502, &HeaderMap::new(), b"<html><title> Bad Gateway </title>", &same);
        assert_eq!(page.message.as_deref(), Some("Bad Gateway"));
    }

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let now = SystemTime::UNIX_EPOCH;
        let wait = |value| retry_after(&headers(&[("retry-after", value)]), now);
        assert_eq!(wait("3"), Some(Duration::from_secs(3)));
        assert_eq!(wait("Thu, 01 Jan 1970 00:00:09 GMT"), Some(Duration::from_secs(9)));
        assert_eq!(wait("soon"), None);
        assert_eq!(wait("-1"), None);
    }
}
