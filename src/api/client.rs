//! One request, sent as often as it takes: the only place that talks to the network.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue};
use tokio::time::Instant;

use super::address::Collection;
use super::answer::{self, Verdict};
use super::credential::Credential;
use super::request::Request;
use super::retry;
use crate::error::{Answer, Error, Subject};

/// Everything that makes one client differ from another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Where the collection is.
    pub collection: Collection,
    /// What to sign in with.
    pub credential: Credential,
    /// `api-version` of every request.
    pub api_version: String,
    /// Longest time for one attempt, from connecting to the last byte.
    pub request_timeout: Duration,
    /// Attempts after the first.
    pub max_retries: u32,
    /// PEM certificates to trust besides the system's.
    pub ca_certificate: Option<String>,
    /// Proxy for every request; the environment's are ignored.
    pub proxy: Option<String>,
}

/// Longest wait for a TCP and TLS connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(15);

/// An answer larger than this is refused: a page is a few megabytes.
const LARGEST_ANSWER_MB: u64 = 512;

/// What the requests of one scan cost.
#[derive(Debug, Default)]
pub struct Usage {
    /// Requests sent, retries included.
    pub requests: AtomicU64,
    /// Requests sent again after a passing fault.
    pub retries: AtomicU64,
    /// Bytes of all bodies, after decompression.
    pub bytes: AtomicU64,
    /// Milliseconds spent waiting because the service asked for it, or between attempts.
    pub waited_ms: AtomicU64,
}

/// A complete answer with data.
#[derive(Debug)]
pub struct Data<T> {
    /// What the reader made of the body.
    pub value: T,
    /// The `x-ms-continuationtoken` header.
    pub continuation: Option<String>,
}

/// Why a body could not be read.
#[derive(Debug)]
pub enum Unreadable {
    /// Not JSON, or cut off: worth another attempt.
    Broken(String),
    /// JSON of another shape than documented.
    Shape(Error),
}

/// Connections and credential for one collection. Kept across scans.
#[derive(Debug)]
pub struct Client {
    settings: Settings,
    http: reqwest::Client,
    /// No request starts before: the service said so.
    not_before: Mutex<Option<Instant>>,
}

impl Client {
    /// Builds the client; sends nothing.
    pub fn new(settings: Settings) -> Result<Self, Error> {
        let problem = |reason: String| Error::Client { reason };
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        // A plain 401 instead of a redirect to the sign-in page.
        headers.insert("X-TFS-FedAuthRedirect", HeaderValue::from_static("Suppress"));
        let authorization = settings.credential.header().ok_or_else(|| {
            problem("the personal access token holds characters that no header can".into())
        })?;
        headers.insert(AUTHORIZATION, authorization);
        let mut builder = reqwest::Client::builder()
            .user_agent(concat!("azure_devops_fdw/", env!("CARGO_PKG_VERSION")))
            .default_headers(headers)
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(CONNECT_TIMEOUT.min(settings.request_timeout))
            .timeout(settings.request_timeout)
            .no_proxy();
        if let Some(pem) = &settings.ca_certificate {
            let certificates = reqwest::Certificate::from_pem_bundle(pem.as_bytes())
                .map_err(|error| problem(chain(&error)))?;
            for certificate in certificates {
                builder = builder.add_root_certificate(certificate);
            }
        }
        if let Some(proxy) = &settings.proxy {
            let proxy = reqwest::Proxy::all(proxy).map_err(|error| problem(chain(&error)))?;
            builder = builder.proxy(proxy);
        }
        let http = builder.build().map_err(|error| problem(chain(&error)))?;
        Ok(Self { settings, http, not_before: Mutex::new(None) })
    }

    /// What the client was built from.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Sends the request until it is answered with data that `read` accepts, or until it is hopeless.
    pub async fn fetch<T>(
        &self,
        request: &Request,
        subject: &Subject,
        usage: &Usage,
        read: impl Fn(Vec<u8>) -> Result<T, Unreadable>,
    ) -> Result<Data<T>, Error> {
        let mut attempt = 0;
        loop {
            attempt += 1;
            self.wait_for_turn(usage).await;
            usage.requests.fetch_add(1, Ordering::Relaxed);
            let failure = match self.attempt(request, subject, usage).await {
                Ok((body, continuation)) => match read(body) {
                    Ok(value) => return Ok(Data { value, continuation }),
                    Err(Unreadable::Shape(error)) => return Err(error),
                    Err(Unreadable::Broken(reason)) => Failure::Transport(reason),
                },
                Err(failure) => failure,
            };
            if let Failure::Final(error) = failure {
                return Err(error);
            }
            if attempt > self.settings.max_retries {
                return Err(failure.exhausted(subject, attempt));
            }
            usage.retries.fetch_add(1, Ordering::Relaxed);
            let pause = retry::backoff(attempt);
            if failure.concerns_all() {
                self.hold_until(Instant::now() + pause);
            } else {
                wait(pause, usage).await;
            }
        }
    }

    async fn attempt(
        &self,
        request: &Request,
        subject: &Subject,
        usage: &Usage,
    ) -> Result<(Vec<u8>, Option<String>), Failure> {
        let url = format!(
            "{}{}",
            self.settings.collection.as_str(),
            request.target(&self.settings.api_version)
        );
        let builder = match &request.body {
            Some(body) => {
                self.http.post(url).header(CONTENT_TYPE, "application/json").body(body.clone())
            }
            None => self.http.get(url),
        };
        let mut response = builder.send().await.map_err(|e| Failure::Transport(chain(&e)))?;
        let status = response.status().as_u16();
        let headers = response.headers().clone();
        if let Some(pause) = answer::retry_after(&headers, SystemTime::now()) {
            self.hold_until(Instant::now() + pause);
        }
        let expected = response.content_length().unwrap_or(0).min(LARGEST_ANSWER_MB << 20);
        let mut body = Vec::with_capacity(usize::try_from(expected).unwrap_or(0));
        while let Some(chunk) = response.chunk().await.map_err(|e| Failure::Transport(chain(&e)))? {
            if (body.len() + chunk.len()) as u64 > LARGEST_ANSWER_MB << 20 {
                let subject = subject.clone();
                let limit_mb = LARGEST_ANSWER_MB;
                return Err(Failure::Final(Error::TooLarge { subject, limit_mb }));
            }
            body.extend_from_slice(&chunk);
        }
        // Lets the connection go back to the pool before the page is decoded on the same thread.
        tokio::task::yield_now().await;
        usage.bytes.fetch_add(body.len() as u64, Ordering::Relaxed);
        let redact = |text| self.settings.credential.redact(text);
        match answer::judge(status, &headers, &body, subject, &redact) {
            Verdict::Data => {
                let token = headers.get("x-ms-continuationtoken").and_then(|v| v.to_str().ok());
                Ok((body, token.filter(|token| !token.is_empty()).map(str::to_owned)))
            }
            Verdict::Final(error) => Err(Failure::Final(error)),
            Verdict::Passing(answer) => Err(Failure::Passing(answer)),
        }
    }

    /// Waits while the service wants no requests.
    async fn wait_for_turn(&self, usage: &Usage) {
        loop {
            let until = *self.lock();
            let pause = until.map(|until| until.saturating_duration_since(Instant::now()));
            match pause.filter(|pause| !pause.is_zero()) {
                Some(pause) => wait(pause, usage).await,
                None => return,
            }
        }
    }

    /// Holds back every request of the client until then.
    fn hold_until(&self, at: Instant) {
        let mut until = self.lock();
        *until = Some(until.map_or(at, |known| known.max(at)));
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<Instant>> {
        // A poisoned lock still holds a usable instant.
        self.not_before.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

async fn wait(pause: Duration, usage: &Usage) {
    let started = Instant::now();
    tokio::time::sleep(pause).await;
    let waited = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
    usage.waited_ms.fetch_add(waited, Ordering::Relaxed);
}

/// Why an attempt brought no data.
enum Failure {
    Final(Error),
    Passing(Answer),
    Transport(String),
}

impl Failure {
    /// Whether every request of the client should hold back, not only this one.
    fn concerns_all(&self) -> bool {
        matches!(self, Failure::Passing(answer) if answer.status == 429)
    }

    fn exhausted(self, subject: &Subject, attempts: u32) -> Error {
        let subject = subject.clone();
        match self {
            Failure::Final(error) => error,
            Failure::Passing(answer) if answer.status == 429 => {
                Error::Throttled { subject, attempts, answer }
            }
            Failure::Passing(answer) => Error::ServerError { subject, attempts, answer },
            Failure::Transport(reason) => Error::Unreachable { subject, attempts, reason },
        }
    }
}

/// The error and its causes on one line, without the URL.
fn chain(error: &reqwest::Error) -> String {
    let mut text = if error.is_timeout() {
        "the request timed out".to_owned()
    } else if error.is_connect() {
        "could not connect".to_owned()
    } else if error.is_body() || error.is_decode() {
        "the answer broke off".to_owned()
    } else {
        "the request failed".to_owned()
    };
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}
