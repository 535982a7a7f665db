//! Builds: orders, statuses and the token that is a time.

mod filter;
mod token;

use filter::Filter;
use token::Token;

use super::failure::{Failure, bad_value, no_build};
use super::list::{Page, page_size};
use super::query::Query;
use super::traps;
use crate::http::response::{JSON, Response};
use crate::organization::Organization;
use crate::organization::specification::Ties;

/// Observed by others; undocumented.
const DEFAULT_PAGE: usize = 1000;

pub fn list(
    organization: &mut Organization,
    query: &Query,
    project: usize,
) -> Result<Response, Failure> {
    let filter = Filter::of(query, organization.traps.exclusive_bounds)?;
    let cap = organization.caps.builds;
    let size = page_size(organization, query, "$top", DEFAULT_PAGE.min(cap), cap)?;
    let sent = query.get("continuationToken");
    let token = sent.as_deref().map(Token::parse).transpose()?;
    let token = token.filter(|_| !organization.traps.builds_token_ignored);

    let moving = organization.traps.builds_retried_while_paging
        && token.is_some()
        && filter.completed_only();
    let unserved = moving.then(|| slots(organization, project, &filter, token.as_ref()).last());
    let unserved = unserved.flatten().map(|(_, slot)| slot);
    traps::move_builds(organization, project, unserved);

    let mut page = Page::default();
    let mut next = None;
    let mut last = None;
    for (position, slot) in slots(organization, project, &filter, token.as_ref()) {
        if page.rows == size {
            let (ties, grouped) = (organization.traps.builds_ties, filter.grouped(organization));
            next = Some(match (ties, last) {
                (Ties::Skip, Some(last)) => Token::after(last, ties, grouped),
                _ => Token::after(position, ties, grouped),
            });
            break;
        }
        page.push(|out| traps::render_build(organization, slot, out));
        last = Some(position);
    }
    let response = page.response(organization);
    Ok(match next {
        Some(token) => response.with("x-ms-continuationtoken", token.to_string()),
        None => response,
    })
}

/// A row's place: group, time, slot.
type Place = (u8, crate::time::Ticks, usize);

/// Matching rows from the token on, in order.
fn slots<'a>(
    organization: &'a Organization,
    project: usize,
    filter: &'a Filter,
    token: Option<&Token>,
) -> impl Iterator<Item = (Place, usize)> + 'a {
    let places: Box<dyn Iterator<Item = Place>> = match &filter.ids {
        Some(ids) => Box::new(filter.by_ids(organization, project, ids, token).into_iter()),
        // A limit per definition counts from the first page on, so earlier rows are walked again.
        None => {
            filter.walk(organization, project, token.filter(|_| filter.per_definition.is_none()))
        }
    };
    let token = token.cloned();
    let mut per_definition = std::collections::HashMap::new();
    let matching = places.filter(move |(_, time, slot)| {
        let Some(build) = organization.builds.get(*slot) else { return false };
        if build.project != project || !filter.matches(build) {
            return false;
        }
        let Some(limit) = filter.per_definition else { return true };
        let count: &mut usize = per_definition.entry(build.keys.definition).or_default();
        *count += 1;
        *count <= limit && filter.is_from(token.as_ref(), *time, *slot)
    });
    matching.map(|place| (place, place.2))
}

pub fn one(
    organization: &Organization,
    query: &Query,
    project: usize,
    id: &str,
) -> Result<Response, Failure> {
    query.get("propertyFilters");
    let number: i64 = id.parse().map_err(|_| bad_value("buildId", id))?;
    let found = organization.builds.find(number);
    let build = found.and_then(|slot| Some((slot, organization.builds.get(slot)?)));
    let visible = build.filter(|(_, b)| b.project == project && !b.keys.deleted);
    let (slot, _) = visible.ok_or_else(|| no_build(id))?;
    let mut body = Vec::new();
    traps::render_build(organization, slot, &mut body);
    Ok(Response::new(200, JSON, body))
}
