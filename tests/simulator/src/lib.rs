//! An Azure DevOps organisation in memory, served over HTTP.
//!
//! Reading order: `arguments`, `server`, `http`, `state`, `api` (what the service answers),
//! `control` (what tests ask for), `organization` (the tables), `generate` (their seeded data),
//! `fault`, `log`, `cache`. It shares no code with the extension: both sides follow the documentation.

pub mod api;
pub mod arguments;
pub mod cache;
pub mod control;
pub mod fault;
pub mod generate;
pub mod http;
pub mod log;
pub mod organization;
pub mod random;
pub mod server;
pub mod state;
pub mod time;
