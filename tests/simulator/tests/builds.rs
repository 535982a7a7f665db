//! The list of builds: every parameter, the token's modes, and builds that move meanwhile.

mod support;

use std::collections::BTreeSet;

use serde_json::{Value, json};
use support::{Simulator, builds_of, encode, numbers, set, start};

const LIST: &str = "/Fabrikam/_apis/build/builds?queryOrder=queueTimeAscending";

fn ids_where(truth: &[Value], matches: impl Fn(&Value) -> bool) -> BTreeSet<i64> {
    truth.iter().filter(|b| matches(b)).filter_map(|b| b["id"].as_i64()).collect()
}

#[test]
fn every_filter_returns_what_it_names_and_nothing_else() {
    let simulator = start(json!({ "builds_per_project": 300 }));
    let truth = builds_of(&simulator, "Fabrikam");
    let some = &truth[7];
    let text = |pointer: &str| some.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    let (number, branch) = (text("/buildNumber").to_string(), text("/sourceBranch").to_string());
    let person = text("/requestedFor/uniqueName").to_string();
    let (kind, repository) =
        (text("/repository/type").to_string(), text("/repository/id").to_string());
    let (definition, queue) = (some["definition"]["id"].clone(), some["queue"]["id"].clone());
    let three: Vec<String> = numbers(&truth[3..6], "id").iter().map(i64::to_string).collect();
    let tagged = |tag: &str| {
        let tag = json!(tag);
        move |b: &Value| b["tags"].as_array().is_some_and(|tags| tags.contains(&tag))
    };
    let queued = text("/queueTime").to_string();
    type Check = Box<dyn Fn(&Value) -> bool>;
    let cases: Vec<(String, Check)> = vec![
        (format!("definitions={definition}"), {
            let definition = definition.clone();
            Box::new(move |b| b["definition"]["id"] == definition)
        }),
        (format!("queues={queue}"), Box::new(move |b| b["queue"]["id"] == queue)),
        (format!("buildNumber={number}"), {
            let number = number.clone();
            Box::new(move |b| b["buildNumber"] == *number)
        }),
        (format!("buildNumber={}*", &number[..6]), {
            Box::new(move |b| b["buildNumber"].as_str().unwrap_or("").starts_with(&number[..6]))
        }),
        (
            format!("branchName={}", encode(&branch)),
            Box::new(move |b| b["sourceBranch"] == *branch),
        ),
        (format!("requestedFor={person}"), {
            Box::new(move |b| b["requestedFor"]["uniqueName"] == *person)
        }),
        (format!("repositoryId={}&repositoryType={kind}", encode(&repository)), {
            Box::new(move |b| b["repository"]["id"] == *repository)
        }),
        ("statusFilter=completed".into(), Box::new(|b| b["status"] == "completed")),
        ("statusFilter=inProgress,notStarted".into(), {
            Box::new(|b| b["status"] == "inProgress" || b["status"] == "notStarted")
        }),
        ("statusFilter=8".into(), Box::new(|b| b["status"] == "postponed")),
        ("resultFilter=failed,canceled".into(), {
            Box::new(|b| b["result"] == "failed" || b["result"] == "canceled")
        }),
        ("reasonFilter=pullRequest".into(), Box::new(|b| b["reason"] == "pullRequest")),
        ("tagFilters=nightly".into(), Box::new(tagged("nightly"))),
        ("tagFilters=nightly,release".into(), Box::new(|_| false)),
        (format!("buildIds={}", three.join(",")), {
            Box::new(move |b| three.contains(&b["id"].to_string()))
        }),
        (format!("minTime={queued}"), {
            let queued = azure_devops_simulator::time::parse(&queued);
            Box::new(move |b| time(b, "queueTime") >= queued)
        }),
        (format!("maxTime={queued}"), {
            let queued = azure_devops_simulator::time::parse(&queued);
            Box::new(move |b| time(b, "queueTime") <= queued)
        }),
        (format!("unknown={definition}"), Box::new(|_| true)),
    ];
    for (query, matches) in cases {
        let found = simulator.all(&format!("{LIST}&$top=23&{query}"));
        let expected = ids_where(&truth, matches);
        assert_eq!(set(&found, "id"), expected, "{query}");
        assert_eq!(found.len(), expected.len(), "{query} repeats rows");
        assert_eq!(expected.is_empty(), query.contains(",release"), "{query} proves nothing");
    }
    let log = simulator.log();
    assert_eq!(log.last().expect("requests were logged")["ignored"], json!(["unknown"]));
}

fn time(build: &Value, name: &str) -> Option<i64> {
    build[name].as_str().and_then(azure_devops_simulator::time::parse)
}

#[test]
fn every_order_is_kept_over_all_pages() {
    let simulator = start(json!({ "builds_per_project": 200 }));
    for (order, name) in
        [("finishTime", "finishTime"), ("queueTime", "queueTime"), ("startTime", "startTime")]
    {
        for direction in ["Ascending", "Descending"] {
            let path =
                format!("/Fabrikam/_apis/build/builds?queryOrder={order}{direction}&$top=17");
            let found = simulator.all(&path);
            let mut times: Vec<_> = found.iter().map(|b| time(b, name)).collect();
            if direction == "Descending" {
                times.reverse();
            }
            assert!(times.is_sorted(), "{order}{direction}");
            let truth = builds_of(&simulator, "Fabrikam");
            let expected =
                ids_where(&truth, |b| order != "finishTime" || b["status"] == "completed");
            assert_eq!(set(&found, "id"), expected, "{order}{direction}");
            assert_eq!(found.len(), expected.len(), "{order}{direction}");
        }
    }
}

#[test]
fn finish_time_orders_refuse_other_statuses() {
    let simulator = start(json!({}));
    let list = "/Fabrikam/_apis/build/builds";
    for (query, status) in [
        ("?statusFilter=all&minTime=2026-01-01", 400),
        ("?statusFilter=inProgress&queryOrder=finishTimeAscending", 400),
        ("?statusFilter=completed&queryOrder=finishTimeAscending&minTime=2026-01-01", 200),
        ("?statusFilter=all", 200),
        ("?statusFilter=all&minTime=2026-01-01&queryOrder=queueTimeAscending", 200),
        ("?repositoryId=x", 400),
        ("?repositoryType=TfsGit", 400),
        ("?statusFilter=nonsense", 400),
        ("?minTime=nonsense", 400),
        ("?$top=many", 400),
        ("?$top=-1", 400),
        ("?buildIds=1,x", 400),
        ("?continuationToken=nonsense", 400),
        ("?continuationToken=", 200),
    ] {
        assert_eq!(simulator.get(&format!("{list}{query}")).status, status, "{query}");
    }
    let answer = simulator.get(&format!("{list}?statusFilter=all&minTime=2026-01-01"));
    assert_eq!(answer.type_key(), "InvalidBuildQueryException");
    assert!(answer.text.contains("The status filter All is not valid"), "{}", answer.text);
}

#[test]
fn deleted_builds_show_only_when_asked_for() {
    let simulator = start(json!({ "builds_per_project": 300 }));
    let list = |filter: &str| set(&simulator.all(&format!("{LIST}&deletedFilter={filter}")), "id");
    let (without, with, only) =
        (list("excludeDeleted"), list("includeDeleted"), list("onlyDeleted"));
    assert_eq!(without, set(&builds_of(&simulator, "Fabrikam"), "id"));
    assert!(!only.is_empty() && only.is_disjoint(&without));
    assert_eq!(with, without.union(&only).copied().collect());
    let deleted = only.first().expect("there are some");
    assert_eq!(simulator.get(&format!("/Fabrikam/_apis/build/builds/{deleted}")).status, 404);
}

#[test]
fn a_build_is_found_in_its_own_project_only() {
    let simulator = start(json!({}));
    let id = builds_of(&simulator, "Fabrikam")[0]["id"].clone();
    assert_eq!(simulator.get(&format!("/Fabrikam/_apis/build/builds/{id}")).json["id"], id);
    let answer = simulator.get(&format!("/Tailspin%20Toys/_apis/build/builds/{id}"));
    assert_eq!((answer.status, answer.type_key()), (404, "BuildNotFoundException"));
    let list = simulator.get(&format!("/Tailspin%20Toys/_apis/build/builds?buildIds={id}"));
    assert_eq!(list.elements().len(), 0);
}

#[test]
fn at_most_so_many_builds_come_per_definition() {
    let simulator = start(json!({}));
    let found = simulator.all(&format!("{LIST}&maxBuildsPerDefinition=3&$top=4"));
    let mut counts = std::collections::BTreeMap::new();
    for build in &found {
        *counts.entry(build["definition"]["id"].as_i64()).or_insert(0) += 1;
    }
    assert_eq!(counts.len(), 6);
    assert!(counts.values().all(|count| *count == 3), "{counts:?}");
}

/// Builds queued at the same moments, in a project with nothing else.
fn tied() -> Simulator {
    let simulator = start(json!({ "builds_per_project": 0 }));
    for minute in [1, 2, 2, 2, 3, 3] {
        let time = format!("2026-06-30T12:0{minute}:00Z");
        simulator.mutate(
            json!({ "op": "put_build", "project": "Fabrikam", "build": { "queueTime": time } }),
        );
    }
    simulator
}

#[test]
fn ties_at_a_border_are_exact_repeated_or_skipped() {
    let simulator = tied();
    for (mode, expected) in [("exact", 6), ("duplicate", 8), ("skip", 5)] {
        simulator.traps(json!({ "builds_ties": mode }));
        let pages = simulator.pages(&format!("{LIST}&$top=3"));
        assert_eq!(pages.concat().len(), expected, "{mode}: {pages:?}");
    }
}

#[test]
fn an_ignored_token_means_the_first_page_for_ever() {
    let simulator = start(json!({ "traps": { "builds_token_ignored": true } }));
    let first = simulator.get(&format!("{LIST}&$top=5"));
    let token = encode(first.token.as_deref().expect("there is more"));
    let second = simulator.get(&format!("{LIST}&$top=5&continuationToken={token}"));
    assert_eq!((second.json, second.token), (first.json, first.token));
}

#[test]
fn grouped_lists_are_ordered_only_inside_each_status() {
    let simulator =
        start(json!({ "builds_per_project": 200, "traps": { "builds_grouped_by_status": true } }));
    let found = simulator.all(&format!("{LIST}&$top=19"));
    assert_eq!(set(&found, "id"), set(&builds_of(&simulator, "Fabrikam"), "id"));
    let mut statuses: Vec<_> = found.iter().map(|b| b["status"].to_string()).collect();
    assert_eq!(statuses[0], "\"completed\"");
    statuses.dedup();
    assert_eq!(statuses.len(), statuses.iter().collect::<BTreeSet<_>>().len());
    let times: Vec<_> = found.iter().map(|b| time(b, "queueTime")).collect();
    assert!(!times.is_sorted());
}

#[test]
fn short_pages_lose_nothing() {
    let simulator = start(json!({ "traps": { "short_pages": true } }));
    let pages = simulator.pages(&format!("{LIST}&$top=10"));
    assert!(pages[..pages.len() - 1].iter().any(|page| page.len() < 10));
    assert_eq!(set(&pages.concat(), "id"), set(&builds_of(&simulator, "Fabrikam"), "id"));
}

#[test]
fn the_cap_holds_whatever_is_asked() {
    let simulator = start(json!({ "caps": { "builds": 7 } }));
    assert_eq!(simulator.get(&format!("{LIST}&$top=5000")).elements().len(), 7);
    assert_eq!(simulator.get(LIST).elements().len(), 7);
}

#[test]
fn exclusive_bounds_leave_out_the_moment_they_name() {
    let simulator = tied();
    let list = format!("{LIST}&minTime=2026-06-30T12:02:00Z");
    assert_eq!(simulator.all(&list).len(), 5);
    simulator.traps(json!({ "exclusive_bounds": true }));
    assert_eq!(simulator.all(&list).len(), 2);
}

#[test]
fn builds_finish_and_are_retried_while_somebody_pages() {
    let simulator = start(json!({ "builds_per_project": 300 }));
    let running = |s: &Simulator| s.all(&format!("{LIST}&statusFilter=inProgress")).len();
    let before = running(&simulator);
    assert!(before > 2);
    simulator.traps(json!({ "builds_finish_while_paging": true }));
    simulator.get(&format!("{LIST}&$top=1"));
    simulator.traps(json!({ "builds_finish_while_paging": false }));
    assert_eq!(running(&simulator), before - 1);

    simulator.traps(json!({ "builds_retried_while_paging": true }));
    let path = "/Fabrikam/_apis/build/builds?statusFilter=completed&queryOrder=finishTimeAscending&$top=100";
    let truth = builds_of(&simulator, "Fabrikam");
    let completed = ids_where(&truth, |b| b["status"] == "completed").len();
    let pages = simulator.pages(path);
    assert_eq!(pages.concat().len(), completed - (pages.len() - 1), "one retried per later page");
    assert_eq!(running(&simulator), before - 1 + pages.len() - 1);
}
