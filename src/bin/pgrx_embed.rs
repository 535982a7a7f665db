//! Run by cargo-pgrx to write the extension's SQL.
#![allow(missing_docs)]
::pgrx::pgrx_embed!();
