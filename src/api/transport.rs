//! Why there is no answer at all: which faults of a connection may pass, and what they are called.

use std::error::Error as _;

/// A fault below HTTP.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// DNS, refused, reset, timed out, broken off: may pass.
    Passing(String),
    /// The other side is not to be trusted, or speaks no TLS: stays.
    Tls(String),
}

impl Fault {
    /// What went wrong with a request. The text names causes, never the URL.
    pub fn of(error: &reqwest::Error) -> Self {
        let text = chain(error);
        if is_tls(error) { Fault::Tls(text) } else { Fault::Passing(text) }
    }
}

/// The error and its causes on one line, without the URL.
pub fn chain(error: &reqwest::Error) -> String {
    let mut text = if error.is_timeout() {
        "the request timed out".to_owned()
    } else if error.is_connect() {
        "could not connect".to_owned()
    } else if error.is_body() || error.is_decode() {
        "the answer broke off".to_owned()
    } else {
        "the request failed".to_owned()
    };
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

/// Whether the certificate is not trusted, or what came was no TLS.
fn is_tls(error: &(dyn std::error::Error + 'static)) -> bool {
    if let Some(found) = error.downcast_ref::<rustls::Error>() {
        use rustls::Error::{InvalidCertificate, InvalidMessage};
        return matches!(found, InvalidCertificate(_) | InvalidMessage(_));
    }
    // An I/O error names its inner error's cause as its own and leaves the inner error out.
    let inner = error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
    inner.is_some_and(|inner| is_tls(inner)) || error.source().is_some_and(is_tls)
}
