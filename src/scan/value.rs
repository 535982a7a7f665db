//! One JSON value, as the decoder cut it out, read as text, number, boolean or time.

use std::borrow::Cow;

use chrono::{DateTime, NaiveDateTime};

/// The kind of a JSON value, by its first character. Names are used in error messages.
pub fn kind(json: &str) -> &'static str {
    match json.as_bytes().first() {
        Some(b'"') => "a string",
        Some(b'{') => "an object",
        Some(b'[') => "an array",
        Some(b't' | b'f') => "a boolean",
        Some(b'n') => "null",
        Some(_) => "a number",
        None => "nothing",
    }
}

/// The text of a scalar: a string without quotes and escapes, a number or boolean as written.
/// Objects and arrays are returned as JSON.
pub fn text(json: &str) -> Cow<'_, str> {
    let Some(inner) = json.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) else {
        return storable(json);
    };
    if !inner.contains('\\') {
        return Cow::Borrowed(inner);
    }
    match storable(json) {
        Cow::Borrowed(json) => match serde_json::from_str::<String>(json) {
            Ok(text) => Cow::Owned(text),
            Err(_) => Cow::Borrowed(inner),
        },
        Cow::Owned(json) => Cow::Owned(serde_json::from_str(&json).unwrap_or(json)),
    }
}

/// JSON without what PostgreSQL cannot store: `\u0000` and lone surrogates become U+FFFD, the
/// replacement character, in text and jsonb alike.
pub fn storable(json: &str) -> Cow<'_, str> {
    // A single byte is found much faster than two.
    if !json.contains('\\') || !json.contains("\\u") {
        return Cow::Borrowed(json);
    }
    let mut fixed = String::new();
    let mut copied = 0;
    let mut at = 0;
    let bytes = json.as_bytes();
    while let Some(&byte) = bytes.get(at) {
        if byte != b'\\' {
            at += 1;
            continue;
        }
        let Some(code) = escape(bytes, at) else {
            // A two-character escape such as \\ or \n.
            at += 2;
            continue;
        };
        let paired = is_high(code) && escape(bytes, at + 6).is_some_and(is_low);
        let length = if paired { 12 } else { 6 };
        if !paired && (code == 0 || is_high(code) || is_low(code)) {
            fixed.push_str(json.get(copied..at).unwrap_or_default());
            fixed.push_str("\\ufffd");
            copied = at + length;
        }
        at += length;
    }
    if copied == 0 {
        return Cow::Borrowed(json);
    }
    fixed.push_str(json.get(copied..).unwrap_or_default());
    Cow::Owned(fixed)
}

/// The code of a `\uXXXX` at this position.
fn escape(bytes: &[u8], at: usize) -> Option<u16> {
    let digits = bytes.get(at..at + 6)?.strip_prefix(b"\\u")?;
    u16::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
}

fn is_high(code: u16) -> bool {
    (0xD800..0xDC00).contains(&code)
}

fn is_low(code: u16) -> bool {
    (0xDC00..0xE000).contains(&code)
}

/// A time of the service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Time {
    /// Microseconds since 1970.
    At(i64),
    /// Year 1: the service's way of saying that there is none.
    Never,
}

/// Reads an ISO 8601 time with 0 to 7 fractional digits; without a zone it is UTC. A seventh digit
/// is cut off. `None` if it is no such time.
pub fn time(text: &str) -> Option<Time> {
    let time = match DateTime::parse_from_rfc3339(text) {
        Ok(time) => time.naive_utc(),
        Err(_) => NaiveDateTime::parse_from_str(text, "%Y-%m-%dT%H:%M:%S%.f").ok()?,
    };
    if chrono::Datelike::year(&time) <= 1 {
        return Some(Time::Never);
    }
    Some(Time::At(time.and_utc().timestamp_micros()))
}

/// An identity as one string: `Display Name <unique name>`, from a string or an object.
pub fn identity(json: &str) -> Cow<'_, str> {
    #[derive(serde::Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Identity<'a> {
        #[serde(borrow)]
        display_name: Option<Cow<'a, str>>,
        #[serde(borrow)]
        unique_name: Option<Cow<'a, str>>,
    }
    let fixed = storable(json);
    let parsed: Option<String> = match serde_json::from_str::<Identity>(&fixed) {
        Ok(Identity { display_name: Some(name), unique_name: Some(unique) }) => {
            let whole = unique.contains('<') || name == unique;
            Some(if whole { unique.into_owned() } else { format!("{name} <{unique}>") })
        }
        Ok(Identity { display_name, unique_name }) => {
            display_name.or(unique_name).map(Cow::into_owned)
        }
        Err(_) => None,
    };
    parsed.map_or_else(|| text(json), Cow::Owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: i64 = 86_400_000_000;

    #[test]
    fn times_have_any_number_of_digits_and_may_lack_a_zone() {
        for (text, micros) in [
            ("1970-01-02T00:00:00Z", DAY),
            ("1970-01-02T00:00:00", DAY),
            ("1970-01-02T00:00:00.5Z", DAY + 500_000),
            ("1970-01-02T00:00:00.123Z", DAY + 123_000),
            ("1970-01-02T00:00:00.1234567Z", DAY + 123_456),
            ("1970-01-02T00:00:00.1234569", DAY + 123_456),
            ("1970-01-02T02:00:00+02:00", DAY),
        ] {
            assert_eq!(time(text), Some(Time::At(micros)), "{text}");
        }
        assert_eq!(time("0001-01-01T00:00:00"), Some(Time::Never));
        assert!(matches!(time("9999-01-01T00:00:00Z"), Some(Time::At(_))));
        assert_eq!(time("yesterday"), None);
    }

    #[test]
    fn strings_lose_their_escapes() {
        assert_eq!(text(r#""plain""#), "plain");
        assert_eq!(text(r#""a\"b\\c\n\u00e9\ud83d\ude00""#), "a\"b\\c\né😀");
        assert_eq!(text("12345678901234567890"), "12345678901234567890");
        assert_eq!(text("\"\u{2028}\""), "\u{2028}");
    }

    #[test]
    fn what_cannot_be_stored_becomes_the_replacement_character() {
        assert_eq!(text(r#""a\u0000b""#), "a\u{fffd}b");
        assert_eq!(text(r#""a\\u0000b""#), "a\\u0000b");
        assert_eq!(text(r#""\ud800x\udc00""#), "\u{fffd}x\u{fffd}");
        assert_eq!(
            storable(r#"{"a":"\u0000","b":"\ud83d\ude00"}"#),
            r#"{"a":"\ufffd","b":"\ud83d\ude00"}"#
        );
    }

    #[test]
    fn identities_are_strings_or_objects() {
        assert_eq!(identity(r#""Jo <jo@x>""#), "Jo <jo@x>");
        assert_eq!(identity(r#"{"displayName":"Jo","uniqueName":"jo@x"}"#), "Jo <jo@x>");
        assert_eq!(identity(r#"{"id":"1","uniqueName":"Jo <jo@x>"}"#), "Jo <jo@x>");
    }
}
