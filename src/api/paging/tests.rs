//! Every style against a list that behaves, and one that does not.

use super::*;

fn pager(style: Style, page: u32) -> Pager {
    let size = PageSize { parameter: "$top", first: page, later: page };
    Pager::new(Request::get(None, "/list"), style, Some(size))
}

fn parameter(pager: &Pager, name: &str) -> Option<String> {
    let found = pager.request().parameters.iter().find(|(known, _)| known == name);
    found.map(|(_, value)| value.clone())
}

fn with_token(token: &str) -> Facts {
    Facts { rows: 2, fresh: 2, continuation: Some(token.into()), ..Facts::default() }
}

#[test]
fn a_token_is_followed_until_it_is_absent() {
    let mut pager = pager(Style::Token(Token::default()), 2);
    assert_eq!(pager.after(&with_token("a;b")), Ok(Step::Next));
    assert_eq!(parameter(&pager, "continuationToken").as_deref(), Some("a;b"));
    let empty = Facts { rows: 0, fresh: 0, ..with_token("c") };
    assert_eq!(pager.after(&empty), Ok(Step::Next), "an empty page with a token goes on");
    assert_eq!(pager.after(&Facts::default()), Ok(Step::Done));
}

#[test]
fn a_token_that_comes_back_is_an_error() {
    let mut pager = pager(Style::Token(Token::default()), 2);
    assert_eq!(pager.after(&with_token("a")), Ok(Step::Next));
    assert_eq!(pager.after(&with_token("b")), Ok(Step::Next));
    assert_eq!(pager.after(&with_token("a")), Err(Stuck::Loop));
}

#[test]
fn a_time_list_starts_each_page_before_the_last_time() {
    let mut pager = pager(Style::time("minTime"), 2);
    let page = Facts { last_time: Some(1_000_000_000_000_000), ..with_token("t") };
    assert_eq!(pager.after(&page), Ok(Step::Next));
    assert_eq!(parameter(&pager, "minTime").as_deref(), Some("2001-09-09T01:46:39.9990000Z"));
    assert_eq!(parameter(&pager, "continuationToken"), None);
    assert_eq!(pager.after(&Facts { rows: 1, ..Facts::default() }), Ok(Step::Done));
}

#[test]
fn a_page_of_one_instant_is_asked_for_larger_then_goes_on_by_token() {
    let mut pager = pager(Style::time("minTime"), 2000);
    let page = Facts { last_time: Some(5_000_000), ..with_token("t") };
    assert_eq!(pager.after(&page), Ok(Step::Next));
    for size in ["4000", "5000"] {
        assert_eq!(pager.after(&page), Ok(Step::Next));
        assert_eq!(parameter(&pager, "$top").as_deref(), Some(size));
        assert_eq!(parameter(&pager, "continuationToken"), None);
    }
    assert_eq!(pager.after(&page), Ok(Step::Next));
    assert_eq!(parameter(&pager, "continuationToken").as_deref(), Some("t"));
    assert_eq!(pager.after(&page), Err(Stuck::Loop));
}

#[test]
fn a_full_page_without_a_token_is_not_the_end_of_a_time_list() {
    let mut pager = pager(Style::time("minTime"), 2);
    let page = Facts { rows: 2, fresh: 2, last_time: Some(5), ..Facts::default() };
    assert_eq!(pager.after(&page), Ok(Step::Next));
    assert_eq!(pager.after(&Facts { rows: 2, fresh: 0, ..page }), Ok(Step::Done));
}

/// Reads `list` with the overlap pager; `change` edits it before each request.
fn read_moving(list: Vec<u32>, page: usize, change: impl FnMut(usize, &mut Vec<u32>)) -> Vec<u32> {
    read_served(list, page, change, |_| usize::MAX)
}

/// The same from a service that sends at most `served(request)` elements.
fn read_served(
    mut list: Vec<u32>,
    page: usize,
    mut change: impl FnMut(usize, &mut Vec<u32>),
    served: impl Fn(usize) -> usize,
) -> Vec<u32> {
    let mut pager = pager(Style::overlap("$skip"), page as u32);
    let mut seen: Vec<u32> = Vec::new();
    for request in 0..1000 {
        change(request, &mut list);
        let skip = parameter(&pager, "$skip").map_or(0, |text| text.parse().expect("a number"));
        let asked: usize =
            parameter(&pager, "$top").map_or(page, |text| text.parse().expect("a number"));
        let rows: Vec<u32> =
            list.iter().copied().skip(skip).take(asked.min(served(request))).collect();
        let fresh: Vec<u32> = rows.iter().copied().filter(|id| !seen.contains(id)).collect();
        let starts_known = rows.first().is_some_and(|id| seen.contains(id));
        let ends_known = rows.last().is_some_and(|id| seen.contains(id));
        let facts = Facts {
            rows: rows.len(),
            fresh: fresh.len(),
            starts_known,
            ends_known,
            ..Facts::default()
        };
        seen.extend(fresh);
        if pager.after(&facts).expect("the list can be read") == Step::Done {
            return seen;
        }
    }
    panic!("paging did not end");
}

#[test]
fn an_overlapping_list_is_read_whole_whatever_its_length() {
    for length in 0..20 {
        let list: Vec<u32> = (0..length).rev().collect();
        let mut read = read_moving(list.clone(), 4, |_, _| {});
        read.sort_by(|a, b| b.cmp(a));
        assert_eq!(read, list, "{length}");
    }
}

#[test]
fn pages_shorter_than_asked_do_not_end_the_list() {
    let list: Vec<u32> = (0..60).rev().collect();
    for cap in 2..10 {
        assert_eq!(read_served(list.clone(), 10, |_, _| {}, |_| cap), list, "capped at {cap}");
    }
    for seed in 0..200 {
        let random = std::cell::RefCell::new(fastrand::Rng::with_seed(seed));
        let served = |_| {
            let mut random = random.borrow_mut();
            if random.u8(..100) < 60 { random.usize(1..10) } else { usize::MAX }
        };
        assert_eq!(read_served(list.clone(), 10, |_, _| {}, served), list, "seed {seed}");
    }
}

#[test]
fn a_page_cut_to_what_is_known_is_not_the_end() {
    let list: Vec<u32> = (0..60).rev().collect();
    for cut in 0..8 {
        for to in 1..10 {
            let served = |request| if request == cut { to } else { usize::MAX };
            let read = read_served(list.clone(), 10, |_, _| {}, served);
            assert_eq!(read.len(), list.len(), "request {cut} cut to {to}");
        }
    }
}

#[test]
fn elements_that_arrive_at_the_top_do_not_disturb() {
    let list: Vec<u32> = (0..30).rev().collect();
    let read = read_moving(list.clone(), 5, |n, list| list.insert(0, 100 + n as u32));
    assert!(list.iter().all(|id| read.contains(id)), "{read:?}");
}

#[test]
fn a_list_that_moves_by_a_page_at_a_time_is_overtaken() {
    let list: Vec<u32> = (0..30).rev().collect();
    let read = read_moving(list.clone(), 2, |n, list| {
        list.insert(0, 100 + 2 * n as u32);
        list.insert(0, 101 + 2 * n as u32);
    });
    assert!(list.iter().all(|id| read.contains(id)), "{read:?}");
}

#[test]
fn elements_that_leave_do_not_hide_others() {
    for removed_each_time in 1..4 {
        let list: Vec<u32> = (0..40).rev().collect();
        let mut gone = Vec::new();
        let read = read_moving(list.clone(), 5, |n, list| {
            for _ in 0..removed_each_time {
                if n > 0 && list.len() > 20 {
                    gone.push(list.remove(0));
                }
            }
        });
        for id in list.iter().filter(|id| !gone.contains(id)) {
            assert!(read.contains(id), "{id} is missing, {removed_each_time} removed each time");
        }
    }
}

#[test]
fn a_feed_ends_with_its_last_batch_only() {
    let mut pager = pager(Style::feed(&["startDateTime"]), 2);
    pager.request.set("startDateTime", "2024-01-01T00:00:00Z");
    let page = |token: &str, last| Facts {
        body_token: Some(token.into()),
        is_last: Some(last),
        ..Facts::default()
    };
    assert_eq!(pager.after(&page("1;1;1", false)), Ok(Step::Next));
    assert_eq!(parameter(&pager, "startDateTime"), None, "token and start exclude each other");
    assert_eq!(pager.after(&page("1;1;1", false)), Err(Stuck::Loop));
    assert_eq!(pager.after(&page("2;1;1", true)), Ok(Step::Done));
    assert_eq!(pager.after(&Facts::default()), Err(Stuck::NoToken));
}

#[test]
fn times_are_written_with_seven_digits() {
    assert_eq!(format_time(1).as_deref(), Some("1970-01-01T00:00:00.0000010Z"));
    assert_eq!(format_time(i64::MIN), None);
}
