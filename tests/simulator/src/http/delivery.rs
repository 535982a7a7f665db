//! Writes an answer, in one piece or broken as a fault wants it.

use std::io::Result;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::response::{Manner, Response, reason};
use crate::log::Ticket;

/// Long enough for any client to give up first.
const STALL: Duration = Duration::from_secs(600);
/// Lets the bytes before a reset arrive: a reset discards what the client has not read yet.
const BEFORE_RESET: Duration = Duration::from_millis(30);

/// How much of a good answer is held back until the log calls the request finished.
const LAST_PIECE: usize = 1024;
/// From here on, a second write costs less than a copy.
const SEPARATE: usize = 64 * 1024;

/// Writes the answer; false when the connection is not to be used again. The ticket is closed just
/// before the last piece, so that a client with the whole answer never sees it under way.
pub async fn write(
    stream: &mut TcpStream,
    response: &Response,
    keep_alive: bool,
    ticket: Option<Ticket>,
) -> Result<bool> {
    let body = &response.body;
    let announced = match response.manner {
        Manner::CutBody { .. } | Manner::StallBody { .. } => body.len().max(1) + 1024,
        _ => body.len(),
    };
    let mut head = head(response, announced, keep_alive);
    match response.manner {
        Manner::Whole if body.len() >= SEPARATE => {
            let (most, last) = body.split_at(body.len() - LAST_PIECE);
            stream.write_all(&head).await?;
            stream.write_all(most).await?;
            drop(ticket);
            stream.write_all(last).await?;
            return Ok(keep_alive);
        }
        Manner::Whole => {
            head.extend_from_slice(body);
            let (most, last) = head.split_at(head.len().saturating_sub(LAST_PIECE));
            stream.write_all(most).await?;
            drop(ticket);
            stream.write_all(last).await?;
            return Ok(keep_alive);
        }
        Manner::ResetBeforeHeaders => reset(stream)?,
        Manner::StallHeaders => wait_for_close(stream).await,
        Manner::ResetMidBody { after_bytes } => {
            head.extend_from_slice(&body[..after_bytes.min(body.len())]);
            stream.write_all(&head).await?;
            tokio::time::sleep(BEFORE_RESET).await;
            reset(stream)?;
        }
        Manner::CutBody { after_bytes } => {
            head.extend_from_slice(&body[..after_bytes.min(body.len())]);
            stream.write_all(&head).await?;
        }
        Manner::StallBody { after_bytes } => {
            head.extend_from_slice(&body[..after_bytes.min(body.len())]);
            stream.write_all(&head).await?;
            wait_for_close(stream).await;
        }
        Manner::Drip { piece, delay_ms } => {
            stream.write_all(&head).await?;
            for piece in body.chunks(piece.max(1)) {
                tokio::time::sleep(Duration::from_millis(delay_ms)).await;
                stream.write_all(piece).await?;
            }
            return Ok(keep_alive);
        }
    }
    Ok(false)
}

fn head(response: &Response, length: usize, keep_alive: bool) -> Vec<u8> {
    let mut head = format!("HTTP/1.1 {} {}\r\n", response.status, reason(response.status));
    for (name, value) in &response.headers {
        // A header with a line break in it would become two.
        let value: String = value.chars().filter(|c| !c.is_control()).collect();
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    if response.status != 204 {
        head.push_str(&format!("Content-Length: {length}\r\n"));
    }
    if !keep_alive {
        head.push_str("Connection: close\r\n");
    }
    head.push_str("\r\n");
    head.into_bytes()
}

/// With a linger of zero, closing sends RST instead of FIN.
fn reset(stream: &TcpStream) -> Result<()> {
    stream.set_zero_linger()
}

/// Stays silent until the client gives up.
pub async fn wait_for_close(stream: &mut TcpStream) {
    let mut buffer = [0; 1024];
    let closed = async { while !matches!(stream.read(&mut buffer).await, Ok(0) | Err(_)) {} };
    let _ = tokio::time::timeout(STALL, closed).await;
}
