//! A simulator per test, and a client that treats every status as a result.

#![allow(dead_code)] // every test binary uses a part of it

use std::collections::BTreeSet;

use azure_devops_simulator::server::Server;
use serde_json::{Value, json};
use ureq::Agent;

pub const PAT: &str = "right";

pub struct Simulator {
    pub address: String,
    agent: Agent,
}

pub struct Answer {
    pub status: u16,
    pub token: Option<String>,
    pub retry_after: Option<String>,
    pub content_type: String,
    pub text: String,
    pub json: Value,
}

/// A small organisation; `more` overrides members of its specification.
pub fn start(more: Value) -> Simulator {
    let (sender, receiver) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.expect("a runtime can be built").block_on(async {
            let server = Server::bind(0).await.expect("a port is free");
            sender.send(server.address()).expect("the test waits");
            server.run().await;
        });
    });
    let address = receiver.recv().expect("the server starts");
    let agent = Agent::config_builder().http_status_as_error(false).max_redirects(0).build().into();
    let simulator = Simulator { address, agent };
    let mut specification = json!({
        "pat": PAT, "builds_per_project": 80, "pull_requests_per_project": 40, "work_items": 60,
        "element_bytes": 1000,
    });
    for (name, value) in more.as_object().into_iter().flatten() {
        specification[name] = value.clone();
    }
    let answer = simulator.control("PUT", "/organizations/o", &specification);
    assert_eq!(answer.status, 200, "{}", answer.text);
    simulator
}

impl Simulator {
    fn send(
        &self,
        method: &str,
        url: &str,
        headers: &[(&str, &str)],
        body: Option<String>,
    ) -> Answer {
        let mut request = ureq::http::Request::builder().method(method).uri(url);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let response = match body {
            Some(body) => self.agent.run(request.body(body).expect("a request")),
            None => self.agent.run(request.body(()).expect("a request")),
        };
        let mut response = response.unwrap_or_else(|error| panic!("{method} {url}: {error}"));
        let header = |name: &str| {
            response.headers().get(name).and_then(|v| v.to_str().ok()).map(str::to_string)
        };
        let (token, retry_after) = (header("x-ms-continuationtoken"), header("retry-after"));
        let (status, kind) = (response.status().as_u16(), header("content-type"));
        let reader = response.body_mut().with_config().limit(1 << 30);
        let text = reader.read_to_string().expect("the body is complete");
        let json = serde_json::from_str(&text).unwrap_or(Value::Null);
        Answer { status, token, retry_after, content_type: kind.unwrap_or_default(), text, json }
    }

    pub fn control(&self, method: &str, path: &str, body: &Value) -> Answer {
        let url = format!("{}/__sim{path}", self.address);
        let body = (!body.is_null()).then(|| body.to_string());
        self.send(method, &url, &[], body)
    }

    pub fn traps(&self, traps: Value) {
        let answer = self.control("PATCH", "/organizations/o", &json!({ "traps": traps }));
        assert_eq!(answer.status, 200, "{}", answer.text);
    }

    pub fn mutate(&self, operation: Value) -> Value {
        let answer = self.control("POST", "/organizations/o/mutate", &json!([operation]));
        assert_eq!(answer.status, 200, "{}", answer.text);
        answer.json["ids"][0].clone()
    }

    pub fn fault(&self, fault: Value) {
        let answer = self.control("PUT", "/organizations/o/faults", &json!([fault]));
        assert_eq!(answer.status, 200, "{}", answer.text);
    }

    pub fn dump(&self, table: &str) -> Vec<Value> {
        let answer = self.control("GET", &format!("/organizations/o/dump/{table}"), &Value::Null);
        answer.json["value"].as_array().expect("a list").clone()
    }

    pub fn log(&self) -> Vec<Value> {
        self.control("GET", "/requests", &Value::Null).json.as_array().expect("a list").clone()
    }

    /// A GET below the organisation with the right token; the path may end in a query.
    pub fn get(&self, path: &str) -> Answer {
        let mark = if path.contains('?') { '&' } else { '?' };
        self.get_with(&format!("{path}{mark}api-version=7.1"), &[("authorization", "Bearer right")])
    }

    pub fn get_with(&self, path: &str, headers: &[(&str, &str)]) -> Answer {
        self.send("GET", &format!("{}/o{path}", self.address), headers, None)
    }

    pub fn request(&self, method: &str, path: &str, body: Option<String>) -> Answer {
        let url = format!("{}/o{path}", self.address);
        self.send(method, &url, &[("authorization", "Bearer right")], body)
    }

    /// Pages by the header's token until there is none.
    pub fn pages(&self, path: &str) -> Vec<Vec<Value>> {
        let (mut pages, mut token) = (Vec::new(), None::<String>);
        loop {
            let next = token.map(|t| format!("&continuationToken={}", encode(&t)));
            let answer = self.get(&format!("{path}{}", next.unwrap_or_default()));
            assert_eq!(answer.status, 200, "{}", answer.text);
            pages.push(answer.elements());
            token = answer.token;
            assert!(pages.len() < 500, "paging never ends");
            if token.is_none() {
                return pages;
            }
        }
    }

    pub fn all(&self, path: &str) -> Vec<Value> {
        self.pages(path).concat()
    }
}

impl Answer {
    pub fn elements(&self) -> Vec<Value> {
        let list = if self.json.get("values").is_some() { "values" } else { "value" };
        self.json[list].as_array().unwrap_or_else(|| panic!("no list: {}", self.text)).clone()
    }

    pub fn type_key(&self) -> &str {
        self.json["typeKey"].as_str().unwrap_or_default()
    }
}

pub fn encode(text: &str) -> String {
    let safe = |b: u8| b.is_ascii_alphanumeric() || b"-._~".contains(&b);
    text.bytes()
        .map(|b| if safe(b) { char::from(b).to_string() } else { format!("%{b:02X}") })
        .collect()
}

pub fn numbers(elements: &[Value], name: &str) -> Vec<i64> {
    elements.iter().filter_map(|e| e[name].as_i64()).collect()
}

pub fn set(elements: &[Value], name: &str) -> BTreeSet<i64> {
    numbers(elements, name).into_iter().collect()
}

/// The builds of one project in the dump.
pub fn builds_of(simulator: &Simulator, project: &str) -> Vec<Value> {
    let mut builds = simulator.dump("builds");
    builds.retain(|b| b["project"]["name"] == project);
    builds
}
