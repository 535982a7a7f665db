//! Changes to an organisation as people would make them; traps and mutations use the same ones.

use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::Organization;
use super::build::Keys;
use super::element::Element;
use super::pull_request::{self, Scope};
use crate::generate;
use crate::time::{self, DAY, Ticks};

/// Times a mutation names move the clock at most this far.
const CLOCK_LIMIT: Ticks = 400 * DAY;

impl Organization {
    fn moment(&mut self, time: Option<&str>) -> String {
        match time {
            None => time::format(self.tick()),
            Some(text) => {
                if let Some(ticks) = time::parse(text) {
                    self.advance(ticks, CLOCK_LIMIT);
                }
                text.to_string()
            }
        }
    }

    /// Changes a build's members; its keys and indexes follow.
    pub fn change_build(&mut self, slot: usize, change: impl FnOnce(&mut Map<String, Value>)) {
        let Some(build) = self.builds.get(slot) else { return };
        let (project, mut value) = (build.project, build.element.value());
        let id = build.keys.id;
        if let Value::Object(map) = &mut value {
            change(map);
        }
        // Without an id the row could not be found again under its slot.
        if id.is_none() || Keys::of(&value).id != id {
            self.builds.remove(slot);
        }
        self.builds.put(project, Keys::of(&value), Element::of(&value));
    }

    pub fn finish_build(&mut self, slot: usize, result: &str, time: Option<&str>) {
        let finished = self.moment(time);
        self.change_build(slot, |build| {
            build.insert("status".into(), json!("completed"));
            build.insert("result".into(), json!(result));
            let started = build.get("queueTime").cloned().unwrap_or_else(|| json!(finished));
            build.entry("startTime").or_insert(started);
            build.insert("finishTime".into(), json!(finished));
            build.insert("lastChangedDate".into(), json!(finished));
        });
    }

    /// A stage is run again: the build is in progress once more and its times move.
    pub fn retry_build(&mut self, slot: usize) {
        let started = self.moment(None);
        self.change_build(slot, |build| {
            build.insert("status".into(), json!("inProgress"));
            build.insert("startTime".into(), json!(started));
            build.insert("lastChangedDate".into(), json!(started));
            build.shift_remove("result");
            build.shift_remove("finishTime");
        });
    }

    /// Stores a new build, or merges members into a known one; null removes a member.
    pub fn put_build(&mut self, project: usize, members: &Map<String, Value>) -> i64 {
        let known = members.get("id").and_then(Value::as_i64);
        let slot = known.and_then(|id| self.builds.find(id));
        let id = known.unwrap_or(self.builds.last_id + 1);
        let mut value = match slot.and_then(|slot| self.builds.get(slot)) {
            Some(build) => build.element.value(),
            None => {
                let queued = self.tick();
                generate::builds::fresh(self, project, id, queued)
            }
        };
        merge(&mut value, members);
        value["id"] = json!(id);
        let keys = Keys::of(&value);
        if let Some(latest) = keys.times.iter().flatten().max() {
            self.advance(*latest, CLOCK_LIMIT);
        }
        self.builds.put(project, keys, Element::of(&value));
        id
    }

    pub fn change_pull_request(&mut self, slot: usize, members: &Map<String, Value>) {
        let Some(old) = self.pull_requests.get(slot) else { return };
        let (project, repository, mut value) = (old.project, old.repository, old.value());
        merge(&mut value, members);
        let description = value.as_object_mut().and_then(pull_request::split_description);
        let keys = pull_request::Keys::of(&value);
        if keys.id != old.keys.id || keys.id.is_none() {
            self.pull_requests.remove(slot);
        }
        let element = Element::of(&value);
        self.pull_requests.put(pull_request::PullRequest {
            project,
            repository,
            keys,
            element,
            description,
        });
    }

    pub fn close_pull_request(&mut self, slot: usize, status: &str, time: Option<&str>) {
        let closed = self.moment(time);
        let closer = self.people[0].reference();
        let members = json!({ "status": status, "closedDate": closed, "closedBy": closer });
        if let Value::Object(members) = members {
            self.change_pull_request(slot, &members);
        }
    }

    /// A new active pull request, somewhere a list of the scope shows it.
    pub fn insert_pull_request(&mut self, scope: Scope) {
        let usable = |slot: &usize| {
            let repository = self.repositories.get(*slot);
            repository.is_some_and(|r| !r.disabled && self.is_readable(r.project))
        };
        let repository = match scope {
            Scope::Repository(slot) => Some(slot),
            Scope::Project(project) => {
                self.repositories.of_project(project).map(|(slot, _)| slot).find(usable)
            }
            Scope::Organization => self.repositories.iter().map(|(slot, _)| slot).find(usable),
        };
        if let Some(repository) = repository {
            self.put_pull_request(repository, &Map::new());
        }
    }

    /// Stores a new pull request, or merges members into a known one; null removes a member.
    pub fn put_pull_request(&mut self, repository: usize, members: &Map<String, Value>) -> i64 {
        let known = members.get("pullRequestId").and_then(Value::as_i64);
        if let Some(slot) = known.and_then(|id| self.pull_requests.find(id)) {
            self.change_pull_request(slot, members);
            return known.unwrap_or(0);
        }
        let id = known.unwrap_or(self.pull_requests.last_id + 1);
        let created = self.tick();
        let mut random = self.random.clone();
        let mut value = generate::pull_requests::fresh(self, repository, id, created, &mut random);
        self.random = random;
        merge(&mut value, members);
        value["pullRequestId"] = json!(id);
        if let Some(created) = pull_request::Keys::of(&value).created {
            self.advance(created, CLOCK_LIMIT);
        }
        generate::pull_requests::store(self, repository, value, None::<Arc<str>>);
        id
    }

    /// A new revision: fields on top of the latest ones; null removes a field.
    pub fn put_revision(
        &mut self,
        id: Option<i64>,
        fields: &Map<String, Value>,
        project: Option<&str>,
        changed: Option<&str>,
    ) -> (i64, i64) {
        let id = id.unwrap_or(self.revisions.last_id + 1);
        let changed = json!(self.moment(changed));
        let mut all = self.revisions.latest_fields(id);
        if all.is_empty() {
            let author = self.people[0].mail_form();
            let first = json!({
                "System.WorkItemType": "Task", "System.State": "New", "System.Reason": "New",
                "System.CreatedDate": changed, "System.CreatedBy": author,
                "System.ChangedBy": author, "System.Title": format!("Work item {id}"),
            });
            if let Value::Object(first) = first {
                all = first;
            }
        }
        if let Some(project) = project {
            for name in ["System.TeamProject", "System.AreaPath", "System.IterationPath"] {
                all.insert(name.into(), json!(project));
            }
        }
        all.insert("System.ChangedDate".into(), changed.clone());
        all.insert("System.AuthorizedDate".into(), changed);
        let mut value = Value::Object(all);
        merge(&mut value, fields);
        let watermark = self.revisions.last_watermark() + 3;
        if let Value::Object(all) = value {
            self.revisions.push(watermark, id, all);
        }
        (id, self.revisions.item(id).map_or(0, |item| item.rev))
    }
}

/// Sets members; null removes one.
pub fn merge(value: &mut Value, members: &Map<String, Value>) {
    let Value::Object(map) = value else { return };
    for (name, member) in members {
        match member {
            Value::Null => drop(map.shift_remove(name)),
            member => drop(map.insert(name.clone(), member.clone())),
        }
    }
}
