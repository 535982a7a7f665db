//! The api-version every request needs, by query or Accept header.

use super::failure::Failure;
use super::query::Query;
use crate::http::request::Request;

/// Highest released version, and the highest in preview.
const RELEASED: (u32, u32) = (7, 1);
const PREVIEW: (u32, u32) = (7, 2);

/// Reads and checks the version; `resource` is the resource version of the newest preview.
pub fn check(request: &Request, query: &Query, resource: u32) -> Result<(u32, u32), Failure> {
    let Some(text) = query.get("api-version").or_else(|| from_accept(request)) else {
        let message = format!(
            "No api-version was supplied for the \"{}\" request. The version must be supplied \
             either as part of the Accept header (e.g. \"application/json; api-version=1.0\") or \
             as a query parameter (e.g. \"?api-version=1.0\").",
            request.method
        );
        return Err(Failure::new(400, "VssVersionNotSpecifiedException", message));
    };
    let out_of_range = || {
        let message = format!(
            "The requested REST API version of {text} is out of range for this server. The latest \
             REST API version this server supports is 7.2."
        );
        Failure::new(400, "VssVersionOutOfRangeException", message)
    };
    let Some((version, preview)) = parse(&text) else {
        let message = format!("The api-version '{text}' is not a valid version.");
        return Err(Failure::new(400, "VssInvalidApiVersionException", message));
    };
    if version > PREVIEW || version < (1, 0) {
        return Err(out_of_range());
    }
    match preview {
        None if version > RELEASED => {
            let message = format!(
                "The requested version \"{text}\" of the resource is under preview. The -preview \
                 flag must be supplied in the api-version for such requests. For example: \
                 \"{text}-preview\""
            );
            Err(Failure::new(400, "VssInvalidPreviewVersionException", message))
        }
        Some(n) if n > resource => Err(out_of_range()),
        _ => Ok(version),
    }
}

fn from_accept(request: &Request) -> Option<String> {
    let accept = request.header("accept")?;
    let version = accept.split([';', ',']).find_map(|part| {
        let (name, value) = part.split_once('=')?;
        name.trim().eq_ignore_ascii_case("api-version").then(|| value.trim().to_string())
    });
    version.filter(|v| !v.is_empty())
}

/// `{major}.{minor}[-preview[.{resource}]]`; the resource version is 0 when left out.
fn parse(text: &str) -> Option<((u32, u32), Option<u32>)> {
    let (version, stage) = match text.split_once('-') {
        Some((version, stage)) => (version, Some(stage)),
        None => (text, None),
    };
    let (major, minor) = version.split_once('.').unwrap_or((version, "0"));
    let version = (major.parse().ok()?, minor.parse().ok()?);
    let Some(stage) = stage else { return Some((version, None)) };
    let (word, resource) = stage.split_once('.').unwrap_or((stage, "0"));
    if !word.eq_ignore_ascii_case("preview") {
        return None;
    }
    Some((version, Some(resource.parse().ok()?)))
}
