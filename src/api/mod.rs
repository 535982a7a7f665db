//! HTTP: knows the service's conventions, but no SQL and no table.
//!
//! [`address`]: collection URLs. [`credential`]: secrets and the Authorization header.
//! [`request`]: path and parameters. [`paging`]: which request comes next. [`client`]: one request with its retries. [`answer`]: what an
//! answer means. [`retry`]: waits.

pub mod address;
pub mod answer;
pub mod client;
pub mod credential;
pub mod paging;
pub mod request;
pub mod retry;
