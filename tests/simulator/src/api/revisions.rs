//! Reporting work item revisions: a feed in watermark order with a token that is a scan position.

mod options;
mod render;

use std::borrow::Cow;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::call::Call;
use super::failure::{Failure, bad_token};
use super::list::page_size;
use crate::http::request::Request;
use crate::http::response::{JSON, Response};
use crate::organization::Organization;
use crate::organization::revision::Revision;
pub use options::Options;
pub use render::render;

/// The official sample client's page; undocumented.
const DEFAULT_PAGE: usize = 200;

const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

pub fn read(
    organization: &mut Organization,
    request: &Request,
    call: &Call,
    project: Option<usize>,
) -> Result<Response, Failure> {
    let query = &call.query;
    let options = match request.method.as_str() {
        "POST" => Options::of_body(query, &request.body)?,
        _ => Options::of_query(query)?,
    };
    options.check(organization)?;
    let cap = organization.caps.revisions;
    let size = match request.method.as_str() {
        // POST has no page size; the service ignores one.
        "POST" => DEFAULT_PAGE.min(cap),
        _ => page_size(organization, query, "$maxPageSize", DEFAULT_PAGE.min(cap), cap)?,
    };
    let sent = query.get("continuationToken").or_else(|| query.get("watermark"));
    let start = query.time("startDateTime")?.filter(|_| sent.is_none());
    let from = sent.as_deref().map(|token| position(token).ok_or_else(|| bad_token(token)));
    let from = from.transpose()?;

    let mut page = read_page(organization, &options, project, from, start, size);
    if organization.traps.revisions_token_stuck
        && let Some(sent) = &sent
    {
        page.token = sent.clone();
        page.last = false;
    }
    let link = next_link(request, call, &page.token);
    let token = match organization.traps.revisions_token_in_body {
        Some(false) => String::new(),
        _ => format!("\"continuationToken\":{},", serde_json::Value::from(&*page.token)),
    };
    let link = serde_json::Value::from(link);
    let mut body = b"{\"values\":[".to_vec();
    body.append(&mut page.elements);
    let tail = format!("],\"nextLink\":{link},{token}\"isLastBatch\":{}}}", page.last);
    body.extend_from_slice(tail.as_bytes());
    let mut response = Response::new(200, JSON, body);
    response.rows = Some(page.rows);
    Ok(response)
}

struct Batch {
    elements: Vec<u8>,
    rows: usize,
    token: String,
    last: bool,
}

fn read_page(
    organization: &Organization,
    options: &Options,
    project: Option<usize>,
    from: Option<i64>,
    start: Option<i64>,
    size: usize,
) -> Batch {
    let (revisions, traps) = (&organization.revisions, &organization.traps);
    let mut batch = Batch { elements: Vec::new(), rows: 0, token: "0;0;0".into(), last: true };
    let after = from.unwrap_or(0);
    if let Some(from) = from {
        batch.token = token(organization, from);
        // An empty page moves the token into the gap behind a watermark, so that nothing is lost.
        if traps.empty_pages && revisions.contains(from) && !revisions.contains(from + 1) {
            let more = revisions.after(from).next().is_some();
            batch.token = format!("{};0;0", from + 1);
            batch.last = !more;
            if more {
                return batch;
            }
        }
        if traps.revisions_duplicates {
            let wanted = 2.min(size.saturating_sub(1));
            let before = revisions.before(from.saturating_add(1));
            let listed = before.filter(|(w, r)| is_listed(organization, options, project, *w, r));
            let mut again: Vec<&Revision> = listed.take(wanted).map(|(_, r)| r).collect();
            while let Some(revision) = again.pop() {
                batch.push(organization, options, revision);
            }
        }
    }
    let earliest = i64::from(traps.exclusive_bounds);
    let begun = |r: &Revision| {
        start.is_none_or(|start| r.changed.is_some_and(|t| t >= start.saturating_add(earliest)))
    };
    for (watermark, revision) in revisions.after(after) {
        if batch.rows >= size {
            batch.last = false;
            break;
        }
        if is_listed(organization, options, project, watermark, revision) && begun(revision) {
            batch.push(organization, options, revision);
        }
        batch.token = format!("{watermark};{};{}", revision.id, revision.rev);
    }
    batch
}

impl Batch {
    fn push(&mut self, organization: &Organization, options: &Options, revision: &Revision) {
        if self.rows > 0 {
            self.elements.push(b',');
        }
        render(organization, options, revision, &mut self.elements);
        self.rows += 1;
    }
}

fn is_listed(
    organization: &Organization,
    options: &Options,
    project: Option<usize>,
    watermark: i64,
    revision: &Revision,
) -> bool {
    let Some(item) = organization.revisions.item(revision.id) else { return false };
    // A moved work item is only in the stream of the project it is in now.
    let readable = match organization.projects.find(&item.project) {
        Some(slot) => project.is_none_or(|p| p == slot) && organization.is_readable(slot),
        None => project.is_none(),
    };
    readable
        && (options.include_deleted || !item.deleted)
        && (!options.latest_only || item.watermark == watermark)
        && options.has_type(&revision.kind)
        && (!options.discussion_only || revision.fields().contains_key("System.History"))
}

fn token(organization: &Organization, watermark: i64) -> String {
    let at = organization.revisions.after(watermark - 1).next().filter(|(w, _)| *w == watermark);
    match at {
        Some((_, revision)) => format!("{watermark};{};{}", revision.id, revision.rev),
        None => format!("{watermark};0;0"),
    }
}

/// The watermark of `watermark;id;rev`, or of an old plain number.
fn position(token: &str) -> Option<i64> {
    let mut parts = token.split(';').map(str::parse::<i64>);
    let watermark = parts.next()?.ok()?;
    let rest: Vec<_> = parts.collect();
    let right = (rest.is_empty() || rest.len() == 2) && rest.iter().all(Result::is_ok);
    (right && watermark >= 0).then_some(watermark)
}

/// The link repeats the query. That of a POST is a GET link without what the body said.
fn next_link(request: &Request, call: &Call, token: &str) -> String {
    let path = request.raw_path.as_str();
    let kept = call.query.pairs().iter().filter(|(name, _)| {
        !["continuationtoken", "startdatetime", "watermark"].contains(&name.to_lowercase().as_str())
    });
    let encode = |text: &str| -> String { Cow::from(utf8_percent_encode(text, ENCODED)).into() };
    let mut link = format!("{}{path}?", request.base());
    for (name, value) in kept {
        link.push_str(&format!("{}={}&", encode(name), encode(value)));
    }
    link.push_str(&format!("continuationToken={}", encode(token)));
    link
}
