//! One request, sent as often as it takes: the only place that talks to the network.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue};

use tokio::sync::Semaphore;

use super::address::Collection;
use super::answer::{self, Verdict};
use super::budget::Grant;
use super::credential::Credential;
use super::governor::Governor;
use super::request::Request;
use super::retry;
use super::sign_in::{SignIn, Signed, Unsigned};
use super::transport::{Fault, chain};
use super::usage::Usage;
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
    /// Proxy for every request.
    pub proxy: Proxy,
    /// Requests in flight at most, of all scans together.
    pub max_concurrency: usize,
}

/// Whether requests go through a proxy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Proxy {
    /// None, whatever the environment says.
    None,
    /// Those that the server's environment names.
    Environment,
    /// The one at this URL.
    Url(String),
}

/// Longest wait for a TCP and TLS connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(15);

/// An answer larger than this is refused: a page is a few megabytes.
const LARGEST_ANSWER_MB: u64 = 512;

/// An announced length is reserved at once up to here.
const LARGEST_TRUSTED_LENGTH: u64 = 1 << 20;

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
    sign_in: SignIn,
    governor: Arc<Governor>,
    /// One permit per request in flight.
    in_flight: Semaphore,
    /// Whether the service has ever answered with data: then the credential is good for something.
    accepted: AtomicBool,
}

impl Client {
    /// Builds the client; sends nothing.
    pub fn new(settings: Settings, governor: Arc<Governor>) -> Result<Self, Error> {
        let problem = |reason: String| Error::Client { reason };
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        // A plain 401 instead of a redirect to the sign-in page.
        headers.insert("X-TFS-FedAuthRedirect", HeaderValue::from_static("Suppress"));
        let mut builder = reqwest::Client::builder()
            .user_agent(concat!("azure_devops_fdw/", env!("CARGO_PKG_VERSION")))
            .default_headers(headers)
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(CONNECT_TIMEOUT.min(settings.request_timeout))
            .timeout(settings.request_timeout);
        if let Some(pem) = &settings.ca_certificate {
            let certificates = reqwest::Certificate::from_pem_bundle(pem.as_bytes())
                .map_err(|error| problem(chain(&error)))?;
            for certificate in certificates {
                builder = builder.add_root_certificate(certificate);
            }
        }
        builder = match &settings.proxy {
            Proxy::None => builder.no_proxy(),
            Proxy::Environment => builder,
            Proxy::Url(url) => {
                let proxy = reqwest::Proxy::all(url).map_err(|error| problem(chain(&error)))?;
                builder.no_proxy().proxy(proxy)
            }
        };
        let http = builder.build().map_err(|error| problem(chain(&error)))?;
        let sign_in = SignIn::new(settings.credential.clone());
        let in_flight = Semaphore::new(settings.max_concurrency.max(1));
        let accepted = AtomicBool::new(false);
        Ok(Self { settings, http, sign_in, governor, in_flight, accepted })
    }

    /// What the client was built from.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Sends the request until it is answered with data that `read` accepts, or until it is hopeless.
    /// The bytes of the answer are covered by the grant.
    pub async fn fetch<T>(
        &self,
        request: &Request,
        subject: &Subject,
        usage: &Usage,
        grant: &mut Grant,
        read: impl Fn(Vec<u8>) -> Result<T, Unreadable>,
    ) -> Result<Data<T>, Error> {
        let (mut attempt, mut refused) = (0, None);
        loop {
            attempt += 1;
            // Never closed, so a permit always comes; without one nothing is wrong but the number.
            let permit = self.in_flight.acquire().await;
            self.governor.turn(usage).await;
            let attempted = self.attempt(request, usage, grant, refused).await;
            drop(permit);
            let failure = match attempted {
                Ok((body, continuation)) => match read(body) {
                    Ok(value) => return Ok(Data { value, continuation }),
                    Err(Unreadable::Shape(error)) => return Err(error),
                    Err(Unreadable::Broken(reason)) => Failure::Transport(Fault::Passing(reason)),
                },
                Err(failure) => failure,
            };
            match failure {
                // A token that ends early is renewed, once.
                Failure::NotSignedIn(_, Some(number)) if refused.is_none() => {
                    refused = Some(number);
                    attempt -= 1;
                    usage.retries.fetch_add(1, Ordering::Relaxed);
                    continue;
                }
                // Not the service's fault: no attempt. It is asked again when there is more room.
                Failure::Crowded { bytes } => {
                    attempt -= 1;
                    usage.retries.fetch_add(1, Ordering::Relaxed);
                    grant.wait(bytes * 2).await;
                }
                failure if !failure.passes() || attempt > self.settings.max_retries => {
                    return Err(self.error(failure, subject.clone(), attempt));
                }
                failure => {
                    usage.retries.fetch_add(1, Ordering::Relaxed);
                    self.back_off(&failure, attempt, usage).await;
                }
            }
        }
    }

    async fn attempt(
        &self,
        request: &Request,
        usage: &Usage,
        grant: &mut Grant,
        refused: Option<u64>,
    ) -> Result<(Vec<u8>, Option<String>), Failure> {
        let Signed { header, number } = self.sign_in.header(&self.http, refused).await?;
        usage.requests.fetch_add(1, Ordering::Relaxed);
        let url = format!(
            "{}{}",
            self.settings.collection.at(request.host),
            request.target(&self.settings.api_version)
        );
        let builder = match &request.body {
            Some(body) => {
                self.http.post(url).header(CONTENT_TYPE, "application/json").body(body.clone())
            }
            None => self.http.get(url),
        };
        let transport = |error: reqwest::Error| Failure::Transport(Fault::of(&error));
        let mut response = builder.header(AUTHORIZATION, header).send().await.map_err(transport)?;
        let status = response.status().as_u16();
        let headers = response.headers().clone();
        let asked_to_wait = self.governor.heed(&headers).is_some();
        // What is announced is believed only so far: memory is for bytes that have come.
        let expected = response.content_length().unwrap_or(0).min(LARGEST_TRUSTED_LENGTH);
        let mut body = grant.buffer();
        body.reserve(usize::try_from(expected).unwrap_or(0));
        while let Some(chunk) = response.chunk().await.map_err(transport)? {
            if (body.len() + chunk.len()) as u64 > LARGEST_ANSWER_MB << 20 {
                return Err(Failure::TooLarge);
            }
            let bytes = body.len() + chunk.len();
            grant.cover(bytes).map_err(|_| Failure::Crowded { bytes })?;
            body.extend_from_slice(&chunk);
        }
        // Lets the connection go back to the pool before the page is decoded on the same thread.
        tokio::task::yield_now().await;
        usage.bytes.fetch_add(body.len() as u64, Ordering::Relaxed);
        let redact = |text| self.sign_in.redact(text);
        match answer::judge(status, &headers, &body, &redact) {
            Verdict::Data => {
                self.accepted.store(true, Ordering::Relaxed);
                let token = headers.get("x-ms-continuationtoken").and_then(|v| v.to_str().ok());
                Ok((body, token.filter(|token| !token.is_empty()).map(str::to_owned)))
            }
            Verdict::NotSignedIn(answer) => Err(Failure::NotSignedIn(answer, number)),
            Verdict::Forbidden(answer) => Err(Failure::Forbidden(answer)),
            Verdict::Refused(answer) => Err(Failure::Refused(answer)),
            Verdict::Passing(answer) => Err(Failure::Passing { answer, asked_to_wait }),
        }
    }

    /// Waits before the next attempt. A 429 holds back every request, not only this one.
    async fn back_off(&self, failure: &Failure, attempt: u32, usage: &Usage) {
        let pause = match failure {
            // How long was said, and is kept by the governor.
            Failure::Passing { answer, asked_to_wait: true } if answer.status == 429 => return,
            Failure::Passing { answer, .. } if answer.status == 429 => {
                return self.governor.hold(retry::throttled_backoff(attempt));
            }
            _ => retry::backoff(attempt),
        };
        let _waiting = usage.wait();
        tokio::time::sleep(pause).await;
    }

    fn error(&self, failure: Failure, subject: Subject, attempts: u32) -> Error {
        match failure {
            Failure::NotSignedIn(answer, _) => Error::Unauthorized {
                subject,
                answer,
                credential: self.settings.credential.noun(),
                accepted: self.accepted.load(Ordering::Relaxed),
            },
            Failure::Forbidden(answer) => Error::Forbidden { subject, answer },
            Failure::Refused(answer) => Error::Refused { subject, answer },
            Failure::NoToken(answer) => Error::NoToken { subject, answer },
            Failure::Unsendable => Error::Client {
                reason: "the credential holds characters that no header can".into(),
            },
            Failure::TooLarge | Failure::Crowded { .. } => {
                Error::TooLarge { subject, limit_mb: LARGEST_ANSWER_MB }
            }
            Failure::Passing { answer, .. } if answer.status == 429 => {
                Error::Throttled { subject, attempts, answer }
            }
            Failure::Passing { answer, .. } => Error::ServerError { subject, attempts, answer },
            Failure::Transport(Fault::Passing(reason)) => {
                Error::Unreachable { subject, attempts, reason }
            }
            Failure::Transport(Fault::Tls(reason)) => Error::Untrusted { subject, reason },
        }
    }
}

/// Why an attempt brought no data.
enum Failure {
    /// With the number of the token that was refused, if it can be renewed.
    NotSignedIn(Answer, Option<u64>),
    Forbidden(Answer),
    Refused(Answer),
    /// Microsoft Entra ID issued no token.
    NoToken(Answer),
    Unsendable,
    TooLarge,
    /// Larger than there is room for; so many bytes had come.
    Crowded {
        bytes: usize,
    },
    /// `asked_to_wait`: the answer said for how long.
    Passing {
        answer: Answer,
        asked_to_wait: bool,
    },
    Transport(Fault),
}

impl Failure {
    fn passes(&self) -> bool {
        matches!(self, Failure::Passing { .. } | Failure::Transport(Fault::Passing(_)))
    }
}

impl From<Unsigned> for Failure {
    fn from(unsigned: Unsigned) -> Self {
        match unsigned {
            Unsigned::Unsendable => Failure::Unsendable,
            Unsigned::Refused(answer) => Failure::NoToken(answer),
            Unsigned::Passing(answer) => Failure::Passing { answer, asked_to_wait: false },
            Unsigned::Transport(fault) => Failure::Transport(fault),
        }
    }
}
