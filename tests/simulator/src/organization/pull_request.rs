//! Pull requests: keys for the list's filters, and one index per repository, project and organisation.

use std::collections::HashMap;
use std::sync::Arc;

use serde_json::{Map, Value};

use super::element::Element;
use super::index::Index;
use crate::time::{self, Ticks};

/// Longest description in a list, as the specification says.
pub const LIST_DESCRIPTION: usize = 400;

pub const STATUSES: [(&str, u32); 3] = [("active", 1), ("abandoned", 2), ("completed", 3)];

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Scope {
    Organization,
    Project(usize),
    Repository(usize),
}

#[derive(Debug, Clone, PartialEq, Default)]
pub struct Keys {
    pub id: Option<i64>,
    /// The status's number; 0 for one the simulator does not know.
    pub status: u8,
    pub created: Option<Ticks>,
    pub closed: Option<Ticks>,
    pub creator: Arc<str>,
    pub reviewers: Arc<[Arc<str>]>,
    pub source: Arc<str>,
    pub target: Arc<str>,
}

#[derive(Debug)]
pub struct PullRequest {
    pub project: usize,
    /// None for a raw element without a repository the simulator knows.
    pub repository: Option<usize>,
    pub keys: Keys,
    /// Everything but the description.
    pub element: Element,
    pub description: Option<Arc<str>>,
}

impl PullRequest {
    pub fn render(&self, whole: bool, out: &mut Vec<u8>) {
        let Some(description) = &self.description else { return self.element.render("", out) };
        let cut = match description.char_indices().nth(LIST_DESCRIPTION) {
            Some((at, _)) if !whole => &description[..at],
            _ => description,
        };
        let extra = format!(",\"description\":{}", Value::from(cut));
        self.element.render(&extra, out);
    }

    /// The whole element as JSON, with its description.
    pub fn value(&self) -> Value {
        let mut value = self.element.value();
        if let (Some(map), Some(text)) = (value.as_object_mut(), &self.description) {
            map.insert("description".into(), Value::from(&**text));
        }
        value
    }

    fn scopes(&self) -> impl Iterator<Item = Scope> + use<> {
        let repository = self.repository.map(Scope::Repository);
        [Scope::Organization, Scope::Project(self.project)].into_iter().chain(repository)
    }
}

#[derive(Debug, Default)]
pub struct PullRequests {
    slots: Vec<Option<PullRequest>>,
    by_id: HashMap<i64, usize>,
    indexes: HashMap<Scope, Index>,
    pub last_id: i64,
}

impl PullRequests {
    pub fn get(&self, slot: usize) -> Option<&PullRequest> {
        self.slots.get(slot)?.as_ref()
    }

    pub fn find(&self, id: i64) -> Option<usize> {
        self.by_id.get(&id).copied()
    }

    pub fn index(&self, scope: Scope) -> Option<&Index> {
        self.indexes.get(&scope)
    }

    /// Stores a pull request in the place of the one with its id, or as a new one.
    pub fn put(&mut self, pull_request: PullRequest) -> usize {
        let slot = match pull_request.keys.id.and_then(|id| self.find(id)) {
            Some(slot) => {
                self.remove(slot);
                slot
            }
            None => {
                self.slots.push(None);
                self.slots.len() - 1
            }
        };
        if let Some(id) = pull_request.keys.id {
            self.by_id.insert(id, slot);
            if id <= i64::from(i32::MAX) {
                self.last_id = self.last_id.max(id);
            }
        }
        let created = pull_request.keys.created.unwrap_or(Ticks::MIN);
        for scope in pull_request.scopes() {
            let index = self.indexes.entry(scope).or_default();
            index.insert(pull_request.keys.status, created, slot);
        }
        self.slots[slot] = Some(pull_request);
        slot
    }

    pub fn remove(&mut self, slot: usize) -> Option<PullRequest> {
        let pull_request = self.slots.get_mut(slot).and_then(Option::take)?;
        if let Some(id) = pull_request.keys.id {
            self.by_id.remove(&id);
        }
        let created = pull_request.keys.created.unwrap_or(Ticks::MIN);
        for scope in pull_request.scopes() {
            if let Some(index) = self.indexes.get_mut(&scope) {
                index.remove(pull_request.keys.status, created, slot);
            }
        }
        Some(pull_request)
    }
}

impl Keys {
    /// Reads the keys of any element; what has the wrong shape counts as absent.
    pub fn of(value: &Value) -> Self {
        let text =
            |pointer: &str| value.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
        let status = STATUSES.iter().find(|(name, _)| *name == text("/status"));
        let reviewers = value["reviewers"].as_array().map(Vec::as_slice).unwrap_or_default();
        Self {
            id: value["pullRequestId"].as_i64(),
            status: status.map_or(0, |(_, code)| *code as u8),
            created: time::parse(text("/creationDate")),
            closed: time::parse(text("/closedDate")),
            creator: text("/createdBy/id").into(),
            reviewers: reviewers.iter().filter_map(|r| Some(r["id"].as_str()?.into())).collect(),
            source: text("/sourceRefName").into(),
            target: text("/targetRefName").into(),
        }
    }
}

/// Takes the description out of an element, since lists cut it.
pub fn split_description(value: &mut Map<String, Value>) -> Option<Arc<str>> {
    match value.get("description") {
        Some(Value::String(text)) => {
            let text = Arc::from(text.as_str());
            value.shift_remove("description");
            Some(text)
        }
        _ => None,
    }
}
