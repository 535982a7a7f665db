//! Kept answers are the answers that would have been rendered.

mod support;

use serde_json::json;
use support::start;

const BUILDS: &str = "/Fabrikam/_apis/build/builds?$top=20&api-version=7.1";

#[test]
fn an_answer_is_the_same_with_and_without_the_cache() {
    let (plain, kept) = (start(json!({})), start(json!({ "cache": true })));
    for path in [BUILDS, "/_apis/projects?api-version=7.1", "/Nowhere/_apis/build/builds"] {
        let expected = plain.get(path);
        for round in ["first", "again"] {
            let answer = kept.get(path);
            assert_eq!(answer.status, expected.status, "{path}, {round}");
            assert_eq!(answer.text, expected.text, "{path}, {round}");
            assert_eq!(answer.token, expected.token, "{path}, {round}");
        }
    }
    let log = kept.control("GET", "/requests", &json!(null)).json;
    assert_eq!(log[0]["rows"], json!(20));
    assert_eq!(log[1]["rows"], json!(20), "the log is kept as before");
}

#[test]
fn a_change_is_seen_at_once() {
    let simulator = start(json!({ "cache": true }));
    let before = simulator.get(BUILDS);
    assert_eq!(simulator.get(BUILDS).text, before.text);
    let id = before.json["value"][0]["id"].clone();
    let operations =
        json!([{ "op": "put_build", "build": { "id": id, "reason": "manual", "x": 1 } }]);
    assert_eq!(simulator.control("POST", "/organizations/o/mutate", &operations).status, 200);
    assert_ne!(simulator.get(BUILDS).text, before.text);
}

#[test]
fn credentials_faults_and_settings_count_as_ever() {
    let simulator = start(json!({ "cache": true }));
    let good = simulator.get(BUILDS);
    assert_eq!(simulator.get_with(BUILDS, &[("authorization", "Bearer wrong")]).status, 302);
    let fault = json!([{ "kind": "truncated_json", "times": 1 }]);
    assert_eq!(simulator.control("PUT", "/organizations/o/faults", &fault).status, 200);
    assert!(simulator.get(BUILDS).text.len() < good.text.len(), "the fault cuts the answer");
    assert_eq!(simulator.get(BUILDS).text, good.text, "and not the one that is kept");
    let caps = json!({ "caps": { "builds": 5 } });
    assert_eq!(simulator.control("PATCH", "/organizations/o", &caps).status, 200);
    assert_eq!(simulator.get(BUILDS).json["count"], json!(5));
}
