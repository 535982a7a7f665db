//! Traps that change what a list shows: enum values nobody listed, and rows that move meanwhile.

use serde_json::Value;

use crate::organization::Organization;
use crate::organization::build::{DELETED, Order};
use crate::organization::pull_request::Scope;

/// Every how many ids the unknown-values trap strikes.
const STRANGE_EVERY: i64 = 7;

fn is_strange(organization: &Organization, id: Option<i64>) -> bool {
    organization.traps.unknown_enum_values && id.is_some_and(|id| id % STRANGE_EVERY == 0)
}

/// Replaces string members by values from the future.
fn render_strange(mut value: Value, members: &[&str], out: &mut Vec<u8>) {
    for member in members {
        if let Some(text @ Value::String(_)) = value.get_mut(*member) {
            *text = Value::from(format!("{member}OfTomorrow"));
        }
    }
    out.extend_from_slice(value.to_string().as_bytes());
}

pub fn render_project(organization: &Organization, slot: usize, out: &mut Vec<u8>) {
    let project = organization.projects.at(slot);
    if is_strange(organization, Some(slot as i64)) {
        return render_strange(project.value.clone(), &["visibility"], out);
    }
    project.element.render("", out);
}

pub fn render_build(organization: &Organization, slot: usize, out: &mut Vec<u8>) {
    let Some(build) = organization.builds.get(slot) else { return };
    if is_strange(organization, build.keys.id) {
        return render_strange(build.element.value(), &["result", "reason", "priority"], out);
    }
    build.element.render("", out);
}

pub fn render_pull_request(organization: &Organization, slot: usize, out: &mut Vec<u8>) {
    let Some(pull_request) = organization.pull_requests.get(slot) else { return };
    let mut bytes = Vec::new();
    if is_strange(organization, pull_request.keys.id) {
        pull_request.render(false, &mut bytes);
        let value = serde_json::from_slice(&bytes).unwrap_or(Value::Null);
        return render_strange(value, &["mergeStatus"], out);
    }
    pull_request.render(false, out);
}

/// Acts before a list of builds is answered. `remaining` are the rows still to be served, in order.
pub fn move_builds(organization: &mut Organization, project: usize, unserved: Option<usize>) {
    if organization.traps.builds_finish_while_paging {
        let running = organization.builds.index(project, Order::Queue).and_then(|index| {
            index.walk(&[1], (i64::MIN, 0), (i64::MAX, usize::MAX), false).next()
        });
        if let Some((.., slot)) = running {
            organization.finish_build(slot, "succeeded", None);
        }
    }
    if organization.traps.builds_retried_while_paging
        && let Some(slot) = unserved
    {
        organization.retry_build(slot);
    }
}

/// Acts before a list of pull requests is answered.
pub fn move_pull_requests(organization: &mut Organization, scope: Scope, status: u32, skip: usize) {
    if organization.traps.pull_requests_inserted_while_paging {
        organization.insert_pull_request(scope);
    }
    if organization.traps.pull_requests_removed_while_paging && skip > 0 {
        // Groups are statuses; 4 means all.
        let groups: Vec<u8> = if status == 4 { vec![0, 1, 2, 3] } else { vec![status as u8] };
        let served = organization.pull_requests.index(scope).and_then(|index| {
            index.walk(&groups, (i64::MIN, 0), (i64::MAX, usize::MAX), true).next()
        });
        let Some((.., slot)) = served else { return };
        match status {
            1 => organization.close_pull_request(slot, "abandoned", None),
            _ => drop(organization.pull_requests.remove(slot)),
        }
    }
}

/// Groups without and with deleted builds.
pub fn is_deleted_group(group: u8) -> bool {
    group & DELETED != 0
}
