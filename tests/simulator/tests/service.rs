//! What holds for all endpoints: versions, credentials, projects, repositories, headers, the log.

mod support;

use serde_json::{Value, json};
use support::{PAT, numbers, set, start};

const BEARER: (&str, &str) = ("authorization", "Bearer right");

#[test]
fn versions_are_checked_by_query_or_accept_header() {
    let simulator = start(json!({}));
    for (endpoint, version, expected) in [
        ("/_apis/projects", "", "VssVersionNotSpecifiedException"),
        ("/_apis/projects", "7.1", ""),
        ("/_apis/projects", "5.0", ""),
        ("/_apis/projects", "7.1-preview.4", ""),
        ("/_apis/projects", "7.2-preview", ""),
        ("/_apis/projects", "7.2-preview.4", ""),
        ("/_apis/projects", "7.2-preview.5", "VssVersionOutOfRangeException"),
        ("/Fabrikam/_apis/build/builds", "7.2-preview.8", ""),
        ("/_apis/projects", "7.2", "VssInvalidPreviewVersionException"),
        ("/_apis/projects", "8.0", "VssVersionOutOfRangeException"),
        ("/_apis/projects", "new", "VssInvalidApiVersionException"),
    ] {
        let by_query = simulator.get_with(&format!("{endpoint}?api-version={version}"), &[BEARER]);
        let accept = format!("application/json;api-version={version}");
        let by_header = simulator.get_with(endpoint, &[BEARER, ("accept", &accept)]);
        for answer in [by_query, by_header] {
            assert_eq!(answer.type_key(), expected, "{endpoint} {version}");
            assert_eq!(answer.status, if expected.is_empty() { 200 } else { 400 }, "{version}");
        }
    }
}

#[test]
fn credentials_are_refused_in_the_shape_the_client_and_the_trap_choose() {
    let simulator = start(json!({}));
    let basic = "Basic dXNlcjpyaWdodA=="; // user:right
    let wrong = ("authorization", "Basic Ondyb25n"); // :wrong
    let suppress = ("x-tfs-fedauthredirect", "Suppress");
    let path = "/_apis/projects?api-version=7.1";
    assert_eq!(simulator.get_with(path, &[("authorization", basic)]).status, 200);
    assert_eq!(simulator.get_with(path, &[]).status, 203);
    assert_eq!(simulator.get_with(path, &[wrong]).status, 302);
    assert_eq!(simulator.get_with(path, &[wrong, suppress]).status, 401);
    assert_eq!(simulator.get_with(path, &[suppress]).status, 401);
    for (trap, status, kind) in [
        ("suppressed_401", 401, "text/html"),
        ("redirect_302", 302, "text/html"),
        ("html_203", 203, "text/html"),
        ("json_401", 401, "application/json"),
        ("forbidden_403", 403, "application/json"),
        ("conditional_access", 403, "application/json"),
    ] {
        simulator.traps(json!({ "auth": trap }));
        let answer = simulator.get_with(path, &[wrong, suppress]);
        assert_eq!(answer.status, status, "{trap}");
        assert!(answer.content_type.starts_with(kind), "{trap}");
        assert!(simulator.get("/_apis/projects").status == 200, "{trap}: the right token works");
    }
    let seen: Vec<String> =
        simulator.log().iter().map(|e| e["headers"]["authorization"].to_string()).collect();
    assert_eq!(seen[..3], ["\"Basic valid\"", "\"Basic absent\"", "\"Basic invalid\""]);
    assert!(!simulator.control("GET", "/requests", &Value::Null).text.contains("OndyZ"));
    assert_eq!(
        simulator.control("PATCH", "/organizations/o", &json!({ "pat": "new" })).status,
        200
    );
    assert_ne!(simulator.get("/_apis/projects").status, 200);
    assert_ne!(PAT, "new");
}

#[test]
fn projects_come_by_state_and_offset() {
    let simulator = start(json!({}));
    let states = |filter: &str| -> Vec<String> {
        let found = simulator.all(&format!("/_apis/projects?$top=2{filter}"));
        found.iter().map(|p| p["state"].as_str().unwrap_or_default().to_string()).collect()
    };
    assert_eq!(states(""), ["wellFormed"; 4]);
    assert_eq!(states("&stateFilter=all").len(), 6);
    assert_eq!(states("&stateFilter=deleting"), ["deleting"]);
    assert_eq!(states("&stateFilter=deleted").len(), 0);
    let id = simulator.mutate(json!({ "op": "delete_project", "project": "Fabrikam" }));
    assert_eq!(states("&stateFilter=deleted"), ["deleted"]);
    assert_eq!((states("").len(), states("&stateFilter=all").len()), (3, 5));
    assert_eq!(
        simulator.get(&format!("/_apis/projects/{}", id.as_str().expect("a GUID"))).status,
        404
    );
    assert_eq!(simulator.get("/_apis/projects?$skip=1").elements().len(), 2);
    assert_eq!(simulator.get("/_apis/projects?continuationToken=1&$skip=2").elements().len(), 2);
    assert_eq!(simulator.get("/_apis/projects?stateFilter=odd").status, 400);
    let one = simulator.get("/_apis/projects/tailspin%20toys?includeCapabilities=true");
    assert_eq!(one.json["capabilities"]["versioncontrol"]["gitEnabled"], "True");
    simulator.traps(json!({ "short_pages": true }));
    assert_eq!(simulator.all("/_apis/projects?stateFilter=all").len(), 5);
}

#[test]
fn projects_that_cannot_be_read_answer_as_if_they_were_gone() {
    let simulator = start(json!({ "traps": { "projects_hidden": ["Fabrikam"] } }));
    let deleting = simulator.dump("projects");
    let deleting = deleting.iter().find(|p| p["state"] == "deleting").expect("there is one");
    let deleting = deleting["id"].as_str().expect("an id");
    for (project, builds, other, key) in [
        ("Fabrikam", 400, 404, "ProjectDoesNotExistException"),
        (deleting, 400, 404, "ProjectDoesNotExistException"),
        ("00000000-0000-4000-8000-000000000000", 400, 404, "ProjectDoesNotExistException"),
        ("Nowhere", 404, 404, "ProjectDoesNotExistWithNameException"),
    ] {
        for (path, status) in [
            ("build/builds", builds),
            ("git/pullrequests", other),
            ("git/repositories", other),
            ("wit/reporting/workitemrevisions", other),
        ] {
            let answer = simulator.get(&format!("/{project}/_apis/{path}"));
            assert_eq!((answer.status, answer.type_key()), (status, key), "{project} {path}");
        }
    }
    assert_eq!(simulator.get("/_apis/projects").elements().len(), 4, "hidden ones are listed");
    let listed = simulator.get("/_apis/git/repositories").elements();
    assert!(listed.iter().all(|r| r["project"]["name"] != "Fabrikam"));
}

#[test]
fn repositories_are_complete_and_disabled_ones_have_no_children() {
    let simulator = start(json!({}));
    let all = simulator.get("/_apis/git/repositories").elements();
    assert_eq!(all.len(), simulator.dump("repositories").len());
    assert!(all.iter().any(|r| r.get("defaultBranch").is_none()));
    assert!(all.iter().any(|r| r["size"].as_i64() > Some(1 << 53)));
    let disabled = all.iter().find(|r| r["isDisabled"] == true).expect("there is one");
    let id = disabled["id"].as_str().expect("an id");
    assert_eq!(simulator.get(&format!("/_apis/git/repositories/{id}")).json["id"], id);
    let child = simulator.get(&format!("/_apis/git/repositories/{id}/pullrequests"));
    assert_eq!((child.status, child.type_key()), (404, "GitRepositoryNotFoundException"));
    let project = support::encode(disabled["project"]["name"].as_str().expect("a name"));
    let list = format!("/{project}/_apis/git/pullrequests?searchCriteria.status=all&$top=1000");
    let found = simulator.get(&list).elements();
    assert!(!found.is_empty() && found.iter().all(|p| p["repository"]["id"] != id));
    let own = simulator.get(&format!("/{project}/_apis/git/repositories")).elements();
    assert_eq!(own.len(), 3);
}

#[test]
fn envelopes_headers_and_values_can_be_bent() {
    let simulator = start(json!({}));
    assert!(simulator.get("/_apis/projects").text.starts_with("{\"count\":4,"));
    simulator.traps(json!({ "count_last": true, "delayed_200": 3, "rate_limit_headers": true }));
    let answer = simulator.get("/_apis/projects");
    assert!(answer.text.ends_with(",\"count\":4}"));
    assert_eq!(answer.retry_after.as_deref(), Some("3"));
    simulator.traps(json!({ "unknown_enum_values": true, "delayed_200": null }));
    let builds = simulator.dump("builds");
    assert!(builds.iter().any(|b| b["result"] == "resultOfTomorrow"));
    let served = simulator.all("/Fabrikam/_apis/build/builds?queryOrder=queueTimeAscending");
    let of_dump: Vec<&Value> =
        builds.iter().filter(|b| b["project"]["name"] == "Fabrikam").collect();
    assert_eq!(served.iter().collect::<Vec<_>>(), of_dump, "dump and list agree");
    assert_eq!(simulator.get("/_apis/projects").retry_after, None);
}

#[test]
fn the_log_tells_what_was_asked_and_answered() {
    let simulator = start(json!({ "latency_ms": 60 }));
    let began = std::time::Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                simulator.get("/Gr%C3%B6%C3%9Fe%20%26%20Ma%C3%9F/_apis/build/builds?$top=2&x=a+b")
            });
        }
    });
    assert!(began.elapsed().as_millis() >= 60);
    let log = simulator.log();
    let entry = &log[0];
    assert_eq!(entry["path"], "/o/Größe & Maß/_apis/build/builds");
    assert_eq!(entry["query"][1], json!(["x", "a b"]));
    assert_eq!((&entry["rows"], &entry["status"]), (&json!(2), &json!(200)));
    assert_eq!(entry["ignored"], json!(["x"]));
    assert!(entry["finished_ms"].as_f64() > entry["started_ms"].as_f64());
    let summary = simulator.control("GET", "/requests/summary?organization=O", &Value::Null).json;
    assert_eq!((&summary["requests"], &summary["max_concurrent"]), (&json!(3), &json!(3)));
    assert_eq!(summary["endpoints"]["builds"]["rows"], 6);
    simulator.control("DELETE", "/requests", &Value::Null);
    assert!(simulator.log().is_empty());
    let unknown = simulator.get("/_apis/policy/types");
    assert_eq!(
        (unknown.status, unknown.json["message"].as_str().map(|m| m.contains("policy/types"))),
        (404, Some(true))
    );
}

#[test]
fn a_seed_means_the_same_data_and_builds_are_interleaved() {
    let (one, same, other) = (start(json!({})), start(json!({})), start(json!({ "seed": 2 })));
    for table in ["projects", "repositories", "builds", "pull_requests", "revisions"] {
        assert_eq!(one.dump(table), same.dump(table), "{table}");
        assert_ne!(one.dump(table), other.dump(table), "{table}");
    }
    let more = start(json!({ "builds_per_project": 10 }));
    assert_eq!(
        one.dump("pull_requests"),
        more.dump("pull_requests"),
        "tables do not depend on each other"
    );
    let builds = one.dump("builds");
    assert_eq!(set(&builds, "id").len(), builds.len());
    assert!(!numbers(&builds, "id").is_sorted(), "ids of projects interleave");
    let sizes = start(json!({ "element_bytes": 6000 })).dump("builds");
    let mean = sizes.iter().map(|b| b.to_string().len()).sum::<usize>() / sizes.len();
    assert!((5000..8000).contains(&mean), "{mean}");
    assert_eq!(one.control("PUT", "/organizations/o", &json!({ "projekts": 1 })).status, 400);
    assert_eq!(one.control("PUT", "/organizations/o", &json!({ "now": "soon" })).status, 400);
    assert_eq!(one.control("DELETE", "/organizations/o", &Value::Null).status, 200);
    assert_eq!(one.get("/_apis/projects").status, 404);
}
