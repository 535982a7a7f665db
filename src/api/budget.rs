//! Bytes of answers that one scan holds at a time, from the first byte that arrives to the last row
//! that is consumed.
//!
//! A request waits until its answer is expected to fit. One that turns out larger while others are
//! held is given up and waits until it fits, so that the sum stays within the limit whatever the
//! sizes are; one that is alone may be as large as it likes.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use super::wait;

/// Bytes that a scan holds unless a single answer is larger. With what decoding and PostgreSQL need
/// besides, that keeps a backend below 100 MB over its base.
pub const LIMIT: usize = 48 << 20;

/// Buffers that are kept for the next answers: as many as pages are usually held, and no giants.
const MOST_SPARE: usize = 12;
const LARGEST_SPARE: usize = LIMIT / 5;

/// The bytes of one scan.
#[derive(Debug)]
pub struct Budget {
    limit: usize,
    held: Mutex<usize>,
    freed: Notify,
    /// Buffers of pages that are consumed: memory that is used again costs no page faults, and
    /// leaves no holes.
    spare: Mutex<Vec<Vec<u8>>>,
}

/// Bytes held for one answer; given back when it is dropped, on whatever thread.
#[derive(Debug)]
pub struct Grant {
    budget: Arc<Budget>,
    bytes: usize,
}

/// An answer is larger than there is room for.
#[derive(Debug, PartialEq, Eq)]
pub struct Crowded;

impl Budget {
    /// With nothing held.
    pub fn new(limit: usize) -> Arc<Self> {
        let (held, spare) = (Mutex::new(0), Mutex::default());
        Arc::new(Self { limit, held, freed: Notify::new(), spare })
    }

    /// Waits until an answer of that size is expected to fit.
    pub async fn admit(self: &Arc<Self>, expected: usize) -> Grant {
        let mut grant = Grant { budget: Arc::clone(self), bytes: 0 };
        grant.wait(expected).await;
        grant
    }

    fn spare(&self) -> MutexGuard<'_, Vec<Vec<u8>>> {
        self.spare.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn held(&self) -> MutexGuard<'_, usize> {
        // A poisoned lock still holds a usable number.
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes the bytes if they fit, or if nothing else is held.
    fn take(&self, bytes: usize) -> bool {
        let mut held = self.held();
        let fits = *held == 0 || *held + bytes <= self.limit;
        if fits {
            *held += bytes;
        }
        fits
    }
}

impl Grant {
    /// Gives back what is held and waits until an answer of that size is expected to fit.
    pub async fn wait(&mut self, expected: usize) {
        self.settle(0);
        let expected = expected.clamp(1, self.budget.limit);
        let budget = &self.budget;
        wait::until(&budget.freed, || budget.take(expected).then_some(())).await;
        self.bytes = expected;
    }

    /// Makes room for an answer that has grown to so many bytes.
    pub fn cover(&mut self, bytes: usize) -> Result<(), Crowded> {
        let Some(more) = bytes.checked_sub(self.bytes).filter(|more| *more > 0) else {
            return Ok(());
        };
        let mut held = self.budget.held();
        if *held > self.bytes && *held + more > self.budget.limit {
            return Err(Crowded);
        }
        *held += more;
        self.bytes = bytes;
        Ok(())
    }

    /// An empty buffer for the answer.
    pub fn buffer(&self) -> Vec<u8> {
        self.budget.spare().pop().unwrap_or_default()
    }

    /// Takes a buffer back.
    pub fn recycle(&self, mut buffer: Vec<u8>) {
        let mut spare = self.budget.spare();
        if spare.len() < MOST_SPARE && (1..=LARGEST_SPARE).contains(&buffer.capacity()) {
            buffer.clear();
            spare.push(buffer);
        }
    }

    /// Holds exactly so many bytes from now on.
    pub fn settle(&mut self, bytes: usize) {
        let mut held = self.budget.held();
        *held = *held - self.bytes + bytes;
        self.bytes = bytes;
        drop(held);
        self.budget.freed.notify_waiters();
    }
}

impl Drop for Grant {
    fn drop(&mut self) {
        self.settle(0);
    }
}

#[cfg(test)]
mod tests {
    use std::task::{Context, Poll, Waker};

    use super::*;

    fn now<F: Future>(future: F) -> Option<F::Output> {
        let mut context = Context::from_waker(Waker::noop());
        match std::pin::pin!(future).poll(&mut context) {
            Poll::Ready(output) => Some(output),
            Poll::Pending => None,
        }
    }

    #[test]
    fn answers_wait_until_they_fit() {
        let budget = Budget::new(100);
        let first = now(budget.admit(60)).expect("fits");
        assert!(now(budget.admit(60)).is_none());
        let second = now(budget.admit(40)).expect("fits");
        drop(first);
        let third = now(budget.admit(60)).expect("fits again");
        drop((second, third));
        assert_eq!(*budget.held(), 0);
    }

    #[test]
    fn one_that_is_alone_may_be_larger_than_the_limit() {
        let budget = Budget::new(100);
        let mut alone = now(budget.admit(5000)).expect("nothing is held");
        assert_eq!(alone.cover(5000), Ok(()));
        assert!(now(budget.admit(1)).is_none());
        alone.settle(50);
        assert!(now(budget.admit(1)).is_some());
    }

    #[test]
    fn buffers_are_used_again() {
        let budget = Budget::new(100);
        let grant = now(budget.admit(10)).expect("fits");
        let mut buffer = grant.buffer();
        buffer.extend_from_slice(&[7; 50]);
        let capacity = buffer.capacity();
        grant.recycle(buffer);
        let again = grant.buffer();
        assert!(again.is_empty() && again.capacity() == capacity);
        grant.recycle(Vec::with_capacity(LARGEST_SPARE + 1));
        assert_eq!(grant.buffer().capacity(), 0, "a giant is not kept");
    }

    #[test]
    fn one_that_grows_beside_others_gives_way() {
        let budget = Budget::new(100);
        let mut small = now(budget.admit(10)).expect("fits");
        let other = now(budget.admit(50)).expect("fits");
        assert_eq!(small.cover(50), Ok(()));
        assert_eq!(small.cover(51), Err(Crowded));
        assert!(now(small.wait(200)).is_none(), "the other is still held");
        drop(other);
        assert!(now(small.wait(200)).is_some());
        assert_eq!(small.cover(200), Ok(()));
    }
}
