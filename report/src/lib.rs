//! An experiment's results for people: [`html`] makes one page that needs nothing else (plots are SVG inside it, nothing
//! is loaded, no script runs), [`csv`] a table for a spreadsheet. Both are text from [`Results`](watershed_stats::results::Results): what is computed is
//! not decided here, and who asks for it is not known.
//!
//! Whatever came from outside (keys, units, details) is escaped in one place, [`escape`], which other pages use too.

#![forbid(unsafe_code)]
#![cfg_attr(
    not(test),
    deny(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::unreachable,
        clippy::indexing_slicing
    )
)]

mod csv;
mod markup;
mod page;
mod plot;

pub use csv::{csv, quoted as csv_quoted};
pub use markup::escape;
pub use page::{Distribution, Page, html};
