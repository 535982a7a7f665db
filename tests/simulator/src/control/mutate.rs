//! Changes to an organisation while it is served.

use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};

use super::{Refused, ok, organizations};
use crate::generate;
use crate::http::response::Response;
use crate::organization::Organization;
use crate::organization::build::Keys;
use crate::organization::changes::merge;
use crate::organization::element::Element;
use crate::organization::pull_request::{self, PullRequest};
use crate::state::{State, lock};

/// All operations share these members; which of them count depends on `op`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Operation<'a> {
    op: String,
    id: Option<Value>,
    /// Name or id.
    #[serde(alias = "name")]
    project: Option<String>,
    /// Name or id.
    repository: Option<String>,
    #[serde(alias = "pull_request", alias = "values", alias = "fields")]
    build: Option<Map<String, Value>>,
    result: Option<String>,
    status: Option<String>,
    #[serde(alias = "closed_date", alias = "changed_date", alias = "finish_time")]
    time: Option<String>,
    table: Option<String>,
    #[serde(borrow, default, deserialize_with = "even_null")]
    element: Option<&'a RawValue>,
}

/// A null is an element too.
fn even_null<'de, D: Deserializer<'de>>(input: D) -> Result<Option<&'de RawValue>, D::Error> {
    <&RawValue>::deserialize(input).map(Some)
}

pub fn mutate(state: &State, name: &str, body: &[u8]) -> Result<Response, Refused> {
    let organization = organizations::find(state, name)?;
    let operations: Vec<Operation<'_>> = serde_json::from_slice(body).map_err(Refused::bad)?;
    let mut organization = lock(&organization);
    organization.forget();
    let mut ids = Vec::new();
    for (at, operation) in operations.iter().enumerate() {
        let done = apply(&mut organization, operation);
        ids.push(done.map_err(|Refused(status, reason)| {
            Refused(status, format!("operation {at} ({}): {reason}", operation.op))
        })?);
    }
    Ok(ok(&json!({ "ids": ids })))
}

fn apply(organization: &mut Organization, operation: &Operation<'_>) -> Result<Value, Refused> {
    let empty = Map::new();
    let members = operation.build.as_ref().unwrap_or(&empty);
    let number = || operation.id.as_ref().and_then(Value::as_i64);
    let time = operation.time.as_deref();
    match operation.op.as_str() {
        "put_project" => Ok(put_project(organization, operation, members)),
        "delete_project" => {
            let slot = find_project(organization, operation)?;
            let mut value = organization.projects.at(slot).value.clone();
            value["state"] = json!("deleted");
            let slot = organization.projects.put(value, None);
            Ok(json!(organization.projects.at(slot).id))
        }
        "put_repository" => put_repository(organization, operation, members),
        "delete_repository" => {
            let slot = find_repository(organization, operation)?;
            let id = organization.repositories.get(slot).map(|r| r.id.clone());
            delete_repository(organization, slot);
            Ok(json!(id))
        }
        "put_build" => {
            let known = members.get("id").and_then(Value::as_i64);
            let known = known.and_then(|id| organization.builds.find(id));
            let project = match (known, &operation.project) {
                (Some(slot), None) => organization.builds.get(slot).map_or(0, |b| b.project),
                _ => find_project(organization, operation)?,
            };
            Ok(json!(organization.put_build(project, members)))
        }
        "delete_build" => {
            organization.builds.remove(find_build(organization, number())?);
            Ok(json!(number()))
        }
        "finish_build" => {
            let slot = find_build(organization, number())?;
            let result = operation.result.as_deref().unwrap_or("succeeded");
            organization.finish_build(slot, result, time);
            Ok(json!(number()))
        }
        "retry_build" => {
            organization.retry_build(find_build(organization, number())?);
            Ok(json!(number()))
        }
        "put_pull_request" => {
            let known = members.get("pullRequestId").and_then(Value::as_i64);
            let known = known.and_then(|id| organization.pull_requests.find(id));
            let repository = match known.and_then(|slot| organization.pull_requests.get(slot)) {
                Some(pull_request) => pull_request.repository.unwrap_or(usize::MAX),
                None => find_repository(organization, operation)?,
            };
            Ok(json!(organization.put_pull_request(repository, members)))
        }
        "close_pull_request" => {
            let slot = find_pull_request(organization, number())?;
            let status = operation.status.as_deref().unwrap_or("completed");
            organization.close_pull_request(slot, status, time);
            Ok(json!(number()))
        }
        "delete_pull_request" => {
            let slot = find_pull_request(organization, number())?;
            organization.pull_requests.remove(slot);
            Ok(json!(number()))
        }
        "put_revision" => {
            let id = number();
            let new = id.is_none_or(|id| organization.revisions.item(id).is_none());
            let project = match &operation.project {
                None if !new => None,
                None => return Err(Refused::bad("a new work item needs a project")),
                Some(_) => {
                    let slot = find_project(organization, operation)?;
                    Some(organization.projects.at(slot).name.clone())
                }
            };
            let done = organization.put_revision(id, members, project.as_deref(), time);
            Ok(json!({ "id": done.0, "rev": done.1 }))
        }
        "destroy_work_item" => {
            let id = number().ok_or_else(|| Refused::bad("id is missing"))?;
            match organization.revisions.destroy(id) {
                0 => Err(Refused::missing(format!("work item {id}"))),
                _ => Ok(json!(id)),
            }
        }
        "put_raw" => put_raw(organization, operation),
        other => Err(Refused::bad(format!("\"{other}\" is no operation"))),
    }
}

fn find_project(organization: &Organization, operation: &Operation<'_>) -> Result<usize, Refused> {
    let named = operation.project.as_deref().or(operation.id.as_ref().and_then(Value::as_str));
    let name = named.ok_or_else(|| Refused::bad("project is missing"))?;
    let found = organization.projects.find(name);
    found.ok_or_else(|| Refused::missing(format!("project {name}")))
}

/// Without a name: the project's first repository that is not disabled.
fn find_repository(
    organization: &Organization,
    operation: &Operation<'_>,
) -> Result<usize, Refused> {
    let project = match &operation.project {
        Some(_) => Some(find_project(organization, operation)?),
        None => None,
    };
    let named = operation.repository.as_deref().or(operation.id.as_ref().and_then(Value::as_str));
    let found = match (named, project) {
        (Some(name), _) => organization.repositories.find(project, name),
        (None, Some(project)) => {
            let mut all = organization.repositories.of_project(project);
            all.find(|(_, r)| !r.disabled).map(|(slot, _)| slot)
        }
        (None, None) => return Err(Refused::bad("project or repository is missing")),
    };
    found.ok_or_else(|| Refused::missing("such repository"))
}

fn find_build(organization: &Organization, id: Option<i64>) -> Result<usize, Refused> {
    let id = id.ok_or_else(|| Refused::bad("id is missing"))?;
    organization.builds.find(id).ok_or_else(|| Refused::missing(format!("build {id}")))
}

fn find_pull_request(organization: &Organization, id: Option<i64>) -> Result<usize, Refused> {
    let id = id.ok_or_else(|| Refused::bad("id is missing"))?;
    let found = organization.pull_requests.find(id);
    found.ok_or_else(|| Refused::missing(format!("pull request {id}")))
}

fn put_project(
    organization: &mut Organization,
    operation: &Operation<'_>,
    members: &Map<String, Value>,
) -> Value {
    let found = find_project(organization, operation).ok();
    let mut value = match found {
        Some(slot) => organization.projects.at(slot).value.clone(),
        None => {
            let mut random = organization.random.clone();
            let id = random.guid();
            organization.random = random;
            let name = operation.project.as_deref().unwrap_or("New project");
            generate::projects::project(&organization.name, &id, name)
        }
    };
    let revision = value["revision"].as_i64().unwrap_or(0) + 1;
    value["revision"] = json!(revision);
    value["lastUpdateTime"] = json!(crate::time::format(organization.tick()));
    merge(&mut value, members);
    let slot = organization.projects.put(value, None);
    json!(organization.projects.at(slot).id)
}

fn put_repository(
    organization: &mut Organization,
    operation: &Operation<'_>,
    members: &Map<String, Value>,
) -> Result<Value, Refused> {
    let named = operation.repository.is_some() || operation.id.is_some();
    let found = if named { find_repository(organization, operation).ok() } else { None };
    let known = found.and_then(|slot| organization.repositories.get(slot)).cloned();
    let (project, mut value) = match known {
        Some(repository) => (repository.project, repository.value),
        None => {
            let project = find_project(organization, operation)?;
            let id = organization.random.guid();
            let name = operation.repository.as_deref().unwrap_or("New repository");
            (project, generate::projects::repository(organization, project, &id, name))
        }
    };
    merge(&mut value, members);
    let slot = organization.repositories.put(project, value, None);
    Ok(json!(organization.repositories.get(slot).map(|r| r.id.clone())))
}

/// Pull requests go with their repository.
fn delete_repository(organization: &mut Organization, slot: usize) {
    let scope = pull_request::Scope::Repository(slot);
    let whole = (i64::MIN, 0)..=(i64::MAX, usize::MAX);
    let gone: Vec<usize> = match organization.pull_requests.index(scope) {
        Some(index) => {
            let all = index.walk(&index.groups(), *whole.start(), *whole.end(), false);
            all.map(|(.., slot)| slot).collect()
        }
        None => Vec::new(),
    };
    for slot in gone {
        organization.pull_requests.remove(slot);
    }
    organization.repositories.remove(slot);
}

/// Stores an element byte for byte, whatever is in it.
fn put_raw(organization: &mut Organization, operation: &Operation<'_>) -> Result<Value, Refused> {
    let text = operation.element.ok_or_else(|| Refused::bad("element is missing"))?.get();
    // What Rust cannot read (a lone surrogate, say) is served all the same, without keys.
    let value: Value = serde_json::from_str(text).unwrap_or(Value::Null);
    let table = operation.table.as_deref().unwrap_or_default();
    let element = Element::whole(text);
    match table {
        "projects" => {
            organization.projects.put(value.clone(), Some(element));
            Ok(value["id"].clone())
        }
        "repositories" => {
            let project = find_project(organization, operation)?;
            organization.repositories.put(project, value.clone(), Some(element));
            Ok(value["id"].clone())
        }
        "builds" => {
            let project = find_project(organization, operation)?;
            organization.builds.put(project, Keys::of(&value), element);
            Ok(value["id"].clone())
        }
        "pull_requests" => {
            let project = find_project(organization, operation)?;
            let id = value.pointer("/repository/id").and_then(Value::as_str);
            let named = id.and_then(|id| organization.repositories.find(Some(project), id));
            let first = organization.repositories.of_project(project).map(|(slot, _)| slot).next();
            organization.pull_requests.put(PullRequest {
                project,
                repository: named.or(first),
                keys: pull_request::Keys::of(&value),
                element,
                description: None,
            });
            Ok(value["pullRequestId"].clone())
        }
        "revisions" => {
            let project = find_project(organization, operation)?;
            let name = organization.projects.at(project).name.clone();
            let watermark = organization.revisions.last_watermark() + 3;
            organization.revisions.push_raw(watermark, &value, text, &name);
            Ok(value["id"].clone())
        }
        other => Err(Refused::missing(format!("table \"{other}\""))),
    }
}
