//! Work item revisions in the order of their watermarks, which is neither that of ids nor of dates.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde_json::{Map, Value, json};

use crate::time::{self, Ticks};

/// Fields with long text: left out unless `$expand=fields` or asked for by name.
pub const LONG_FIELDS: [&str; 4] = [
    "System.Description",
    "System.History",
    "Microsoft.VSTS.TCM.ReproSteps",
    "Microsoft.VSTS.Common.AcceptanceCriteria",
];

/// The date in System.RevisedDate of a work item's current revision.
pub const NOT_REVISED: &str = "9999-01-01T00:00:00Z";

/// A revision's fields, already JSON.
#[derive(Debug)]
pub enum Body {
    /// Members without braces: the short fields and the long ones.
    Fields { short: Box<str>, long: Box<str> },
    /// An element put as it is.
    Raw(Box<str>),
}

#[derive(Debug)]
pub struct Revision {
    pub id: i64,
    pub rev: i64,
    pub changed: Option<Ticks>,
    pub kind: Box<str>,
    pub body: Body,
}

/// What a work item is now; earlier revisions are filtered by it.
#[derive(Debug, Clone)]
pub struct Item {
    pub watermark: i64,
    pub rev: i64,
    /// Name of the project it is in now.
    pub project: Box<str>,
    pub deleted: bool,
}

#[derive(Debug, Default)]
pub struct Revisions {
    by_watermark: BTreeMap<i64, Revision>,
    items: HashMap<i64, Item>,
    /// Lower-case names of all fields ever stored.
    names: BTreeSet<String>,
    pub last_id: i64,
}

impl Revisions {
    /// Revisions after a watermark.
    pub fn after(&self, watermark: i64) -> impl Iterator<Item = (i64, &Revision)> {
        self.by_watermark.range(watermark.saturating_add(1)..).map(|(w, r)| (*w, r))
    }

    pub fn before(&self, watermark: i64) -> impl Iterator<Item = (i64, &Revision)> {
        self.by_watermark.range(..watermark).rev().map(|(w, r)| (*w, r))
    }

    pub fn contains(&self, watermark: i64) -> bool {
        self.by_watermark.contains_key(&watermark)
    }

    pub fn last_watermark(&self) -> i64 {
        self.by_watermark.last_key_value().map_or(0, |(w, _)| *w)
    }

    pub fn item(&self, id: i64) -> Option<&Item> {
        self.items.get(&id)
    }

    pub fn knows_field(&self, name: &str) -> bool {
        let name = name.to_lowercase();
        self.names.contains(&name)
    }

    /// The fields of a work item's latest revision.
    pub fn latest_fields(&self, id: i64) -> Map<String, Value> {
        let revision = self.items.get(&id).and_then(|i| self.by_watermark.get(&i.watermark));
        revision.map(Revision::fields).unwrap_or_default()
    }

    /// Adds a revision of a work item; its predecessor gets its System.RevisedDate.
    pub fn push(&mut self, watermark: i64, id: i64, mut fields: Map<String, Value>) {
        let rev = self.items.get(&id).map_or(0, |i| i.rev) + 1;
        fields.insert("System.Id".into(), json!(id));
        fields.insert("System.Rev".into(), json!(rev));
        fields.insert("System.Watermark".into(), json!(watermark));
        fields.insert("System.RevisedDate".into(), json!(NOT_REVISED));
        if let Some(item) = self.items.get(&id) {
            let date = fields.get("System.ChangedDate").cloned().unwrap_or(Value::Null);
            if let Some(previous) = self.by_watermark.get_mut(&item.watermark) {
                previous.revise(date);
            }
        }
        for name in fields.keys() {
            let lower = name.to_lowercase();
            if !self.names.contains(&lower) {
                self.names.insert(lower);
            }
        }
        let text = |name: &str| fields.get(name).and_then(Value::as_str).unwrap_or_default();
        let deleted = fields.get("System.IsDeleted").and_then(Value::as_bool).unwrap_or(false);
        let project = text("System.TeamProject").into();
        let kind = text("System.WorkItemType").into();
        let changed = time::parse(text("System.ChangedDate"));
        self.last_id = self.last_id.max(id);
        self.items.insert(id, Item { watermark, rev, project, deleted });
        let body = Body::of(&fields);
        self.by_watermark.insert(watermark, Revision { id, rev, changed, kind, body });
    }

    /// Adds an element as it is; it belongs to a project by name only.
    pub fn push_raw(&mut self, watermark: i64, value: &Value, text: &str, project: &str) {
        let fields = &value["fields"];
        let member = |name: &str| fields[name].as_str().unwrap_or_default();
        let (id, rev) = (value["id"].as_i64().unwrap_or(0), value["rev"].as_i64().unwrap_or(0));
        let deleted = fields["System.IsDeleted"].as_bool().unwrap_or(false);
        self.last_id = self.last_id.max(if id <= i64::from(i32::MAX) { id } else { 0 });
        self.items.insert(id, Item { watermark, rev, project: project.into(), deleted });
        let revision = Revision {
            id,
            rev,
            changed: time::parse(member("System.ChangedDate")),
            kind: member("System.WorkItemType").into(),
            body: Body::Raw(text.into()),
        };
        self.by_watermark.insert(watermark, revision);
    }

    /// Removes a work item as if it had never been; no tombstone stays.
    pub fn destroy(&mut self, id: i64) -> usize {
        let before = self.by_watermark.len();
        self.by_watermark.retain(|_, r| r.id != id);
        self.items.remove(&id);
        before - self.by_watermark.len()
    }
}

impl Body {
    pub fn of(fields: &Map<String, Value>) -> Self {
        let (mut short, mut long) = (String::new(), String::new());
        for (name, value) in fields {
            let side = if LONG_FIELDS.contains(&name.as_str()) { &mut long } else { &mut short };
            if !side.is_empty() {
                side.push(',');
            }
            side.push_str(&Value::from(name.as_str()).to_string());
            side.push(':');
            side.push_str(&value.to_string());
        }
        Self::Fields { short: short.into(), long: long.into() }
    }
}

impl Revision {
    pub fn fields(&self) -> Map<String, Value> {
        let text = match &self.body {
            Body::Raw(text) => {
                let value: Value = serde_json::from_str(text).unwrap_or_default();
                return value["fields"].as_object().cloned().unwrap_or_default();
            }
            Body::Fields { short, long } if long.is_empty() => format!("{{{short}}}"),
            Body::Fields { short, long } => format!("{{{short},{long}}}"),
        };
        serde_json::from_str(&text).unwrap_or_default()
    }

    fn revise(&mut self, date: Value) {
        if let Body::Fields { short, .. } = &mut self.body {
            let member = |date: &str| format!("\"System.RevisedDate\":{date}");
            let old = member(&Value::from(NOT_REVISED).to_string());
            *short = short.replacen(&old, &member(&date.to_string()), 1).into();
        }
    }
}
