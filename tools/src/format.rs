//! How a layout is shown: `report` and `predict` have the same forms.

use clap::ValueEnum;
use pv_layout::report;

/// How a layout is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    Term,
    Json,
    Svg,
    Html,
}

impl From<Format> for report::Format {
    fn from(format: Format) -> Self {
        match format {
            Format::Term => Self::Term,
            Format::Json => Self::Json,
            Format::Svg => Self::Svg,
            Format::Html => Self::Html,
        }
    }
}
