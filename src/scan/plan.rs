//! From conditions to requests: which endpoint, which projects, which parameters.
//!
//! A request may return more than the conditions allow, never less: PostgreSQL rechecks every clause.

mod bounds;
mod filters;

use std::collections::BTreeMap;

use crate::catalog::column::{Column, Push, Range};
use crate::catalog::endpoint::{Paging, Parent, Stream, Version};
use crate::catalog::table::Table;
use crate::scan::condition::{Condition, Domain, Op, Value, domains};
pub use bounds::{after as upper_bound, before as lower_bound};
use bounds::{after, before};

/// Most elements that are asked for one by one; more are cheaper to find in the list.
pub const MOST_GETS: usize = 50;

/// What a scan asks the service.
#[derive(Debug, PartialEq, Eq)]
pub enum Plan {
    /// Nothing: no row can match.
    Nothing,
    /// Single elements, by their paths.
    Gets(Vec<String>),
    /// Lists, in every project that the filter leaves.
    Lists {
        /// Which projects.
        projects: ProjectFilter,
        /// Lists per project, read one after the other.
        lists: Vec<List>,
    },
}

/// Which projects a fan-out visits. Both filters must hold; `None` lets all through.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct ProjectFilter {
    /// These ids.
    pub ids: Option<Vec<String>>,
    /// These names, ignoring case.
    pub names: Option<Vec<String>>,
}

impl ProjectFilter {
    /// Whether a project is wanted.
    pub fn allows(&self, id: &str, name: &str) -> bool {
        let named = |names: &Vec<String>| {
            names.iter().any(|wanted| wanted.to_lowercase() == name.to_lowercase())
        };
        self.ids.as_ref().is_none_or(|ids| ids.iter().any(|wanted| wanted.eq_ignore_ascii_case(id)))
            && self.names.as_ref().is_none_or(named)
    }
}

/// One list of a project.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct List {
    /// Parameters besides paging that make the list what it is.
    pub parameters: Vec<(String, String)>,
    /// Parameters that only narrow it. Without them it is longer, but holds the same rows.
    pub filters: Vec<(String, String)>,
    /// The stream's parameter and values: sent together first, one by one if that takes more than
    /// one page, because the service does not keep their common order.
    pub states: Option<(&'static str, Vec<&'static str>)>,
    /// Column and lower-bound parameter that order the list, for [`Paging::Time`].
    pub ordered_by: Option<(&'static str, &'static str)>,
    /// After more than one page, the lists before are read again.
    pub leaks: bool,
    /// How the list can be read in parts.
    pub split: Option<Split>,
}

/// How a list is cut by time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Split {
    /// Column of the time.
    pub column: &'static str,
    /// Parameter of the lower bound.
    pub since: &'static str,
    /// Parameter of the upper bound.
    pub until: &'static str,
    /// Parameter that says which time the bounds mean, with its value.
    pub with: Option<(&'static str, &'static str)>,
    /// Whether the list begins with the latest.
    pub descending: bool,
}

/// Plans the requests of a scan.
pub fn plan(table: &'static Table, conditions: &[Condition], version: Version) -> Plan {
    let Some(domains) = domains(conditions) else {
        return Plan::Nothing;
    };
    let planner = Planner { table, domains, version };
    planner.gets().unwrap_or_else(|| planner.lists())
}

/// Whether a condition on the column may narrow the requests.
pub fn pushes(column: &Column, op: &Op) -> bool {
    match (column.push, op) {
        (Push::Local, _) => false,
        (Push::Range(_), Op::NotEqual | Op::Contains) => false,
        (Push::Range(range), Op::NotNull) => range.only.is_some(),
        (Push::Range(_), _) => true,
        (Push::Stream, Op::NotEqual) => true,
        (Push::Contains(_) | Push::ContainsId(_), op) => *op == Op::Contains,
        (_, op) => *op == Op::Equal,
    }
}

struct Planner {
    table: &'static Table,
    domains: BTreeMap<&'static str, Domain>,
    version: Version,
}

/// Parameters being collected; each is set once.
type Parameters = Vec<(String, String)>;

fn set(parameters: &mut Parameters, name: &str, value: impl Into<String>) {
    if !parameters.iter().any(|(known, _)| known == name) {
        parameters.push((name.to_owned(), value.into()));
    }
}

impl Planner {
    fn values(&self, column: &Column) -> Option<&[Value]> {
        self.domains.get(column.name)?.values.as_deref()
    }

    fn gets(&self) -> Option<Plan> {
        self.table.columns.iter().find_map(|column| {
            let Push::Get(path) = column.push else { return None };
            let values = self.values(column)?;
            // Nothing has an id below 1; the service would answer with 400.
            let ids: Vec<String> = values.iter().filter_map(positive).collect();
            match ids.len() {
                0 => Some(Plan::Nothing),
                1..=MOST_GETS => {
                    Some(Plan::Gets(ids.iter().map(|id| path.replace("{}", id)).collect()))
                }
                _ => None,
            }
        })
    }

    fn lists(&self) -> Plan {
        let mut lists = match self.ids() {
            Some(Ids::None) => return Plan::Nothing,
            Some(Ids::Lists(lists)) => lists,
            None => self.streams(),
        };
        for list in &mut lists {
            for (name, value) in self.table.endpoint.defaults {
                set(&mut list.parameters, name, *value);
            }
        }
        if lists.is_empty() {
            return Plan::Nothing;
        }
        Plan::Lists { projects: self.projects(), lists }
    }

    /// Requests by id, without filters: they name their elements.
    fn ids(&self) -> Option<Ids> {
        let endpoint = &self.table.endpoint;
        let (parameter, values) =
            self.table.columns.iter().find_map(|column| match column.push {
                Push::Ids(parameter) => Some((parameter, self.values(column)?)),
                _ => None,
            })?;
        let ids: Vec<String> = values.iter().filter_map(positive).collect();
        if ids.is_empty() {
            return Some(Ids::None);
        }
        let ordered_by = self.order(None).map(|(column, range)| (column, range.since));
        let lists = ids.chunks(endpoint.batch.max(1)).map(|batch| {
            let mut parameters = Parameters::new();
            for (name, value) in endpoint.by_id {
                set(&mut parameters, name, *value);
            }
            self.flags(&mut parameters);
            set(&mut parameters, parameter, batch.join(","));
            List {
                parameters,
                filters: Vec::new(),
                states: None,
                ordered_by,
                leaks: false,
                split: None,
            }
        });
        Some(Ids::Lists(lists.collect()))
    }

    /// The time by which a list can be cut: the one that orders it, unless the window of another
    /// one takes the parameters.
    fn split(
        &self,
        window: Option<&'static str>,
        order: Option<(&'static str, Range)>,
    ) -> Option<Split> {
        let (column, range, descending) = match self.table.endpoint.paging {
            Paging::Time { .. } => order.map(|(column, range)| (column, range, false))?,
            Paging::Overlap { newest_first, .. } => {
                let column = self.table.column(newest_first)?;
                let Push::Range(range) = column.push else { return None };
                (column.name, range, true)
            }
            _ => return None,
        };
        let same = window.is_none_or(|window| window == column);
        let until = range.until.filter(|_| same && self.version >= range.version)?;
        let (since, with) = (range.since, range.with);
        Some(Split { column, since, until, with, descending })
    }

    /// One list per stream that can hold matching rows, with every filter that can be pushed.
    fn streams(&self) -> Vec<List> {
        let endpoint = &self.table.endpoint;
        let window = self.window();
        let mut shared = Parameters::new();
        self.flags(&mut shared);
        let filters = self.filters();
        let order = self.order(window.map(|(column, range, _)| (column, range)));
        if let Some((_, range, domain)) = window {
            if let Some(bound) = domain.lower.and_then(before) {
                set(&mut shared, range.since, bound);
            }
            if let Some((until, bound)) = range.until.zip(domain.upper.and_then(after)) {
                set(&mut shared, until, bound);
            }
        }
        if let Some((name, value)) = order.or(window.map(|w| (w.0, w.1))).and_then(|o| o.1.with) {
            set(&mut shared, name, value);
        }
        let ordered_by = order.map(|(column, range)| (column, range.since));
        let split = self.split(window.map(|(column, ..)| column), order);
        let list = |states, leaks| {
            let (parameters, filters) = (shared.clone(), filters.clone());
            List { parameters, filters, states, ordered_by, leaks, split }
        };
        if endpoint.streams.is_empty() {
            return vec![list(None, false)];
        }
        let wanted = self.stream_values();
        let possible = |stream: &Stream| {
            self.table.columns.iter().all(|column| match column.push {
                Push::Range(Range { only: Some(only), .. }) => {
                    let present = self.domains.get(column.name).is_some_and(|d| d.present);
                    !present || only.values == stream.values
                }
                _ => true,
            })
        };
        endpoint
            .streams
            .iter()
            .filter(|stream| possible(stream))
            .filter_map(|stream| {
                let states: Vec<&'static str> = stream
                    .values
                    .iter()
                    .copied()
                    .filter(|value| wanted.as_ref().is_none_or(|wanted| wanted.contains(value)))
                    .collect();
                (!states.is_empty()).then(|| list(Some((stream.parameter, states)), stream.leaks))
            })
            .collect()
    }

    /// The streams' values that conditions leave; `None` for all. A condition with a value that no
    /// stream knows stays local.
    fn stream_values(&self) -> Option<Vec<&'static str>> {
        let known = || self.table.endpoint.streams.iter().flat_map(|stream| stream.values);
        let column = self.table.columns.iter().find(|c| matches!(c.push, Push::Stream))?;
        let domain = self.domains.get(column.name)?;
        let wanted = domain
            .values
            .as_deref()
            .and_then(texts)
            .filter(|texts| texts.iter().all(|text| known().any(|value| value == text)));
        let excluded = texts(&domain.excluded).unwrap_or_default();
        let left = known().copied().filter(|value| {
            wanted.as_ref().is_none_or(|wanted| wanted.iter().any(|text| text == value))
                && !excluded.iter().any(|text| text == value)
        });
        Some(left.collect())
    }

    /// The time window that leaves least, of those that conditions set.
    fn window(&self) -> Option<(&'static str, Range, &Domain)> {
        let windows = self.table.columns.iter().filter_map(|column| {
            let Push::Range(range) = column.push else { return None };
            let domain = self.domains.get(column.name)?;
            let bounded = domain.lower.and_then(before).is_some()
                || (range.until.is_some() && domain.upper.and_then(after).is_some());
            (bounded && self.version >= range.version).then_some((column.name, range, domain))
        });
        // A list without a lower bound begins at the beginning of time; without an upper one it
        // ends at about the same time as the others.
        windows.min_by_key(|(_, _, domain)| match (domain.lower, domain.upper) {
            (Some(lower), Some(upper)) => (0, upper.saturating_sub(lower)),
            (Some(lower), None) => (1, lower.saturating_neg()),
            (None, upper) => (2, upper.unwrap_or(i64::MAX)),
        })
    }

    /// The column and window parameters that order a list paged by time.
    fn order(&self, window: Option<(&'static str, Range)>) -> Option<(&'static str, Range)> {
        let Paging::Time { column } = self.table.endpoint.paging else { return None };
        window.or_else(|| match self.table.column(column)?.push {
            Push::Range(range) => Some((column, range)),
            _ => None,
        })
    }

    fn projects(&self) -> ProjectFilter {
        let mut filter = ProjectFilter::default();
        if self.table.endpoint.parent == Parent::Organization {
            return filter;
        }
        for column in self.table.columns {
            let Some(texts) = self.values(column).and_then(texts) else { continue };
            match column.push {
                Push::ProjectId => filter.ids = Some(texts),
                Push::ProjectName => filter.names = Some(texts),
                _ => {}
            }
        }
        filter
    }
}

enum Ids {
    /// No value can be an id.
    None,
    Lists(Vec<List>),
}

fn texts(values: &[Value]) -> Option<Vec<String>> {
    values.iter().map(Value::parameter).collect()
}

/// An id that the service can have given, as text.
fn positive(value: &Value) -> Option<String> {
    match value {
        Value::Integer(number) if (1..=i64::from(i32::MAX)).contains(number) => {
            Some(number.to_string())
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests;
