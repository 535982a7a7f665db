//! Secrets: held so that they cannot be printed, and turned into the Authorization header.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::header::HeaderValue;

/// A secret. Has no Display, and its Debug shows nothing of it.
#[derive(Clone, PartialEq, Eq)]
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
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// What a request signs in with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Credential {
    /// Personal access token, sent as Basic authentication with an empty user name.
    Pat(Secret),
}

impl Credential {
    /// The text without the secret, should the service have sent it back.
    pub fn redact(&self, text: String) -> String {
        match self {
            Credential::Pat(secret) => {
                let bare = secret.0.trim();
                let encoded = [STANDARD.encode(format!(":{bare}")), STANDARD.encode(bare)];
                let unpadded = encoded.iter().map(|code| code.trim_end_matches('='));
                let shown = encoded.iter().map(String::as_str).chain(unpadded).chain([bare]);
                shown
                    .filter(|shown| !shown.is_empty())
                    .fold(text, |text, shown| text.replace(shown, "***"))
            }
        }
    }

    /// The Authorization header, marked sensitive so that no log shows it.
    pub fn header(&self) -> Option<HeaderValue> {
        match self {
            Credential::Pat(secret) => {
                let encoded = STANDARD.encode(format!(":{}", secret.0.trim()));
                let mut value = HeaderValue::from_str(&format!("Basic {encoded}")).ok()?;
                value.set_sensitive(true);
                Some(value)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_does_not_print() {
        let credential = Credential::Pat(Secret::new("hunter2".into()));
        let header = credential.header().expect("a header");
        assert!(!format!("{credential:?} {header:?}").contains("hunter2"));
        assert!(!format!("{header:?}").contains("Omh1bnRlcjI"));
        let echo = "got hunter2, Basic Omh1bnRlcjI=, Omh1bnRlcjI and aHVudGVyMg==".to_owned();
        assert_eq!(credential.redact(echo), "got ***, Basic ***, *** and ***");
        assert_eq!(header.to_str().ok(), Some("Basic Omh1bnRlcjI="));
    }
}
