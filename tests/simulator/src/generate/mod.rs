//! Seeded data with the shapes the service sends: `people`, `text`, then one file per table.

pub mod builds;
pub mod definitions;
pub mod people;
pub mod projects;
pub mod pull_requests;
pub mod text;
pub mod work_items;

use crate::organization::Organization;
use crate::organization::specification::Specification;
use crate::random::Random;
use crate::time::{DAY, Ticks};

/// How far back the data goes.
pub const HISTORY: Ticks = 120 * DAY;

/// Where links point; the service's own host, whatever address the simulator has.
pub const HOST: &str = "https://dev.azure.com";

/// Fills an empty organisation.
pub fn fill(organization: &mut Organization, specification: &Specification, now: Ticks) {
    let random = |purpose: &str| Random::new(specification.seed, purpose);
    organization.people = people::make(&mut random("people"));
    projects::make(organization, specification.projects, now, &mut random("projects"));
    builds::make(organization, specification, now, &mut random("builds"));
    let count = specification.pull_requests_per_project;
    pull_requests::make(organization, count, now, &mut random("pull requests"));
    work_items::make(organization, specification.work_items, now, &mut random("work items"));
}

/// Drops random digits of a time, so that its fraction has 0 to 7 digits.
pub fn coarsen(time: Ticks, random: &mut Random) -> Ticks {
    let unit = 10_i64.pow(random.below(8) as u32);
    time - time.rem_euclid(unit)
}
