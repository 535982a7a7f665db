//! Which request comes after a page: pure state machines, one per style of the service.

use super::request::Request;

/// What the pagers need to know of a page that has been read.
#[derive(Debug, Clone, Default)]
pub struct Facts {
    /// Elements in the page.
    pub rows: usize,
    /// Elements that no earlier page of the same list had.
    pub fresh: usize,
    /// Whether an earlier page had the first element.
    pub starts_known: bool,
    /// Whether an earlier page had the last element.
    pub ends_known: bool,
    /// The `x-ms-continuationtoken` header.
    pub continuation: Option<String>,
    /// The body's `continuationToken`, or the one in its `nextLink`.
    pub body_token: Option<String>,
    /// The body's `isLastBatch`.
    pub is_last: Option<bool>,
    /// Ordering time of the last element, in microseconds since 1970, if the page was in that order.
    pub last_time: Option<i64>,
}

/// What to do after a page.
#[derive(Debug, PartialEq, Eq)]
pub enum Step {
    /// Ask for [`Pager::request`].
    Next,
    /// The list is read.
    Done,
}

/// Why paging cannot go on.
#[derive(Debug, PartialEq, Eq)]
pub enum Stuck {
    /// The same position again and again.
    Loop,
    /// The list keeps moving.
    Unstable,
    /// The answer says neither that it is the last nor how to go on.
    NoToken,
}

/// A list under way: the next request, and what its answer changes.
#[derive(Debug)]
pub struct Pager {
    request: Request,
    style: Style,
    size: Option<PageSize>,
}

/// How many elements to ask for.
#[derive(Debug, Clone)]
pub struct PageSize {
    /// Parameter.
    pub parameter: &'static str,
    /// Elements in the first page.
    pub first: u32,
    /// Elements in later pages.
    pub later: u32,
}

/// The style of a list and its state.
#[derive(Debug)]
pub enum Style {
    /// One answer.
    Single,
    /// Header token.
    Token(Token),
    /// Ordered by a time.
    Time(Time),
    /// `$skip` with overlap.
    Overlap(Overlap),
    /// Body token until `isLastBatch`.
    Feed(Feed),
}

/// State of [`Style::Token`].
#[derive(Debug, Default)]
pub struct Token {
    sent: Vec<String>,
}

/// State of [`Style::Time`].
#[derive(Debug)]
pub struct Time {
    since: &'static str,
    reached: Option<i64>,
    sent: Vec<String>,
}

/// State of [`Style::Overlap`].
#[derive(Debug)]
pub struct Overlap {
    skip_parameter: &'static str,
    skip: usize,
    /// Elements that the next page repeats; more after some went away.
    overlap: usize,
    /// How far the last step back went.
    back: usize,
    /// Where the known elements ended when this was last seen.
    frontier: usize,
    /// Chance that the short pages seen last were cut and the list goes on.
    doubt: f64,
    /// Disturbed pages in a row without anything new at their end.
    disturbances: u32,
}

/// State of [`Style::Feed`].
#[derive(Debug)]
pub struct Feed {
    first_only: &'static [&'static str],
    sent: Vec<String>,
}

impl Style {
    /// Ordered by a time whose lower bound is the parameter `since`.
    pub fn time(since: &'static str) -> Self {
        Style::Time(Time { since, reached: None, sent: Vec::new() })
    }

    /// Paged by the parameter `skip_parameter`.
    pub fn overlap(skip_parameter: &'static str) -> Self {
        Style::Overlap(Overlap {
            skip_parameter,
            skip: 0,
            overlap: 1,
            back: 0,
            frontier: 0,
            doubt: 1.0,
            disturbances: 0,
        })
    }

    /// A feed whose parameters `first_only` go with the first request only.
    pub fn feed(first_only: &'static [&'static str]) -> Self {
        Style::Feed(Feed { first_only, sent: Vec::new() })
    }
}

/// The service's token parameter, for header and body tokens alike.
const TOKEN: &str = "continuationToken";

/// How far before the last time the next page begins, in microseconds: the bound may be exclusive.
const TIME_OVERLAP_MICROS: i64 = 1_000;

/// A page of one instant that no token gets past is asked for larger, up to the service's own limit.
const LARGEST_PAGE: u32 = 5_000;

/// The service sends at most so many elements of a list paged by position.
const LARGEST_OVERLAPPING_PAGE: u32 = 1_000;

/// A list is read when the chance that it goes on is smaller. With pages of the usual size that
/// takes two in a row that hold nothing but the overlap: one might have been cut down to it.
const LEAST_DOUBT: f64 = 0.0001;

/// Chance that a page shorter than asked for is not the last. A guess: the documentation tells of
/// no such pages, but users do.
const DOUBT_OF_SHORT_PAGE: f64 = 0.5;

/// Times in a row that a list may move under the reader before giving up.
const MOST_DISTURBANCES: u32 = 100;

impl Pager {
    /// A list that begins with `request`.
    pub fn new(mut request: Request, style: Style, size: Option<PageSize>) -> Self {
        if let Some(size) = &size {
            request.set(size.parameter, size.first.to_string());
        }
        Self { request, style, size }
    }

    /// The request for the next page.
    pub fn request(&self) -> &Request {
        &self.request
    }

    /// Sets a parameter of the requests to come.
    pub fn set(&mut self, name: &str, value: String) {
        self.request.set(name, value);
    }

    /// Elements that the next page is asked for.
    pub fn size(&self) -> Option<u32> {
        self.size.as_ref().map(|size| size.first)
    }

    /// Asks for no more elements at once from now on, where the size may change between pages and
    /// the list does not need more to get on.
    pub fn limit(&mut self, most: u32) {
        let resizable = matches!(self.style, Style::Time(_) | Style::Overlap(_));
        let Some(size) = self.size.as_mut().filter(|size| resizable && size.later > most) else {
            return;
        };
        if size.first <= size.later {
            size.first = size.first.min(most);
            self.request.set(size.parameter, size.first.to_string());
        }
        size.later = most;
    }

    /// Moves on after a page.
    pub fn after(&mut self, page: &Facts) -> Result<Step, Stuck> {
        let step = match &mut self.style {
            Style::Single => Step::Done,
            Style::Token(token) => token.after(&mut self.request, page)?,
            Style::Time(time) => time.after(&mut self.request, page, &mut self.size)?,
            Style::Overlap(overlap) => overlap.after(&mut self.request, page, &mut self.size)?,
            Style::Feed(feed) => feed.after(&mut self.request, page)?,
        };
        let resizable = matches!(self.style, Style::Time(_) | Style::Overlap(_));
        if let Some(size) = self.size.as_mut().filter(|_| resizable) {
            size.first = size.first.max(size.later);
            self.request.set(size.parameter, size.first.to_string());
        }
        Ok(step)
    }
}

/// Sends a token that has not been sent before.
fn advance(request: &mut Request, sent: &mut Vec<String>, token: &str) -> Result<Step, Stuck> {
    if sent.iter().any(|known| known == token) {
        return Err(Stuck::Loop);
    }
    // Loops are short; remembering every token of a long list would only cost memory.
    if sent.len() >= 16 {
        sent.remove(0);
    }
    sent.push(token.to_owned());
    request.set(TOKEN, token);
    Ok(Step::Next)
}

impl Token {
    fn after(&mut self, request: &mut Request, page: &Facts) -> Result<Step, Stuck> {
        match &page.continuation {
            None => Ok(Step::Done),
            Some(token) => advance(request, &mut self.sent, token),
        }
    }
}

impl Time {
    fn after(
        &mut self,
        request: &mut Request,
        page: &Facts,
        size: &mut Option<PageSize>,
    ) -> Result<Step, Stuck> {
        let asked = size.as_ref().map_or(usize::MAX, |size| size.first as usize);
        if page.continuation.is_none() && page.rows < asked {
            return Ok(Step::Done);
        }
        let moved = page.last_time.filter(|time| self.reached.is_none_or(|before| *time > before));
        if let (Some(time), true) = (moved, page.fresh > 0) {
            self.reached = Some(time);
            self.sent.clear();
            request.remove(TOKEN);
            let Some(bound) = format_time(time - TIME_OVERLAP_MICROS) else {
                return Err(Stuck::Loop);
            };
            request.set(self.since, bound);
            return Ok(Step::Next);
        }
        if page.continuation.is_none() && page.fresh == 0 {
            return Ok(Step::Done);
        }
        // A page of a single instant, or a list that is not in order: a larger page may hold more.
        if let Some(size) = size.as_mut().filter(|size| size.first < LARGEST_PAGE) {
            size.first = (size.first * 2).min(LARGEST_PAGE);
            return Ok(Step::Next);
        }
        // Only the token gets on; at ties it may skip or repeat, which is why it comes last.
        match &page.continuation {
            Some(token) => advance(request, &mut self.sent, token),
            None => Err(Stuck::Loop),
        }
    }
}

impl Overlap {
    fn after(
        &mut self,
        request: &mut Request,
        page: &Facts,
        size: &mut Option<PageSize>,
    ) -> Result<Step, Stuck> {
        let asked = size.as_ref().map_or(page.rows, |size| size.first as usize).max(1);
        if self.skip == 0 && page.rows == 0 {
            return Ok(Step::Done);
        }
        if self.skip > 0 && !page.starts_known {
            // Elements above went away, and some that were not read yet moved up past us.
            self.overlap = (self.overlap * 2).min((asked / 2).max(1));
            self.back = (self.back * 2).max(self.overlap);
            self.skip = self.skip.saturating_sub(self.back);
            return self.disturbed(request, size);
        }
        self.back = 0;
        let end = self.skip + page.rows;
        let short = page.rows < asked;
        if !page.ends_known {
            self.frontier = end;
            self.disturbances = 0;
            self.doubt = if short { DOUBT_OF_SHORT_PAGE } else { 1.0 };
            self.skip += page.rows.saturating_sub(self.overlap).max(page.rows.min(2) - 1);
            return Ok(self.go(request));
        }
        self.skip += page.rows.saturating_sub(self.overlap);
        if !short {
            // All of it came in at the top and pushed the known ones down.
            return self.disturbed(request, size);
        }
        // A short page that ends with something known is the end, unless the service cut it. A
        // larger page is less likely to be cut there again.
        if end >= self.frontier {
            self.doubt *= page.rows as f64 / asked as f64;
        }
        self.frontier = end;
        if self.doubt < LEAST_DOUBT {
            return Ok(Step::Done);
        }
        self.disturbed(request, size)
    }

    /// Goes on with larger pages, so that a list that moves is overtaken.
    fn disturbed(
        &mut self,
        request: &mut Request,
        size: &mut Option<PageSize>,
    ) -> Result<Step, Stuck> {
        self.disturbances += 1;
        if self.disturbances > MOST_DISTURBANCES {
            return Err(Stuck::Unstable);
        }
        if let Some(size) = size {
            size.first = size.first.max((size.first * 2).min(LARGEST_OVERLAPPING_PAGE));
        }
        Ok(self.go(request))
    }

    fn go(&self, request: &mut Request) -> Step {
        if self.skip == 0 {
            request.remove(self.skip_parameter);
        } else {
            request.set(self.skip_parameter, self.skip.to_string());
        }
        Step::Next
    }
}

impl Feed {
    fn after(&mut self, request: &mut Request, page: &Facts) -> Result<Step, Stuck> {
        if page.is_last == Some(true) {
            return Ok(Step::Done);
        }
        let token = page.body_token.as_deref().ok_or(Stuck::NoToken)?;
        for parameter in self.first_only {
            request.remove(parameter);
        }
        advance(request, &mut self.sent, token)
    }
}

/// `2024-01-31T10:20:30.1234560Z`; `None` outside the years that the service can read.
pub fn format_time(micros: i64) -> Option<String> {
    let time = chrono::DateTime::from_timestamp_micros(micros)?;
    let text = time.format("%Y-%m-%dT%H:%M:%S%.6f").to_string();
    (text.len() == "2024-01-31T10:20:30.123456".len()).then(|| format!("{text}0Z"))
}

#[cfg(test)]
mod tests;
