//! Reading the lists of one project, or of the organization, each to its end.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};

use super::split::{Part, bounds};
use super::{Outlet, Project, Scan, Shape, Stop, stuck_error};
use crate::api::budget;
use crate::api::paging::{PageSize, Pager, Step, Style};
use crate::api::request::Request;
use crate::catalog::endpoint::{BodyKind, Paging, Parent, Projection};
use crate::error::Error;
use crate::scan::decode::Decoder;
use crate::scan::plan::{List, Plan};
use crate::scan::seen::Seen;

/// Pages are not asked for larger, once the size of an element is known: so that one can be held by
/// each of the usual number of workers and one by the executor.
const LARGEST_PAGE_BYTES: usize = budget::LIMIT / 9;

impl Scan {
    /// Reads the lists one after the other, each row once.
    pub(super) async fn read_lists(
        &self,
        lists: &[List],
        project: Option<&Project>,
        seen: &Arc<Mutex<Seen>>,
        outlet: &Outlet,
    ) -> Result<(), Stop> {
        for (index, list) in lists.iter().enumerate() {
            let states = list.states.as_ref();
            let together = states.map(|(name, values)| (*name, values.join(",")));
            let several = states.is_some_and(|(_, values)| values.len() > 1);
            let list = Arc::new(list.clone());
            let part = |state| {
                let (list, project) = (Arc::clone(&list), project.cloned());
                Arc::new(Part::whole(list, state, project, Arc::clone(seen)))
            };
            let pages = if several {
                let first = self.read_part(&part(together), true, outlet).await?;
                if first == Pages::More {
                    for value in states.iter().flat_map(|(_, values)| values) {
                        let state = states.map(|(name, _)| (*name, (*value).to_owned()));
                        self.read_in_parts(&part(state), outlet).await?;
                    }
                }
                first
            } else {
                self.read_in_parts(&part(together), outlet).await?
            };
            if list.leaks && pages != Pages::One && index > 0 {
                Box::pin(self.read_lists(&lists[..index], project, seen, outlet)).await?;
            }
        }
        Ok(())
    }

    /// Reads a list, with the help of workers that have nothing else to do.
    async fn read_in_parts(&self, part: &Arc<Part>, outlet: &Outlet) -> Result<Pages, Stop> {
        let pages = {
            let _offered = self.crew.offer(part);
            self.read_part(part, false, outlet).await?
        };
        if let Some(group) = &part.group {
            group.wait().await?;
        }
        Ok(pages)
    }

    /// Helps with the lists of others until there are none.
    pub(super) async fn help(&self, outlet: &Outlet) -> Result<(), Stop> {
        let size = self.page_size.unwrap_or(self.table.endpoint.page_size) as usize;
        let wanted = || outlet.events.capacity() == outlet.events.max_capacity();
        while let Some(part) = self.crew.idle(size, wanted).await {
            let read = {
                let _offered = self.crew.reading(&part);
                self.read_part(&part, false, outlet).await
            };
            let Some(group) = &part.group else { continue };
            match read {
                Ok(_) => group.end(Ok(())),
                // Whoever began the list knows what an error means for its project.
                Err(Stop::Failed(error)) => group.end(Err(error)),
                Err(Stop::Unwanted) => return Err(Stop::Unwanted),
            }
        }
        Ok(())
    }

    /// Reads a part of a list, or all of it; with `only_first`, just its first page.
    async fn read_part(
        &self,
        part: &Arc<Part>,
        only_first: bool,
        outlet: &Outlet,
    ) -> Result<Pages, Stop> {
        let endpoint = &self.table.endpoint;
        let Part { list, state, project, .. } = &**part;
        let (state, project) = (state.as_ref(), project.as_ref());
        let subject = self.subject(project);
        let decoder = self.decoder_of(list);
        let decoder = decoder.as_ref().unwrap_or(&self.decoder);
        let mut narrowing = Narrowing::All;
        let mut pager = self.pager(list, state, project, narrowing);
        let mut pages = Pages::One;
        let mut read_pages = 0;
        let mut seen = Seen::default();
        loop {
            pager.limit(self.most_elements());
            // Where it begins is said once: from there on the pager moves on.
            let mut span = part.span();
            span.near = span.near.filter(|_| read_pages == 0);
            for (name, value) in list.split.iter().flat_map(|split| bounds(split, span)) {
                pager.set(name, value);
            }
            let size = pager.size().unwrap_or(endpoint.page_size) as usize;
            let shape = Shape { elements: endpoint.elements, size, decoder };
            let request = pager.request();
            let read = self.read_page(request, shape, &subject, &mut seen, outlet);
            let (mut page, facts) = match read.await {
                // A value that this organization does not know, perhaps. Without it the list is
                // longer, and PostgreSQL finds the rows in it.
                Err(Stop::Failed(error))
                    if narrowing == Narrowing::All && self.is_refusal(&error) =>
                {
                    let plain = self.pager(list, state, project, Narrowing::None);
                    if pages != Pages::One || plain.request() == request {
                        return Err(error.into());
                    }
                    (narrowing, pager) = (Narrowing::None, plain);
                    continue;
                }
                read => read?,
            };
            let rows = page.elements();
            let at = if list.split.is_some_and(|split| split.descending) {
                page.earliest
            } else {
                page.last_time
            };
            page.drop_seen(&mut part.seen.lock().unwrap_or_else(PoisonError::into_inner));
            self.send(page, outlet).await?;
            read_pages += 1;
            match pager.after(&facts).map_err(|stuck| stuck_error(stuck, &subject))? {
                Step::Done => return Ok(pages),
                Step::Next if only_first => return Ok(Pages::More),
                Step::Next if self.feed_pages == Some(read_pages) => {
                    self.feed_left.store(true, Ordering::Relaxed);
                    return Ok(Pages::More);
                }
                Step::Next => pages = Pages::More,
            }
            // What lies behind the end is read by whoever took it.
            if at.is_some_and(|at| !part.reached(at, rows)) {
                return Ok(pages);
            }
            self.crew.progressed();
        }
    }

    /// The list, from its first page on.
    fn pager(
        &self,
        list: &List,
        state: Option<&(&'static str, String)>,
        project: Option<&Project>,
        narrowing: Narrowing,
    ) -> Pager {
        let endpoint = &self.table.endpoint;
        let path_project = project.map(|project| project.id.as_str());
        // Lists of the organization that a project can narrow take the table option as it is.
        let own = self.project.as_deref().filter(|_| endpoint.parent == Parent::OptionalProject);
        let wanted = self.narrowed_to(narrowing);
        let mut request = Request::get(path_project.or(own).or(wanted), endpoint.path);
        request.host = endpoint.host;
        if let Some((name, value)) = state {
            request.set(name, value);
        }
        for (name, value) in &list.parameters {
            request.set(name, value);
        }
        if narrowing == Narrowing::All {
            for (name, value) in &list.filters {
                request.set(name, value);
            }
            if let (Some(projection), Some(members)) = (&endpoint.projection, &self.members) {
                request.set(projection.parameter, members.join(","));
            }
        }
        if let Some(on_demand) = endpoint.on_demand.as_ref().filter(|_| self.on_demand) {
            let (name, value) = on_demand.parameter;
            request.set(name, value);
        }
        if let (Some((parameter, values)), Some(project)) = (&self.since, project)
            && let Some(value) = values.get(&project.id.to_lowercase())
        {
            request.set(parameter, value.as_str());
        }
        if let (Paging::Feed { first_only }, Some(token)) = (endpoint.paging, &self.feed_from) {
            for parameter in first_only {
                request.remove(parameter);
            }
            request.set("continuationToken", token.as_str());
        }
        let mut size = self.page_size();
        if let Some(projection) = &endpoint.projection
            && request.target(&self.client.settings().api_version).len() > projection.post_from
        {
            as_post(&mut request, projection);
            size = size.filter(|size| !projection.get_only.contains(&size.parameter));
        }
        Pager::new(request, self.style(list), size)
    }

    /// Whether the service refuses a value: 404 says so only of a project that conditions name.
    fn is_refusal(&self, error: &Error) -> bool {
        let Error::Refused { answer, .. } = error else { return false };
        let named = self.narrowed_to(Narrowing::All).is_some();
        answer.status == 400 || (answer.status == 404 && named)
    }

    /// The one project that conditions leave of a list that a project can narrow.
    fn narrowed_to(&self, narrowing: Narrowing) -> Option<&str> {
        let optional = self.table.endpoint.parent == Parent::OptionalProject;
        match &self.plan {
            Plan::Lists { projects, .. } if optional && narrowing == Narrowing::All => {
                match (projects.ids.as_deref(), projects.names.as_deref()) {
                    (Some([id]), _) => Some(id),
                    (None, Some([name])) if !name.trim().is_empty() => Some(name),
                    _ => None,
                }
            }
            _ => None,
        }
    }

    fn style(&self, list: &List) -> Style {
        match self.table.endpoint.paging {
            Paging::Single => Style::Single,
            Paging::Token => Style::Token(Default::default()),
            Paging::Overlap { skip, .. } => Style::overlap(skip),
            Paging::Feed { first_only } => Style::feed(first_only),
            Paging::Time { .. } => {
                Style::time(list.ordered_by.map_or("minTime", |(_, since)| since))
            }
        }
    }

    /// A decoder that also finds the time by which the list is ordered or cut.
    fn decoder_of(&self, list: &List) -> Option<Decoder> {
        let ordered = list.ordered_by.map(|(column, _)| column);
        let column = ordered.or(list.split.map(|split| split.column))?;
        self.table.column(column).map(|column| self.decoder.ordered_by(&column.pointer()))
    }

    /// Elements of a page that keep it at a size of which several can be held.
    fn most_elements(&self) -> u32 {
        match self.element_bytes.load(Ordering::Relaxed) {
            0 => u32::MAX,
            bytes => u32::try_from(LARGEST_PAGE_BYTES / bytes).unwrap_or(u32::MAX).max(10),
        }
    }

    fn page_size(&self) -> Option<PageSize> {
        /// A smaller first page saves nothing.
        const SMALLEST: u64 = 10;
        let endpoint = &self.table.endpoint;
        let later = self.page_size.unwrap_or(endpoint.page_size);
        let hint = self.limit.map_or(later, |limit| {
            u32::try_from(limit.max(SMALLEST)).unwrap_or(u32::MAX).min(later)
        });
        // Only these styles let the size change between pages.
        let adaptable = matches!(endpoint.paging, Paging::Time { .. } | Paging::Overlap { .. });
        let first = if adaptable { hint.max(2) } else { later };
        endpoint.page_size_parameter.map(|parameter| PageSize { parameter, first, later })
    }
}

/// Whether a list is asked for with everything that makes it shorter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Narrowing {
    All,
    None,
}

/// Moves parameters into the body of a POST.
fn as_post(request: &mut Request, projection: &Projection) {
    let mut body = serde_json::Map::new();
    for (name, kind) in projection.body {
        let Some(value) = request.take(name) else { continue };
        let value = match kind {
            BodyKind::Flag => serde_json::Value::from(value == "true"),
            BodyKind::List => value.split(',').collect(),
        };
        body.insert((*name).to_owned(), value);
    }
    request.body = Some(serde_json::Value::Object(body).to_string());
}

/// How many pages a list had.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Pages {
    One,
    More,
}
