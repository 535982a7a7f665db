//! The I/O thread: one per backend, started with the first scan, with every signal blocked.
//!
//! PostgreSQL's signal handlers must run on the main thread only, and no PostgreSQL function may be
//! called off it. The two sides share channels and one socket pair, nothing else.

use std::os::unix::net::UnixStream;
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use tokio::runtime::Handle;
use tokio::sync::mpsc::error::TryRecvError;
use tokio::sync::mpsc::{Receiver, channel};
use tokio::task::AbortHandle;

use super::wait::{self, Reason};
use crate::api::usage::Usage;
use crate::error::Error;
use crate::scan::stream::{Event, Outlet, Scan, run};

/// Pages that wait for the executor. With those that workers hold, this bounds memory.
const PAGES_WAITING: usize = 2;

struct Io {
    handle: Handle,
    /// Written by the I/O thread.
    wake: Arc<UnixStream>,
    /// Read by the main thread.
    awake: UnixStream,
}

static IO: OnceLock<Io> = OnceLock::new();

/// A scan under way. Dropping it ends the scan: the task is aborted, its connections are closed.
#[derive(Debug)]
pub struct Stream {
    events: Receiver<Result<Event, Error>>,
    usage: Arc<Usage>,
    task: AbortHandle,
}

impl Stream {
    /// Starts a scan.
    pub fn start(scan: Arc<Scan>) -> Result<Self, Error> {
        let io = io()?;
        let (sender, events) = channel(PAGES_WAITING);
        let outlet = Outlet { events: sender, wake: Arc::clone(&io.wake) };
        let usage = Arc::clone(&scan.usage);
        let task = io.handle.spawn(run(scan, outlet)).abort_handle();
        Ok(Self { events, usage, task })
    }

    /// The next event. Waits for it; can be cancelled.
    pub fn receive(&mut self) -> Result<Event, Error> {
        loop {
            if let Some(event) = self.receive_until(None)? {
                return Ok(event);
            }
        }
    }

    /// The next event, or nothing if none has come by then. Waits for it; can be cancelled.
    pub fn receive_until(&mut self, until: Option<Instant>) -> Result<Option<Event>, Error> {
        let io = io()?;
        loop {
            match self.events.try_recv() {
                Ok(event) => return event.map(Some),
                // The end is an event of its own, so a closed channel is a fault.
                Err(TryRecvError::Disconnected) => {
                    return Err(Error::Internal { what: "the scan ended without saying so" });
                }
                Err(TryRecvError::Empty) => {
                    let left = until.map(|until| until.saturating_duration_since(Instant::now()));
                    if left.is_some_and(|left| left.is_zero()) {
                        return Ok(None);
                    }
                    let throttled = self.usage.is_waiting();
                    let reason = if throttled { Reason::Throttled } else { Reason::Answer };
                    wait::for_byte(&io.awake, reason, left);
                }
            }
        }
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        // Runs inside memory context deletion, often during an abort: must not block, panic or
        // call PostgreSQL.
        self.task.abort();
    }
}

fn io() -> Result<&'static Io, Error> {
    if let Some(io) = IO.get() {
        return Ok(io);
    }
    let io = start().map_err(|error| Error::Client {
        reason: format!("the I/O thread could not be started: {error}"),
    })?;
    Ok(IO.get_or_init(|| io))
}

fn start() -> std::io::Result<Io> {
    let (awake, wake) = UnixStream::pair()?;
    awake.set_nonblocking(true)?;
    wake.set_nonblocking(true)?;
    let runtime = with_signals_blocked(|| {
        let (sender, receiver) = std::sync::mpsc::channel();
        std::thread::Builder::new().name("azure_devops_io".into()).spawn(move || {
            let built = tokio::runtime::Builder::new_current_thread().enable_all().build();
            match built {
                Ok(runtime) => {
                    let _ = sender.send(Ok(runtime.handle().clone()));
                    // Lives as long as the backend; the process's exit ends it.
                    runtime.block_on(std::future::pending::<()>());
                }
                Err(error) => drop(sender.send(Err(error))),
            }
        })?;
        receiver.recv().map_err(std::io::Error::other)?
    })?;
    Ok(Io { handle: runtime, wake: Arc::new(wake), awake })
}

/// Runs `start` with all signals blocked, so that the threads born in it never take one.
fn with_signals_blocked<T>(start: impl FnOnce() -> std::io::Result<T>) -> std::io::Result<T> {
    let mut before = std::mem::MaybeUninit::<libc::sigset_t>::uninit();
    // SAFETY: both sets are initialised by the calls before they are used; the mask is that of the
    // calling thread only.
    unsafe {
        let mut all = std::mem::MaybeUninit::<libc::sigset_t>::uninit();
        libc::sigfillset(all.as_mut_ptr());
        libc::pthread_sigmask(libc::SIG_SETMASK, all.as_ptr(), before.as_mut_ptr());
    }
    let result = start();
    // SAFETY: `before` was filled by the call above.
    unsafe {
        libc::pthread_sigmask(libc::SIG_SETMASK, before.as_ptr(), std::ptr::null_mut());
    }
    result
}
