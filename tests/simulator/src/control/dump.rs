//! The whole truth of a table, as a full and unfiltered read of the service should see it.
//!
//! Projects: all but deleted ones, in any state. Repositories, builds and pull requests: those of
//! well-formed projects, also of hidden ones; without deleted builds; without pull requests of
//! disabled repositories, since no list shows them. Revisions: all, deleted work items included;
//! long text only with `?expand=fields`.

use super::{Refused, organizations};
use crate::api::list::Page;
use crate::api::revisions::{self, Options};
use crate::api::traps;
use crate::http::response::Response;
use crate::organization::Organization;
use crate::organization::build::Order;
use crate::organization::pull_request::Scope;
use crate::state::{State, lock};
use crate::time::Ticks;

const EVERYTHING: ((Ticks, usize), (Ticks, usize)) = ((Ticks::MIN, 0), (Ticks::MAX, usize::MAX));

pub fn dump(
    state: &State,
    name: &str,
    table: &str,
    query: &[(String, String)],
) -> Result<Response, Refused> {
    let organization = organizations::find(state, name)?;
    let organization = lock(&organization);
    let page = match table {
        "projects" => projects(&organization),
        "repositories" => repositories(&organization),
        "builds" => builds(&organization),
        "pull_requests" => pull_requests(&organization),
        "revisions" => {
            let long_fields = query.iter().any(|(n, v)| n == "expand" && v == "fields");
            revisions(&organization, long_fields)
        }
        _ => return Err(Refused::missing(format!("table {table}"))),
    };
    Ok(page.response(&organization))
}

fn is_formed(organization: &Organization, project: usize) -> bool {
    organization.projects.at(project).state == "wellFormed"
}

fn projects(organization: &Organization) -> Page {
    let mut page = Page::default();
    for slot in organization.projects.ordered() {
        if organization.projects.at(slot).state != "deleted" {
            page.push(|out| traps::render_project(organization, slot, out));
        }
    }
    page
}

fn repositories(organization: &Organization) -> Page {
    let mut page = Page::default();
    for (_, repository) in organization.repositories.iter() {
        if is_formed(organization, repository.project) {
            page.push(|out| repository.element.render("", out));
        }
    }
    page
}

fn builds(organization: &Organization) -> Page {
    let mut page = Page::default();
    for project in (0..organization.projects.len()).filter(|p| is_formed(organization, *p)) {
        let Some(index) = organization.builds.index(project, Order::Queue) else { continue };
        let mut groups = index.groups();
        groups.retain(|group| !traps::is_deleted_group(*group));
        for (.., slot) in index.walk(&groups, EVERYTHING.0, EVERYTHING.1, false) {
            page.push(|out| traps::render_build(organization, slot, out));
        }
    }
    page
}

fn pull_requests(organization: &Organization) -> Page {
    let mut page = Page::default();
    let Some(index) = organization.pull_requests.index(Scope::Organization) else { return page };
    for (.., slot) in index.walk(&index.groups(), EVERYTHING.0, EVERYTHING.1, true) {
        let Some(pull_request) = organization.pull_requests.get(slot) else { continue };
        let repository = pull_request.repository.and_then(|r| organization.repositories.get(r));
        let disabled = repository.is_some_and(|r| r.disabled);
        if is_formed(organization, pull_request.project) && !disabled {
            page.push(|out| traps::render_pull_request(organization, slot, out));
        }
    }
    page
}

fn revisions(organization: &Organization, long_fields: bool) -> Page {
    let mut page = Page::default();
    let options = Options { long_fields, ..Options::default() };
    for (_, revision) in organization.revisions.after(i64::MIN) {
        page.push(|out| revisions::render(organization, &options, revision, out));
    }
    page
}
