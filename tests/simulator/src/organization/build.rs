//! Builds: what the list's filters need beside each element, and one index per order and project.

use std::collections::HashMap;
use std::sync::Arc;

use serde_json::Value;

use super::element::Element;
use super::index::Index;
use crate::time::{self, Ticks};

/// The time a list is ordered by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    Finish,
    Queue,
    Start,
}

pub const ORDERS: [Order; 3] = [Order::Finish, Order::Queue, Order::Start];

/// Sorts builds without that time before all others, as SQL Server sorts NULL.
pub const NO_TIME: Ticks = Ticks::MIN;

/// A group of the index: the status's number, plus this for deleted builds.
pub const DELETED: u8 = 0x80;
/// The group of a status the simulator does not know.
pub const OTHER_STATUS: u8 = 0x40;

pub const STATUSES: [(&str, u32); 5] =
    [("inProgress", 1), ("completed", 2), ("cancelling", 4), ("postponed", 8), ("notStarted", 32)];
pub const RESULTS: [(&str, u32); 4] =
    [("succeeded", 2), ("partiallySucceeded", 4), ("failed", 8), ("canceled", 32)];
pub const REASONS: [(&str, u32); 12] = [
    ("manual", 1),
    ("individualCI", 2),
    ("batchedCI", 4),
    ("schedule", 8),
    ("scheduleForced", 16),
    ("userCreated", 32),
    ("validateShelveset", 64),
    ("checkInShelveset", 128),
    ("pullRequest", 256),
    ("buildCompletion", 512),
    ("resourceTrigger", 1024),
    ("triggered", 1967),
];

/// What filters look at, read once when a build is stored.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Keys {
    pub id: Option<i64>,
    pub status: u8,
    pub deleted: bool,
    pub result: u32,
    pub reason: u32,
    pub definition: Option<i64>,
    pub queue: Option<i64>,
    pub number: Box<str>,
    pub branch: Arc<str>,
    pub tags: Arc<[String]>,
    /// Id, unique name and display name.
    pub requested_for: Arc<[String; 3]>,
    /// Type and id.
    pub repository: Arc<(String, String)>,
    pub times: [Option<Ticks>; 3],
}

#[derive(Debug)]
pub struct Build {
    pub project: usize,
    pub keys: Keys,
    pub element: Element,
}

impl Build {
    pub fn group(&self) -> u8 {
        self.keys.status | if self.keys.deleted { DELETED } else { 0 }
    }

    pub fn time(&self, order: Order) -> Ticks {
        self.keys.times[order as usize].unwrap_or(NO_TIME)
    }
}

#[derive(Debug, Default)]
pub struct Builds {
    slots: Vec<Option<Build>>,
    by_id: HashMap<i64, usize>,
    indexes: HashMap<usize, [Index; 3]>,
    pub last_id: i64,
}

impl Builds {
    pub fn get(&self, slot: usize) -> Option<&Build> {
        self.slots.get(slot)?.as_ref()
    }

    pub fn find(&self, id: i64) -> Option<usize> {
        self.by_id.get(&id).copied()
    }

    pub fn index(&self, project: usize, order: Order) -> Option<&Index> {
        Some(&self.indexes.get(&project)?[order as usize])
    }

    /// Stores a build in the place of the one with its id, or as a new one.
    pub fn put(&mut self, project: usize, keys: Keys, element: Element) -> usize {
        let slot = match keys.id.and_then(|id| self.find(id)) {
            Some(slot) => {
                self.remove(slot);
                slot
            }
            None => {
                self.slots.push(None);
                self.slots.len() - 1
            }
        };
        if let Some(id) = keys.id {
            self.by_id.insert(id, slot);
            if id <= i64::from(i32::MAX) {
                self.last_id = self.last_id.max(id);
            }
        }
        let build = Build { project, keys, element };
        let indexes = self.indexes.entry(project).or_default();
        for order in ORDERS {
            indexes[order as usize].insert(build.group(), build.time(order), slot);
        }
        self.slots[slot] = Some(build);
        slot
    }

    pub fn remove(&mut self, slot: usize) {
        let Some(build) = self.slots.get_mut(slot).and_then(Option::take) else { return };
        if let Some(id) = build.keys.id {
            self.by_id.remove(&id);
        }
        if let Some(indexes) = self.indexes.get_mut(&build.project) {
            for order in ORDERS {
                indexes[order as usize].remove(build.group(), build.time(order), slot);
            }
        }
    }
}

impl Keys {
    /// Reads the keys of any element; what has the wrong shape counts as absent.
    pub fn of(value: &Value) -> Self {
        let text =
            |pointer: &str| value.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
        let number = |pointer: &str| value.pointer(pointer).and_then(Value::as_i64);
        let code = |table: &[(&str, u32)], name: &str| {
            table.iter().find(|(n, _)| *n == name).map(|(_, code)| *code)
        };
        let time = |pointer: &str| time::parse(text(pointer));
        let tags = value["tags"].as_array().map(Vec::as_slice).unwrap_or_default();
        let owned = |pointer: &str| text(pointer).to_string();
        Self {
            id: number("/id"),
            status: code(&STATUSES, text("/status")).map_or(OTHER_STATUS, |c| c as u8),
            deleted: value["deleted"].as_bool().unwrap_or(false),
            result: code(&RESULTS, text("/result")).unwrap_or(0),
            reason: code(&REASONS, text("/reason")).unwrap_or(0),
            definition: number("/definition/id"),
            queue: number("/queue/id"),
            number: text("/buildNumber").into(),
            branch: text("/sourceBranch").into(),
            tags: tags.iter().filter_map(|t| Some(t.as_str()?.to_string())).collect(),
            requested_for: Arc::new([
                owned("/requestedFor/id"),
                owned("/requestedFor/uniqueName"),
                owned("/requestedFor/displayName"),
            ]),
            repository: Arc::new((owned("/repository/type"), owned("/repository/id"))),
            times: [time("/finishTime"), time("/queueTime"), time("/startTime")],
        }
    }
}
