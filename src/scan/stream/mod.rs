//! Requests to pages: the asynchronous half of a scan, several projects at once, in bounded memory.
//!
//! `scan`: what there is to read. `projects`: which projects a fan-out visits. `lists`: reading one list to its end. `split`: long
//! lists in parts.
//!
//! Runs on the I/O thread. Every page goes through one bounded channel; the scan ends with an
//! explicit [`Event::End`] or an error, so that a lost channel is never taken for the end.

mod lists;
mod projects;
mod scan;
mod split;

pub use scan::{Progress, Scan};
pub use split::Crew;

use std::collections::VecDeque;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::mpsc::Sender;
use tokio::task::JoinSet;

use crate::api::budget::Grant;
use crate::api::paging::{Facts, Stuck};
use crate::api::refusal::Refusal;
use crate::api::request::Request;
use crate::catalog::endpoint::Parent;
use crate::error::{Error, Subject};
use crate::scan::decode::page::Page;
use crate::scan::decode::{Decoder, Envelope};
use crate::scan::plan::Plan;
use crate::scan::seen::Seen;

/// Size of an element before one has been seen. A guess: builds have about 6 kB, the others less.
const UNKNOWN_ELEMENT_BYTES: usize = 6_000;

/// Elements of a page whose mean size is worth something.
const ENOUGH_TO_JUDGE: usize = 10;

/// What the main thread receives.
#[derive(Debug)]
pub enum Event {
    /// Rows.
    Page(Page),
    /// A request is being sent; only if the scan is traced.
    Request(String),
    /// Something to warn the user of.
    Warning(String),
    /// All rows have been delivered. A feed says where it can be continued.
    End {
        /// Token behind what was read.
        token: Option<String>,
        /// Whether there was nothing left to read.
        complete: bool,
    },
}

/// Receives events, and is woken after each.
#[derive(Debug, Clone)]
pub struct Outlet {
    /// The channel.
    pub events: Sender<Result<Event, Error>>,
    /// Wakes the receiver.
    pub wake: Arc<std::os::unix::net::UnixStream>,
}

impl Outlet {
    /// Sends an event; false if nobody listens any more.
    async fn send(&self, event: Result<Event, Error>) -> bool {
        let delivered = self.events.send(event).await.is_ok();
        // The byte only wakes; if the socket is full, the receiver is awake already.
        let _ = std::io::Write::write(&mut &*self.wake, &[1]);
        delivered
    }
}

/// Runs a scan to its end and says so.
pub async fn run(scan: Arc<Scan>, outlet: Outlet) {
    let end = match scan.read(&outlet).await {
        Ok(()) => {
            let token = scan.feed_to.lock().unwrap_or_else(PoisonError::into_inner).clone();
            Ok(Event::End { token, complete: !scan.feed_left.load(Ordering::Relaxed) })
        }
        Err(Stop::Failed(error)) => Err(error),
        Err(Stop::Unwanted) => return,
    };
    outlet.send(end).await;
}

/// Why a scan ends early.
enum Stop {
    Failed(Error),
    /// The receiver is gone.
    Unwanted,
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Stop::Failed(error)
    }
}

/// A part of a scan that goes on beside others.
#[derive(Debug)]
enum Job {
    Visit(Project),
    Get(String),
}

/// What a page of a list is expected to be.
#[derive(Debug, Clone, Copy)]
struct Shape<'a> {
    /// Member that holds the elements.
    elements: &'static str,
    /// How many there are at most; 0: few.
    size: usize,
    decoder: &'a Decoder,
}

/// A project to visit.
#[derive(Debug, Clone)]
pub struct Project {
    id: String,
    name: String,
}

impl Scan {
    async fn read(self: &Arc<Self>, outlet: &Outlet) -> Result<(), Stop> {
        match &self.plan {
            Plan::Nothing => Ok(()),
            Plan::Gets(paths) => {
                self.fan_out(paths.iter().cloned().map(Job::Get).collect(), outlet).await
            }
            Plan::Lists { projects, .. } => match self.table.endpoint.parent {
                Parent::Project => {
                    let projects = self.projects(projects, outlet).await?;
                    self.fan_out(projects.into_iter().map(Job::Visit).collect(), outlet).await
                }
                Parent::Organization | Parent::OptionalProject => self.visit(None, outlet).await,
            },
        }
    }

    async fn work(&self, job: Job, outlet: &Outlet) -> Result<(), Stop> {
        match job {
            Job::Visit(project) => {
                self.visit(Some(project), outlet).await?;
                self.progress.projects_done.fetch_add(1, Ordering::Relaxed);
                Ok(())
            }
            Job::Get(path) => self.read_single(&path, outlet).await,
        }
    }

    /// An element asked for by its path. One that does not exist is no row.
    async fn read_single(&self, path: &str, outlet: &Outlet) -> Result<(), Stop> {
        let mut request = Request::get(None, path);
        request.host = self.table.endpoint.host;
        let subject = self.subject(None);
        let read = |body| self.decoder.decode(body, Envelope::Bare, &subject);
        self.announce(&request, outlet).await?;
        let mut grant = self.admit(1).await;
        match self.client.fetch(&request, &subject, &self.usage, &mut grant, read).await {
            Ok(data) => {
                let mut page = data.value;
                page.hold(grant);
                page.keep_unseen(&mut Seen::default());
                self.send(page, outlet).await
            }
            Err(Error::Refused { answer, .. }) if answer.status == 404 => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Does the jobs, `concurrency` at a time. With a LIMIT the first ones go alone: they may do.
    async fn fan_out(self: &Arc<Self>, jobs: VecDeque<Job>, outlet: &Outlet) -> Result<(), Stop> {
        let enough = self.limit.unwrap_or(0);
        let visits = jobs.iter().filter(|job| matches!(job, Job::Visit(_))).count();
        self.progress.projects.store(visits as u64, Ordering::Relaxed);
        let queue = Arc::new(Mutex::new(jobs));
        let next = |queue: &Mutex<VecDeque<Job>>| {
            queue.lock().unwrap_or_else(PoisonError::into_inner).pop_front()
        };
        while self.delivered.load(Ordering::Relaxed) < enough {
            match next(&queue) {
                Some(job) => self.work(job, outlet).await?,
                None => return Ok(()),
            }
        }
        let mut workers = JoinSet::new();
        for _ in 0..self.concurrency.max(1) {
            let (scan, queue, outlet) = (Arc::clone(self), Arc::clone(&queue), outlet.clone());
            scan.crew.join();
            workers.spawn(async move {
                while let Some(job) = next(&queue) {
                    scan.work(job, &outlet).await?;
                }
                scan.crew.rest();
                scan.help(&outlet).await
            });
        }
        while let Some(worker) = workers.join_next().await {
            worker.map_err(|_| Error::Internal {
                what: "a worker of the scan ended unexpectedly",
            })??;
        }
        Ok(())
    }

    /// Reads all lists of one project, or of the organization.
    async fn visit(&self, project: Option<Project>, outlet: &Outlet) -> Result<(), Stop> {
        let Plan::Lists { lists, .. } = &self.plan else { return Ok(()) };
        let seen = Arc::default();
        match self.read_lists(lists, project.as_ref(), &seen, outlet).await {
            Err(Stop::Failed(error)) if self.skip_inaccessible && project.is_some() => {
                if !concerns_project(&error) {
                    return Err(error.into());
                }
                match outlet.send(Ok(Event::Warning(format!("skipped: {error}")))).await {
                    true => Ok(()),
                    false => Err(Stop::Unwanted),
                }
            }
            result => result,
        }
    }

    fn subject(&self, project: Option<&Project>) -> Subject {
        Subject {
            table: self.table.name.to_owned(),
            project: project.map(|project| project.name.clone()),
            scope: Some(self.table.scope),
        }
    }

    async fn announce(&self, request: &Request, outlet: &Outlet) -> Result<(), Stop> {
        if self.trace && !outlet.send(Ok(Event::Request(request.describe()))).await {
            return Err(Stop::Unwanted);
        }
        Ok(())
    }

    /// Waits until an answer of so many elements is expected to fit.
    async fn admit(&self, elements: usize) -> Grant {
        let bytes = match self.element_bytes.load(Ordering::Relaxed) {
            0 => UNKNOWN_ELEMENT_BYTES,
            known => known,
        };
        self.budget.admit(elements.saturating_mul(bytes)).await
    }

    /// Reads one page of a list, without the elements that `seen`, the earlier pages of the same
    /// list, knows.
    async fn read_page(
        &self,
        request: &Request,
        shape: Shape<'_>,
        subject: &Subject,
        seen: &mut Seen,
        outlet: &Outlet,
    ) -> Result<(Page, Facts), Stop> {
        self.announce(request, outlet).await?;
        let Shape { elements, size, decoder } = shape;
        let envelope = Envelope::Member(elements);
        let read = |body| decoder.decode(body, envelope, subject);
        let mut grant = self.admit(size).await;
        let fetched = self.client.fetch(request, subject, &self.usage, &mut grant, read);
        let data = fetched.await?;
        let mut page = data.value;
        // A size of 0: a list beside the scan's own, whose elements say nothing of these.
        if size > 0 && page.elements() >= ENOUGH_TO_JUDGE {
            let bytes = page.bytes() / page.elements();
            self.element_bytes.fetch_max(bytes.max(1), Ordering::Relaxed);
        }
        page.hold(grant);
        page.keep_unseen(seen);
        if let Some(token) = &page.body_token {
            *self.feed_to.lock().unwrap_or_else(PoisonError::into_inner) = Some(token.clone());
        }
        let facts = facts(&page, data.continuation);
        Ok((page, facts))
    }

    async fn send(&self, page: Page, outlet: &Outlet) -> Result<(), Stop> {
        let rows = page.rows();
        self.delivered.fetch_add(rows as u64, Ordering::Relaxed);
        if rows > 0 && !outlet.send(Ok(Event::Page(page))).await {
            return Err(Stop::Unwanted);
        }
        Ok(())
    }
}

/// Whether an error says that one project cannot be read, and nothing of the others.
fn concerns_project(error: &Error) -> bool {
    let (Error::Forbidden { answer, .. } | Error::Refused { answer, .. }) = error else {
        return false;
    };
    match Refusal::of(answer) {
        Some(refusal) => refusal.is_local(),
        None => matches!(answer.status, 403 | 404),
    }
}

/// What the pagers need to know of a page whose known elements have been left out.
fn facts(page: &Page, continuation: Option<String>) -> Facts {
    Facts {
        rows: page.elements(),
        fresh: page.rows(),
        starts_known: page.starts_known(),
        ends_known: page.ends_known(),
        continuation,
        body_token: page.body_token.clone(),
        is_last: page.is_last,
        last_time: page.last_time,
    }
}

fn stuck_error(stuck: Stuck, subject: &Subject) -> Error {
    let subject = subject.clone();
    match stuck {
        Stuck::Loop => Error::PageLoop { subject },
        Stuck::Unstable => Error::Unstable { subject },
        Stuck::NoToken => Error::UnexpectedAnswer {
            subject,
            problem: "the answer is not the last, but does not say how to go on".into(),
        },
    }
}
