//! Waiting for the I/O thread so that cancel, timeout and termination take effect at once.

use std::io::Read;
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;

use pgrx::pg_sys;

/// `PG_WAIT_EXTENSION` of `utils/wait_event.h`, which is no function and so not bound.
const PG_WAIT_EXTENSION: u32 = 0x0700_0000;

/// Waits until the socket has a byte or the latch is set, then takes pending interrupts. The caller
/// looks at its queue before every call, and again after it.
pub fn for_byte(socket: &UnixStream) {
    let events = pg_sys::WL_LATCH_SET | pg_sys::WL_SOCKET_READABLE | pg_sys::WL_EXIT_ON_PM_DEATH;
    // SAFETY: the latch is this process's own; the descriptor is open for as long as the socket
    // lives. No timeout: those belong to the I/O side.
    unsafe {
        let latch = pg_sys::MyLatch;
        let fd = socket.as_raw_fd();
        pg_sys::WaitLatchOrSocket(latch, events as _, fd, -1, PG_WAIT_EXTENSION);
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
