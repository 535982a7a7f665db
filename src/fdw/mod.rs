//! PostgreSQL's side, and the only `unsafe` code.
//!
//! [`shell`]: handler, validator and hook. [`options`]: every option and its checks. [`import`]: IMPORT
//! FOREIGN SCHEMA. [`relation`]: declared columns meet the catalogue. [`server`]: server and user
//! mapping to the settings of a scan. [`credential`]: what a role signs in with. [`clients`]: HTTP clients that are kept. [`clause`]: which clauses can be pushed. [`planner`]: sizes and plans. [`estimate`]: how many rows conditions leave. [`paths`]: ways to scan and what they cost.
//! [`batch`]: joins that ask for their keys together.
//! [`plan_data`]: what a plan carries. [`executor`]: rows into slots. [`wanted`]: members and beginnings. [`overlap`]: scans of one query side by side. [`datum`]: JSON to datums and
//! back. [`explain`]: EXPLAIN's lines. [`io`]: the I/O thread. [`wait`]: waiting that can be cancelled.
//! [`progress`]: how far a scan is. [`report`]: SQLSTATEs and hints. [`settings`]: configuration parameters. [`functions`]: the catalogue as SQL functions.
//! [`check`]: can a server be read, and if not, why.
//! [`declared`]: what refresh asks of a foreign table. [`feed`]: where feeds are continued.

pub mod batch;
pub mod check;
pub mod clause;
pub mod clients;
pub mod credential;
pub mod datum;
pub mod declared;
pub mod estimate;
pub mod executor;
pub mod explain;
pub mod feed;
pub mod functions;
pub mod import;
pub mod io;
pub mod options;
pub mod overlap;
pub mod paths;
pub mod plan_data;
pub mod planner;
pub mod progress;
pub mod relation;
pub mod report;
pub mod server;
pub mod settings;
pub mod shell;
pub mod wait;
pub mod wanted;
