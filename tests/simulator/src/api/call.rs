//! One request to the service: guards in the service's order, then the endpoint.

use std::sync::Mutex;
use std::time::{SystemTime, UNIX_EPOCH};

use super::authentication::{self, Credential};
use super::failure::{self, Failure};
use super::query::Query;
use super::route::{self, Route};
use super::{builds, location, login, projects, pull_requests, repositories, revisions, version};
use crate::fault::Fault;
use crate::http::request::Request;
use crate::http::response::Response;
use crate::log::Arrival;
use crate::organization::Organization;
use crate::state::lock;

pub struct Call {
    pub organization: String,
    /// As addressed: name or id.
    pub project: Option<String>,
    pub route: Route,
    pub query: Query,
    /// Echoed: the service keeps the session a client names.
    pub session: String,
}

impl Call {
    pub fn of(request: &Request) -> Self {
        let (organization, project, route) = route::find(&request.segments());
        let session = request.header("x-tfs-session");
        let session = session.unwrap_or("5e0f0000-0000-4000-9000-000000000001").to_string();
        Self { organization, project, route, query: Query::new(request.query()), session }
    }

    pub fn endpoint(&self) -> &'static str {
        self.route.endpoint()
    }

    /// What the log keeps; never the credential itself.
    pub fn arrival(
        &self,
        request: &Request,
        connection: u64,
        organization: Option<&Mutex<Organization>>,
    ) -> Arrival {
        let credential = match organization {
            Some(organization) => authentication::check(request, &lock(organization)),
            None if request.header("authorization").is_none() => Credential::Absent,
            None => Credential::Invalid,
        };
        let mut headers = request.headers.clone();
        headers.insert("authorization".into(), authentication::marker(request, credential));
        let name = match organization {
            Some(organization) => lock(organization).name.clone(),
            None => self.organization.clone(),
        };
        Arrival {
            organization: name,
            endpoint: self.endpoint(),
            method: request.method.clone(),
            path: format!("/{}", request.segments().join("/")),
            query: self.query.pairs().to_vec(),
            raw_query: request.raw_query.clone(),
            headers,
            body: match self.route {
                Route::Token => login::without_secret(&request.body),
                _ => String::from_utf8_lossy(&request.body).into_owned(),
            },
            connection,
        }
    }

    /// The fault that strikes this request, if any.
    pub fn fault(&self, organization: &mut Organization) -> Option<Fault> {
        let found = self.project.as_ref().and_then(|p| organization.projects.find(p));
        let names: Vec<String> = match (found, &self.project, &self.route) {
            (Some(slot), ..) => {
                let project = organization.projects.at(slot);
                vec![project.id.clone(), project.name.clone()]
            }
            (None, Some(name), _) => vec![name.clone()],
            (None, None, Route::Project { id }) => vec![id.clone()],
            _ => Vec::new(),
        };
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        organization.faults.strike(self.endpoint(), &names)
    }

    /// The answer without faults, and the query parameters that were ignored.
    pub fn answer(
        &self,
        organization: &mut Organization,
        request: &Request,
    ) -> (Response, Vec<String>) {
        if self.route == Route::Token {
            return (login::answer(organization, request), Vec::new());
        }
        let credential = authentication::check(request, organization);
        if credential != Credential::Valid {
            let refusal = organization.traps.auth;
            let response = authentication::refuse(refusal, request, credential, &self.organization);
            return (response, Vec::new());
        }
        let (limits, blocked) = limit(organization);
        let result = match blocked {
            true => Err(failure::throttled()),
            false => self.dispatch(organization, request),
        };
        let failed = result.is_err();
        let mut response = result.unwrap_or_else(|failure| failure.response());
        if !failed {
            good_headers(organization, &mut response);
        }
        for (name, value) in limits {
            response.set(name, value.to_string());
        }
        (response, if failed { Vec::new() } else { self.query.ignored() })
    }

    fn dispatch(
        &self,
        organization: &mut Organization,
        request: &Request,
    ) -> Result<Response, Failure> {
        if self.route == Route::Unknown {
            let path = format!("/{}", request.segments().join("/"));
            return Err(failure::no_route(&request.method, &path));
        }
        match (request.method.as_str(), &self.route) {
            ("OPTIONS", Route::Locations) => return Ok(location::locations()),
            ("GET", Route::Locations) => return Err(failure::no_route("GET", "/_apis")),
            ("GET", _) | ("POST", Route::Revisions) => {}
            (method, _) => return Err(failure::no_method(method)),
        }
        let version = version::check(request, &self.query, self.route.resource_version())?;
        let query = &self.query;
        let project = self.project(organization)?;
        match &self.route {
            Route::ResourceAreas { area } => location::areas(request, &self.organization, area),
            Route::ConnectionData => Ok(location::connection_data()),
            Route::Projects => projects::list(organization, query),
            Route::Project { id } => projects::one(organization, query, id),
            Route::Repositories => repositories::list(organization, query, project),
            Route::Repository { id } => repositories::one(organization, query, project, id),
            Route::Builds => builds::list(organization, query, project.unwrap_or_default()),
            Route::Build { id } => {
                builds::one(organization, query, project.unwrap_or_default(), id)
            }
            Route::PullRequests { repository } => {
                let repository = self.repository(organization, project, repository)?;
                pull_requests::list(organization, query, project, repository, version)
            }
            Route::PullRequest { repository, id } => {
                let repository = self.repository(organization, project, repository)?;
                pull_requests::one(organization, query, project, repository, id)
            }
            Route::Revisions => revisions::read(organization, request, self, project),
            Route::Locations | Route::Token | Route::Unknown => Err(failure::no_route("GET", "")),
        }
    }

    /// The project in the path, if its children can be read.
    fn project(&self, organization: &Organization) -> Result<Option<usize>, Failure> {
        let Some(name) = &self.project else { return Ok(None) };
        let builds = self.endpoint() == "builds";
        match organization.projects.find(name) {
            Some(slot) if organization.is_readable(slot) => Ok(Some(slot)),
            Some(slot) => {
                let id = &organization.projects.at(slot).id;
                Err(failure::no_project(id, true, builds))
            }
            None => Err(failure::no_project(name, is_guid(name), builds)),
        }
    }

    /// The repository in the path; a disabled one answers as if it did not exist.
    fn repository(
        &self,
        organization: &Organization,
        project: Option<usize>,
        name: &Option<String>,
    ) -> Result<Option<usize>, Failure> {
        let Some(name) = name else { return Ok(None) };
        let slot = organization.repositories.find(project, name);
        let usable = |slot: &usize| {
            let repository = organization.repositories.get(*slot);
            repository.is_some_and(|r| !r.disabled && organization.is_readable(r.project))
        };
        match slot.filter(usable) {
            Some(slot) => Ok(Some(slot)),
            None => Err(failure::no_repository(name)),
        }
    }
}

pub fn is_guid(text: &str) -> bool {
    let dashes = |at: usize| matches!(at, 8 | 13 | 18 | 23);
    let right = |(at, c): (usize, char)| if dashes(at) { c == '-' } else { c.is_ascii_hexdigit() };
    text.len() == 36 && text.char_indices().all(right)
}

/// Counts the request against the limit, if there is one: the headers, and whether it is blocked.
fn limit(organization: &mut Organization) -> (Vec<(&'static str, u64)>, bool) {
    let Some(limited) = organization.traps.limited else { return (Vec::new(), false) };
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    if now >= organization.spent.0 + limited.seconds {
        organization.spent = (now, 0);
    }
    organization.spent.1 += 1;
    let (since, spent) = organization.spent;
    let headers = vec![
        ("X-RateLimit-Limit", limited.requests),
        ("X-RateLimit-Remaining", limited.requests.saturating_sub(spent)),
        ("X-RateLimit-Reset", since + limited.seconds),
    ];
    (headers, spent > limited.requests)
}

fn good_headers(organization: &Organization, response: &mut Response) {
    if organization.traps.rate_limit_headers {
        response.set("X-RateLimit-Resource", "ResourceUsage");
        response.set("X-RateLimit-Limit", "200");
        response.set("X-RateLimit-Remaining", "42");
        response.set("X-RateLimit-Reset", "1782820800");
    }
    if let Some(seconds) = organization.traps.delayed_200 {
        response.set("Retry-After", seconds.to_string());
        response.set("X-RateLimit-Delay", format!("{seconds}.250"));
        response.set("X-RateLimit-Remaining", "0");
    }
}
