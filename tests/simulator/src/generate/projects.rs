//! Projects in several states, and their repositories.

use serde_json::{Value, json};

use super::HOST;
use crate::organization::Organization;
use crate::random::Random;
use crate::time::{self, DAY, Ticks};

const NAMES: [&str; 10] = [
    "Fabrikam",
    "Contoso Web Shop",
    "Größe & Maß",
    "Tailspin Toys",
    "プロジェクト",
    "Northwind-Legacy",
    "Adventure Works",
    "Café Intranet",
    "Wingtip 100%",
    "Relecloud",
];
const REPOSITORIES: [&str; 4] = ["", " Service", ".Tools", "-wiki ünïcode"];

pub fn make(organization: &mut Organization, count: usize, now: Ticks, random: &mut Random) {
    for at in 0..count {
        let name = match NAMES.get(at) {
            Some(name) => name.to_string(),
            None => format!("{} {}", NAMES[at % NAMES.len()], at / NAMES.len() + 1),
        };
        let state = match (count >= 6, count - at) {
            (true, 1) => "createPending",
            (true, 2) => "deleting",
            _ => "wellFormed",
        };
        let mut value = project(&organization.name, &random.guid(), &name);
        let changed = super::coarsen(now - random.between(1, 900) * DAY, random);
        value["state"] = json!(state);
        value["revision"] = json!(random.between(100, 900));
        // Beyond 32 bits, where a revision may be.
        if at == 0 {
            value["revision"] = json!(9_007_199_254_740_993_i64 + at as i64);
        }
        value["visibility"] = json!(if at % 4 == 3 { "public" } else { "private" });
        value["lastUpdateTime"] = json!(time::format(changed));
        if at != 1
            && let Some(map) = value.as_object_mut()
        {
            map.insert("description".into(), json!(format!("Everything about {name}.")));
        }
        let slot = organization.projects.put(value, None);
        if state == "wellFormed" {
            repositories(organization, slot, at, random);
        }
    }
}

/// A new project with the members every project has.
pub fn project(organization: &str, id: &str, name: &str) -> Value {
    json!({
        "id": id,
        "name": name,
        "url": format!("{HOST}/{organization}/_apis/projects/{id}"),
        "state": "wellFormed",
        "revision": 1,
        "visibility": "private",
        "lastUpdateTime": "2026-01-01T00:00:00Z",
    })
}

fn repositories(organization: &mut Organization, project: usize, at: usize, random: &mut Random) {
    for (n, suffix) in REPOSITORIES.iter().take(1 + at % 4).enumerate() {
        let name = format!("{}{suffix}", organization.projects.at(project).name);
        let mut value = repository(organization, project, &random.guid(), &name);
        value["size"] = json!(random.between(1000, 90_000_000));
        // The second project's second repository is empty, the third project's third disabled.
        if (at, n) == (1, 1)
            && let Some(map) = value.as_object_mut()
        {
            map.shift_remove("defaultBranch");
            map["size"] = json!(0);
        }
        if (at, n) == (0, 0) {
            value["size"] = json!(9_007_199_254_740_993_i64);
        }
        value["isDisabled"] = json!((at, n) == (2, 2));
        organization.repositories.put(project, value, None);
    }
}

/// A new repository with the members every repository has.
pub fn repository(organization: &Organization, project: usize, id: &str, name: &str) -> Value {
    let project = organization.projects.at(project);
    let base = format!("{HOST}/{}", organization.name);
    let encoded = name.replace('%', "%25").replace(' ', "%20");
    json!({
        "id": id,
        "name": name,
        "url": format!("{base}/{}/_apis/git/repositories/{id}", project.id),
        "project": project.reference(),
        "defaultBranch": "refs/heads/main",
        "size": 0,
        "remoteUrl": format!("{base}/{}/_git/{encoded}", project.id),
        "sshUrl": format!("git@ssh.dev.azure.com:v3/{}/{}/{encoded}", organization.name, project.id),
        "webUrl": format!("{base}/{}/_git/{encoded}", project.id),
        "isDisabled": false,
        "isInMaintenance": false,
    })
}
