//! The list of pull requests: its filters, its silence about wrong ones, and rows that move.

mod support;

use std::collections::BTreeSet;

use serde_json::{Value, json};
use support::{encode, numbers, set, start};

const LIST: &str = "/Fabrikam/_apis/git/pullrequests";
const ALL: &str = "/Fabrikam/_apis/git/pullrequests?searchCriteria.status=all&$top=1000";

fn of_fabrikam(simulator: &support::Simulator) -> Vec<Value> {
    let mut truth = simulator.dump("pull_requests");
    truth.retain(|p| p["repository"]["project"]["name"] == "Fabrikam");
    truth
}

#[test]
fn filters_are_obeyed_ignored_or_empty_as_the_service_does() {
    let simulator = start(json!({}));
    let truth = of_fabrikam(&simulator);
    let some = truth.iter().find(|p| p["reviewers"][0]["id"].is_string()).expect("there is one");
    let text = |pointer: &str| some.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    let creator = text("/createdBy/id").to_string();
    let reviewer = text("/reviewers/0/id").to_string();
    let (source, created) = (text("/sourceRefName").to_string(), text("/creationDate").to_string());
    let repository = text("/repository/id").to_string();
    let ticks =
        |p: &Value, name: &str| p[name].as_str().and_then(azure_devops_simulator::time::parse);
    let bound = ticks(some, "creationDate");
    type Check<'a> = Box<dyn Fn(&Value) -> bool + 'a>;
    let cases: Vec<(String, Check)> = vec![
        ("".into(), Box::new(|p| p["status"] == "active")),
        ("status=notSet".into(), Box::new(|p| p["status"] == "active")),
        ("status=abandoned".into(), Box::new(|p| p["status"] == "abandoned")),
        ("status=3".into(), Box::new(|p| p["status"] == "completed")),
        ("status=all".into(), Box::new(|_| true)),
        (format!("status=all&searchCriteria.creatorId={creator}"), {
            Box::new(|p| p["createdBy"]["id"] == *creator)
        }),
        ("status=all&searchCriteria.creatorId=@me".into(), Box::new(|_| true)),
        ("status=all&searchCriteria.creatorId=00000000-0000-0000-0000-000000000001".into(), {
            Box::new(|_| false)
        }),
        (format!("status=all&searchCriteria.reviewerId={reviewer}"), {
            Box::new(|p| {
                p["reviewers"].as_array().is_some_and(|r| r.iter().any(|r| r["id"] == *reviewer))
            })
        }),
        (format!("status=all&searchCriteria.repositoryId={repository}"), {
            Box::new(|p| p["repository"]["id"] == *repository)
        }),
        (format!("status=all&searchCriteria.sourceRefName={}", encode(&source)), {
            Box::new(|p| p["sourceRefName"] == *source)
        }),
        ("status=all&searchCriteria.targetRefName=refs/heads/release/1.0".into(), {
            Box::new(|p| p["targetRefName"] == "refs/heads/release/1.0")
        }),
        (format!("status=all&searchCriteria.minTime={created}"), {
            Box::new(|p| ticks(p, "creationDate") >= bound)
        }),
        (format!("status=all&searchCriteria.maxTime={created}"), {
            Box::new(|p| ticks(p, "creationDate") <= bound)
        }),
        (
            format!(
                "status=all&searchCriteria.queryTimeRangeType=closed&searchCriteria.minTime={created}"
            ),
            { Box::new(|p| ticks(p, "closedDate").is_some() && ticks(p, "closedDate") >= bound) },
        ),
    ];
    for (query, matches) in cases {
        let found = simulator.get(&format!("{LIST}?$top=1000&searchCriteria.{query}")).elements();
        let expected: BTreeSet<i64> =
            set(&truth.iter().filter(|p| matches(p)).cloned().collect::<Vec<_>>(), "pullRequestId");
        assert_eq!(set(&found, "pullRequestId"), expected, "{query}");
        assert_eq!(expected.is_empty(), query.contains("0001"), "{query} proves nothing");
    }
    let old = format!(
        "{LIST}?searchCriteria.status=all&searchCriteria.minTime={created}&api-version=7.0"
    );
    let old = simulator.get_with(&old, &[("authorization", "Bearer right")]);
    assert_eq!(old.elements().len(), truth.len(), "before 7.1 times are ignored");
    let log = simulator.log();
    assert_eq!(log.last().expect("logged")["ignored"], json!(["searchCriteria.minTime"]));
}

#[test]
fn lists_are_newest_first_and_pages_have_their_sizes() {
    let simulator = start(json!({ "pull_requests_per_project": 150 }));
    let ids = numbers(&simulator.get(ALL).elements(), "pullRequestId");
    assert!(ids.is_sorted_by(|a, b| a > b) && ids.len() == 150);
    let default = simulator.get(&format!("{LIST}?searchCriteria.status=all")).elements();
    assert_eq!(default.len(), 101);
    let middle = simulator.get(&format!("{LIST}?searchCriteria.status=all&$skip=100&$top=20"));
    assert_eq!(numbers(&middle.elements(), "pullRequestId"), ids[100..120]);
    assert_eq!(simulator.get(&format!("{ALL}&$skip=150")).elements().len(), 0);
    let capped = start(json!({ "caps": { "pull_requests": 9 } }));
    assert_eq!(capped.get(ALL).elements().len(), 9);
    capped.traps(json!({ "short_pages": true }));
    assert!((0..20).any(|_| capped.get(ALL).elements().len() < 9));
}

#[test]
fn descriptions_are_cut_in_lists_only() {
    let simulator = start(json!({}));
    let length = |p: &Value| p["description"].as_str().map_or(0, |d| d.chars().count());
    let listed = simulator.get(ALL).elements();
    assert_eq!(listed.iter().map(length).max(), Some(400));
    let whole = |p: &Value| {
        let id = &p["pullRequestId"];
        simulator.get(&format!("/_apis/git/pullrequests/{id}")).json
    };
    assert_eq!(listed.iter().map(|p| length(&whole(p))).max(), Some(4000));
    assert!(listed[0].get("artifactId").is_none() && whole(&listed[0])["artifactId"].is_string());
}

#[test]
fn other_scopes_show_their_own() {
    let simulator = start(json!({}));
    let everywhere = simulator.get("/_apis/git/pullrequests?searchCriteria.status=all&$top=1000");
    let truth = simulator.dump("pull_requests");
    assert_eq!(set(&everywhere.elements(), "pullRequestId"), set(&truth, "pullRequestId"));
    let repository = truth[0]["repository"]["id"].as_str().expect("an id");
    let path = format!("/_apis/git/repositories/{repository}/pullrequests");
    let listed = simulator.get(&format!("{path}?searchCriteria.status=all&$top=1000")).elements();
    let mut own = truth.clone();
    own.retain(|p| p["repository"]["id"] == *repository);
    assert_eq!(set(&listed, "pullRequestId"), set(&own, "pullRequestId"));
    let id = &truth[0]["pullRequestId"];
    assert_eq!(simulator.get(&format!("{path}/{id}")).json["pullRequestId"], *id);
    let other = simulator.get(&format!("{path}/99999"));
    assert_eq!((other.status, other.type_key()), (404, "GitPullRequestNotFoundException"));
}

#[test]
fn rows_are_inserted_and_removed_while_somebody_pages() {
    let simulator = start(json!({ "traps": { "pull_requests_inserted_while_paging": true } }));
    let first = simulator.get(&format!("{ALL}0&$skip=0")).elements();
    let second = simulator.get(&format!("{ALL}0&$skip=1")).elements();
    assert_eq!(first[0], second[0], "the list moved down by one");

    let simulator = start(json!({ "traps": { "pull_requests_removed_while_paging": true } }));
    let before = numbers(&simulator.get(ALL).elements(), "pullRequestId");
    let after = numbers(&simulator.get(&format!("{ALL}&$skip=5")).elements(), "pullRequestId");
    assert_eq!(after, before[6..], "the list moved up by one");
    assert!(!set(&simulator.dump("pull_requests"), "pullRequestId").contains(&before[0]));

    let active = numbers(&simulator.get(LIST).elements(), "pullRequestId");
    simulator.get(&format!("{LIST}?$skip=1"));
    let first = simulator.get(&format!("/_apis/git/pullrequests/{}", active[0])).json;
    assert_eq!(first["status"], "abandoned");
    assert!(first["closedDate"].is_string());
}
