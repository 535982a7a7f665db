//! Times of conditions as bounds of a list: widened to whole seconds, so that no row is lost.

pub(super) const SECOND: i64 = 1_000_000;

/// 1900-01-01 and 9000-01-01: times outside cannot be sent, and no real build has them.
pub(super) const EARLIEST: i64 = -2_208_988_800 * SECOND;
const LATEST: i64 = 221_845_392_000 * SECOND;

/// A lower bound on whole seconds that lies before `micros` for certain.
pub fn before(micros: i64) -> Option<String> {
    (micros > EARLIEST).then(|| whole_second(micros.min(LATEST).div_euclid(SECOND) - 1)).flatten()
}

/// An upper bound on whole seconds that lies after `micros` for certain.
pub fn after(micros: i64) -> Option<String> {
    (micros < LATEST).then(|| whole_second(micros.max(EARLIEST).div_euclid(SECOND) + 2)).flatten()
}

fn whole_second(seconds: i64) -> Option<String> {
    let time = chrono::DateTime::from_timestamp(seconds, 0)?;
    Some(time.format("%Y-%m-%dT%H:%M:%SZ").to_string())
}
