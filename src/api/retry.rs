//! When a request is tried again, and how long to wait before.

use std::time::Duration;

/// First wait of the backoff; doubles with every attempt. A guess that the service's 30-second
/// delays do not contradict.
const FIRST_WAIT: Duration = Duration::from_millis(500);

/// Longest wait that the backoff chooses by itself. Retry-After may be longer.
const LONGEST_WAIT: Duration = Duration::from_secs(30);

/// First and longest wait after a 429 that does not say how long: the service counts over five
/// minutes. The first is a guess, six in a row last about two minutes.
const FIRST_THROTTLED_WAIT: Duration = Duration::from_secs(2);
const LONGEST_THROTTLED_WAIT: Duration = Duration::from_secs(120);

/// Whether an answer of this status may be different the next time.
pub fn passes(status: u16) -> bool {
    matches!(status, 408 | 429 | 500..=599)
}

/// The wait before attempt number `attempt` + 1: exponential, half of it random.
pub fn backoff(attempt: u32) -> Duration {
    exponential(FIRST_WAIT, LONGEST_WAIT, attempt)
}

/// The same after a 429 without any word of how long to wait.
pub fn throttled_backoff(attempt: u32) -> Duration {
    exponential(FIRST_THROTTLED_WAIT, LONGEST_THROTTLED_WAIT, attempt)
}

fn exponential(first: Duration, longest: Duration, attempt: u32) -> Duration {
    let full = first.saturating_mul(1 << attempt.saturating_sub(1).min(10)).min(longest);
    full.mul_f64(0.5 + fastrand::f64() / 2.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_and_stay_bounded() {
        for attempt in 1..40 {
            let wait = backoff(attempt);
            assert!(wait >= FIRST_WAIT / 2 && wait <= LONGEST_WAIT, "{attempt}: {wait:?}");
            let wait = throttled_backoff(attempt);
            assert!(wait >= FIRST_THROTTLED_WAIT / 2 && wait <= LONGEST_THROTTLED_WAIT);
        }
        assert!(backoff(5) > backoff(1));
    }

    #[test]
    fn client_errors_do_not_pass() {
        for status in [400, 401, 403, 404] {
            assert!(!passes(status));
        }
        for status in [408, 429, 500, 501, 502, 503, 504, 520, 599] {
            assert!(passes(status));
        }
    }
}
