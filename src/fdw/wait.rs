//! Waiting for the I/O thread so that cancel, timeout and termination take effect at once.

use std::io::Read;
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use pgrx::pg_sys;

/// What a backend waits for, as pg_stat_activity shows it from PostgreSQL 17 on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// An answer of the service.
    Answer,
    /// The time before which the service wants no request, or the next attempt.
    Throttled,
}

/// A wait's name may change while it lasts; it is looked at so often.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// Waits until the socket has a byte, the latch is set or the time is over, then takes pending
/// interrupts. The caller looks at its queue before every call, and again after it: it may end
/// early. Without a time it waits for as long as it takes: timeouts belong to the I/O side.
pub fn for_byte(socket: &UnixStream, reason: Reason, at_most: Option<Duration>) {
    let mut events =
        pg_sys::WL_LATCH_SET | pg_sys::WL_SOCKET_READABLE | pg_sys::WL_EXIT_ON_PM_DEATH;
    let mut timeout = -1;
    let at_most = if named_events() { Some(at_most.unwrap_or(LOOK_AGAIN)) } else { at_most };
    if let Some(at_most) = at_most {
        events |= pg_sys::WL_TIMEOUT;
        // One more, so that no wait ends before the time; the callers' are seconds.
        timeout = std::ffi::c_long::try_from(at_most.as_millis() + 1).unwrap_or(1000);
    }
    // SAFETY: the latch is this process's own; the descriptor is open for as long as the socket
    // lives.
    unsafe {
        let latch = pg_sys::MyLatch;
        let fd = socket.as_raw_fd();
        pg_sys::WaitLatchOrSocket(latch, events as _, fd, timeout, event(reason));
        pg_sys::ResetLatch(latch);
    }
    drain(socket);
    pgrx::check_for_interrupts!();
}

/// Takes all bytes; they mean nothing but "look again".
fn drain(mut socket: &UnixStream) {
    let mut buffer = [0; 64];
    while matches!(socket.read(&mut buffer), Ok(count) if count == buffer.len()) {}
}

/// Whether PostgreSQL lets extensions name their wait events.
const fn named_events() -> bool {
    cfg!(any(feature = "pg17", feature = "pg18"))
}

#[cfg(any(feature = "pg17", feature = "pg18"))]
fn event(reason: Reason) -> u32 {
    use std::sync::OnceLock;

    static ANSWER: OnceLock<u32> = OnceLock::new();
    static THROTTLED: OnceLock<u32> = OnceLock::new();
    let (known, name) = match reason {
        Reason::Answer => (&ANSWER, c"AzureDevOpsAnswer"),
        Reason::Throttled => (&THROTTLED, c"AzureDevOpsThrottled"),
    };
    // SAFETY: on the main thread; the name is static. The same name gives the same event.
    *known.get_or_init(|| unsafe { pg_sys::WaitEventExtensionNew(name.as_ptr()) })
}

#[cfg(not(any(feature = "pg17", feature = "pg18")))]
fn event(_: Reason) -> u32 {
    /// `PG_WAIT_EXTENSION` of `utils/wait_event.h`, which is no function and so not bound.
    const PG_WAIT_EXTENSION: u32 = 0x0700_0000;
    PG_WAIT_EXTENSION
}
