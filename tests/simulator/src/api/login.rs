//! Microsoft Entra ID's token endpoint: the client credentials grant.
//! <https://learn.microsoft.com/entra/identity-platform/v2-oauth2-client-creds-grant-flow>

use std::time::{Duration, Instant};

use percent_encoding::percent_decode_str;
use serde_json::json;

use crate::http::request::Request;
use crate::http::response::Response;
use crate::organization::Organization;

/// What a token for the service is asked for.
const SCOPE: &str = "499b84ac-1321-427f-aa17-267ca6975798/.default";

pub fn answer(organization: &mut Organization, request: &Request) -> Response {
    let Some(entra) = organization.entra.clone() else {
        return refusal(400, "invalid_request", "AADSTS90002: Tenant not found.");
    };
    let form = form(&request.body);
    let value = |name: &str| {
        form.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value.as_str())
    };
    if request.method != "POST" || value("grant_type") != "client_credentials" {
        let text = "AADSTS70003: The app requested an unsupported grant type.";
        return refusal(400, "unsupported_grant_type", text);
    }
    if value("scope") != SCOPE {
        return refusal(400, "invalid_scope", "AADSTS1002012: The provided value is not valid.");
    }
    if value("client_id") != entra.client_id {
        let text = "AADSTS700016: Application was not found in the directory.\r\nTrace ID: 0";
        return refusal(400, "unauthorized_client", text);
    }
    if value("client_secret") != entra.client_secret {
        let text = "AADSTS7000215: Invalid client secret provided.\r\nTrace ID: 0";
        return refusal(401, "invalid_client", text);
    }
    let token = format!("simulated-bearer-{:08x}", organization.random.between(0, 0xffff_ffff));
    let ends = Instant::now() + Duration::from_secs(entra.token_seconds);
    organization.tokens.push((token.clone(), ends));
    let body = json!({
        "token_type": "Bearer",
        "expires_in": entra.token_seconds,
        "ext_expires_in": entra.token_seconds,
        "access_token": token,
    });
    Response::json(200, &body)
}

/// Whether a token was issued and has not ended.
pub fn is_valid(organization: &Organization, token: &str) -> bool {
    let now = Instant::now();
    organization.tokens.iter().any(|(known, ends)| known == token && *ends > now)
}

/// The form for the log.
pub fn without_secret(body: &[u8]) -> String {
    let shown = |(name, value): &(String, String)| {
        let value = if name == "client_secret" { "***" } else { value };
        format!("{name}={value}")
    };
    form(body).iter().map(shown).collect::<Vec<_>>().join("&")
}

fn form(body: &[u8]) -> Vec<(String, String)> {
    let decode = |s: &str| {
        let spaced = s.replace('+', " ");
        percent_decode_str(&spaced).decode_utf8_lossy().into_owned()
    };
    let text = String::from_utf8_lossy(body);
    let pairs = text.split('&').filter_map(|pair| pair.split_once('='));
    pairs.map(|(name, value)| (decode(name), decode(value))).collect()
}

fn refusal(status: u16, error: &str, description: &str) -> Response {
    Response::json(status, &json!({ "error": error, "error_description": description }))
}
