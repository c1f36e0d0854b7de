//! Pictures of a guest's memory: an SVG file, or a page of HTML that needs nothing else.
//!
//! ```text
//! Scene -> stripes (what lies at the same height) -> columns (what each shows there) -> picture, marks -> svg | html
//!                                                                                        canvas (shapes, labels)
//! ```
//!
//! `predict`, `check`, `run` and `report` pass in scenes. Same scene, same bytes.

mod canvas;
pub(crate) mod chart;
mod columns;
mod description;
mod face;
mod html;
mod marks;
mod notes;
mod page;
mod picture;
mod places;
mod rows;
mod stripes;
mod svg;
mod theme;

pub use page::Page;

use crate::scene::Scene;
use picture::{Form, Headline, picture};

/// Draws a scene as an SVG document.
#[must_use]
pub fn svg(scene: &Scene) -> String {
    let canvas = picture(scene, Form::Wide, Headline::Drawn);
    svg::document(
        &canvas,
        "layout",
        "wide",
        (&scene.title, &description::describe(scene)),
        svg::Style::Inside,
    )
}

/// Makes a page of scenes and what was found out about them.
#[must_use]
pub fn html(pages: &[Page]) -> String {
    html::html(pages)
}

#[cfg(test)]
mod samples;
#[cfg(test)]
mod tests;
