//! The continuation token of builds: a time in the query's order, and in exact mode a tie-breaker.

use std::fmt;

use crate::api::failure::{Failure, bad_token};
use crate::organization::build::NO_TIME;
use crate::organization::specification::Ties;
use crate::time::{self, Ticks};

#[derive(Debug, Clone, PartialEq)]
pub struct Token {
    pub time: Ticks,
    /// The first row of the next page, in exact mode.
    pub slot: Option<usize>,
    /// The group the next page starts in, where lists are grouped by status.
    pub group: Option<u8>,
    /// The next page starts after all rows of that time: skips ties.
    pub strictly: bool,
}

/// Marks a token of the skip mode.
const STRICTLY: &str = "+";

impl Token {
    /// The token for a page that starts at a row (or, in skip mode, after it).
    pub fn after(place: (u8, Ticks, usize), ties: Ties, grouped: bool) -> Self {
        let (group, time, slot) = place;
        // Rows without a time would all tie, and no page could ever get past them.
        let exact = ties == Ties::Exact || time == NO_TIME;
        Self {
            time,
            slot: exact.then_some(slot),
            group: grouped.then_some(group),
            strictly: ties == Ties::Skip && time != NO_TIME,
        }
    }

    pub fn parse(text: &str) -> Result<Self, Failure> {
        let mut parts = text.split(';');
        let stamp = parts.next().unwrap_or_default();
        let time = match stamp {
            "0001-01-01T00:00:00Z" => NO_TIME,
            _ => time::parse(stamp).ok_or_else(|| bad_token(text))?,
        };
        let mut token = Self { time, slot: None, group: None, strictly: false };
        for part in parts {
            match part.split_at_checked(1) {
                _ if part == STRICTLY => token.strictly = true,
                Some(("s", slot)) => token.slot = Some(slot.parse().map_err(|_| bad_token(text))?),
                Some(("g", group)) => {
                    token.group = Some(group.parse().map_err(|_| bad_token(text))?);
                }
                _ => return Err(bad_token(text)),
            }
        }
        Ok(token)
    }
}

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.time {
            NO_TIME => f.write_str("0001-01-01T00:00:00Z")?,
            time => f.write_str(&time::format(time))?,
        }
        if let Some(slot) = self.slot {
            write!(f, ";s{slot}")?;
        }
        if let Some(group) = self.group {
            write!(f, ";g{group}")?;
        }
        if self.strictly { write!(f, ";{STRICTLY}") } else { Ok(()) }
    }
}
