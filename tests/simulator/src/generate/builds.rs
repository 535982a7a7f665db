//! Builds: ids grow with the time they were queued, across all projects.

use std::collections::HashMap;
use std::sync::Arc;

use serde_json::{Value, json};

use super::definitions::{self, Definition};
use super::{HISTORY, coarsen, text};
use crate::organization::Organization;
use crate::organization::build::{Keys, REASONS, RESULTS, STATUSES};
use crate::organization::element::{Element, Template};
use crate::organization::specification::Specification;
use crate::random::Random;
use crate::time::{self, DAY, SECOND, Ticks};

/// About what the own part of a build takes; the shared part fills up the rest.
const HEAD_BYTES: usize = 900;
const FIRST_ID: i64 = 1000;

const RESULT_MIX: [&str; 10] = [
    "succeeded",
    "succeeded",
    "succeeded",
    "succeeded",
    "succeeded",
    "failed",
    "failed",
    "partiallySucceeded",
    "canceled",
    "succeeded",
];
const REASON_MIX: [&str; 8] = [
    "individualCI",
    "individualCI",
    "manual",
    "pullRequest",
    "pullRequest",
    "schedule",
    "batchedCI",
    "buildCompletion",
];

const UNFINISHED: [&str; 5] = ["inProgress", "notStarted", "inProgress", "cancelling", "postponed"];
/// A project with fewer builds than this may lack a status.
const SMALL: usize = 10;

struct Source {
    project: usize,
    definitions: Vec<Definition>,
    templates: HashMap<(usize, usize), Arc<Template>>,
    last_queued: Ticks,
    last_finished: Ticks,
}

pub fn make(
    organization: &mut Organization,
    specification: &Specification,
    now: Ticks,
    random: &mut Random,
) {
    let formed = |slot: &usize| organization.projects.at(*slot).state == "wellFormed";
    let slots: Vec<usize> = (0..organization.projects.len()).filter(formed).collect();
    let source = |project: usize, random: &mut Random| Source {
        project,
        definitions: definitions::make(organization, project, random),
        templates: HashMap::new(),
        last_queued: 0,
        last_finished: 0,
    };
    let mut sources: Vec<Source> = slots.into_iter().map(|slot| source(slot, random)).collect();
    let tags: Vec<Arc<[String]>> = tag_sets();
    let branches: Vec<Arc<str>> = branch_set(random);
    let people: Vec<_> = organization.people.iter().map(requester).collect();
    let count = specification.builds_per_project;
    let bytes = specification.element_bytes.saturating_sub(HEAD_BYTES);
    let step = HISTORY / (count.max(1) as i64);
    let mut id = FIRST_ID;
    for at in 0..count {
        for source in &mut sources {
            id += 1 + i64::from(random.percent(30));
            let mut queued = now - HISTORY + at as i64 * step + random.between(0, step.max(2) - 1);
            queued = coarsen(queued, random).max(now - HISTORY);
            // Batches are queued, and finished, at the very same moment.
            if random.percent(10) && source.last_queued > 0 {
                queued = source.last_queued;
            }
            source.last_queued = queued;
            let to_come = if count >= SMALL { count - at } else { usize::MAX };
            let draft = Draft::of(id, queued, now, to_come, source.last_finished, random);
            source.last_finished = draft.finished.unwrap_or(source.last_finished);
            let (which, who) = (random.below(source.definitions.len()), random.below(people.len()));
            let definition = &source.definitions[which];
            let template = source
                .templates
                .entry((which, who))
                .or_insert_with(|| definition.template(&organization.people[who], bytes, random));
            let (tags, branch) = (random.pick(&tags).clone(), random.pick(&branches).clone());
            let keys = draft.keys(definition, tags, branch, people[who].clone());
            let head = draft.head(&keys, random);
            let element = Element::shared(head, template, id);
            organization.builds.put(source.project, keys, element);
        }
    }
}

fn requester(person: &super::people::Person) -> Arc<[String; 3]> {
    Arc::new([person.id.clone(), person.mail.clone(), person.name.clone()])
}

fn tag_sets() -> Vec<Arc<[String]>> {
    let set = |tags: &[&str]| tags.iter().map(|t| t.to_string()).collect();
    vec![
        set(&[]),
        set(&[]),
        set(&[]),
        set(&["release"]),
        set(&["nightly", "größe"]),
        set(&["release", "a tag, with a comma"]),
    ]
}

fn branch_set(random: &mut Random) -> Vec<Arc<str>> {
    let mut branches: Vec<Arc<str>> = vec!["refs/heads/main".into(); 12];
    branches.extend((0..10).map(|_| Arc::from(text::branch(random))));
    branches.extend((0..4).map(|n| Arc::from(format!("refs/pull/{}/merge", n + 40))));
    branches
}

/// A build's own facts, before they become keys and bytes.
struct Draft {
    id: i64,
    status: &'static str,
    result: Option<&'static str>,
    reason: &'static str,
    queued: Ticks,
    started: Option<Ticks>,
    finished: Option<Ticks>,
    deleted: bool,
    invalid: bool,
    number: String,
}

impl Draft {
    fn of(
        id: i64,
        queued: Ticks,
        now: Ticks,
        to_come: usize,
        last_finished: Ticks,
        random: &mut Random,
    ) -> Self {
        let status = match to_come {
            // The newest builds have every status there is.
            1..=5 => UNFINISHED[to_come - 1],
            6..=8 if random.percent(50) => *random.pick(&UNFINISHED),
            _ if random.percent(1) => *random.pick(&UNFINISHED),
            _ => "completed",
        };
        let completed = status == "completed";
        let result = completed.then(|| *random.pick(&RESULT_MIX));
        // A build that was never allowed to start fails without a start time.
        let invalid = completed && random.percent(3);
        let waits = matches!(status, "notStarted" | "postponed") || invalid;
        let started = queued + random.between(SECOND, 900 * SECOND);
        let started = (!waits).then(|| coarsen(started, random).max(queued).min(now));
        let finished = completed.then(|| {
            let from = started.unwrap_or(queued);
            if last_finished >= from && random.percent(12) {
                return last_finished;
            }
            coarsen(from + random.between(SECOND, 7200 * SECOND), random).clamp(from, now.max(from))
        });
        let number = format!("{}.{}", time::compact_date(queued), 1 + id % 40);
        Self {
            id,
            status,
            result: if invalid { Some("failed") } else { result },
            reason: REASON_MIX[random.below(REASON_MIX.len())],
            queued,
            started,
            finished,
            deleted: completed && random.percent(3),
            invalid,
            number,
        }
    }

    fn keys(
        &self,
        definition: &Definition,
        tags: Arc<[String]>,
        branch: Arc<str>,
        requested_for: Arc<[String; 3]>,
    ) -> Keys {
        let code = |table: &[(&str, u32)], name: &str| {
            table.iter().find(|(n, _)| *n == name).map_or(0, |(_, code)| *code)
        };
        Keys {
            id: Some(self.id),
            status: code(&STATUSES, self.status) as u8,
            deleted: self.deleted,
            result: self.result.map_or(0, |name| code(&RESULTS, name)),
            reason: code(&REASONS, self.reason),
            definition: Some(definition.id),
            queue: Some(definition.queue),
            number: self.number.as_str().into(),
            branch,
            tags,
            requested_for,
            repository: definition.repository.clone(),
            times: [self.finished, Some(self.queued), self.started],
        }
    }

    /// The members of this build alone, without braces.
    fn head(&self, keys: &Keys, random: &mut Random) -> String {
        let sha = random.sha1();
        let plan = random.guid();
        let mut head = format!(
            "\"id\":{},\"buildNumber\":\"{}\",\"status\":\"{}\",\"reason\":\"{}\",\"queueTime\":\"{}\"",
            self.id,
            self.number,
            self.status,
            self.reason,
            time::format(self.queued)
        );
        let mut add = |name: &str, value: Value| head.push_str(&format!(",\"{name}\":{value}"));
        if let Some(result) = self.result {
            add("result", json!(result));
        }
        if let Some(time) = self.started {
            add("startTime", json!(time::format(time)));
        }
        if let Some(time) = self.finished {
            add("finishTime", json!(time::format(time)));
        }
        let changed = self.finished.or(self.started).unwrap_or(self.queued);
        add("lastChangedDate", json!(time::format(changed + 3 * SECOND / 10)));
        add("sourceBranch", json!(&*keys.branch));
        add("sourceVersion", json!(sha));
        add("orchestrationPlan", json!({ "planId": plan }));
        add("plans", json!([{ "planId": plan }]));
        // Absent, empty and filled all occur.
        if !keys.tags.is_empty() || self.id % 3 == 0 {
            add("tags", json!(&*keys.tags));
        }
        let info = match self.reason {
            "pullRequest" => json!({
                "pr.number": (self.id % 97 + 1).to_string(), "pr.sourceBranch": &*keys.branch,
                "pr.sourceSha": sha, "pr.isFork": "False", "pr.title": text::title(random),
            }),
            "individualCI" | "batchedCI" => json!({
                "ci.sourceBranch": &*keys.branch, "ci.sourceSha": sha,
                "ci.message": text::title(random), "ci.triggerRepository": keys.repository.1,
            }),
            _ => json!({}),
        };
        add("triggerInfo", info);
        let message = "The pipeline is not valid. Job Build: Step references task 'Größe@1' which is missing.";
        let validation = match self.invalid {
            true => json!([{ "result": "error", "message": message }]),
            false => json!([]),
        };
        add("validationResults", validation);
        if self.id % 5 == 0 {
            add("parameters", json!(format!("{{\"system.debug\":\"{}\"}}", self.id % 2 == 0)));
        }
        if self.status == "notStarted" {
            add("queuePosition", json!(self.id % 7));
        }
        if self.deleted {
            add("deleted", json!(true));
            add("deletedDate", json!(time::format(changed + DAY)));
            add("deletedReason", json!("retention"));
        }
        head
    }
}

/// A new build of a project: queued now, not started, of the project's first definition.
pub fn fresh(organization: &Organization, project: usize, id: i64, queued: Ticks) -> Value {
    let mut random = Random::new(organization.seed, "fresh build");
    let definitions = definitions::make(organization, project, &mut random);
    let Some(definition) = definitions.first() else { return Value::Null };
    let person = &organization.people[(id as usize) % organization.people.len()];
    let template = definition.template(person, 0, &mut random);
    let element = Element::shared(format!("\"id\":{id}"), &template, id);
    let mut value = element.value();
    value["buildNumber"] = json!(format!("{}.{}", time::compact_date(queued), 1 + id % 40));
    value["status"] = json!("notStarted");
    value["reason"] = json!("manual");
    value["queueTime"] = json!(time::format(queued));
    value["lastChangedDate"] = json!(time::format(queued));
    value["sourceBranch"] = json!("refs/heads/main");
    value["sourceVersion"] = json!(random.sha1());
    value
}

#[cfg(test)]
mod tests {
    use crate::organization::Organization;
    use crate::organization::build::Keys;
    use crate::organization::specification::Specification;

    #[test]
    fn generated_keys_are_those_of_the_element() {
        let specification = Specification { builds_per_project: 60, ..Specification::default() };
        let organization = Organization::new("demo", &specification).expect("it is valid");
        let mut seen = 0;
        while let Some(build) = organization.builds.get(seen) {
            assert_eq!(build.keys, Keys::of(&build.element.value()));
            seen += 1;
        }
        assert_eq!(seen, 60 * 4, "all builds of four well-formed projects");
    }
}
