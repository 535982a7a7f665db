//! What an answer means: data, a sign-in page, a refusal, or a passing fault.

use reqwest::header::{CONTENT_TYPE, HeaderMap};
use serde::Deserialize;

use super::refusal::Refusal;
use crate::error::Answer;

/// What to do with an answer.
#[derive(Debug)]
pub enum Verdict {
    /// Status 200 and JSON.
    Data,
    /// May pass: try again later.
    Passing(Answer),
    /// The credential was not taken.
    NotSignedIn(Answer),
    /// Signed in, but without the right to it.
    Forbidden(Answer),
    /// Any other refusal. No use in asking again, as with the two above.
    Refused(Answer),
}

/// Longest part of a message that is worth repeating to a user.
const LONGEST_MESSAGE: usize = 500;

/// Takes secrets out of a text of the service.
pub type Redact<'a> = &'a dyn Fn(String) -> String;

/// Judges an answer by status, content type and, when it is no data, its body.
pub fn judge(status: u16, headers: &HeaderMap, body: &[u8], redact: Redact<'_>) -> Verdict {
    let json = is_json(headers);
    if status == 200 && json {
        return Verdict::Data;
    }
    let answer = describe(status, headers, body, redact);
    if super::retry::passes(status) {
        return Verdict::Passing(answer);
    }
    let denied =
        matches!(Refusal::of(&answer), Some(Refusal::ConditionalAccess | Refusal::NotAuthorized));
    match status {
        // An expired token is none of these.
        401 if denied => Verdict::Forbidden(answer),
        401 | 203 | 300..=399 => Verdict::NotSignedIn(answer),
        // A web page with a good status is the sign-in page.
        200..=299 if !json => Verdict::NotSignedIn(answer),
        403 => Verdict::Forbidden(answer),
        _ => Verdict::Refused(answer),
    }
}

/// Whether the content type is JSON, with whatever parameters behind it.
pub fn is_json(headers: &HeaderMap) -> bool {
    headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).is_some_and(|value| {
        value.trim_start().to_ascii_lowercase().starts_with("application/json")
    })
}

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
        assert!(matches!(judge(200, &json, b"{}", &same), Verdict::Data));
        for (status, headers) in [(200, &html), (203, &html), (302, &html), (401, &json)] {
            let verdict = judge(status, headers, b"", &same);
            assert!(matches!(verdict, Verdict::NotSignedIn(_)), "{status}: {verdict:?}");
        }
        assert!(matches!(judge(403, &json, b"{}", &same), Verdict::Forbidden(_)));
        assert!(matches!(judge(404, &json, b"{}", &same), Verdict::Refused(_)));
        assert!(matches!(judge(503, &html, b"", &same), Verdict::Passing(_)));
        let denied = br#"{"message":"TF400813: no","typeKey":"UnauthorizedRequestException"}"#;
        assert!(matches!(judge(401, &json, denied.as_slice(), &same), Verdict::Forbidden(_)));
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
}
