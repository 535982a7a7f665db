//! What the requests of a scan have cost so far; read from another thread while it runs.

use std::sync::atomic::AtomicU64;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// What the requests of one scan cost.
#[derive(Debug, Default)]
pub struct Usage {
    /// Requests sent, retries included.
    pub requests: AtomicU64,
    /// Requests sent again after a passing fault.
    pub retries: AtomicU64,
    /// Bytes of all bodies, after decompression.
    pub bytes: AtomicU64,
    waits: Mutex<Waits>,
}

/// Time in which at least one request waited.
#[derive(Debug, Default)]
struct Waits {
    total: Duration,
    waiting: u32,
    since: Option<Instant>,
}

/// A request waits until this is dropped.
#[derive(Debug)]
pub struct Waiting<'a>(&'a Usage);

impl Usage {
    /// A request waits, because the service asked for it or between attempts.
    pub fn wait(&self) -> Waiting<'_> {
        let mut waits = self.waits();
        if waits.waiting == 0 {
            waits.since = Some(Instant::now());
        }
        waits.waiting += 1;
        drop(waits);
        Waiting(self)
    }

    /// Time in which at least one request waited, the present wait included.
    pub fn waited(&self) -> Duration {
        let waits = self.waits();
        waits.total + waits.since.map_or(Duration::ZERO, |since| since.elapsed())
    }

    /// Whether a request waits now.
    pub fn is_waiting(&self) -> bool {
        self.waits().waiting > 0
    }

    fn waits(&self) -> MutexGuard<'_, Waits> {
        // A poisoned lock still holds usable numbers.
        self.waits.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        let mut waits = self.0.waits();
        waits.waiting -= 1;
        if waits.waiting == 0
            && let Some(since) = waits.since.take()
        {
            waits.total += since.elapsed();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_at_the_same_time_count_once() {
        let usage = Usage::default();
        assert!(!usage.is_waiting() && usage.waited().is_zero());
        let (first, second) = (usage.wait(), usage.wait());
        std::thread::sleep(Duration::from_millis(2));
        drop(first);
        assert!(usage.is_waiting(), "the other one still waits");
        assert!(usage.waited() >= Duration::from_millis(2));
        drop(second);
        let total = usage.waited();
        std::thread::sleep(Duration::from_millis(2));
        assert!(!usage.is_waiting());
        assert_eq!(usage.waited(), total);
    }
}
