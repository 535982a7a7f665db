//! azure_devops_fdw: an Azure DevOps organization as PostgreSQL foreign tables.
//!
//! In reading order:
//!
//! * [`tables`]: one file per foreign table, pure data in the vocabulary of [`catalog`]
//! * [`scan`]: conditions to requests, requests to pages, pages to rows
//! * [`api`]: HTTP, credentials, paging, retries
//! * [`fdw`]: PostgreSQL's side: options, planner, executor; the only `unsafe` code
//! * [`error`]: everything that can go wrong

pub mod api;
pub mod catalog;
pub mod error;
pub mod fdw;
pub mod scan;
pub mod tables;

::pgrx::pg_module_magic!();

::pgrx::extension_sql_file!("../sql/bootstrap.sql", name = "bootstrap", finalize);

::pgrx::extension_sql_file!("../sql/incremental.sql", name = "incremental");

::pgrx::extension_sql_file!("../sql/sync.sql", name = "sync", requires = ["incremental"]);
