//! The Authorization header of each request: a personal access token as it is, or a token that
//! Microsoft Entra ID issues and that is renewed before it ends and after it is refused.
//! <https://learn.microsoft.com/entra/identity-platform/v2-oauth2-client-creds-grant-flow>

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use reqwest::header::{ACCEPT, CONTENT_TYPE, HeaderValue};
use serde::Deserialize;
use tokio::time::Instant;

use super::credential::{Credential, Secret, ServicePrincipal, authorization, basic};
use super::retry;
use super::transport::Fault;
use crate::error::Answer;

/// The service's own id in Microsoft Entra ID, which tokens are asked for.
const SCOPE: &str = "499b84ac-1321-427f-aa17-267ca6975798/.default";

/// A token is renewed so long before it ends, or at half its life if that is shorter.
const MARGIN: Duration = Duration::from_secs(300);

/// Signs requests.
#[derive(Debug)]
pub struct SignIn {
    credential: Credential,
    /// One renewal at a time; the others wait for it.
    token: tokio::sync::Mutex<Option<Token>>,
    /// The last token, to take it out of texts.
    issued: Mutex<Option<Secret>>,
}

/// A header, and which of the tokens it holds.
#[derive(Debug, Clone)]
pub struct Signed {
    /// Authorization.
    pub header: HeaderValue,
    /// Number of the token; none if there is nothing to renew.
    pub number: Option<u64>,
}

/// Why there is no header.
#[derive(Debug)]
pub enum Unsigned {
    /// The secret cannot be sent in a header.
    Unsendable,
    /// No token was issued, and asking again is no use.
    Refused(Answer),
    /// No token was issued, for now.
    Passing(Answer),
    /// No usable connection to the login host.
    Transport(Fault),
}

#[derive(Debug)]
struct Token {
    signed: Signed,
    renew_at: Instant,
}

#[derive(Deserialize)]
struct Issued {
    access_token: String,
    expires_in: serde_json::Value,
}

#[derive(Deserialize, Default)]
struct Refusal {
    error: Option<String>,
    error_description: Option<String>,
}

impl SignIn {
    /// For a credential; sends nothing.
    pub fn new(credential: Credential) -> Self {
        Self { credential, token: tokio::sync::Mutex::default(), issued: Mutex::default() }
    }

    /// The header for a request. `refused` is the number of a token that the service did not take.
    pub async fn header(
        &self,
        http: &reqwest::Client,
        refused: Option<u64>,
    ) -> Result<Signed, Unsigned> {
        let principal = match &self.credential {
            Credential::Pat(pat) => {
                let header = basic(pat).ok_or(Unsigned::Unsendable)?;
                return Ok(Signed { header, number: None });
            }
            Credential::ServicePrincipal(principal) => principal,
        };
        let mut token = self.token.lock().await;
        let number = token.as_ref().and_then(|token| token.signed.number).unwrap_or(0);
        let good = |token: &&Token| {
            token.renew_at > Instant::now() && refused.is_none_or(|refused| refused != number)
        };
        if let Some(token) = token.as_ref().filter(good) {
            return Ok(token.signed.clone());
        }
        let (secret, life) = ask(http, principal).await?;
        let header = authorization(&format!("Bearer {}", secret.expose()));
        let header = header.ok_or(Unsigned::Unsendable)?;
        *self.issued.lock().unwrap_or_else(PoisonError::into_inner) = Some(secret);
        let signed = Signed { header, number: Some(number + 1) };
        let renew_at = Instant::now() + life - MARGIN.min(life / 2);
        *token = Some(Token { signed: signed.clone(), renew_at });
        Ok(signed)
    }

    /// The text without secrets, should the service have sent them back.
    pub fn redact(&self, text: String) -> String {
        let issued = self.issued.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let own = match &self.credential {
            Credential::Pat(secret) => secret,
            Credential::ServicePrincipal(principal) => &principal.secret,
        };
        issued.iter().chain([own]).fold(text, |text, secret| secret.redact(text))
    }
}

/// Asks for a token; returns it with the time that it lives.
async fn ask(
    http: &reqwest::Client,
    principal: &ServicePrincipal,
) -> Result<(Secret, Duration), Unsigned> {
    let ServicePrincipal { login_url, tenant, client, secret } = principal;
    let url = format!("{login_url}/{tenant}/oauth2/v2.0/token");
    let form = url::form_urlencoded::Serializer::new(String::new())
        .append_pair("grant_type", "client_credentials")
        .append_pair("client_id", client)
        .append_pair("client_secret", secret.expose())
        .append_pair("scope", SCOPE)
        .finish();
    let request = http
        .post(url)
        .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
        .header(ACCEPT, "application/json")
        .body(form);
    let transport = |error: reqwest::Error| Unsigned::Transport(Fault::of(&error));
    let response = request.send().await.map_err(transport)?;
    let status = response.status().as_u16();
    let body = response.bytes().await.map_err(transport)?;
    if status == 200
        && let Ok(issued) = serde_json::from_slice::<Issued>(&body)
    {
        let life = seconds(&issued.expires_in).unwrap_or(MARGIN);
        return Ok((Secret::new(issued.access_token), life));
    }
    // Not JSON is no fault here: the body only adds to an error that is reported anyway.
    let refusal: Refusal = serde_json::from_slice(&body).unwrap_or_default();
    let first_line = |text: String| text.lines().next().unwrap_or_default().to_owned();
    let answer = Answer {
        status,
        message: refusal.error_description.map(|text| secret.redact(first_line(text))),
        type_key: refusal.error.map(|text| secret.redact(text)),
        activity_id: None,
    };
    Err(match retry::passes(status) {
        true => Unsigned::Passing(answer),
        false => Unsigned::Refused(answer),
    })
}

/// Seconds as a number, or as text: both are seen.
fn seconds(value: &serde_json::Value) -> Option<Duration> {
    let number = value.as_u64().or_else(|| value.as_str()?.parse().ok())?;
    Some(Duration::from_secs(number))
}
