//! Build definitions, and the members of a build they decide: shared by all their builds.

use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::HOST;
use super::people::Person;
use crate::organization::Organization;
use crate::organization::element::{ID_MARK, Template};
use crate::random::Random;

const NAMES: [&str; 6] =
    ["CI", "Nightly", "PR validation", "Deploy — Prod", "Größentest", "Legacy XAML"];
const POOLS: [(i64, &str, bool); 3] =
    [(9, "Azure Pipelines", true), (10, "Default", false), (12, "windows-große", false)];

pub struct Definition {
    pub id: i64,
    pub queue: i64,
    pub repository: Arc<(String, String)>,
    /// Members that all builds of the definition share, without the requester's.
    members: Map<String, Value>,
}

/// The definitions of one project; ids are unique in the organisation.
pub fn make(organization: &Organization, project: usize, random: &mut Random) -> Vec<Definition> {
    let owned: Vec<_> = organization.repositories.of_project(project).map(|(_, r)| r).collect();
    let reference = organization.projects.at(project).reference();
    let base = format!("{HOST}/{}/{}", organization.name, organization.projects.at(project).id);
    let mut definitions = Vec::new();
    for (at, name) in NAMES.iter().enumerate() {
        let id = (project as i64 + 1) * 10 + at as i64;
        let xaml = at == NAMES.len() - 1;
        let definition = json!({
            "drafts": [],
            "id": id,
            "name": name,
            "url": format!("{base}/_apis/build/Definitions/{id}?revision=7"),
            "uri": format!("vstfs:///Build/Definition/{id}"),
            "path": if at % 2 == 0 { "\\".to_string() } else { format!("\\Team {}\\Größe", at) },
            "type": if xaml { "xaml" } else { "build" },
            "queueStatus": if at == 3 { "paused" } else { "enabled" },
            "revision": random.between(1, 80),
            "project": reference,
        });
        let (queue, pool, hosted) = POOLS[at % POOLS.len()];
        let queue = (project as i64 + 1) * 100 + queue;
        // Some queues have lost their pool.
        let pool = match at {
            4 => Value::Null,
            _ => json!({ "id": queue % 100, "name": pool, "isHosted": hosted }),
        };
        let repository = match (at % 4, owned.get(at % owned.len().max(1))) {
            (3, _) | (_, None) => json!({
                "id": format!("example/repository-{at}"), "type": "GitHub",
                "name": format!("example/repository-{at}"),
                "url": format!("https://github.com/example/repository-{at}.git"),
                "clean": null, "checkoutSubmodules": false,
            }),
            (_, Some(r)) => json!({
                "id": r.id, "type": "TfsGit", "name": r.name, "url": r.value["remoteUrl"],
                "clean": null, "checkoutSubmodules": false,
            }),
        };
        let text = |name: &str| repository[name].as_str().unwrap_or_default().to_string();
        let key = Arc::new((text("type"), text("id")));
        let mut members = Map::new();
        members.insert("definition".into(), definition);
        members.insert("project".into(), reference.clone());
        members.insert("url".into(), json!(format!("{base}/_apis/build/Builds/{ID_MARK}")));
        members.insert("uri".into(), json!(format!("vstfs:///Build/Build/{ID_MARK}")));
        members.insert("_links".into(), links(&base, id));
        members.insert("repository".into(), repository);
        members.insert(
            "queue".into(),
            json!({ "id": queue, "name": POOLS[at % POOLS.len()].1, "pool": pool }),
        );
        if xaml {
            let controller = json!({ "id": 3, "name": "Hosted Build Controller", "url": base, "status": "offline" });
            members.insert("controller".into(), controller);
        }
        definitions.push(Definition { id, queue, repository: key, members });
    }
    definitions
}

fn links(base: &str, definition: i64) -> Value {
    let link = |path: String| json!({ "href": format!("{base}/{path}") });
    json!({
        "self": link(format!("_apis/build/Builds/{ID_MARK}")),
        "web": link(format!("_build/results?buildId={ID_MARK}")),
        "sourceVersionDisplayUri": link(format!("_apis/build/builds/{ID_MARK}/sources")),
        "timeline": link(format!("_apis/build/builds/{ID_MARK}/Timeline")),
        "badge": link(format!("_apis/build/status/{definition}")),
    })
}

impl Definition {
    /// The shared part of the builds one person asked for, filled up to about `bytes`.
    pub fn template(&self, person: &Person, bytes: usize, random: &mut Random) -> Arc<Template> {
        let mut members = self.members.clone();
        members.insert("requestedFor".into(), person.reference());
        members.insert("requestedBy".into(), person.reference());
        members.insert("lastChangedBy".into(), person.reference());
        members.insert("priority".into(), json!("normal"));
        members.insert("retainedByRelease".into(), json!(false));
        members.insert("triggeredByBuild".into(), Value::Null);
        members.insert("appendCommitMessageToRunName".into(), json!(true));
        members.insert("properties".into(), json!({}));
        let id = ID_MARK;
        let logs = json!({ "id": 0, "type": "Container", "url": format!("{HOST}/_apis/build/builds/{id}/logs") });
        members.insert("logs".into(), logs);
        let mut parameters = Map::new();
        let text = |members: &Map<String, Value>, parameters: &Map<String, Value>| {
            let mut all = members.clone();
            all.insert("templateParameters".into(), Value::Object(parameters.clone()));
            let text = Value::Object(all).to_string();
            // serde_json writes the mark as an escape, which no generated text holds otherwise.
            let text = text.replace("\\u0001", &id.to_string());
            text[1..text.len() - 1].to_string()
        };
        let start = text(&members, &parameters).len();
        let mut size = start;
        while size < bytes {
            let name = format!("parameter{:03}", parameters.len());
            let value = format!("{:x} {}", random.draw(), super::text::title(random));
            size += name.len() + value.len() + 6;
            parameters.insert(name, json!(value));
        }
        Template::new(&text(&members, &parameters))
    }
}
