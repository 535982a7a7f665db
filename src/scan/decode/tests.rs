//! Pages in and out of shape.

use super::*;
use crate::scan::seen::Seen;

fn decoder(columns: &[(&str, &str)]) -> Decoder {
    let columns: Vec<(String, String)> =
        columns.iter().map(|(name, at)| ((*name).into(), (*at).into())).collect();
    Decoder::new("things", &columns, &["/id".to_owned()])
}

fn read(columns: &[(&str, &str)], body: &str) -> Result<Page, Unreadable> {
    let mut page = decoder(columns).decode(
        body.as_bytes().to_vec(),
        Envelope::Member("value"),
        &Subject { table: "things".into(), ..Subject::default() },
    )?;
    page.keep_unseen(&mut Seen::default());
    Ok(page)
}

fn problem(columns: &[(&str, &str)], body: &str) -> String {
    match read(columns, body) {
        Err(Unreadable::Shape(error)) => error.to_string(),
        other => panic!("expected a shape error, got {other:?}"),
    }
}

#[test]
fn wanted_values_are_cut_out_and_the_rest_is_skipped() {
    let body = r#"{"count":2,"value":[
        {"x":[1,{"y":2}],"id":1,"a":{"b":"deep","c":null}},
        {"a":{"b":7},"id":12345678901234567890}]}"#;
    let page = read(&[("b", "/a/b"), ("c", "/a/c"), ("id", "/id")], body).expect("a page");
    assert_eq!(page.rows(), 2);
    assert_eq!((page.value(0, 0), page.value(0, 1), page.value(0, 2)), ("\"deep\"", "", "1"));
    assert_eq!((page.value(1, 0), page.value(1, 2)), ("7", "12345678901234567890"));
}

#[test]
fn the_whole_element_and_a_part_of_it_can_both_be_wanted() {
    let body = r#"{"value":[{"id":1,"fields":{"System.Title":"t","n":1}}],"isLastBatch":true}"#;
    let wanted =
        [("attrs", ""), ("fields", "/fields"), ("title", "/fields/System.Title"), ("none", "/x/y")];
    let page = read(&wanted, body).expect("a page");
    assert_eq!(page.value(0, 0), r#"{"id":1,"fields":{"System.Title":"t","n":1}}"#);
    assert_eq!(page.value(0, 1), r#"{"System.Title":"t","n":1}"#);
    assert_eq!((page.value(0, 2), page.value(0, 3)), ("\"t\"", ""));
    assert_eq!(page.is_last, Some(true));
}

#[test]
fn array_elements_can_be_wanted_by_index() {
    let page = read(
        &[("vote", "/reviewers/1/vote")],
        r#"{"value":[{"reviewers":[{"vote":1},{"vote":10}]}]}"#,
    );
    assert_eq!(page.expect("a page").value(0, 0), "10");
}

#[test]
fn names_that_cannot_be_stored_do_not_disturb() {
    let page = read(
        &[("b", "/a/b")],
        r#"{"\ud800":1,"value":[{"\ud800":1,"a":{"\u0062":2,"\u0000":3}}]}"#,
    );
    assert_eq!(page.expect("a page").value(0, 0), "2");
}

#[test]
fn null_parents_are_null() {
    let page = read(&[("b", "/a/b")], r#"{"value":[{"a":null},{}]}"#).expect("a page");
    assert_eq!((page.value(0, 0), page.value(1, 0)), ("", ""));
}

#[test]
fn repeated_elements_are_delivered_once() {
    let page = read(&[("id", "/id")], r#"{"value":[{"id":1},{"id":2},{"id":1}]}"#).expect("a page");
    assert_eq!((page.elements(), page.rows()), (3, 2));
}

#[test]
fn the_token_is_in_the_body_or_in_the_link() {
    let page = read(&[], r#"{"value":[],"continuationToken":"1;2;3"}"#).expect("a page");
    assert_eq!(page.body_token.as_deref(), Some("1;2;3"));
    let link = r#"{"value":[],"nextLink":"https://h/o?continuationToken=4%3B5&x=1"}"#;
    assert_eq!(read(&[], link).expect("a page").body_token.as_deref(), Some("4;5"));
}

#[test]
fn the_last_time_is_known_only_if_times_ascend() {
    let subject = Subject::default();
    let last = |times: [&str; 2]| {
        let [a, b] = times;
        let body = format!(r#"{{"value":[{{"id":1,"t":"{a}"}},{{"id":2,"t":"{b}"}}]}}"#);
        let decoder = decoder(&[]).ordered_by("/t");
        decoder
            .decode(body.into_bytes(), Envelope::Member("value"), &subject)
            .expect("a page")
            .last_time
    };
    assert!(last(["2024-01-01T00:00:00Z", "2024-01-01T00:00:00.5Z"]).is_some());
    assert!(last(["2024-01-01T00:00:01Z", "2024-01-01T00:00:00Z"]).is_none());
}

#[test]
fn what_is_out_of_shape_is_named() {
    let wanted = [("b", "/a/b")];
    assert_eq!(
        problem(&wanted, r#"{"value":[{"a":5}]}"#),
        "column \"b\" of \"things\": expected an object but found a number"
    );
    assert_eq!(
        problem(&wanted, r#"{"value":[7]}"#),
        "could not read \"things\": an element is a number instead of an object"
    );
    assert_eq!(
        problem(&[("all", "")], r#"{"value":["x"]}"#),
        "could not read \"things\": an element is a string instead of an object"
    );
    assert_eq!(
        problem(&wanted, r#"{"value":{}}"#),
        "could not read \"things\": member \"value\" is an object instead of an array"
    );
    assert_eq!(
        problem(&wanted, r#"{"count":0}"#),
        "could not read \"things\": member \"value\" is missing instead of an array"
    );
    assert_eq!(
        problem(&wanted, "[]"),
        "could not read \"things\": the answer is an array instead of an object"
    );
    assert_eq!(
        problem(&[("all", ""), ("b", "/a/b")], r#"{"value":[{"a":5}]}"#),
        "column \"b\" of \"things\": expected an object but found a number"
    );
}

#[test]
fn broken_json_is_worth_another_attempt() {
    for body in [r#"{"value":[{"id":1"#, "", "{\"value\":[]} x", r#"{"value":[{"id":1}]"#] {
        assert!(matches!(read(&[], body), Err(Unreadable::Broken(_))), "{body}");
    }
}
