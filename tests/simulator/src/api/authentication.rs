//! Who may read: the token, and the many shapes of a refusal.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::failure::{Failure, forbidden};
use super::login;
use crate::http::request::Request;
use crate::http::response::Response;
use crate::organization::Organization;
use crate::organization::specification::Refusal;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Credential {
    Valid,
    Invalid,
    Absent,
}

/// Compares the request's credential with the token; the user part of Basic does not count.
pub fn check(request: &Request, organization: &Organization) -> Credential {
    let pat = organization.pat.as_str();
    let Some(header) = request.header("authorization") else { return Credential::Absent };
    let (scheme, secret) = header.trim().split_once(' ').unwrap_or((header, ""));
    let matches = match scheme.to_lowercase().as_str() {
        "basic" => {
            let decoded = STANDARD.decode(secret.trim()).unwrap_or_default();
            let decoded = String::from_utf8_lossy(&decoded);
            decoded.split_once(':').is_some_and(|(_, token)| token == pat)
        }
        "bearer" => secret.trim() == pat || login::is_valid(organization, secret.trim()),
        _ => false,
    };
    if matches { Credential::Valid } else { Credential::Invalid }
}

/// What the log shows in place of the header.
pub fn marker(request: &Request, credential: Credential) -> String {
    let scheme = request.header("authorization").unwrap_or_default().split(' ').next();
    let scheme = match scheme.unwrap_or_default().to_lowercase().as_str() {
        "bearer" => "Bearer",
        "basic" | "" => "Basic",
        _ => "Other",
    };
    let word = match credential {
        Credential::Valid => "valid",
        Credential::Invalid => "invalid",
        Credential::Absent => "absent",
    };
    format!("{scheme} {word}")
}

pub fn refuse(
    refusal: Refusal,
    request: &Request,
    credential: Credential,
    organization: &str,
) -> Response {
    let header = request.header("x-tfs-fedauthredirect").unwrap_or_default();
    match refusal {
        Refusal::Real if header.eq_ignore_ascii_case("suppress") => suppressed(organization),
        Refusal::Real if credential == Credential::Absent => sign_in_page(),
        Refusal::Real | Refusal::Redirect302 => redirect(organization),
        Refusal::Suppressed401 => suppressed(organization),
        Refusal::Html203 => sign_in_page(),
        Refusal::Json401 => {
            let message = "Access Denied: The Personal Access Token used has expired.";
            challenge(Failure::new(401, "AccessCheckException", message).response(), organization)
        }
        Refusal::Forbidden403 => forbidden().response(),
        Refusal::ConditionalAccess => {
            let message = "VS403463: The conditional access policy defined by your Microsoft Entra \
                           administrator has failed.";
            Failure::new(403, "VssServiceException", message).response()
        }
    }
}

pub fn suppressed(organization: &str) -> Response {
    let page = "<!DOCTYPE html><html><head><title>Access Denied</title></head><body>Access Denied</body></html>";
    challenge(Response::html(401, page), organization)
}

fn challenge(response: Response, organization: &str) -> Response {
    let realm = format!(
        "Bearer authorization_uri=https://login.microsoftonline.com/{organization}, Basic realm=\"https://dev.azure.com/\", TFS-Federated"
    );
    response.with("WWW-Authenticate", realm)
}

pub fn redirect(organization: &str) -> Response {
    let target = format!(
        "https://spsprodweu1.vssps.visualstudio.com/_signin?realm=dev.azure.com&reply_to=https%3A%2F%2Fdev.azure.com%2F{organization}%2F"
    );
    let page = format!(
        "<html><head><title>Object moved</title></head><body>\r\n<h2>Object moved to <a href=\"{target}\">here</a>.</h2>\r\n</body></html>\r\n"
    );
    Response::html(302, page).with("Location", target)
}

/// The page at the end of the redirect; the real one is about 16 kB too.
pub fn sign_in_page() -> Response {
    let filler = "<!-- sign-in script -->\r\n".repeat(620);
    let page = format!(
        "<!DOCTYPE html>\r\n<html lang=\"en-US\">\r\n<head><title>Azure DevOps Services | Sign In</title></head>\r\n<body>\r\n{filler}</body>\r\n</html>\r\n"
    );
    Response::html(203, page)
}
