//! Mutations: the organisation evolves, and raw elements go through untouched.

mod support;

use serde_json::{Value, json};
use support::{set, start};

#[test]
fn builds_are_put_merged_finished_retried_and_deleted() {
    let simulator = start(json!({}));
    let id = simulator.mutate(
        json!({ "op": "put_build", "project": "Fabrikam", "build": { "status": "inProgress" } }),
    );
    let get = || simulator.get(&format!("/Fabrikam/_apis/build/builds/{id}")).json;
    assert_eq!(get()["status"], "inProgress");
    assert!(get()["definition"]["name"].is_string());
    simulator.mutate(
        json!({ "op": "put_build", "build": { "id": id, "tags": ["x"], "priority": null } }),
    );
    assert_eq!((&get()["tags"], get().get("priority")), (&json!(["x"]), None));
    let listed = |query: &str| {
        let list = simulator.get(&format!("/Fabrikam/_apis/build/builds?{query}"));
        set(&list.elements(), "id").contains(&id.as_i64().expect("an id"))
    };
    assert!(listed("statusFilter=inProgress&tagFilters=x"));
    let time = "2026-07-02T00:00:00.25Z";
    simulator
        .mutate(json!({ "op": "finish_build", "id": id, "result": "failed", "finish_time": time }));
    assert_eq!((&get()["result"], &get()["finishTime"]), (&json!("failed"), &json!(time)));
    assert!(!listed("statusFilter=inProgress"));
    assert!(listed(&format!("resultFilter=failed&queryOrder=finishTimeAscending&minTime={time}")));
    simulator.mutate(json!({ "op": "retry_build", "id": id }));
    assert_eq!((&get()["status"], get().get("finishTime")), (&json!("inProgress"), None));
    simulator.mutate(json!({ "op": "delete_build", "id": id }));
    assert_eq!(simulator.get(&format!("/Fabrikam/_apis/build/builds/{id}")).status, 404);
    assert!(!listed(""));
}

#[test]
fn pull_requests_are_put_merged_closed_and_deleted() {
    let simulator = start(json!({}));
    let id = simulator.mutate(json!({
        "op": "put_pull_request", "project": "Fabrikam",
        "pull_request": { "title": "Neu", "description": "d".repeat(500) },
    }));
    let get = || simulator.get(&format!("/_apis/git/pullrequests/{id}")).json;
    assert_eq!(get()["description"].as_str().map(str::len), Some(500));
    let first = || simulator.get("/Fabrikam/_apis/git/pullrequests").elements()[0].clone();
    assert_eq!(
        (&first()["pullRequestId"], first()["description"].as_str().map(str::len)),
        (&id, Some(400))
    );
    simulator.mutate(json!({ "op": "put_pull_request", "pull_request": { "pullRequestId": id, "isDraft": true, "description": null } }));
    assert_eq!((&get()["isDraft"], get().get("description")), (&json!(true), None));
    simulator.mutate(json!({ "op": "close_pull_request", "id": id, "status": "abandoned" }));
    assert_eq!(get()["status"], "abandoned");
    assert_ne!(first()["pullRequestId"], id);
    simulator.mutate(json!({ "op": "put_pull_request", "pull_request": { "pullRequestId": id, "status": "active", "closedDate": null } }));
    assert_eq!(first()["pullRequestId"], id);
    simulator.mutate(json!({ "op": "delete_pull_request", "id": id }));
    assert_eq!(simulator.get(&format!("/_apis/git/pullrequests/{id}")).status, 404);
}

#[test]
fn projects_and_repositories_come_change_and_go() {
    let simulator = start(json!({}));
    let id = simulator.mutate(json!({ "op": "put_project", "project": "Ganz neu" }));
    let id = id.as_str().expect("a GUID").to_string();
    let repository = simulator
        .mutate(json!({ "op": "put_repository", "project": "Ganz neu", "repository": "Erstes" }));
    let repository = repository.as_str().expect("a GUID").to_string();
    simulator.mutate(json!({ "op": "put_pull_request", "project": "Ganz neu" }));
    simulator.mutate(json!({ "op": "put_build", "project": "Ganz neu" }));
    assert_eq!(simulator.get("/Ganz%20neu/_apis/build/builds").elements().len(), 1);
    simulator
        .mutate(json!({ "op": "put_project", "project": id, "values": { "name": "Umbenannt" } }));
    let renamed = simulator.get(&format!("/_apis/projects/{id}")).json;
    assert_eq!((&renamed["name"], renamed["revision"].as_i64()), (&json!("Umbenannt"), Some(3)));
    assert_eq!(simulator.get("/Ganz%20neu/_apis/git/pullrequests").status, 404);
    let list = "/Umbenannt/_apis/git/pullrequests";
    assert_eq!(simulator.get(list).elements().len(), 1);
    simulator.mutate(json!({ "op": "put_repository", "repository": repository, "values": { "isDisabled": true } }));
    assert_eq!(simulator.get(list).elements().len(), 0);
    simulator.mutate(json!({ "op": "put_repository", "repository": repository, "values": { "isDisabled": false } }));
    assert_eq!(simulator.get(list).elements().len(), 1);
    simulator.mutate(json!({ "op": "delete_repository", "repository": repository }));
    assert_eq!(simulator.get(list).elements().len(), 0);
    simulator
        .mutate(json!({ "op": "put_project", "project": id, "values": { "state": "deleting" } }));
    assert_eq!(simulator.get("/Umbenannt/_apis/build/builds").status, 400);
    simulator.mutate(json!({ "op": "delete_project", "project": id }));
    assert!(simulator.dump("projects").iter().all(|p| p["id"] != *id));
}

#[test]
fn raw_elements_are_served_byte_for_byte() {
    let simulator =
        start(json!({ "builds_per_project": 0, "pull_requests_per_project": 0, "work_items": 0 }));
    let put = |table: &str, element: &str| {
        let body = format!(
            r#"[{{"op":"put_raw","table":"{table}","project":"Fabrikam","element":{element}}}]"#
        );
        let url = format!("{}/__sim/organizations/o/mutate", simulator.address);
        let answer = ureq::post(&url).send(&body).expect("it is accepted");
        assert_eq!(answer.status(), 200);
    };
    let long = format!(r#"{{"id":3,"title":"{}"}}"#, "x".repeat(1 << 20));
    for (table, path, elements) in [
        (
            "builds",
            "/Fabrikam/_apis/build/builds?queryOrder=queueTimeAscending",
            vec![
                r#"{"id":1,"definition":5,"queueTime":"0001-01-01T00:00:00","id":1}"#,
                r#"{ "no id" : "a\u0000b" }"#,
                r#"{"id":2,"lone":"\ud800","big":1e999}"#,
                "7",
                &long,
            ],
        ),
        (
            "pull_requests",
            "/Fabrikam/_apis/git/pullrequests?searchCriteria.status=all",
            vec![r#"{"pullRequestId":"text","description":12}"#, "null"],
        ),
        (
            "revisions",
            "/_apis/wit/reporting/workitemrevisions",
            vec![r#"{"id":1,"rev":1,"fields":[]}"#, r#"{"fields":{"System.Title":5}}"#],
        ),
        ("projects", "/_apis/projects?stateFilter=all", vec![r#"{"id":1,"state":7}"#]),
        ("repositories", "/Fabrikam/_apis/git/repositories", vec![r#"{"id":null}"#]),
    ] {
        for element in &elements {
            put(table, element);
        }
        let text = simulator.get(path).text;
        for element in elements {
            assert!(text.contains(element), "{table}: {element:.80}");
        }
    }
    let mistake = json!([{ "op": "delete_build", "id": 999 }, { "op": "nonsense" }]);
    let answer = simulator.control("POST", "/organizations/o/mutate", &mistake);
    assert_eq!(
        (answer.status, answer.json["error"].as_str().map(|e| e.contains("operation 0"))),
        (404, Some(true))
    );
    let _: Value = answer.json;
}
