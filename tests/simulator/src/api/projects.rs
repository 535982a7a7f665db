//! Projects: an offset as token, and the filter by state.

use serde_json::{Value, json};

use super::failure::{Failure, bad_token, no_project};
use super::list::{Page, page_size};
use super::query::Query;
use super::{call, traps};
use crate::http::response::Response;
use crate::organization::Organization;

/// Documented default of `$top`.
const DEFAULT_PAGE: usize = 100;

const STATES: [(&str, u32); 7] = [
    ("wellFormed", 0),
    ("deleting", 1),
    ("new", 2),
    ("createPending", 3),
    ("all", 4),
    ("unchanged", 5),
    ("deleted", 6),
];

pub fn list(organization: &mut Organization, query: &Query) -> Result<Response, Failure> {
    let state = query.choice("stateFilter", &STATES)?.unwrap_or(0);
    let state = STATES.iter().find(|(_, code)| *code == state).map_or("wellFormed", |(n, _)| n);
    query.get("getDefaultTeamImageUrl");
    let cap = organization.caps.projects;
    let size = page_size(organization, query, "$top", DEFAULT_PAGE, cap)?;
    let skip: usize = query.number("$skip")?.unwrap_or(0);
    let offset = match query.get("continuationToken") {
        Some(token) => token.trim().parse().map_err(|_| bad_token(&token))?,
        None => skip,
    };
    let mut page = Page::default();
    let mut next = None;
    let listed = organization.projects.ordered().into_iter().filter(|slot| {
        let project = organization.projects.at(*slot);
        if state == "all" { project.state != "deleted" } else { project.state == state }
    });
    for (at, slot) in listed.enumerate().skip(offset) {
        if page.rows == size {
            next = Some(at);
            break;
        }
        page.push(|out| traps::render_project(organization, slot, out));
    }
    let response = page.response(organization);
    Ok(match next {
        Some(offset) => response.with("x-ms-continuationtoken", offset.to_string()),
        None => response,
    })
}

pub fn one(organization: &Organization, query: &Query, name: &str) -> Result<Response, Failure> {
    let capabilities = query.flag("includeCapabilities")?;
    query.get("includeHistory");
    let slot = organization.projects.find(name);
    let Some(slot) = slot.filter(|slot| !organization.is_hidden(organization.projects.at(*slot)))
    else {
        return Err(no_project(name, call::is_guid(name), false));
    };
    let project = organization.projects.at(slot);
    let mut value = project.value.clone();
    if let Value::Object(map) = &mut value {
        let team = format!("{} Team", project.name);
        let url = project.value["url"].clone();
        map.insert("_links".into(), json!({ "self": { "href": url } }));
        map.insert("defaultTeam".into(), json!({ "id": project.id, "name": team, "url": url }));
        if capabilities {
            let source =
                json!({ "sourceControlType": "Git", "gitEnabled": "True", "tfvcEnabled": "False" });
            let process = json!({ "templateName": "Agile", "templateTypeId": "adcc42ab-9882-485e-a3ed-7678f01f66bc" });
            let both = json!({ "versioncontrol": source, "processTemplate": process });
            map.insert("capabilities".into(), both);
        }
    }
    Ok(Response::json(200, &value))
}
