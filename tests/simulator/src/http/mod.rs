//! HTTP/1.1 by hand, so that faults can break it on purpose: `request`, `response`, `connection`,
//! `delivery`.

pub mod connection;
pub mod delivery;
pub mod request;
pub mod response;
