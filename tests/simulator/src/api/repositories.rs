//! Repositories: everything in one answer.

use super::failure::{Failure, no_repository};
use super::list::Page;
use super::query::Query;
use crate::http::response::{JSON, Response};
use crate::organization::Organization;

pub fn list(
    organization: &Organization,
    query: &Query,
    project: Option<usize>,
) -> Result<Response, Failure> {
    for flag in ["includeLinks", "includeAllUrls", "includeHidden"] {
        query.flag(flag)?;
    }
    let mut page = Page::default();
    for (_, repository) in organization.repositories.iter() {
        let listed = match project {
            Some(project) => repository.project == project,
            None => organization.is_readable(repository.project),
        };
        if listed {
            page.push(|out| repository.element.render("", out));
        }
    }
    Ok(page.response(organization))
}

/// A disabled repository can be read itself; only its children answer 404.
pub fn one(
    organization: &Organization,
    query: &Query,
    project: Option<usize>,
    name: &str,
) -> Result<Response, Failure> {
    query.flag("includeParent")?;
    let found = organization.repositories.find(project, name);
    let repository = found.and_then(|slot| organization.repositories.get(slot));
    let readable = repository.filter(|r| organization.is_readable(r.project));
    let repository = readable.ok_or_else(|| no_repository(name))?;
    let mut body = Vec::new();
    repository.element.render("", &mut body);
    Ok(Response::new(200, JSON, body))
}
