//! What a list of builds asks for, checked by the service's rules.

use super::token::Token;
use super::{Place, traps};
use crate::api::failure::{Failure, bad_request};
use crate::api::query::Query;
use crate::organization::Organization;
use crate::organization::build::{Build, NO_TIME, Order, REASONS, RESULTS, STATUSES};
use crate::time::Ticks;

const QUERY_ORDERS: [(&str, u32); 6] = [
    ("finishTimeAscending", 2),
    ("finishTimeDescending", 3),
    ("queueTimeDescending", 4),
    ("queueTimeAscending", 5),
    ("startTimeDescending", 6),
    ("startTimeAscending", 7),
];

const DELETED_FILTER: [(&str, u32); 3] =
    [("excludeDeleted", 0), ("includeDeleted", 1), ("onlyDeleted", 2)];

pub struct Filter {
    order: Order,
    descending: bool,
    low: Option<Ticks>,
    high: Option<Ticks>,
    statuses: Option<u32>,
    deleted: u32,
    definitions: Option<Vec<i64>>,
    queues: Option<Vec<i64>>,
    number: Option<String>,
    requested_for: Option<String>,
    reasons: Option<u32>,
    results: Option<u32>,
    tags: Vec<String>,
    branch: Option<String>,
    repository: Option<(String, String)>,
    pub ids: Option<Vec<i64>>,
    pub per_definition: Option<usize>,
}

impl Filter {
    pub fn of(query: &Query, exclusive: bool) -> Result<Self, Failure> {
        let explicit = query.choice("queryOrder", &QUERY_ORDERS)?;
        // Without queryOrder the service orders by finish time, newest first.
        let (order, descending) = match explicit.unwrap_or(3) {
            2 => (Order::Finish, false),
            4 => (Order::Queue, true),
            5 => (Order::Queue, false),
            6 => (Order::Start, true),
            7 => (Order::Start, false),
            _ => (Order::Finish, true),
        };
        let step = i64::from(exclusive);
        let low = query.time("minTime")?.map(|t| t.saturating_add(step));
        let high = query.time("maxTime")?.map(|t| t.saturating_sub(step));
        let sent = query.get("statusFilter");
        let mut statuses = query.flags("statusFilter", &STATUSES)?;
        let bounded = low.is_some() || high.is_some();
        if order == Order::Finish && (explicit.is_some() || bounded) {
            match &sent {
                // Finish time means finished builds.
                None => statuses = Some(2),
                Some(_) if statuses == Some(2) => {}
                Some(text) => return Err(invalid_query(text, descending)),
            }
        }
        let repository = match (query.get("repositoryId"), query.get("repositoryType")) {
            (Some(id), Some(kind)) => Some((kind, id)),
            (None, None) => None,
            _ => {
                let message = "The repositoryId and repositoryType parameters must both be given.";
                return Err(bad_request(message));
            }
        };
        query.get("properties");
        let per_definition = query.number::<usize>("maxBuildsPerDefinition")?;
        Ok(Self {
            order,
            descending,
            low,
            high,
            statuses,
            deleted: query.choice("deletedFilter", &DELETED_FILTER)?.unwrap_or(0),
            definitions: query.numbers("definitions")?,
            queues: query.numbers("queues")?,
            number: query.get("buildNumber"),
            requested_for: query.get("requestedFor"),
            reasons: query.flags("reasonFilter", &REASONS)?,
            results: query.flags("resultFilter", &RESULTS)?,
            tags: query.list("tagFilters").unwrap_or_default(),
            branch: query.get("branchName"),
            repository,
            ids: query.numbers("buildIds")?,
            per_definition: per_definition.filter(|limit| *limit > 0),
        })
    }

    pub fn completed_only(&self) -> bool {
        self.statuses == Some(2)
    }

    /// Whether pages come status by status: only where several statuses are mixed.
    pub fn grouped(&self, organization: &Organization) -> bool {
        let single = self.statuses.is_some_and(|mask| mask.count_ones() == 1);
        organization.traps.builds_grouped_by_status && !single && self.ids.is_none()
    }

    fn has_group(&self, group: u8) -> bool {
        let status = u32::from(group & 0x7f);
        let deleted = traps::is_deleted_group(group);
        let wanted = match self.deleted {
            0 => !deleted,
            2 => deleted,
            _ => true,
        };
        wanted && self.statuses.is_none_or(|mask| mask & status != 0 && status < 0x40)
    }

    /// The bounds of the walk: the time range, and the token's place as its start.
    fn range(&self, token: Option<&Token>) -> ((Ticks, usize), (Ticks, usize)) {
        let bounded = self.low.is_some() || self.high.is_some();
        // A build without that time is in no range of times.
        let floor = if bounded { NO_TIME + 1 } else { NO_TIME };
        let mut low = (self.low.unwrap_or(floor).max(floor), 0);
        let mut high = (self.high.unwrap_or(Ticks::MAX), usize::MAX);
        if let Some(token) = token {
            let step = i64::from(token.strictly);
            if self.descending {
                high =
                    high.min((token.time.saturating_sub(step), token.slot.unwrap_or(usize::MAX)));
            } else {
                low = low.max((token.time.saturating_add(step), token.slot.unwrap_or(0)));
            }
        }
        (low, high)
    }

    /// Whether a row is at or behind the token.
    pub fn is_from(&self, token: Option<&Token>, time: Ticks, slot: usize) -> bool {
        let (low, high) = self.range(token);
        (low..=high).contains(&(time, slot))
    }

    pub fn walk<'a>(
        &self,
        organization: &'a Organization,
        project: usize,
        token: Option<&Token>,
    ) -> Box<dyn Iterator<Item = Place> + 'a> {
        let Some(index) = organization.builds.index(project, self.order) else {
            return Box::new(std::iter::empty());
        };
        let mut groups = index.groups();
        groups.retain(|group| self.has_group(*group));
        let (descending, (whole_low, whole_high)) = (self.descending, self.range(None));
        let (low, high) = self.range(token);
        if !self.grouped(organization) {
            return Box::new(index.walk(&groups, low, high, descending));
        }
        // Completed builds come first, as reported by users.
        groups.sort_by_key(|group| (group & 0x7f != 2, *group));
        let start = token.and_then(|t| t.group);
        let from = start.and_then(|group| groups.iter().position(|g| *g == group)).unwrap_or(0);
        let pages = groups.split_off(from).into_iter().enumerate().map(move |(at, group)| {
            let (low, high) = if at == 0 { (low, high) } else { (whole_low, whole_high) };
            index.walk(&[group], low, high, descending)
        });
        Box::new(pages.flatten())
    }

    /// The builds with the given ids, in the list's order.
    pub fn by_ids(
        &self,
        organization: &Organization,
        project: usize,
        ids: &[i64],
        token: Option<&Token>,
    ) -> Vec<Place> {
        let (low, high) = self.range(token);
        let place = |id: &i64| {
            let slot = organization.builds.find(*id)?;
            let build = organization.builds.get(slot)?;
            Some((build.group(), build.time(self.order), slot))
        };
        let mut places: Vec<Place> = ids.iter().filter_map(place).collect();
        places.retain(|(group, time, slot)| {
            let here = organization.builds.get(*slot).is_some_and(|b| b.project == project);
            here && self.has_group(*group) && (low..=high).contains(&(*time, *slot))
        });
        places.sort_by_key(|(_, time, slot)| (*time, *slot));
        places.dedup();
        if self.descending {
            places.reverse();
        }
        places
    }

    pub fn matches(&self, build: &Build) -> bool {
        let keys = &build.keys;
        let among = |wanted: &Option<Vec<i64>>, id: Option<i64>| {
            wanted.as_ref().is_none_or(|ids| id.is_some_and(|id| ids.contains(&id)))
        };
        among(&self.definitions, keys.definition)
            && among(&self.queues, keys.queue)
            && self.number.as_ref().is_none_or(|wanted| number_matches(wanted, &keys.number))
            && self.reasons.is_none_or(|mask| mask & keys.reason != 0)
            && self.results.is_none_or(|mask| mask & keys.result != 0)
            && self.branch.as_ref().is_none_or(|wanted| wanted.eq_ignore_ascii_case(&keys.branch))
            && self.requested_for.as_ref().is_none_or(|wanted| {
                keys.requested_for.iter().any(|name| name.to_lowercase() == wanted.to_lowercase())
            })
            && self.repository.as_ref().is_none_or(|(kind, id)| {
                kind.eq_ignore_ascii_case(&keys.repository.0)
                    && id.eq_ignore_ascii_case(&keys.repository.1)
            })
            && self.tags.iter().all(|tag| keys.tags.iter().any(|t| t.eq_ignore_ascii_case(tag)))
    }
}

fn number_matches(wanted: &str, number: &str) -> bool {
    let (wanted, number) = (wanted.to_lowercase(), number.to_lowercase());
    match wanted.strip_suffix('*') {
        Some(prefix) => number.starts_with(prefix),
        None => number == wanted,
    }
}

fn invalid_query(statuses: &str, descending: bool) -> Failure {
    let order = if descending { "FinishTimeDescending" } else { "FinishTimeAscending" };
    let mut letters = statuses.chars();
    let first: String = letters.next().map(|c| c.to_uppercase().collect()).unwrap_or_default();
    let message = format!(
        "The status filter {first}{} is not valid when combined with the query order filter {order}.",
        letters.as_str()
    );
    Failure::new(400, "InvalidBuildQueryException", message)
}
