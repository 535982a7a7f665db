//! The vocabulary that tables are declared in; pure data, read by every other part.
//!
//! [`mod@table`]: a table and its key. [`mod@column`]: a column, its JSON path and what it can push.
//! [`mod@reference`]: all of it as Markdown. [`endpoint`]: where the elements come from and how they are paged. [`names`]: matching what users type.

pub mod column;
pub mod endpoint;
pub mod names;
pub mod reference;
pub mod table;

/// Everything that a file under `src/tables/` needs.
pub mod prelude {
    pub use super::column::*;
    pub use super::endpoint::*;
    pub use super::table::Table;
}
