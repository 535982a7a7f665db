//! Git repositories: few per project, in the order they were made.

use serde_json::{Value, json};

use super::element::Element;

#[derive(Debug, Clone)]
pub struct Repository {
    pub id: String,
    pub name: String,
    pub project: usize,
    pub disabled: bool,
    pub value: Value,
    pub element: Element,
}

#[derive(Debug, Default)]
pub struct Repositories(Vec<Option<Repository>>);

impl Repositories {
    pub fn put(&mut self, project: usize, value: Value, raw: Option<Element>) -> usize {
        let text = |name: &str| value[name].as_str().unwrap_or_default().to_string();
        let (id, name) = (text("id"), text("name"));
        let disabled = value["isDisabled"].as_bool().unwrap_or(false);
        let element = raw.unwrap_or_else(|| Element::of(&value));
        let repository = Some(Repository { id, name, project, disabled, value, element });
        let same = |r: &Option<Repository>| match (r, &repository) {
            (Some(a), Some(b)) => !a.id.is_empty() && a.id == b.id,
            _ => false,
        };
        match self.0.iter().position(same) {
            Some(slot) => {
                self.0[slot] = repository;
                slot
            }
            None => {
                self.0.push(repository);
                self.0.len() - 1
            }
        }
    }

    pub fn remove(&mut self, slot: usize) {
        self.0[slot] = None;
    }

    pub fn get(&self, slot: usize) -> Option<&Repository> {
        self.0.get(slot)?.as_ref()
    }

    /// All repositories with their slots.
    pub fn iter(&self) -> impl Iterator<Item = (usize, &Repository)> {
        self.0.iter().enumerate().filter_map(|(slot, r)| Some((slot, r.as_ref()?)))
    }

    pub fn of_project(&self, project: usize) -> impl Iterator<Item = (usize, &Repository)> {
        self.iter().filter(move |(_, r)| r.project == project)
    }

    /// By id anywhere, by name only inside a project.
    pub fn find(&self, project: Option<usize>, id_or_name: &str) -> Option<usize> {
        let inside = |r: &Repository| project.is_none_or(|p| p == r.project);
        let mut all = self.iter().filter(|(_, r)| inside(r));
        let by_id = all.find(|(_, r)| r.id.eq_ignore_ascii_case(id_or_name));
        let lower = id_or_name.to_lowercase();
        let found = by_id.or_else(|| {
            let mut all = self.iter().filter(|(_, r)| project.is_some() && inside(r));
            all.find(|(_, r)| r.name.to_lowercase() == lower)
        });
        found.map(|(slot, _)| slot)
    }
}

impl Repository {
    /// The reference inside pull requests.
    pub fn reference(&self, project: Value) -> Value {
        json!({ "id": self.id, "name": self.name, "url": self.value["url"], "project": project })
    }
}
