//! Reads requests from a connection.

use std::collections::BTreeMap;
use std::io::{Error, ErrorKind, Result};

use percent_encoding::percent_decode_str;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// The service's limit is unknown; clients are expected to stay well below.
const MAX_HEAD: usize = 64 * 1024;
/// Control requests may put large organisations.
const MAX_BODY: usize = 512 * 1024 * 1024;
const MAX_HEADERS: usize = 100;

#[derive(Debug, Default)]
pub struct Request {
    pub method: String,
    /// As sent, without the query.
    pub raw_path: String,
    pub raw_query: String,
    /// Lower-case names.
    pub headers: BTreeMap<String, String>,
    pub body: Vec<u8>,
    pub keep_alive: bool,
}

impl Request {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(String::as_str)
    }

    pub fn accepts_gzip(&self) -> bool {
        self.header("accept-encoding").is_some_and(|a| a.contains("gzip"))
    }

    /// Decoded path segments; empty ones are left out.
    pub fn segments(&self) -> Vec<String> {
        let decode = |s: &str| percent_decode_str(s).decode_utf8_lossy().into_owned();
        self.raw_path.split('/').filter(|s| !s.is_empty()).map(decode).collect()
    }

    /// Decoded query parameters in order; a plus sign is a space, as in ASP.NET.
    pub fn query(&self) -> Vec<(String, String)> {
        let decode = |s: &str| {
            let spaced = s.replace('+', " ");
            percent_decode_str(&spaced).decode_utf8_lossy().into_owned()
        };
        let pairs = self.raw_query.split('&').filter(|p| !p.is_empty());
        pairs
            .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
            .map(|(name, value)| (decode(name), decode(value)))
            .collect()
    }

    /// `http://host:port` as the client addressed it.
    pub fn base(&self) -> String {
        format!("http://{}", self.header("host").unwrap_or("127.0.0.1"))
    }
}

/// Reads the next request; None when the client closed the connection between two requests.
pub async fn read(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> Result<Option<Request>> {
    let (mut request, head) = loop {
        if let Some(parsed) = parse_head(buffer)? {
            break parsed;
        }
        if buffer.len() > MAX_HEAD {
            return Err(Error::new(ErrorKind::InvalidData, "request head too large"));
        }
        if stream.read_buf(buffer).await? == 0 {
            return if buffer.is_empty() { Ok(None) } else { Err(ErrorKind::UnexpectedEof.into()) };
        }
    };
    buffer.drain(..head);
    if request.header("expect").is_some_and(|e| e.eq_ignore_ascii_case("100-continue")) {
        stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").await?;
    }
    let chunked = request.header("transfer-encoding").is_some_and(|t| t.contains("chunked"));
    if chunked {
        request.body = read_chunks(stream, buffer).await?;
    } else if let Some(length) = request.header("content-length") {
        let length = length.trim().parse().map_err(|_| ErrorKind::InvalidData)?;
        request.body = take(stream, buffer, length).await?;
    }
    Ok(Some(request))
}

fn parse_head(buffer: &[u8]) -> Result<Option<(Request, usize)>> {
    let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
    let mut parsed = httparse::Request::new(&mut headers);
    let invalid = |e: httparse::Error| Error::new(ErrorKind::InvalidData, e.to_string());
    let httparse::Status::Complete(length) = parsed.parse(buffer).map_err(invalid)? else {
        return Ok(None);
    };
    let target = parsed.path.unwrap_or("/");
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let mut request = Request {
        method: parsed.method.unwrap_or_default().to_string(),
        raw_path: path.to_string(),
        raw_query: query.to_string(),
        ..Request::default()
    };
    for header in parsed.headers.iter() {
        let value = String::from_utf8_lossy(header.value).into_owned();
        let known = request.headers.entry(header.name.to_lowercase()).or_default();
        if !known.is_empty() {
            known.push_str(", ");
        }
        known.push_str(&value);
    }
    let connection = request.header("connection").unwrap_or_default().to_lowercase();
    request.keep_alive = match parsed.version {
        Some(0) => connection.contains("keep-alive"),
        _ => !connection.contains("close"),
    };
    Ok(Some((request, length)))
}

async fn take(stream: &mut TcpStream, buffer: &mut Vec<u8>, length: usize) -> Result<Vec<u8>> {
    if length > MAX_BODY {
        return Err(Error::new(ErrorKind::InvalidData, "request body too large"));
    }
    while buffer.len() < length {
        if stream.read_buf(buffer).await? == 0 {
            return Err(ErrorKind::UnexpectedEof.into());
        }
    }
    Ok(buffer.drain(..length).collect())
}

async fn read_chunks(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> Result<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let end = loop {
            if let Some(end) = buffer.windows(2).position(|w| w == b"\r\n") {
                break end;
            }
            if stream.read_buf(buffer).await? == 0 {
                return Err(ErrorKind::UnexpectedEof.into());
            }
        };
        let line: Vec<u8> = buffer.drain(..end + 2).collect();
        let line = String::from_utf8_lossy(&line);
        let size = line.split(';').next().unwrap_or_default().trim();
        let size = usize::from_str_radix(size, 16).map_err(|_| ErrorKind::InvalidData)?;
        let chunk = take(stream, buffer, size.saturating_add(2)).await?;
        if size == 0 {
            return Ok(body);
        }
        body.extend_from_slice(&chunk[..size]);
        if body.len() > MAX_BODY {
            return Err(Error::new(ErrorKind::InvalidData, "request body too large"));
        }
    }
}
