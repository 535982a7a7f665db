//! Every fault does what its name says, and only to the requests it names.

mod support;

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use support::{Simulator, start};

const LIST: &str = "/Fabrikam/_apis/build/builds?$top=5";

#[test]
fn answers_are_replaced() {
    let simulator = start(json!({}));
    for (kind, status, content_type) in [
        ("json_500", 500, "application/json"),
        ("html_502", 502, "text/html"),
        ("throttle_429", 429, "application/json"),
        ("throttle_429_html", 429, "text/html"),
        ("service_503", 503, "text/html"),
        ("auth_203", 203, "text/html"),
        ("auth_302", 302, "text/html"),
        ("auth_401", 401, "text/html"),
        ("forbidden_403", 403, "application/json"),
        ("not_found_404_html", 404, "text/html"),
        ("wrong_content_type", 200, "text/html"),
        ("retry_after_200", 200, "application/json"),
    ] {
        simulator
            .fault(json!({ "kind": kind, "endpoint": "builds", "retry_after": 7, "times": 1 }));
        let answer = simulator.get(LIST);
        assert_eq!(answer.status, status, "{kind}");
        assert!(answer.content_type.starts_with(content_type), "{kind}: {}", answer.content_type);
        assert_eq!(answer.retry_after.as_deref(), Some("7"), "{kind}");
        assert_eq!(simulator.log().last().expect("logged")["fault"], kind);
        assert_eq!(simulator.get(LIST).elements().len(), 5, "{kind} strikes once");
    }
    simulator.fault(json!({ "kind": "status", "status": 418, "headers": { "Retry-After": "1" }, "body": { "a": 1 } }));
    let answer = simulator.get(LIST);
    assert_eq!((answer.status, answer.retry_after.as_deref()), (418, Some("1")));
    assert_eq!(answer.json, json!({ "a": 1 }));
    let mistake =
        simulator.control("PUT", "/organizations/o/faults", &json!([{ "kind": "nonsense" }]));
    assert_eq!(mistake.status, 400);
}

#[test]
fn only_the_named_requests_fail() {
    let simulator = start(json!({}));
    simulator.fault(
        json!({ "kind": "json_500", "endpoint": "builds", "project": "Fabrikam", "nth": [2] }),
    );
    let statuses = ["/Tailspin%20Toys/_apis/build/builds", LIST, "/_apis/projects", LIST, LIST];
    let statuses = statuses.map(|path| simulator.get(path).status);
    assert_eq!(statuses, [200, 200, 200, 500, 200]);
}

#[test]
fn lists_lose_their_shape() {
    let simulator = start(json!({}));
    let spoiled = |kind: &str| {
        simulator.fault(json!({ "kind": kind, "times": 1 }));
        simulator.get(LIST).json
    };
    assert!(spoiled("value_missing").get("value").is_none());
    assert!(spoiled("value_not_array")["value"].is_object());
    assert!(spoiled("element_not_object")["value"][0].is_string());
    simulator.fault(json!({ "kind": "value_missing", "endpoint": "revisions" }));
    assert!(simulator.get("/_apis/wit/reporting/workitemrevisions").json.get("values").is_none());
    simulator.fault(json!({ "kind": "truncated_json", "after_bytes": 100, "times": 1 }));
    let cut = simulator.get(LIST);
    assert_eq!((cut.status, cut.text.len(), cut.json), (200, 100, Value::Null));
}

#[test]
fn a_repeated_token_is_the_one_that_was_sent() {
    let simulator = start(json!({}));
    simulator.fault(json!({ "kind": "token_repeats" }));
    let first = simulator.get(LIST).token.expect("the first page is right");
    let again = simulator.get(&format!("{LIST}&continuationToken={}", support::encode(&first)));
    assert_eq!(again.token.as_deref(), Some(first.as_str()));
    let feed = "/_apis/wit/reporting/workitemrevisions?continuationToken=9%3B9%3B9";
    assert_eq!(simulator.get(feed).json["continuationToken"], "9;9;9");
}

/// Sends a request over a bare socket and reads until the connection ends or falls silent.
fn raw(simulator: &Simulator) -> (Vec<u8>, Option<ErrorKind>) {
    let host = simulator.address.trim_start_matches("http://");
    let mut stream = TcpStream::connect(host).expect("the simulator listens");
    stream.set_read_timeout(Some(Duration::from_millis(300))).expect("a time");
    let request = format!(
        "GET /o{LIST}&api-version=7.1 HTTP/1.1\r\nhost: {host}\r\nauthorization: Bearer right\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).expect("the request is sent");
    let mut bytes = Vec::new();
    let error = stream.read_to_end(&mut bytes).err().map(|e| e.kind());
    (bytes, error)
}

#[test]
fn connections_break_and_stall() {
    let simulator = start(json!({}));
    let body = |bytes: &[u8]| {
        let end = bytes.windows(4).position(|w| w == b"\r\n\r\n").expect("a whole head");
        bytes.len() - end - 4
    };
    let strike = |kind: &str| {
        simulator.fault(json!({ "kind": kind, "after_bytes": 50 }));
        raw(&simulator)
    };
    assert_eq!(strike("reset_before_headers"), (Vec::new(), Some(ErrorKind::ConnectionReset)));
    let (bytes, error) = strike("reset_mid_body");
    assert_eq!((body(&bytes), error), (50, Some(ErrorKind::ConnectionReset)));
    let (bytes, error) = strike("truncated_body");
    assert_eq!((body(&bytes), error), (50, None));
    let (bytes, error) = strike("stalled_headers");
    assert_eq!((bytes.len(), error), (0, Some(ErrorKind::WouldBlock)));
    let (bytes, error) = strike("stalled_body");
    assert_eq!((body(&bytes), error), (50, Some(ErrorKind::WouldBlock)));
    std::thread::sleep(Duration::from_millis(100));
    let log = simulator.log();
    assert!(log.iter().all(|e| e["finished_ms"].is_number()), "the clients have gone");
    assert_eq!(log[3]["status"], Value::Null, "nothing was answered");
}

#[test]
fn a_drip_is_slow_but_complete() {
    let simulator = start(json!({}));
    let fast = simulator.get(LIST).text;
    simulator.fault(json!({ "kind": "slow_drip", "after_bytes": fast.len() / 4, "delay_ms": 40 }));
    let began = Instant::now();
    assert_eq!(simulator.get(LIST).text, fast);
    assert!(began.elapsed() >= Duration::from_millis(160));
}
