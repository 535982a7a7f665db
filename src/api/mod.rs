//! HTTP: knows the service's conventions, but no SQL and no table.
//!
//! [`address`]: collection URLs. [`credential`]: secrets. [`sign_in`]: the Authorization header.
//! [`request`]: path and parameters. [`paging`]: which request comes next. [`client`]: one request
//! with its retries. [`governor`]: when the next one may start. [`retry`]: waits between attempts.
//! [`budget`]: how many bytes are held. [`answer`]: what an answer means. [`refusal`]: refusals that are recognised. [`transport`]: why
//! there is no answer. [`usage`]: what it all costs. [`wait`]: for a state that others change.

pub mod address;
pub mod answer;
pub mod budget;
pub mod client;
pub mod credential;
pub mod governor;
pub mod paging;
pub mod refusal;
pub mod request;
pub mod retry;
pub mod sign_in;
pub mod transport;
pub mod usage;
pub mod wait;
