//! A canvas as an SVG document, or as a part of an HTML page.
//!
//! Same scene, same bytes: nothing here depends on time, place or order of a map.

use super::{
    canvas::{Canvas, escape},
    theme,
};

/// Whether the style sheet is part of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Style {
    Inside,
    /// The page has it.
    Outside,
}

/// The document; `id` must be used once in a page.
pub(super) fn document(canvas: &Canvas, id: &str, class: &str, texts: (&str, &str), style: Style) -> String {
    let (title, description) = texts;
    let (width, height) = (canvas.width, canvas.height);
    let style = match style {
        Style::Inside => format!("<style>\n{}</style>\n", theme::PICTURE),
        Style::Outside => String::new(),
    };
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"rv {class}\" viewBox=\"0 0 {width} {height}\" \
         width=\"{width}\" height=\"{height}\" role=\"img\" aria-labelledby=\"{id}-title {id}-words\">\n\
         <title id=\"{id}-title\">{}</title>\n<desc id=\"{id}-words\">{}</desc>\n{style}\
         <defs><pattern id=\"{id}-hatch\" width=\"12\" height=\"12\" patternUnits=\"userSpaceOnUse\" \
         patternTransform=\"rotate(45)\"><line class=\"stripe\" x1=\"3\" y1=\"0\" x2=\"3\" y2=\"12\"/>\
         <line class=\"stripe2\" x1=\"6\" y1=\"0\" x2=\"6\" y2=\"12\"/></pattern></defs>\n\
         <rect class=\"ground\" x=\"0\" y=\"0\" width=\"{width}\" height=\"{height}\"/>\n{}</svg>\n",
        escape(title),
        escape(description),
        canvas.elements(id)
    )
}
