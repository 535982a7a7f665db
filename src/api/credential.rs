//! Secrets: held so that they cannot be printed.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::header::HeaderValue;

/// A secret. Has no Display, and its Debug shows nothing of it.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Secret(String);

impl Secret {
    /// Takes the secret.
    pub fn new(secret: String) -> Self {
        Self(secret)
    }

    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.0.trim().is_empty()
    }

    /// Shows the secret to the code that sends it.
    pub(super) fn expose(&self) -> &str {
        self.0.trim()
    }

    /// The text without the secret, plain or in Base64.
    pub(super) fn redact(&self, text: String) -> String {
        let bare = self.expose();
        let encoded = [STANDARD.encode(format!(":{bare}")), STANDARD.encode(bare)];
        let unpadded = encoded.iter().map(|code| code.trim_end_matches('='));
        let shown = encoded.iter().map(String::as_str).chain(unpadded).chain([bare]);
        shown.filter(|shown| !shown.is_empty()).fold(text, |text, shown| text.replace(shown, "***"))
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// What a request signs in with.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Credential {
    /// Personal access token, sent as Basic authentication with an empty user name.
    Pat(Secret),
    /// An application of Microsoft Entra ID; its tokens are sent as Bearer authentication.
    ServicePrincipal(ServicePrincipal),
}

/// An application of Microsoft Entra ID that is a member of the organization.
/// <https://learn.microsoft.com/azure/devops/integrate/get-started/authentication/service-principal-managed-identity>
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ServicePrincipal {
    /// Where tokens are issued, without a trailing slash.
    pub login_url: String,
    /// Directory (tenant) id or domain.
    pub tenant: String,
    /// Application (client) id.
    pub client: String,
    /// Client secret.
    pub secret: Secret,
}

impl Credential {
    /// What messages call it.
    pub fn noun(&self) -> &'static str {
        match self {
            Credential::Pat(_) => "personal access token",
            Credential::ServicePrincipal(_) => "token of the service principal",
        }
    }
}

/// An Authorization header, marked sensitive so that no log shows it.
pub(super) fn authorization(value: &str) -> Option<HeaderValue> {
    let mut value = HeaderValue::from_str(value).ok()?;
    value.set_sensitive(true);
    Some(value)
}

/// The Authorization header of a personal access token.
pub(super) fn basic(pat: &Secret) -> Option<HeaderValue> {
    authorization(&format!("Basic {}", STANDARD.encode(format!(":{}", pat.expose()))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_does_not_print() {
        let secret = Secret::new("hunter2".into());
        let header = basic(&secret).expect("a header");
        let credential = Credential::Pat(secret.clone());
        assert!(!format!("{credential:?} {header:?}").contains("hunter2"));
        assert!(!format!("{header:?}").contains("Omh1bnRlcjI"));
        let echo = "got hunter2, Basic Omh1bnRlcjI=, Omh1bnRlcjI and aHVudGVyMg==".to_owned();
        assert_eq!(secret.redact(echo), "got ***, Basic ***, *** and ***");
        assert_eq!(header.to_str().ok(), Some("Basic Omh1bnRlcjI="));
    }
}
