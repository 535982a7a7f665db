//! Long lists in parts: a worker that has nothing left to do takes the far half of the time that
//! another one has still to read.
//!
//! Both halves meet at a time, widened on both sides, so that no element falls between them; what
//! both hold is delivered once. Guesses about where elements lie cost a request at worst.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use tokio::sync::Notify;

use super::Project;
use crate::api::wait;
use crate::error::Error;
use crate::scan::plan::{List, Split};
use crate::scan::seen::Seen;

/// A list, or the part of one that a worker reads.
#[derive(Debug)]
pub(super) struct Part {
    pub list: Arc<List>,
    pub state: Option<(&'static str, String)>,
    pub project: Option<Project>,
    /// Rows delivered of the project.
    pub seen: Arc<Mutex<Seen>>,
    /// Parts of the same list; none if it cannot be split.
    pub group: Option<Arc<Group>>,
    span: Mutex<Span>,
}

/// The parts of one list.
#[derive(Debug, Default)]
pub(super) struct Group {
    /// Parts under way besides the first, and what went wrong with one.
    state: Mutex<(usize, Option<Error>)>,
    ended: Notify,
}

/// The time that a part covers, in microseconds since 1970, in the order in which it is read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Span {
    /// Where it begins, if that is a bound.
    pub near: Option<i64>,
    /// Where it ends, if that is a bound.
    pub far: Option<i64>,
    /// Where its first page ended: rows are counted from there.
    first: Option<i64>,
    /// How far it has been read.
    at: Option<i64>,
    /// Rows between the two.
    rows: usize,
    /// Rows, and the time that they took up, of the part that this was taken from: taken for this
    /// one's too until it has read enough itself.
    inherited: Option<(usize, u64)>,
}

/// How many pages must have been read behind the first for its speed to be believed.
const READ_PAGES: usize = 2;

/// How many pages must be left of a part, as far as one can tell, for half of it to be worth taking.
const WORTH_PAGES: usize = 2;

/// Fewer rows are not worth a request of their own, however small the pages are.
const WORTH_ROWS: usize = 200;

/// Without a bound that can be known, what is left is taken for so many times what has been read.
const UNKNOWN_REST: i64 = 4;

impl Part {
    pub fn whole(
        list: Arc<List>,
        state: Option<(&'static str, String)>,
        project: Option<Project>,
        seen: Arc<Mutex<Seen>>,
    ) -> Self {
        let group = list.split.is_some().then(Arc::default);
        Self { list, state, project, seen, group, span: Mutex::default() }
    }

    pub fn span(&self) -> Span {
        *lock(&self.span)
    }

    /// Tells how far the part has been read. False if that is its end.
    pub fn reached(&self, at: i64, rows: usize) -> bool {
        let Some(split) = &self.list.split else { return true };
        lock(&self.span).reach(at, rows, split.descending)
    }

    /// Takes the far half of what is left, if it is worth it.
    fn halve(&self, page: usize, now: i64) -> Option<Part> {
        let (split, group) = (self.list.split.as_ref()?, self.group.as_ref()?);
        let taken = lock(&self.span).halve(page, split.descending, now)?;
        lock(&group.state).0 += 1;
        Some(Part {
            list: Arc::clone(&self.list),
            state: self.state.clone(),
            project: self.project.clone(),
            seen: Arc::clone(&self.seen),
            group: Some(Arc::clone(group)),
            span: Mutex::new(taken),
        })
    }
}

impl Span {
    fn reach(&mut self, at: i64, rows: usize, descending: bool) -> bool {
        match self.at {
            None => self.first = Some(at),
            Some(_) => self.rows += rows,
        }
        self.at = Some(at);
        // A page that ends at the bound itself is not the last one: more may have that time.
        self.far.is_none_or(|far| if descending { at >= far } else { at <= far })
    }

    /// Rows that are left, and where they end, as far as one can tell.
    fn rest(&self, descending: bool, now: i64) -> Option<(usize, i64)> {
        let at = self.at.or(self.near)?;
        let (rows, read) = self.density()?;
        let behind = UNKNOWN_REST.saturating_mul(i64::try_from(read).unwrap_or(i64::MAX));
        let guess = if descending { at.saturating_sub(behind) } else { now };
        let far = self.far.unwrap_or(guess);
        let left = if descending { at - far } else { far - at };
        let left = u64::try_from(left).ok()?;
        let rows = (rows as u128) * u128::from(left) / u128::from(read);
        Some((usize::try_from(rows).unwrap_or(usize::MAX), far))
    }

    /// Rows and the time that they took up, as far as that is known.
    fn density(&self) -> Option<(usize, u64)> {
        let own = self.first.zip(self.at).map(|(first, at)| (self.rows, first.abs_diff(at)));
        let known = match (own, self.inherited) {
            (Some(own), Some(inherited)) => Some(if own.0 < inherited.0 { inherited } else { own }),
            (own, inherited) => own.or(inherited),
        };
        known.filter(|(_, time)| *time > 0)
    }

    fn halve(&mut self, page: usize, descending: bool, now: i64) -> Option<Span> {
        let (rows, far) = self.rest(descending, now)?;
        // The last page overlaps with the one before, so two pages bring a little less.
        let density = self.density()?;
        let read = density.0 + page / 2 >= page.saturating_mul(READ_PAGES).max(WORTH_ROWS);
        if !read || rows < page.saturating_mul(WORTH_PAGES).max(WORTH_ROWS) {
            return None;
        }
        let at = self.at.or(self.near)?;
        let middle = at + (far - at) / 2;
        let (near, inherited) = (Some(middle), Some(density));
        let taken = Span { near, far: self.far, inherited, ..Span::default() };
        self.far = Some(middle);
        Some(taken)
    }
}

impl Group {
    /// A part that was taken has ended.
    pub fn end(&self, result: Result<(), Error>) {
        let mut state = lock(&self.state);
        state.0 -= 1;
        if let Err(error) = result {
            state.1.get_or_insert(error);
        }
        drop(state);
        self.ended.notify_waiters();
    }

    /// Whether all parts have ended, or what went wrong.
    fn outcome(&self) -> Option<Result<(), Error>> {
        let state = lock(&self.state);
        match &state.1 {
            Some(error) => Some(Err(error.clone())),
            None => (state.0 == 0).then_some(Ok(())),
        }
    }

    /// Waits for all parts that were taken, or for the first error.
    pub async fn wait(&self) -> Result<(), Error> {
        wait::until(&self.ended, || self.outcome()).await
    }
}

/// What the workers of a scan are doing.
#[derive(Debug, Default)]
pub struct Crew {
    state: Mutex<Work>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct Work {
    /// Parts that can be split further.
    parts: Vec<Arc<Part>>,
    /// Workers that may still begin a list.
    busy: usize,
}

/// What an idle worker can do.
#[derive(Debug)]
pub(super) enum Idle {
    Take(Arc<Part>),
    Wait,
    /// Nothing is left, and nothing will come.
    Leave,
}

/// A part that is being read; it can be split until this is dropped.
#[derive(Debug)]
pub(super) struct Reading<'a> {
    crew: &'a Crew,
    part: Arc<Part>,
}

impl Drop for Reading<'_> {
    fn drop(&mut self) {
        lock(&self.crew.state).parts.retain(|known| !Arc::ptr_eq(known, &self.part));
        self.crew.changed.notify_waiters();
    }
}

impl Crew {
    /// A worker begins.
    pub(super) fn join(&self) {
        lock(&self.state).busy += 1;
    }

    /// A worker has no job of its own any more.
    pub(super) fn rest(&self) {
        lock(&self.state).busy -= 1;
        self.changed.notify_waiters();
    }

    /// Offers parts of a list to others, as long as the guard lives.
    pub(super) fn offer(&self, part: &Arc<Part>) -> Reading<'_> {
        lock(&self.state).parts.push(Arc::clone(part));
        self.reading(part)
    }

    /// The same of a part that [`Crew::look`] has handed out.
    pub(super) fn reading(&self, part: &Arc<Part>) -> Reading<'_> {
        Reading { crew: self, part: Arc::clone(part) }
    }

    /// A part has got on: it may be worth taking half of it now.
    pub(super) fn progressed(&self) {
        self.changed.notify_waiters();
    }

    /// Half of the part that has most left, for pages of that size.
    pub(super) fn look(&self, page: usize, wanted: bool) -> Idle {
        // Only a guess of where lists end: nothing is left out if the clock is wrong.
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_micros();
        let now = i64::try_from(now).unwrap_or(i64::MAX);
        let mut state = lock(&self.state);
        let left = |part: &Arc<Part>| {
            let descending = part.list.split.as_ref().is_some_and(|split| split.descending);
            part.span().rest(descending, now).map_or(0, |(rows, _)| rows)
        };
        let largest = state.parts.iter().filter(|_| wanted).max_by_key(|part| left(part));
        match largest.and_then(|part| part.halve(page, now)) {
            Some(part) => {
                let part = Arc::new(part);
                state.parts.push(Arc::clone(&part));
                Idle::Take(part)
            }
            None if state.busy == 0 && state.parts.is_empty() => Idle::Leave,
            None => Idle::Wait,
        }
    }

    /// Waits for work, or for the end of all of it.
    /// None while `wanted` says that rows come faster than they are consumed.
    pub(super) async fn idle(&self, page: usize, wanted: impl Fn() -> bool) -> Option<Arc<Part>> {
        wait::until(&self.changed, || match self.look(page, wanted()) {
            Idle::Take(part) => Some(Some(part)),
            Idle::Leave => Some(None),
            Idle::Wait => None,
        })
        .await
    }
}

/// The parameters that limit a part's requests to its span.
pub(super) fn bounds(split: &Split, span: Span) -> Vec<(&'static str, String)> {
    let (since, until) =
        if split.descending { (span.far, span.near) } else { (span.near, span.far) };
    let lower = since.and_then(crate::scan::plan::lower_bound).map(|text| (split.since, text));
    let upper = until.and_then(crate::scan::plan::upper_bound).map(|text| (split.until, text));
    // Without a bound nothing needs to say which time it means.
    let with = split.with.filter(|_| lower.is_some() || upper.is_some());
    let with = with.map(|(name, value)| (name, value.to_owned()));
    [lower, upper, with].into_iter().flatten().collect()
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_far_half_of_what_is_left_is_taken() {
        let mut span = Span::default();
        assert!(span.halve(100, false, 1000).is_none(), "nothing is known yet");
        assert!(span.reach(100, 100, false));
        assert!(span.halve(100, false, 1000).is_none(), "no speed is known yet");
        assert!(span.reach(150, 50, false));
        assert!(span.halve(100, false, 1000).is_none(), "too little is known");
        assert!(span.reach(200, 150, false));
        // 200 rows in 100: 1600 in the 800 that are left.
        assert_eq!(span.rest(false, 1000), Some((1600, 1000)));
        let taken = span.halve(100, false, 1000).expect("enough is left");
        assert_eq!((taken.near, taken.far), (Some(600), None), "new elements belong to the last");
        assert_eq!(span.far, Some(600));
        let taken = span.halve(100, false, 1000).expect("enough is left");
        assert_eq!((taken.near, taken.far), (Some(400), Some(600)));
        assert!(span.halve(201, false, 1000).is_none(), "400 rows are less than two pages");
        assert!(span.reach(400, 100, false), "more elements may have this very time");
        assert!(!span.reach(401, 100, false));
    }

    #[test]
    fn a_part_is_split_again_before_it_is_read() {
        let mut span = Span::default();
        for (at, rows) in [(100, 100), (150, 100), (200, 100)] {
            span.reach(at, rows, false);
        }
        let mut taken = span.halve(100, false, 1000).expect("enough is left");
        assert_eq!(taken.rest(false, 1000), Some((800, 1000)));
        let next = taken.halve(100, false, 1000).expect("as dense as the part before");
        assert_eq!((next.near, taken.far), (Some(800), Some(800)));
        taken.reach(610, 100, false);
        taken.reach(620, 200, false);
        assert_eq!(taken.rest(false, 1000), Some((3600, 800)), "denser than thought");
    }

    #[test]
    fn newest_first_is_the_same_backwards() {
        let mut span = Span::default();
        span.reach(1000, 100, true);
        span.reach(900, 200, true);
        let taken = span.halve(100, true, 5000).expect("a guess");
        assert_eq!((taken.near, taken.far), (Some(700), None));
        assert_eq!(span.far, Some(700));
        assert!(span.reach(700, 100, true));
        assert!(!span.reach(699, 100, true));
    }

    #[test]
    fn elements_of_one_moment_are_not_split() {
        let mut span = Span::default();
        for _ in 0..9 {
            span.reach(100, 100, false);
        }
        assert!(span.halve(100, false, 1000).is_none());
    }

    #[test]
    fn short_lists_are_left_alone_whatever_the_page_size() {
        let mut span = Span::default();
        for at in 1..20 {
            span.reach(at, 10, false);
        }
        assert!(span.halve(10, false, 1_000_000).is_none());
    }
}
