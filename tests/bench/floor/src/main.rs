//! The floor: downloads the URLs of standard input, several at once, and parses them to nothing.
//!
//!     azure-devops-floor CONCURRENCY TOKEN < urls
//!
//! The client, the event loop and the JSON parser are the extension's; there are no rows.

use std::io::BufRead;
use std::rc::Rc;
use std::sync::Mutex;

use base64::Engine;
use reqwest::header::{ACCEPT, AUTHORIZATION, HeaderMap, HeaderValue};
use serde::de::IgnoredAny;

type Failure = Box<dyn std::error::Error>;

fn main() -> Result<(), Failure> {
    let mut arguments = std::env::args().skip(1);
    let (Some(concurrency), Some(token)) = (arguments.next(), arguments.next()) else {
        return Err("usage: azure-devops-floor CONCURRENCY TOKEN < urls".into());
    };
    let urls = std::io::stdin().lock().lines().collect::<Result<Vec<String>, _>>()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let workers = tokio::task::LocalSet::new();
    let (requests, bytes) =
        runtime.block_on(workers.run_until(read(client(&token)?, urls, concurrency.parse()?)))?;
    println!("{requests} {bytes}");
    Ok(())
}

/// The client with the extension's settings and headers.
fn client(token: &str) -> Result<reqwest::Client, Failure> {
    let mut headers = HeaderMap::new();
    headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
    headers.insert("X-TFS-FedAuthRedirect", HeaderValue::from_static("Suppress"));
    let pair = base64::engine::general_purpose::STANDARD.encode(format!(":{token}"));
    headers.insert(AUTHORIZATION, HeaderValue::from_str(&format!("Basic {pair}"))?);
    let builder = reqwest::Client::builder().default_headers(headers).no_proxy();
    Ok(builder.redirect(reqwest::redirect::Policy::none()).build()?)
}

/// Reads all of them; how many there were, and their bytes.
async fn read(
    client: reqwest::Client,
    urls: Vec<String>,
    concurrency: usize,
) -> Result<(usize, usize), Failure> {
    let queue = Rc::new(Mutex::new(urls.into_iter()));
    let workers: Vec<_> = (0..concurrency.max(1))
        .map(|_| tokio::task::spawn_local(work(client.clone(), Rc::clone(&queue))))
        .collect();
    let mut total = (0, 0);
    for worker in workers {
        let (requests, bytes) = worker.await??;
        total = (total.0 + requests, total.1 + bytes);
    }
    Ok(total)
}

async fn work(
    client: reqwest::Client,
    queue: Rc<Mutex<std::vec::IntoIter<String>>>,
) -> Result<(usize, usize), Failure> {
    let next = || queue.lock().map(|mut urls| urls.next()).unwrap_or_default();
    let mut total = (0, 0);
    while let Some(url) = next() {
        let answer = client.get(url).send().await?.error_for_status()?;
        let body = answer.bytes().await?;
        serde_json::from_slice::<IgnoredAny>(&body)?;
        total = (total.0 + 1, total.1 + body.len());
    }
    Ok(total)
}
