//! A scan, free of PostgreSQL: conditions become requests, answers become rows.
//!
//! [`condition`]: what the WHERE clause says of a column. [`plan`]: conditions to requests.
//! [`stream`]: requests to pages, several projects at once. [`decode`]: one pass over a page's bytes.
//! [`seen`]: each row once. [`value`]: one JSON value as text, number or time.

pub mod condition;
pub mod decode;
pub mod plan;
pub mod seen;
pub mod stream;
pub mod value;
