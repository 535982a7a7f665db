//! Pull requests: ids grow with their creation, across all projects.

use std::sync::Arc;

use serde_json::{Value, json};

use super::people::Person;
use super::{HISTORY, HOST, coarsen, text};
use crate::organization::Organization;
use crate::organization::element::Element;
use crate::organization::pull_request::{self, Keys, PullRequest};
use crate::random::Random;
use crate::time::{self, DAY, SECOND, Ticks};

const VOTES: [i64; 6] = [10, 5, 0, 0, -5, -10];

pub fn make(organization: &mut Organization, count: usize, now: Ticks, random: &mut Random) {
    let formed = |slot: &usize| organization.projects.at(*slot).state == "wellFormed";
    let slots: Vec<usize> = (0..organization.projects.len()).filter(formed).collect();
    let texts: Vec<Arc<str>> = [12, 399, 400, 401, 900, 4000]
        .iter()
        .map(|characters| Arc::from(text::paragraphs(random, *characters)))
        .collect();
    let step = HISTORY / (count.max(1) as i64);
    let mut id = 0;
    for at in 0..count {
        for &project in &slots {
            id += 1 + i64::from(random.percent(20));
            let created = now - HISTORY + at as i64 * step + random.between(0, step.max(2) - 1);
            let created = coarsen(created, random);
            let repositories: Vec<usize> =
                organization.repositories.of_project(project).map(|(slot, _)| slot).collect();
            if repositories.is_empty() {
                continue;
            }
            let repository = *random.pick(&repositories);
            let mut value = fresh(organization, repository, id, created, random);
            value["title"] = json!(title(id, random));
            decorate(organization, &mut value, created, now, count - at <= 3, random);
            let description = random.percent(80).then(|| random.pick(&texts).clone());
            store(organization, repository, value, description);
        }
    }
}

fn title(id: i64, random: &mut Random) -> String {
    match id % 23 {
        0 => format!("🚀 Ship it\u{2028}second line {id}"),
        1 => format!("Merged PR {id}: \"quotes\" and a \\ backslash\ttab"),
        _ => text::title(random),
    }
}

/// Stores a pull request; its description is kept apart since lists cut it.
pub fn store(
    organization: &mut Organization,
    repository: usize,
    mut value: Value,
    description: Option<Arc<str>>,
) -> usize {
    let own = value.as_object_mut().and_then(pull_request::split_description);
    let keys = Keys::of(&value);
    let project = organization.repositories.get(repository).map_or(0, |r| r.project);
    organization.pull_requests.put(PullRequest {
        project,
        repository: Some(repository),
        keys,
        element: Element::of(&value),
        description: description.or(own),
    })
}

/// An active pull request with the members every one has.
pub fn fresh(
    organization: &Organization,
    repository: usize,
    id: i64,
    created: Ticks,
    random: &mut Random,
) -> Value {
    let Some(repository) = organization.repositories.get(repository) else { return Value::Null };
    let project = organization.projects.at(repository.project);
    let creator = random.pick(&organization.people);
    let commit = |sha: String| {
        let url = format!("{}/commits/{sha}", repository.value["url"].as_str().unwrap_or_default());
        json!({ "commitId": sha, "url": url })
    };
    let url = format!(
        "{HOST}/{}/{}/_apis/git/repositories/{}/pullRequests/{id}",
        organization.name, project.id, repository.id
    );
    json!({
        "repository": repository.reference(project.shallow_reference()),
        "pullRequestId": id,
        "codeReviewId": id,
        "status": "active",
        "createdBy": creator.reference(),
        "creationDate": time::format(created),
        "title": format!("Pull request {id}"),
        "sourceRefName": text::branch(random),
        "targetRefName": if id % 6 == 0 { "refs/heads/release/1.0" } else { "refs/heads/main" },
        "mergeStatus": "succeeded",
        "isDraft": false,
        "mergeId": random.guid(),
        "lastMergeSourceCommit": commit(random.sha1()),
        "lastMergeTargetCommit": commit(random.sha1()),
        "lastMergeCommit": commit(random.sha1()),
        "reviewers": [],
        "url": url,
        "supportsIterations": true,
    })
}

fn decorate(
    organization: &Organization,
    value: &mut Value,
    created: Ticks,
    now: Ticks,
    recent: bool,
    random: &mut Random,
) {
    let id = value["pullRequestId"].as_i64().unwrap_or(0);
    let status = match random.below(10) {
        _ if recent => "active",
        0 => "active",
        1 | 2 => "abandoned",
        _ => "completed",
    };
    value["status"] = json!(status);
    if status == "active" {
        value["isDraft"] = json!(random.percent(25));
        value["mergeStatus"] = json!(random.pick(&["succeeded", "conflicts", "queued", "notSet"]));
    } else {
        let closed = coarsen(created + random.between(SECOND, 20 * DAY), random);
        let closer = random.pick(&organization.people).reference();
        value["closedDate"] = json!(time::format(closed.clamp(created, now.max(created))));
        value["closedBy"] = closer;
    }
    if status == "completed" {
        value["completionQueueTime"] = value["closedDate"].clone();
        value["completionOptions"] = json!({
            "mergeCommitMessage": format!("Merged PR {id}: {}", text::paragraphs(random, 120)),
            "deleteSourceBranch": random.percent(50), "squashMerge": true,
            "mergeStrategy": random.pick(&["squash", "rebase", "noFastForward", "rebaseMerge"]),
            "triggeredByAutoComplete": false,
        });
    }
    let start = random.below(organization.people.len());
    let everyone = organization.people.iter().cycle().skip(start);
    let reviewers: Vec<Value> =
        everyone.take(random.below(5)).map(|person| reviewer(person, random)).collect();
    value["reviewers"] = json!(reviewers);
    if random.percent(30) {
        let names = ["bug", "größe", "needs: review", "v2"];
        let label = |name: &str| json!({ "id": random.guid(), "name": name, "active": true });
        let labels: Vec<Value> = names[..1 + id as usize % 4].iter().copied().map(label).collect();
        value["labels"] = json!(labels);
    }
}

fn reviewer(person: &Person, random: &mut Random) -> Value {
    let mut value = person.reference();
    value["reviewerUrl"] = value["url"].clone();
    value["vote"] = json!(random.pick(&VOTES));
    value["hasDeclined"] = json!(random.percent(5));
    value["isRequired"] = json!(random.percent(30));
    value["isFlagged"] = json!(false);
    if random.percent(20) {
        value["isContainer"] = json!(true);
        value["votedFor"] = json!([{ "id": random.guid(), "displayName": "[demo]\\Reviewers", "vote": 0, "isContainer": true }]);
    }
    value
}
