//! The listening socket, and a task per connection.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::net::TcpListener;

use crate::http::connection;
use crate::state::State;

pub struct Server {
    listener: TcpListener,
    address: String,
    state: Arc<State>,
}

impl Server {
    /// Binds to the loopback address; port 0 takes a free one.
    pub async fn bind(port: u16) -> std::io::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", port)).await?;
        let address = format!("http://{}", listener.local_addr()?);
        Ok(Self { listener, address, state: Arc::new(State::default()) })
    }

    pub fn address(&self) -> String {
        self.address.clone()
    }

    pub fn state(&self) -> &Arc<State> {
        &self.state
    }

    pub async fn run(self) {
        let ids = AtomicU64::new(1);
        loop {
            let Ok((stream, _)) = self.listener.accept().await else {
                // Out of file descriptors, most likely: let some connections end.
                tokio::time::sleep(std::time::Duration::from_millis(20)).await;
                continue;
            };
            let id = ids.fetch_add(1, Ordering::Relaxed);
            tokio::spawn(connection::serve(stream, id, self.state.clone()));
        }
    }
}
