//! One TCP connection: requests in, answers out, until either side has enough.

use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpStream;

use super::delivery;
use super::request::{self, Request};
use super::response::{Manner, Response};
use crate::api::Call;
use crate::api::route::Route;
use crate::log::Ticket;
use crate::state::{State, lock};
use crate::{api, cache, control};

pub async fn serve(mut stream: TcpStream, id: u64, state: Arc<State>) {
    // Answers are written in one piece; Nagle's algorithm would only delay them.
    let _ = stream.set_nodelay(true);
    let mut buffer = Vec::new();
    loop {
        let request = match request::read(&mut stream, &mut buffer).await {
            Ok(Some(request)) => request,
            Ok(None) => return,
            Err(error) => {
                let response = api::failure::bad_request(&error.to_string()).response();
                let _ = delivery::write(&mut stream, &response, false, None).await;
                return;
            }
        };
        let control = request.raw_path.starts_with("/__sim");
        let written = if control {
            let response = control::answer(&state, &request);
            delivery::write(&mut stream, &response, request.keep_alive, None).await
        } else {
            serve_call(&mut stream, id, &state, &request).await
        };
        if !matches!(written, Ok(true)) {
            return;
        }
    }
}

async fn serve_call(
    stream: &mut TcpStream,
    id: u64,
    state: &Arc<State>,
    request: &Request,
) -> std::io::Result<bool> {
    let call = Call::of(request);
    let organization = match call.route {
        Route::Token => state.of_tenant(&call.organization),
        _ => state.find(&call.organization),
    };
    let ticket = Ticket::open(state, call.arrival(request, id, organization.as_deref()));
    let Some(organization) = organization else {
        let response = api::failure::no_organization(&call.organization);
        note(&ticket, &response);
        return delivery::write(stream, &response, request.keep_alive, Some(ticket)).await;
    };
    let latency = lock(&organization).latency_ms;
    if latency > 0 {
        tokio::time::sleep(Duration::from_millis(latency)).await;
    }
    let (fault, mut response, gzip) = {
        let mut organization = lock(&organization);
        let fault = call.fault(&mut organization);
        let answered = fault.as_ref().is_none_or(|f| f.kind.needs_answer());
        let response = if answered {
            let (response, ignored) = match fault {
                None => cache::answer(&call, &mut organization, request),
                Some(_) => call.answer(&mut organization, request),
            };
            ticket.note(|entry| entry.ignored = ignored);
            response
        } else {
            Response::json(200, &serde_json::Value::Null)
        };
        (fault, response, organization.gzip)
    };
    if let Some(fault) = fault {
        ticket.note(|entry| entry.fault = Some(fault.name()));
        if let Some(delay) = fault.delay_before() {
            tokio::time::sleep(Duration::from_millis(delay)).await;
        }
        response = fault.apply(response, &call);
    }
    finish(&mut response, &ticket, &call);
    // A broken body is cut at a byte the fault names, so it stays as it is.
    if gzip && request.accepts_gzip() && response.manner == Manner::Whole {
        response.compress();
    }
    note(&ticket, &response);
    delivery::write(stream, &response, request.keep_alive, Some(ticket)).await
}

/// Headers of every answer, which support asks for.
fn finish(response: &mut Response, ticket: &Ticket, call: &Call) {
    let activity = format!("5e0f0000-0000-4000-8000-{:012x}", ticket.number());
    response.headers.push(("ActivityId".into(), activity.clone()));
    response.headers.push(("X-VSS-E2EID".into(), activity));
    response.headers.push(("X-TFS-Session".into(), call.session.clone()));
    response.headers.push(("Cache-Control".into(), "no-cache".into()));
}

fn note(ticket: &Ticket, response: &Response) {
    let silent = matches!(response.manner, Manner::ResetBeforeHeaders | Manner::StallHeaders);
    ticket.note(|entry| {
        entry.status = (!silent).then_some(response.status);
        entry.rows = response.rows;
        entry.response_bytes = if silent { 0 } else { response.body.len() };
    });
}
