//! The service's side: `call` finds the endpoint and guards it; one file per area answers.

pub mod authentication;
pub mod builds;
pub mod call;
pub mod failure;
pub mod list;
pub mod location;
pub mod login;
pub mod projects;
pub mod pull_requests;
pub mod query;
pub mod repositories;
pub mod revisions;
pub mod route;
pub mod traps;
pub mod version;

pub use call::Call;
