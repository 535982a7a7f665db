//! Reading the lists of one project, or of the organization, each to its end.

use super::{Outlet, Project, Scan, Stop, stuck_error};
use crate::api::paging::{PageSize, Pager, Step, Style};
use crate::api::request::Request;
use crate::catalog::endpoint::{Paging, Parent};
use crate::scan::decode::Decoder;
use crate::scan::plan::List;
use crate::scan::seen::Seen;

impl Scan {
    /// Reads the lists one after the other.
    pub(super) async fn read_lists(
        &self,
        lists: &[List],
        project: Option<&Project>,
        seen: &mut Seen,
        outlet: &Outlet,
    ) -> Result<(), Stop> {
        for (index, list) in lists.iter().enumerate() {
            let states = list.states.as_ref();
            let together = states.map(|(name, values)| (*name, values.join(",")));
            let several = states.is_some_and(|(_, values)| values.len() > 1);
            let pages = if several {
                let first = self.read_list(list, together, project, true, seen, outlet).await?;
                if first == Pages::More {
                    for value in states.iter().flat_map(|(_, values)| values) {
                        let state = states.map(|(name, _)| (*name, (*value).to_owned()));
                        self.read_list(list, state, project, false, seen, outlet).await?;
                    }
                }
                first
            } else {
                self.read_list(list, together, project, false, seen, outlet).await?
            };
            if list.leaks && pages != Pages::One && index > 0 {
                Box::pin(self.read_lists(&lists[..index], project, seen, outlet)).await?;
            }
        }
        Ok(())
    }

    /// Reads one list; with `only_first`, just its first page.
    async fn read_list(
        &self,
        list: &List,
        state: Option<(&'static str, String)>,
        project: Option<&Project>,
        only_first: bool,
        seen: &mut Seen,
        outlet: &Outlet,
    ) -> Result<Pages, Stop> {
        let endpoint = &self.table.endpoint;
        let subject = self.subject(project);
        let path_project = project.map(|project| project.id.as_str());
        // Lists of the organization that a project can narrow take the table option as it is.
        let own = self.project.as_deref().filter(|_| endpoint.parent == Parent::OptionalProject);
        let mut request = Request::get(path_project.or(own), endpoint.path);
        if let Some((name, value)) = state {
            request.set(name, value);
        }
        for (name, value) in &list.parameters {
            request.set(name, value);
        }
        if let Some(on_demand) = endpoint.on_demand.as_ref().filter(|_| self.on_demand) {
            let (name, value) = on_demand.parameter;
            request.set(name, value);
        }
        let (style, decoder) = self.style(list);
        let decoder = decoder.as_ref().unwrap_or(&self.decoder);
        let mut pager = Pager::new(request, style, self.page_size());
        let mut pages = Pages::One;
        loop {
            let request = pager.request();
            let (page, facts) =
                self.read_page(request, endpoint, decoder, &subject, seen, outlet).await?;
            self.send(page, outlet).await?;
            match pager.after(&facts).map_err(|stuck| stuck_error(stuck, &subject))? {
                Step::Done => return Ok(pages),
                Step::Next if only_first => return Ok(Pages::More),
                Step::Next => pages = Pages::More,
            }
        }
    }

    fn style(&self, list: &List) -> (Style, Option<Decoder>) {
        match self.table.endpoint.paging {
            Paging::Single => (Style::Single, None),
            Paging::Token => (Style::Token(Default::default()), None),
            Paging::Overlap { skip } => (Style::overlap(skip), None),
            Paging::Feed { first_only } => (Style::feed(first_only), None),
            Paging::Time { .. } => {
                let column = list.ordered_by.and_then(|(name, _)| self.table.column(name));
                let decoder = column.map(|column| self.decoder.ordered_by(&column.pointer()));
                (Style::time(list.ordered_by.map_or("minTime", |(_, since)| since)), decoder)
            }
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

/// How many pages a list had.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Pages {
    One,
    More,
}
