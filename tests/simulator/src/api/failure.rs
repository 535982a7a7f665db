//! The service's error bodies. Clients tell them apart by `typeKey`; messages are prose.

use serde_json::json;

use crate::http::response::Response;

#[derive(Debug)]
pub struct Failure {
    pub status: u16,
    key: &'static str,
    message: String,
}

impl Failure {
    pub fn new(status: u16, key: &'static str, message: impl Into<String>) -> Self {
        Self { status, key, message: message.into() }
    }

    pub fn response(&self) -> Response {
        let namespace = match self.key {
            key if key.starts_with("Vss") => "Microsoft.VisualStudio.Services.WebApi",
            key if key.contains("Build") => "Microsoft.TeamFoundation.Build.WebApi",
            key if key.starts_with("Git") => "Microsoft.TeamFoundation.Git.Server",
            key if key.starts_with("Project") => "Microsoft.TeamFoundation.Core.WebApi",
            key if key.starts_with("WorkItem") => {
                "Microsoft.TeamFoundation.WorkItemTracking.Server"
            }
            _ => "Microsoft.TeamFoundation.Framework.Server",
        };
        let body = json!({
            "$id": "1",
            "innerException": null,
            "message": self.message,
            "typeName": format!("{namespace}.{}, {namespace}", self.key),
            "typeKey": self.key,
            "errorCode": 0,
            "eventId": 3000,
        });
        Response::json(self.status, &body)
    }
}

pub fn bad_request(message: &str) -> Failure {
    Failure::new(400, "VssPropertyValidationException", message)
}

pub fn bad_value(name: &str, value: &str) -> Failure {
    bad_request(&format!("The value '{value}' is not valid for {name}."))
}

pub fn bad_token(token: &str) -> Failure {
    let message = format!("The continuation token \"{token}\" is not valid.");
    Failure::new(400, "InvalidContinuationTokenException", message)
}

pub fn no_route(method: &str, path: &str) -> Failure {
    let message = format!("The simulator has no resource for {method} {path}.");
    Failure::new(404, "VssResourceNotFoundException", message)
}

pub fn no_method(method: &str) -> Failure {
    let message = format!("The requested resource does not support http method '{method}'.");
    Failure::new(405, "VssServiceException", message)
}

/// An organisation that does not exist answers in HTML.
pub fn no_organization(name: &str) -> Response {
    let name = name.replace(['<', '>', '&'], "");
    let page = format!(
        "<!DOCTYPE html><html><head><title>Azure DevOps Services | 404 Not Found</title></head><body><p>There is no organization \"{name}\".</p></body></html>"
    );
    Response::html(404, page)
}

/// A project that is missing, not well formed or hidden; the service does not tell which.
/// Builds answer 400 where every other area answers 404.
pub fn no_project(id_or_name: &str, by_id: bool, builds: bool) -> Failure {
    if by_id {
        let status = if builds { 400 } else { 404 };
        let message = format!(
            "VS800075: The project with id 'vstfs:///Classification/TeamProject/{id_or_name}' does \
             not exist, or you do not have permission to access it."
        );
        return Failure::new(status, "ProjectDoesNotExistException", message);
    }
    let message = format!(
        "TF200016: The following project does not exist: {id_or_name}. Verify that the name of the \
         project is correct and that the project exists on the specified Azure DevOps Server."
    );
    Failure::new(404, "ProjectDoesNotExistWithNameException", message)
}

pub fn no_repository(id_or_name: &str) -> Failure {
    let message = format!(
        "TF401019: The Git repository with name or identifier {id_or_name} does not exist or you \
         do not have permissions for the operation you are attempting."
    );
    Failure::new(404, "GitRepositoryNotFoundException", message)
}

pub fn no_pull_request(id: &str) -> Failure {
    let message = format!("TF401180: The requested pull request was not found: {id}.");
    Failure::new(404, "GitPullRequestNotFoundException", message)
}

pub fn no_build(id: &str) -> Failure {
    let message = format!("The requested build {id} could not be found.");
    Failure::new(404, "BuildNotFoundException", message)
}

pub fn throttled() -> Failure {
    let message = "TF400733: The request has been canceled: Request was blocked due to exceeding \
                   usage of resource <Concurrency> in namespace <User>.";
    Failure::new(429, "RequestBlockedException", message)
}

pub fn forbidden() -> Failure {
    let message = "TF400813: The user '5e0f0000-0000-4000-8000-000000000000' is not authorized to \
                   access this resource.";
    Failure::new(403, "UnauthorizedRequestException", message)
}
