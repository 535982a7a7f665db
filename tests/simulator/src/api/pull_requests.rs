//! Pull requests: newest first, `$skip` and `$top`, active ones unless told otherwise.

use super::call::is_guid;
use super::failure::{Failure, bad_value, no_pull_request};
use super::list::{Page, page_size};
use super::query::Query;
use super::traps;
use crate::http::response::{JSON, Response};
use crate::organization::Organization;
use crate::organization::pull_request::{PullRequest, Scope};
use crate::time::Ticks;

/// Reported by users as 100 and as 101.
const DEFAULT_PAGE: usize = 101;
/// Time filters exist from this version on; before it they are ignored.
const TIMES_SINCE: (u32, u32) = (7, 1);

const STATUSES: [(&str, u32); 5] =
    [("notSet", 0), ("active", 1), ("abandoned", 2), ("completed", 3), ("all", 4)];
const RANGES: [(&str, u32); 2] = [("created", 1), ("closed", 2)];

struct Filter {
    creator: Option<String>,
    reviewer: Option<String>,
    repository: Option<String>,
    source_repository: Option<String>,
    source: Option<String>,
    target: Option<String>,
    closed: bool,
    low: Option<Ticks>,
    high: Option<Ticks>,
}

impl Filter {
    fn of(query: &Query, version: (u32, u32), exclusive: bool) -> Result<Self, Failure> {
        // Text that is no GUID is ignored without a word, and the list comes unfiltered.
        let guid = |name: &str| query.get(name).filter(|text| is_guid(text));
        let times = version >= TIMES_SINCE;
        let time = |name: &str| if times { query.time(name) } else { Ok(None) };
        let range = match times {
            true => query.choice("searchCriteria.queryTimeRangeType", &RANGES)?,
            false => None,
        };
        query.flag("searchCriteria.includeLinks")?;
        query.get("maxCommentLength");
        let step = i64::from(exclusive);
        Ok(Self {
            creator: guid("searchCriteria.creatorId"),
            reviewer: guid("searchCriteria.reviewerId"),
            repository: guid("searchCriteria.repositoryId"),
            source_repository: guid("searchCriteria.sourceRepositoryId"),
            source: query.get("searchCriteria.sourceRefName"),
            target: query.get("searchCriteria.targetRefName"),
            closed: range == Some(2),
            low: time("searchCriteria.minTime")?.map(|t| t.saturating_add(step)),
            high: time("searchCriteria.maxTime")?.map(|t| t.saturating_sub(step)),
        })
    }

    fn matches(&self, organization: &Organization, pull_request: &PullRequest) -> bool {
        let repository = pull_request.repository.and_then(|r| organization.repositories.get(r));
        if !organization.is_readable(pull_request.project) || repository.is_some_and(|r| r.disabled)
        {
            return false;
        }
        let keys = &pull_request.keys;
        let same = |wanted: &Option<String>, value: &str| {
            wanted.as_ref().is_none_or(|w| w.eq_ignore_ascii_case(value))
        };
        let in_repository = |wanted: &Option<String>| {
            let id = |r: &crate::organization::repository::Repository| same(wanted, &r.id);
            wanted.is_none() || repository.is_some_and(id)
        };
        let reviewed = |id: &String| keys.reviewers.iter().any(|r| r.eq_ignore_ascii_case(id));
        let time = if self.closed { keys.closed } else { keys.created };
        let bounded = self.low.is_some() || self.high.is_some();
        same(&self.creator, &keys.creator)
            && self.reviewer.as_ref().is_none_or(reviewed)
            && in_repository(&self.repository)
            // The simulator's pull requests come from the repository they go to.
            && in_repository(&self.source_repository)
            && same(&self.source, &keys.source)
            && same(&self.target, &keys.target)
            && (!bounded || time.is_some())
            && self.low.is_none_or(|low| time.is_some_and(|t| t >= low))
            && self.high.is_none_or(|high| time.is_some_and(|t| t <= high))
    }
}

pub fn list(
    organization: &mut Organization,
    query: &Query,
    project: Option<usize>,
    repository: Option<usize>,
    version: (u32, u32),
) -> Result<Response, Failure> {
    let filter = Filter::of(query, version, organization.traps.exclusive_bounds)?;
    let status = match query.choice("searchCriteria.status", &STATUSES)? {
        None | Some(0) => 1,
        Some(status) => status,
    };
    let skip: usize = query.number("$skip")?.unwrap_or(0);
    let cap = organization.caps.pull_requests;
    let size = page_size(organization, query, "$top", DEFAULT_PAGE.min(cap), cap)?;
    let scope = match (repository, project) {
        (Some(repository), _) => Scope::Repository(repository),
        (None, Some(project)) => Scope::Project(project),
        (None, None) => Scope::Organization,
    };
    traps::move_pull_requests(organization, scope, status, skip);
    let groups: Vec<u8> = if status == 4 { vec![0, 1, 2, 3] } else { vec![status as u8] };
    let mut page = Page::default();
    if let Some(index) = organization.pull_requests.index(scope) {
        let newest_first = index.walk(&groups, (Ticks::MIN, 0), (Ticks::MAX, usize::MAX), true);
        let matching = newest_first.filter(|(.., slot)| {
            let pull_request = organization.pull_requests.get(*slot);
            pull_request.is_some_and(|p| filter.matches(organization, p))
        });
        for (.., slot) in matching.skip(skip).take(size) {
            page.push(|out| traps::render_pull_request(organization, slot, out));
        }
    }
    Ok(page.response(organization))
}

pub fn one(
    organization: &Organization,
    query: &Query,
    project: Option<usize>,
    repository: Option<usize>,
    id: &str,
) -> Result<Response, Failure> {
    for flag in ["includeCommits", "includeWorkItemRefs"] {
        query.flag(flag)?;
    }
    query.get("maxCommentLength");
    query.get("$skip");
    query.get("$top");
    let number: i64 = id.parse().map_err(|_| bad_value("pullRequestId", id))?;
    let found = organization.pull_requests.find(number);
    let found = found.and_then(|slot| organization.pull_requests.get(slot));
    let here = found.filter(|p| {
        let disabled = p.repository.and_then(|r| organization.repositories.get(r));
        project.is_none_or(|project| project == p.project)
            && (repository.is_none() || repository == p.repository)
            && organization.is_readable(p.project)
            && !disabled.is_some_and(|r| r.disabled)
    });
    let pull_request = here.ok_or_else(|| no_pull_request(id))?;
    let mut body = Vec::new();
    pull_request.render(true, &mut body);
    // Only the single read has the artifact's address.
    if let Some(open) = body.strip_suffix(b"}")
        && open.len() > 1
    {
        let project = &organization.projects.at(pull_request.project).id;
        let repository = pull_request.repository.and_then(|r| organization.repositories.get(r));
        let repository = repository.map(|r| r.id.as_str()).unwrap_or_default();
        let artifact = format!(
            ",\"artifactId\":\"vstfs:///Git/PullRequestId/{project}%2f{repository}%2f{number}\"}}"
        );
        body = [open, artifact.as_bytes()].concat();
    }
    Ok(Response::new(200, JSON, body))
}
