//! An answer before it is written, and how it is to be written.

use std::io::Write;
use std::sync::Arc;

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::Value;

/// Seen in official samples: the version in the type is not the one asked for.
pub const JSON: &str = "application/json; charset=utf-8; api-version=7.1";
pub const HTML: &str = "text/html; charset=utf-8";

/// Below this, compressing costs more than it saves.
const COMPRESS_FROM: usize = 1024;
const ENCODING: &str = "Content-Encoding";

#[derive(Debug, Clone)]
pub struct Response {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    /// Shared with the cache; a fault changes a copy.
    pub body: Arc<Vec<u8>>,
    /// Elements in a list, for the log.
    pub rows: Option<usize>,
    pub manner: Manner,
}

/// How the bytes go over the wire; all but `Whole` are faults.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Manner {
    #[default]
    Whole,
    ResetBeforeHeaders,
    ResetMidBody {
        after_bytes: usize,
    },
    /// Announces more than it sends, then closes.
    CutBody {
        after_bytes: usize,
    },
    Drip {
        piece: usize,
        delay_ms: u64,
    },
    StallHeaders,
    StallBody {
        after_bytes: usize,
    },
}

impl Response {
    pub fn new(status: u16, content_type: &str, body: impl Into<Vec<u8>>) -> Self {
        let headers = vec![("Content-Type".to_string(), content_type.to_string())];
        Self { status, headers, body: Arc::new(body.into()), rows: None, manner: Manner::Whole }
    }

    pub fn json(status: u16, value: &Value) -> Self {
        Self::new(status, JSON, value.to_string())
    }

    pub fn html(status: u16, body: impl Into<Vec<u8>>) -> Self {
        Self::new(status, HTML, body)
    }

    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.set(name, value);
        self
    }

    /// Sets a header, in the place of one with the same name.
    pub fn set(&mut self, name: &str, value: impl Into<String>) {
        self.headers.retain(|(n, _)| !n.eq_ignore_ascii_case(name));
        self.headers.push((name.to_string(), value.into()));
    }

    pub fn compress(&mut self) {
        let done = self.headers.iter().any(|(name, _)| name == ENCODING);
        if done || self.body.len() < COMPRESS_FROM {
            return;
        }
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        if encoder.write_all(&self.body).is_ok()
            && let Ok(body) = encoder.finish()
        {
            self.body = Arc::new(body);
            self.set(ENCODING, "gzip");
            self.set("Vary", "Accept-Encoding");
        }
    }
}

pub fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        201 => "Created",
        203 => "Non-Authoritative Information",
        204 => "No Content",
        302 => "Found",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        429 => "Too Many Requests",
        500 => "Internal Server Error",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        _ => "Status",
    }
}
