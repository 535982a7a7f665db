//! The feed of revisions: its token, its filters, and its traps.

mod support;

use std::collections::BTreeSet;

use serde_json::{Value, json};
use support::{Answer, Simulator, encode, numbers, start};

const FEED: &str = "/_apis/wit/reporting/workitemrevisions";

fn keys(elements: &[Value]) -> Vec<(i64, i64)> {
    let number = |e: &Value, name: &str| e[name].as_i64().unwrap_or_default();
    elements.iter().map(|e| (number(e, "id"), number(e, "rev"))).collect()
}

/// All batches until the last one; the token comes from the body, or else from the next link.
fn batches(simulator: &Simulator, query: &str) -> Vec<Answer> {
    let (mut batches, mut token) = (Vec::new(), None::<String>);
    loop {
        let next = token.as_deref().map(|t| format!("&continuationToken={}", encode(t)));
        let answer = simulator.get(&format!("{FEED}?{query}{}", next.unwrap_or_default()));
        assert_eq!(answer.status, 200, "{}", answer.text);
        let link = answer.json["nextLink"].as_str().expect("a link is always there").to_string();
        let linked =
            link.split("continuationToken=").nth(1).expect("with a token").replace("%3B", ";");
        assert!(
            answer.json["continuationToken"].is_null()
                || answer.json["continuationToken"] == *linked
        );
        let last = answer.json["isLastBatch"] == true;
        token = Some(linked);
        batches.push(answer);
        if last {
            return batches;
        }
        assert!(batches.len() < 1000, "the feed never ends");
    }
}

fn rows(simulator: &Simulator, query: &str) -> Vec<Value> {
    batches(simulator, query).iter().flat_map(Answer::elements).collect()
}

fn field<'a>(element: &'a Value, name: &str) -> &'a Value {
    &element["fields"][name]
}

#[test]
fn the_whole_feed_comes_in_watermark_order() {
    let simulator = start(json!({}));
    let truth = keys(&simulator.dump("revisions"));
    for query in [
        "includeDeleted=true&$maxPageSize=7",
        "includeDeleted=true",
        "includeDeleted=true&$maxPageSize=1",
    ] {
        assert_eq!(keys(&rows(&simulator, query)), truth, "{query}");
    }
    let watermarks: Vec<_> =
        simulator.dump("revisions").iter().map(|r| field(r, "System.Watermark").as_i64()).collect();
    assert!(watermarks.is_sorted());
    let dates: Vec<_> = simulator
        .dump("revisions")
        .iter()
        .map(|r| field(r, "System.ChangedDate").to_string())
        .collect();
    assert!(!dates.is_sorted(), "some dates lie in the past");
    assert_eq!(
        simulator.get(&format!("{FEED}?includeDeleted=true")).elements().len(),
        200.min(truth.len())
    );
}

#[test]
fn filters_choose_rows_and_fields() {
    let simulator = start(json!({ "work_items": 200 }));
    let truth = simulator.dump("revisions");
    let gone: BTreeSet<i64> = truth
        .iter()
        .filter(|r| field(r, "System.IsDeleted") == true)
        .filter_map(|r| r["id"].as_i64())
        .collect();
    assert!(!gone.is_empty());
    let kept = rows(&simulator, "$maxPageSize=50");
    assert!(kept.iter().all(|r| !gone.contains(&r["id"].as_i64().expect("an id"))));
    assert_eq!(
        kept.len(),
        truth.iter().filter(|r| !gone.contains(&r["id"].as_i64().expect("an id"))).count()
    );

    let bugs = rows(&simulator, "types=bug,Task");
    assert!(
        !bugs.is_empty()
            && bugs.iter().all(|r| ["Bug", "Task"]
                .contains(&field(r, "System.WorkItemType").as_str().unwrap_or("")))
    );

    let latest = rows(&simulator, "includeLatestOnly=true&includeDeleted=true&$maxPageSize=20");
    assert_eq!(latest.len(), 200);
    assert!(latest.iter().all(|r| field(r, "System.RevisedDate") == "9999-01-01T00:00:00Z"));

    let two = rows(&simulator, "fields=System.Id,system.title&$maxPageSize=3");
    assert!(two.iter().all(|r| r["fields"].as_object().is_some_and(|f| f.len() == 2)));
    let unknown = simulator.get(&format!("{FEED}?fields=No.Such"));
    assert_eq!(
        (unknown.status, unknown.type_key()),
        (400, "WorkItemTrackingFieldDefinitionNotFoundException")
    );
    assert_eq!(simulator.get(&format!("{FEED}?fields=System.Id&$expand=fields")).status, 400);

    let long =
        |rows: &[Value]| rows.iter().filter(|r| field(r, "System.Description").is_string()).count();
    assert_eq!(long(&kept), 0);
    assert!(long(&rows(&simulator, "$expand=fields")) > 0);

    assert!(kept.iter().all(|r| field(r, "System.ChangedBy").is_string()));
    let identities = rows(&simulator, "includeIdentityRef=true");
    assert!(identities.iter().all(|r| field(r, "System.ChangedBy")["uniqueName"].is_string()));
    let tagged = rows(&simulator, "includeTagRef=true");
    assert!(tagged.iter().any(|r| field(r, "System.Tags")[0]["name"].is_string()));
    let discussed = rows(&simulator, "includeDiscussionChangesOnly=true&$expand=fields");
    assert!(
        !discussed.is_empty() && discussed.iter().all(|r| field(r, "System.History").is_string())
    );
}

#[test]
fn a_project_shows_items_that_are_in_it_now() {
    let simulator = start(json!({ "work_items": 300 }));
    let truth = simulator.dump("revisions");
    let mut now = std::collections::HashMap::new();
    for revision in &truth {
        now.insert(revision["id"].as_i64(), field(revision, "System.TeamProject").clone());
    }
    let expected: Vec<Value> =
        truth.iter().filter(|r| now[&r["id"].as_i64()] == "Fabrikam").cloned().collect();
    let path = format!("/Fabrikam{FEED}?includeDeleted=true&$maxPageSize=1000");
    assert_eq!(keys(&simulator.get(&path).elements()), keys(&expected));
    assert!(
        expected.iter().any(|r| field(r, "System.TeamProject") != "Fabrikam"),
        "some were moved"
    );
}

#[test]
fn start_date_and_token_are_not_mixed() {
    let simulator = start(json!({}));
    let start = "2026-05-01T00:00:00Z";
    let after =
        rows(&simulator, &format!("includeDeleted=true&startDateTime={start}&$maxPageSize=1000"));
    let date = |r: &Value| {
        azure_devops_simulator::time::parse(field(r, "System.ChangedDate").as_str().unwrap_or(""))
    };
    let bound = azure_devops_simulator::time::parse(start);
    let expected =
        simulator.dump("revisions").into_iter().filter(|r| date(r) >= bound).collect::<Vec<_>>();
    assert_eq!(keys(&after), keys(&expected));
    let page = |query: &str| keys(&simulator.get(&format!("{FEED}?{query}")).elements());
    let with_token = page(&format!("startDateTime={start}&continuationToken=0"));
    assert_eq!(with_token, page(""), "the token wins");
    for (token, status) in [("12", 200), ("12;1;1", 200), ("x", 400), ("1;2", 400), ("-4", 400)] {
        let answer = simulator.get(&format!("{FEED}?continuationToken={}", encode(token)));
        assert_eq!(answer.status, status, "{token}");
    }
}

#[test]
fn a_post_takes_its_filter_from_the_body() {
    let simulator = start(json!({}));
    let body = json!({ "fields": ["System.Id", "System.WorkItemType"], "types": ["Bug"], "includeDeleted": true });
    let path = format!("{FEED}?api-version=7.1&continuationToken=20");
    let answer = simulator.request("POST", &path, Some(body.to_string()));
    let elements = answer.elements();
    assert!(
        !elements.is_empty() && elements.iter().all(|r| field(r, "System.WorkItemType") == "Bug")
    );
    assert!(!answer.json["nextLink"].as_str().expect("a link").contains("types"));
    assert_eq!(simulator.request("POST", &path, Some("[".into())).status, 400);
    assert_eq!(simulator.log()[0]["body"], body.to_string());
    assert_eq!(simulator.request("POST", "/_apis/projects?api-version=7.1", None).status, 405);
}

#[test]
fn traps_bend_the_feed_but_lose_nothing() {
    let simulator = start(json!({}));
    let query = "includeDeleted=true&$maxPageSize=10";
    let truth = keys(&simulator.dump("revisions"));
    let plain = batches(&simulator, query).len();

    simulator.traps(json!({ "empty_pages": true }));
    let empty = batches(&simulator, query);
    assert!(
        empty.len() > plain
            && empty.iter().any(|b| b.elements().is_empty() && b.json["isLastBatch"] == false)
    );
    assert_eq!(keys(&rows(&simulator, query)), truth);

    simulator.traps(json!({ "empty_pages": false, "revisions_duplicates": true }));
    let repeated = keys(&rows(&simulator, query));
    assert!(repeated.len() > truth.len());
    assert_eq!(repeated.iter().collect::<BTreeSet<_>>(), truth.iter().collect());

    simulator.traps(json!({ "revisions_duplicates": false, "revisions_token_in_body": false, "short_pages": true }));
    let without = batches(&simulator, query);
    assert!(without.iter().all(|b| b.json.get("continuationToken").is_none()));
    assert!(without.len() > plain, "pages are short");
    assert_eq!(keys(&rows(&simulator, query)), truth);

    simulator.traps(json!({ "revisions_token_in_body": true, "short_pages": null, "revisions_token_stuck": true }));
    let stuck = simulator.get(&format!("{FEED}?continuationToken=20%3B1%3B1"));
    assert_eq!(
        (&stuck.json["continuationToken"], &stuck.json["isLastBatch"]),
        (&json!("20;1;1"), &json!(false))
    );

    simulator.traps(json!({ "revisions_token_stuck": false, "identity_refs": true }));
    assert!(rows(&simulator, "").iter().all(|r| field(r, "System.ChangedBy").is_object()));
    let capped = start(json!({ "caps": { "revisions": 4 } }));
    assert_eq!(capped.get(&format!("{FEED}?$maxPageSize=100")).elements().len(), 4);
}

#[test]
fn a_new_revision_comes_after_the_stored_token_and_revises_its_predecessor() {
    let simulator = start(json!({}));
    let last = batches(&simulator, "includeDeleted=true").pop().expect("a batch");
    let token = encode(last.json["continuationToken"].as_str().expect("a token"));
    let done = simulator.mutate(json!({
        "op": "put_revision", "id": 3, "fields": { "System.Title": "new", "System.AssignedTo": null },
        "changed_date": "2020-01-01T00:00:00.5Z",
    }));
    let fresh = simulator.get(&format!("{FEED}?continuationToken={token}&includeDeleted=true"));
    assert_eq!(numbers(&fresh.elements(), "rev"), [done["rev"].as_i64().expect("a rev")]);
    assert_eq!(field(&fresh.elements()[0], "System.ChangedDate"), "2020-01-01T00:00:00.5Z");
    let history: Vec<Value> =
        simulator.dump("revisions").into_iter().filter(|r| r["id"] == 3).collect();
    assert_eq!(field(&history[history.len() - 2], "System.RevisedDate"), "2020-01-01T00:00:00.5Z");
    simulator.mutate(json!({ "op": "destroy_work_item", "id": 3 }));
    assert!(simulator.dump("revisions").iter().all(|r| r["id"] != 3));
    let new = simulator.mutate(json!({ "op": "put_revision", "project": "Fabrikam", "fields": { "System.WorkItemType": "Bug" } }));
    assert_eq!(new, json!({ "id": 61, "rev": 1 }));
}
