//! Projects: few, ordered by id (the service's order is undocumented and not by name).

use serde_json::{Map, Value, json};

use super::element::Element;

#[derive(Debug, Clone)]
pub struct Project {
    pub id: String,
    pub name: String,
    pub state: String,
    /// The element of the list.
    pub value: Value,
    pub element: Element,
}

#[derive(Debug, Default)]
pub struct Projects(Vec<Project>);

impl Projects {
    pub fn len(&self) -> usize {
        self.0.len()
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn at(&self, slot: usize) -> &Project {
        &self.0[slot]
    }

    /// Stores a project; its slot never changes.
    pub fn put(&mut self, value: Value, raw: Option<Element>) -> usize {
        let text = |name: &str| value[name].as_str().unwrap_or_default().to_string();
        let element = raw.unwrap_or_else(|| Element::of(&value));
        let (id, name, state) = (text("id"), text("name"), text("state"));
        let project = Project { id, name, state, value, element };
        match self.0.iter().position(|p| !p.id.is_empty() && p.id == project.id) {
            Some(slot) => {
                self.0[slot] = project;
                slot
            }
            None => {
                self.0.push(project);
                self.0.len() - 1
            }
        }
    }

    /// By id or name, in any case; a deleted project cannot be addressed.
    pub fn find(&self, id_or_name: &str) -> Option<usize> {
        let live = |p: &Project| p.state != "deleted";
        let by_id = |p: &Project| live(p) && p.id.eq_ignore_ascii_case(id_or_name);
        let by_name = |p: &Project| live(p) && p.name.to_lowercase() == id_or_name.to_lowercase();
        self.0.iter().position(by_id).or_else(|| self.0.iter().position(by_name))
    }

    /// Slots in the order of the list.
    pub fn ordered(&self) -> Vec<usize> {
        let mut slots: Vec<usize> = (0..self.0.len()).collect();
        slots.sort_by(|a, b| self.0[*a].id.cmp(&self.0[*b].id).then(a.cmp(b)));
        slots
    }
}

impl Project {
    /// The reference inside builds and repositories.
    pub fn reference(&self) -> Value {
        let members = ["id", "name", "description", "url", "state", "revision", "visibility"];
        let mut map: Map<String, Value> = members
            .iter()
            .filter_map(|m| self.value.get(m).map(|v| (m.to_string(), v.clone())))
            .collect();
        if let Some(time) = self.value.get("lastUpdateTime") {
            map.insert("lastUpdateTime".into(), time.clone());
        }
        Value::Object(map)
    }

    /// The reference inside pull requests: shallow, with the year-1 sentinel without a zone.
    pub fn shallow_reference(&self) -> Value {
        json!({
            "id": self.id, "name": self.name, "state": "unchanged", "visibility": "unchanged",
            "lastUpdateTime": "0001-01-01T00:00:00",
        })
    }
}
