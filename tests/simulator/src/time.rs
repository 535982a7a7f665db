//! Times as Azure DevOps writes them: ISO-8601 UTC with 0 to 7 fractional digits, zeros trimmed.

/// 100-nanosecond steps since 1970, the service's own resolution; year 1 to 9999 fits.
pub type Ticks = i64;

pub const SECOND: Ticks = 10_000_000;
pub const DAY: Ticks = 86_400 * SECOND;

/// Reads a time or a date; a missing zone means UTC.
pub fn parse(text: &str) -> Option<Ticks> {
    let text = text.trim();
    let (date, clock) = match text.find(['T', 't', ' ']) {
        Some(at) => (&text[..at], &text[at + 1..]),
        None => (text, ""),
    };
    let mut numbers = date.splitn(3, '-').map(str::parse::<i64>);
    let (year, month, day) = (numbers.next()?.ok()?, numbers.next()?.ok()?, numbers.next()?.ok()?);
    if !(1..=9999).contains(&year) || !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    let ticks = days_from_civil(year, month, day) * DAY;
    if clock.is_empty() {
        return Some(ticks);
    }
    let (clock, offset) = split_zone(clock)?;
    let (whole, fraction) = clock.split_once('.').unwrap_or((clock, ""));
    let mut parts = whole.split(':').map(str::parse::<i64>);
    let (hour, minute) = (parts.next()?.ok()?, parts.next()?.ok()?);
    let second = parts.next().unwrap_or(Ok(0)).ok()?;
    if !(0..24).contains(&hour) || !(0..60).contains(&minute) || !(0..=60).contains(&second) {
        return None;
    }
    if !fraction.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let digits: String = fraction.chars().chain("0000000".chars()).take(7).collect();
    let fraction: i64 = digits.parse().ok()?;
    Some(ticks + ((hour * 60 + minute) * 60 + second) * SECOND + fraction - offset)
}

fn split_zone(clock: &str) -> Option<(&str, Ticks)> {
    if let Some(clock) = clock.strip_suffix(['Z', 'z']) {
        return Some((clock, 0));
    }
    let Some(at) = clock.find(['+', '-', ' ']) else { return Some((clock, 0)) };
    let sign = if clock[at..].starts_with('-') { -1 } else { 1 };
    let zone: String = clock[at + 1..].chars().filter(|c| *c != ':').collect();
    if zone.len() != 4 {
        return None;
    }
    let minutes = zone[..2].parse::<i64>().ok()? * 60 + zone[2..].parse::<i64>().ok()?;
    Some((&clock[..at], sign * minutes * 60 * SECOND))
}

/// Writes a time with its trailing zeros trimmed.
pub fn format(ticks: Ticks) -> String {
    let (days, rest) = (ticks.div_euclid(DAY), ticks.rem_euclid(DAY));
    let (year, month, day) = civil_from_days(days);
    let (seconds, fraction) = (rest / SECOND, rest % SECOND);
    let (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    let mut text = format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}");
    if fraction != 0 {
        let digits = format!("{fraction:07}");
        text.push('.');
        text.push_str(digits.trim_end_matches('0'));
    }
    text.push('Z');
    text
}

/// The number of a build of that day, e.g. `20260630`.
pub fn compact_date(ticks: Ticks) -> String {
    let (year, month, day) = civil_from_days(ticks.div_euclid(DAY));
    format!("{year:04}{month:02}{day:02}")
}

/// The present, for `--now real`.
pub fn now() -> Ticks {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.map_or(0, |d| i64::try_from(d.as_nanos() / 100).unwrap_or(0))
}

// Howard Hinnant's civil calendar, https://howardhinnant.github.io/date_algorithms.html
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let of_era = year.rem_euclid(400);
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let (era, of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let shifted = (5 * of_year + 2) / 153;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    let year = year + era * 400 + i64::from(month <= 2);
    (year, month, of_year - (153 * shifted + 2) / 5 + 1)
}

#[cfg(test)]
mod tests {
    use super::{format, parse};

    #[test]
    fn times_survive_a_round_trip() {
        for text in [
            "2015-07-16T19:52:38.65Z",
            "2015-07-16T19:52:42.7771198Z",
            "2024-02-29T00:00:04.04Z",
            "0001-01-01T00:00:00Z",
            "9999-12-31T23:59:59.9999999Z",
            "1969-12-31T23:59:59.5Z",
        ] {
            assert_eq!(parse(text).map(format).as_deref(), Some(text));
        }
    }

    #[test]
    fn zones_and_short_forms_are_read() {
        let noon = parse("2026-06-30T12:00:00Z");
        for text in ["2026-06-30T12:00:00", "2026-06-30T14:00:00+02:00", "2026-06-30T12:00"] {
            assert_eq!(parse(text), noon, "{text}");
        }
        assert_eq!(parse("2026-06-30"), parse("2026-06-30T00:00:00Z"));
        for text in
            ["", "yesterday", "2026-13-01", "2026-06-30T25:00:00Z", "2026-06-30T12:00:00.1x"]
        {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
