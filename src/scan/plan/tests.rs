//! Which conditions become which parameters, and which stay local.

use super::bounds::{EARLIEST, SECOND};
use super::*;
use crate::scan::condition::Op;
use crate::tables;

/// 2024-01-01T00:00:00Z
const NEW_YEAR: i64 = 1_704_067_200_000_000;

const LATEST_VERSION: Version = Version(7, 1);

fn condition(table: &str, column: &str, op: Op, values: &[Value]) -> Condition {
    let table = tables::find(table).expect("a table");
    let column = table.column(column).expect("a column");
    Condition { column, op, values: values.to_vec() }
}

fn planned(table: &'static str, conditions: &[(&str, Op, &[Value])]) -> Plan {
    let conditions: Vec<Condition> = conditions
        .iter()
        .map(|(column, op, values)| condition(table, column, *op, values))
        .collect();
    plan(tables::find(table).expect("a table"), &conditions, LATEST_VERSION)
}

fn parameters(plan: &Plan) -> Vec<String> {
    let Plan::Lists { lists, .. } = plan else { panic!("no lists: {plan:?}") };
    lists
        .iter()
        .map(|list| {
            let states =
                list.states.iter().map(|(name, values)| format!("{name}={}", values.join(",")));
            let replaced = |name: &String| list.filters.iter().any(|(filter, _)| filter == name);
            let own = list.parameters.iter().filter(|(name, _)| !replaced(name));
            let others = own.chain(&list.filters);
            let others = others.map(|(name, value)| format!("{name}={value}"));
            states.chain(others).collect::<Vec<_>>().join("&")
        })
        .collect()
}

fn text(text: &str) -> Value {
    Value::Text(text.into())
}

#[test]
fn builds_are_read_in_two_streams_by_queue_time() {
    assert_eq!(
        parameters(&planned("builds", &[])),
        [
            "statusFilter=postponed,notStarted,inProgress,cancelling&queryOrder=queueTimeAscending",
            "statusFilter=completed&queryOrder=queueTimeAscending",
        ]
    );
}

#[test]
fn a_status_chooses_its_stream() {
    let plan = planned("builds", &[("status", Op::Equal, &[text("completed")])]);
    assert_eq!(parameters(&plan), ["statusFilter=completed&queryOrder=queueTimeAscending"]);
    let plan =
        planned("builds", &[("status", Op::Equal, &[text("inProgress"), text("completed")])]);
    assert_eq!(parameters(&plan).len(), 2);
}

#[test]
fn a_status_that_is_not_wanted_leaves_the_others() {
    let plan = planned("builds", &[("status", Op::NotEqual, &[text("completed")])]);
    assert_eq!(
        parameters(&plan),
        ["statusFilter=postponed,notStarted,inProgress,cancelling&queryOrder=queueTimeAscending"]
    );
    assert_eq!(
        parameters(&planned("builds", &[("status", Op::NotEqual, &[])])),
        parameters(&planned("builds", &[]))
    );
}

#[test]
fn a_status_the_api_does_not_know_stays_local() {
    let plan = planned("builds", &[("status", Op::Equal, &[text("abandoned")])]);
    assert_eq!(parameters(&plan), parameters(&planned("builds", &[])));
    let plan = planned("builds", &[("result", Op::Equal, &[text("FAILED")])]);
    assert_eq!(parameters(&plan), parameters(&planned("builds", &[])));
}

#[test]
fn bounds_are_widened_to_whole_seconds() {
    let half = [Value::Time(NEW_YEAR + 500_000)];
    let plan = planned(
        "builds",
        &[("queue_time", Op::Greater, &half), ("queue_time", Op::LessOrEqual, &half)],
    );
    assert!(
        parameters(&plan)[1].contains("minTime=2023-12-31T23:59:59Z&maxTime=2024-01-01T00:00:02Z"),
        "{plan:?}"
    );
}

#[test]
fn a_finish_time_is_found_among_the_completed_only() {
    let plan = planned("builds", &[("finish_time", Op::Greater, &[Value::Time(NEW_YEAR)])]);
    assert_eq!(
        parameters(&plan),
        ["statusFilter=completed&minTime=2023-12-31T23:59:59Z&queryOrder=finishTimeAscending"]
    );
}

#[test]
fn the_narrower_of_two_windows_drives() {
    let plan = planned(
        "builds",
        &[
            ("queue_time", Op::Greater, &[Value::Time(NEW_YEAR)]),
            ("start_time", Op::Greater, &[Value::Time(NEW_YEAR + 86_400 * SECOND)]),
        ],
    );
    assert!(parameters(&plan)[0].contains("queryOrder=startTimeAscending"), "{plan:?}");
}

#[test]
fn contradictions_and_empty_lists_ask_nothing() {
    let (low, high) = (Value::Time(NEW_YEAR), Value::Time(NEW_YEAR + 1));
    for conditions in [
        vec![("queue_time", Op::Greater, vec![high]), ("queue_time", Op::Less, vec![low])],
        vec![("id", Op::Equal, vec![])],
        vec![
            ("id", Op::Equal, vec![Value::Integer(1)]),
            ("id", Op::Equal, vec![Value::Integer(2)]),
        ],
        vec![("id", Op::Equal, vec![Value::Integer(-1)])],
        vec![("queue_time", Op::GreaterOrEqual, vec![Value::Time(i64::MAX)])],
    ] {
        let conditions: Vec<(&str, Op, &[Value])> =
            conditions.iter().map(|(c, op, values)| (*c, *op, values.as_slice())).collect();
        assert_eq!(planned("builds", &conditions), Plan::Nothing);
    }
}

#[test]
fn far_times_are_left_out_or_clamped() {
    for far in [i64::MIN, EARLIEST] {
        let plan = planned("builds", &[("queue_time", Op::Greater, &[Value::Time(far)])]);
        assert!(!parameters(&plan)[0].contains("minTime"), "{plan:?}");
    }
    let plan = planned("builds", &[("queue_time", Op::Less, &[Value::Time(i64::MAX)])]);
    assert!(!parameters(&plan)[0].contains("maxTime"), "{plan:?}");
}

#[test]
fn ids_go_in_batches_without_other_filters() {
    let ids: Vec<Value> = (1..=450).map(Value::Integer).collect();
    let plan =
        planned("builds", &[("id", Op::Equal, &ids), ("result", Op::Equal, &[text("failed")])]);
    let lists = parameters(&plan);
    assert_eq!(lists.len(), 3);
    assert!(lists[0].starts_with("statusFilter=all&queryOrder=queueTimeAscending&buildIds=1,2,3,"));
    assert!(!lists[0].contains("resultFilter"));
}

#[test]
fn pull_requests_are_read_in_every_status_unless_one_is_wanted() {
    assert_eq!(parameters(&planned("pull_requests", &[])), ["searchCriteria.status=all"]);
    let plan = planned("pull_requests", &[("status", Op::Equal, &[text("active")])]);
    assert_eq!(parameters(&plan), ["searchCriteria.status=active"]);
    let plan =
        planned("pull_requests", &[("status", Op::Equal, &[text("active"), text("completed")])]);
    assert_eq!(parameters(&plan), ["searchCriteria.status=all"]);
}

#[test]
fn pull_request_windows_need_version_7_1() {
    let conditions =
        [condition("pull_requests", "closed_date", Op::Greater, &[Value::Time(NEW_YEAR)])];
    let table = tables::find("pull_requests").expect("a table");
    assert_eq!(
        parameters(&plan(table, &conditions, Version(7, 1))),
        ["searchCriteria.minTime=2023-12-31T23:59:59Z&searchCriteria.queryTimeRangeType=closed\
          &searchCriteria.status=all"]
    );
    assert_eq!(parameters(&plan(table, &conditions, Version(7, 0))), ["searchCriteria.status=all"]);
}

#[test]
fn pull_requests_by_id_are_asked_for_directly() {
    let plan = planned("pull_requests", &[("pull_request_id", Op::Equal, &[Value::Integer(7)])]);
    assert_eq!(plan, Plan::Gets(vec!["/_apis/git/pullrequests/7".into()]));
    let many: Vec<Value> = (1..=60).map(Value::Integer).collect();
    let plan = planned("pull_requests", &[("pull_request_id", Op::Equal, &many)]);
    assert!(matches!(plan, Plan::Lists { .. }));
}

#[test]
fn projects_narrow_the_fan_out() {
    let plan = planned("builds", &[("project_name", Op::Equal, &[text("Alpha")])]);
    let Plan::Lists { projects, .. } = plan else { panic!("no lists") };
    assert!(projects.allows("1", "ALPHA"));
    assert!(!projects.allows("1", "Beta"));
}

#[test]
fn deleted_builds_appear_when_asked_for() {
    let plan = planned("builds", &[("deleted", Op::Equal, &[Value::Boolean(true)])]);
    assert!(parameters(&plan)[0].contains("deletedFilter=onlyDeleted"));
    let plan = planned("builds", &[("deleted", Op::Equal, &[Value::Boolean(false)])]);
    assert!(!parameters(&plan)[0].contains("deletedFilter"));
}

#[test]
fn empty_texts_and_commas_stay_local() {
    let plan = planned("builds", &[("source_branch", Op::Equal, &[text("")])]);
    assert!(!parameters(&plan)[0].contains("branchName"));
}

#[test]
fn revisions_start_before_the_changed_date() {
    let plan = planned(
        "work_item_revisions",
        &[("changed_date", Op::GreaterOrEqual, &[Value::Time(NEW_YEAR)])],
    );
    assert_eq!(parameters(&plan), ["startDateTime=2023-12-31T23:59:59Z&includeDeleted=true"]);
}
