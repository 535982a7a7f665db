//! Which projects a fan-out visits.

use std::collections::VecDeque;

use super::{Outlet, Project, Scan, Shape, Stop, stuck_error};
use crate::api::paging::{PageSize, Pager, Step, Style};
use crate::api::request::Request;
use crate::error::{Error, Subject};
use crate::scan::decode::Decoder;
use crate::scan::plan::ProjectFilter;
use crate::scan::seen::Seen;
use crate::scan::value;
use crate::tables;

impl Scan {
    /// The projects that a fan-out visits: wellFormed, and left by the conditions.
    pub(super) async fn projects(
        &self,
        filter: &ProjectFilter,
        outlet: &Outlet,
    ) -> Result<VecDeque<Project>, Stop> {
        let mut projects = match self.known_projects.get() {
            Some(known) => known.clone(),
            None => {
                let listed = self.list_projects(outlet).await?;
                self.known_projects.get_or_init(|| listed).clone()
            }
        };
        if let Some(wanted) = &self.project {
            let lower = wanted.to_lowercase();
            projects.retain(|p| p.id.to_lowercase() == lower || p.name.to_lowercase() == lower);
            if projects.is_empty() {
                return Err(Error::UnknownProject { project: wanted.clone() }.into());
            }
        }
        projects.retain(|project| filter.allows(&project.id, &project.name));
        projects.truncate(self.most_projects.unwrap_or(usize::MAX));
        Ok(projects.into())
    }

    async fn list_projects(&self, outlet: &Outlet) -> Result<Vec<Project>, Stop> {
        let endpoint = &tables::PROJECTS.endpoint;
        let columns = ["id", "name", "state"].map(|name| (name.to_owned(), format!("/{name}")));
        let decoder = Decoder::new(tables::PROJECTS.name, &columns, &["/id".to_owned()]);
        let subject = Subject {
            table: tables::PROJECTS.name.into(),
            project: None,
            scope: Some(tables::PROJECTS.scope),
        };
        let mut request = Request::get(None, endpoint.path);
        // The service's own default, said aloud: other projects cannot be read.
        request.set("stateFilter", "wellFormed");
        let size = endpoint.page_size_parameter.map(|parameter| PageSize {
            parameter,
            first: endpoint.page_size,
            later: endpoint.page_size,
        });
        let mut pager = Pager::new(request, Style::Token(Default::default()), size);
        let shape = Shape { elements: endpoint.elements, size: 0, decoder: &decoder };
        let (mut projects, mut seen) = (Vec::new(), Seen::default());
        loop {
            let request = pager.request();
            let (page, facts) = self.read_page(request, shape, &subject, &mut seen, outlet).await?;
            for row in 0..page.rows() {
                let text = |slot| value::text(page.value(row, slot)).into_owned();
                let (project, state) = (Project { id: text(0), name: text(1) }, text(2));
                if project.id.is_empty() {
                    return Err(missing_id(&subject).into());
                }
                if state.is_empty() || state == "wellFormed" {
                    projects.push(project);
                }
            }
            if pager.after(&facts).map_err(|stuck| stuck_error(stuck, &subject))? == Step::Done {
                break;
            }
        }
        Ok(projects)
    }
}

fn missing_id(subject: &Subject) -> Error {
    Error::UnexpectedAnswer { subject: subject.clone(), problem: "a project has no id".into() }
}
