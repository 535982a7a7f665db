//! When the next request may start: what the service says of its limits, kept for one credential.
//! <https://learn.microsoft.com/azure/devops/integrate/concepts/rate-limits>

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use reqwest::header::HeaderMap;
use tokio::time::Instant;

use super::usage::Usage;

/// A wait that the service asks for is cut here; statement_timeout is the user's own bound.
pub const LONGEST_WAIT: Duration = Duration::from_secs(3600);

/// Longest wait that is read out of X-RateLimit headers alone. The service itself delays a request
/// by up to 30 seconds.
const LONGEST_GUESS: Duration = Duration::from_secs(60);

/// Below this part of the limit requests are spread over the time until the reset. A guess.
const CAREFUL_BELOW: f64 = 0.5;

/// Part of the limit that is left alone. A guess.
const RESERVE: f64 = 0.05;

/// One governor serves all clients of a backend that have the same collection and credential.
#[derive(Debug, Default)]
pub struct Governor(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    /// No request starts before.
    not_before: Option<Instant>,
    /// Time between the starts of two requests, until the limit is reset.
    interval: Duration,
    reset_at: Option<Instant>,
    last_start: Option<Instant>,
    /// What was left of the limit at the last answer.
    remaining: Option<f64>,
    /// What one request costs of the limit, learnt from the answers.
    cost: f64,
}

impl Governor {
    /// Waits for the turn of the next request.
    pub async fn turn(&self, usage: &Usage) {
        loop {
            // A variable of its own, so that the lock is not held while sleeping.
            let next = self.state().next(Instant::now());
            match next {
                Some(at) => {
                    let _waiting = usage.wait();
                    tokio::time::sleep_until(at).await;
                }
                None => return,
            }
        }
    }

    /// Holds back every request until then.
    pub fn hold(&self, pause: Duration) {
        self.state().hold(Instant::now(), pause);
    }

    /// Learns from the headers of an answer of any status. Returns the wait that they ask for.
    pub fn heed(&self, headers: &HeaderMap) -> Option<Duration> {
        self.state().heed(&Limits::of(headers, SystemTime::now()), Instant::now())
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // A poisoned lock still holds usable times.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Takes the turn, or says when to ask again.
    fn next(&mut self, now: Instant) -> Option<Instant> {
        if self.reset_at.is_some_and(|at| at <= now) {
            (self.interval, self.reset_at) = (Duration::ZERO, None);
        }
        let paced = self.last_start.map(|last| last + self.interval);
        match self.not_before.max(paced).filter(|at| *at > now) {
            Some(at) => Some(at),
            None => {
                self.last_start = Some(now);
                None
            }
        }
    }

    fn hold(&mut self, now: Instant, pause: Duration) {
        self.not_before = self.not_before.max(Some(now + pause.min(LONGEST_WAIT)));
    }

    fn heed(&mut self, limits: &Limits, now: Instant) -> Option<Duration> {
        let wait = limits.wait();
        if let Some(pause) = wait {
            self.hold(now, pause);
        }
        // Not every resource sends them; without, what is known stays.
        let (Some(left), Some(reset)) = (limits.remaining, limits.reset) else { return wait };
        let before = self.remaining.replace(left);
        let spent = limits.cost.or(before.map(|before| before - left)).filter(|cost| *cost > 0.0);
        // A mean that forgets: answers overtake each other.
        self.cost = match spent {
            Some(spent) if self.cost > 0.0 => 0.8 * self.cost + 0.2 * spent,
            Some(spent) => spent,
            None => self.cost,
        };
        let scarce = limits.limit.is_none_or(|limit| left < limit * CAREFUL_BELOW);
        // Requests under way are not in the number yet, nor are those of others.
        let usable = left - limits.limit.unwrap_or(left) * RESERVE;
        self.interval = if scarce && left > 0.0 && self.cost > 0.0 {
            let part = if usable > self.cost { self.cost / usable } else { 1.0 };
            reset.mul_f64(part).min(LONGEST_GUESS)
        } else {
            Duration::ZERO
        };
        self.reset_at = Some(now + reset);
        wait
    }
}

/// What the headers of an answer say.
#[derive(Debug, Default, Clone, PartialEq)]
struct Limits {
    retry_after: Option<Duration>,
    delay: Option<Duration>,
    limit: Option<f64>,
    remaining: Option<f64>,
    cost: Option<f64>,
    reset: Option<Duration>,
}

impl Limits {
    fn of(headers: &HeaderMap, now: SystemTime) -> Self {
        let number = |name: &str| {
            let value = headers.get(name)?.to_str().ok()?.trim().parse::<f64>().ok()?;
            (value.is_finite() && value >= 0.0).then_some(value)
        };
        let seconds = |value: f64| Duration::from_secs_f64(value.min(LONGEST_WAIT.as_secs_f64()));
        let reset = number("x-ratelimit-reset").map(|at| {
            let now = now.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64();
            seconds((at - now).max(0.0))
        });
        Self {
            retry_after: retry_after(headers, now),
            delay: number("x-ratelimit-delay").map(seconds).filter(|delay| !delay.is_zero()),
            limit: number("x-ratelimit-limit"),
            remaining: number("x-ratelimit-remaining"),
            cost: number("x-ratelimit-cost"),
            reset,
        }
    }

    /// How long to send nothing: what the service recommends; else the delay that it has begun to
    /// put on requests; else, with nothing left, until the reset.
    fn wait(&self) -> Option<Duration> {
        let used_up = self.remaining == Some(0.0);
        let guess = self.delay.or(self.reset.filter(|reset| used_up && !reset.is_zero()));
        self.retry_after.or(guess.map(|pause| pause.min(LONGEST_GUESS)))
    }
}

/// Retry-After, on whatever status: seconds, or an HTTP date.
fn retry_after(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let value = headers.get(reqwest::header::RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = value.parse::<f64>() {
        return (seconds.is_finite() && seconds > 0.0)
            .then(|| Duration::from_secs_f64(seconds.min(LONGEST_WAIT.as_secs_f64())));
    }
    let at = chrono::DateTime::parse_from_rfc2822(value).ok()?;
    let wait = SystemTime::from(at).duration_since(now).ok()?;
    Some(wait.min(LONGEST_WAIT))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs.iter().map(|(k, v)| (k.parse().expect("name"), v.parse().expect("value"))).collect()
    }

    fn wait(pairs: &[(&'static str, &str)]) -> Option<Duration> {
        Limits::of(&headers(pairs), UNIX_EPOCH).wait()
    }

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        assert_eq!(wait(&[("retry-after", "3")]), Some(Duration::from_secs(3)));
        let date = "Thu, 01 Jan 1970 00:00:09 GMT";
        assert_eq!(wait(&[("retry-after", date)]), Some(Duration::from_secs(9)));
        assert_eq!(wait(&[("retry-after", "90000")]), Some(LONGEST_WAIT));
        assert_eq!(wait(&[("retry-after", "soon")]), None);
        assert_eq!(wait(&[("retry-after", "-1")]), None);
    }

    #[test]
    fn without_retry_after_the_delay_or_the_reset_is_waited_for() {
        let used_up = ("x-ratelimit-remaining", "0");
        assert_eq!(wait(&[("x-ratelimit-delay", "1.5")]), Some(Duration::from_millis(1500)));
        assert_eq!(wait(&[used_up, ("x-ratelimit-reset", "7")]), Some(Duration::from_secs(7)));
        assert_eq!(wait(&[used_up, ("x-ratelimit-reset", "9999")]), Some(LONGEST_GUESS));
        assert_eq!(wait(&[used_up, ("x-ratelimit-reset", "0")]), None);
        assert_eq!(wait(&[("x-ratelimit-remaining", "5"), ("x-ratelimit-reset", "7")]), None);
    }

    #[test]
    fn requests_are_spread_when_the_rest_is_scarce() {
        let (mut state, now) = (State::default(), Instant::now());
        let answer = |remaining: f64| Limits {
            limit: Some(200.0),
            remaining: Some(remaining),
            reset: Some(Duration::from_secs(100)),
            ..Limits::default()
        };
        for left in (101..=200).rev() {
            state.heed(&answer(f64::from(left)), now);
            assert!(state.interval.is_zero(), "{left} are left");
        }
        for left in (20..=90).rev() {
            state.heed(&answer(f64::from(left)), now);
        }
        // About one unit per request, and ten are left alone: 10 requests in 100 seconds.
        assert!((9.0..11.0).contains(&state.interval.as_secs_f64()), "{:?}", state.interval);
        assert_eq!(state.next(now), None);
        assert_eq!(state.next(now), Some(now + state.interval));
        state.heed(&Limits::default(), now);
        assert!(!state.interval.is_zero(), "an answer without headers says nothing");
        assert_eq!(state.next(now + Duration::from_secs(100)), None);
        assert!(state.interval.is_zero(), "the limit was reset");
    }

    #[test]
    fn what_does_not_shrink_is_no_reason_to_wait() {
        let (mut state, now) = (State::default(), Instant::now());
        let answer = Limits {
            limit: Some(200.0),
            remaining: Some(42.0),
            reset: Some(Duration::from_secs(300)),
            ..Limits::default()
        };
        for _ in 0..50 {
            assert_eq!(state.heed(&answer, now), None);
            assert!(state.interval.is_zero());
        }
    }
}
