//! A page that needs nothing else: pictures, findings and tables, readable without a script and without the pictures.
//!
//! Each picture is there twice, for wide and for narrow screens; the style sheet shows one.

use super::{
    Page,
    canvas::escape,
    description,
    picture::{Form, Headline, picture},
    rows,
    svg::{self, Style},
    theme,
};
use crate::{
    finding::{Finding, Severity},
    scene::{Row, Scene},
    sizes::Size,
};

/// The whole page.
pub(super) fn html(pages: &[Page]) -> String {
    let title = match pages {
        [page] => page.scene.title.clone(),
        _ => format!("{} layouts", pages.len()),
    };
    let title = escape(&title);
    let sections: String = pages.iter().enumerate().map(|(index, page)| section(index, page)).collect();
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>{title}</title>\n\
         <style>\n{}{}</style>\n</head>\n<body>\n<main>\n<h1>{title}</h1>\n{sections}</main>\n</body>\n</html>\n",
        theme::PAGE,
        theme::PICTURE
    )
}

fn section(index: usize, page: &Page) -> String {
    let findings: String = page.findings.iter().map(finding).collect();
    let description = description::describe(&page.scene);
    let drawn = |form, class: &str| {
        let canvas = picture(&page.scene, form, Headline::Elsewhere);
        svg::document(
            &canvas,
            &format!("p{index}-{class}"),
            class,
            (&page.scene.title, &description),
            Style::Outside,
        )
    };
    let figure =
        || format!("<figure>\n{}{}</figure>\n", drawn(Form::Wide, "wide"), drawn(Form::Narrow, "narrow"));
    let title = if index == 0 { String::new() } else { format!("<h2>{}</h2>\n", escape(&page.scene.title)) };
    // Without rows, or without direct map and modules, a picture would be an invention.
    let figure = if is_drawn(&page.scene) { figure() } else { String::new() };
    let table = if page.scene.rows.is_empty() { String::new() } else { table(&page.scene) };
    format!("<section>\n{title}{findings}{figure}{table}</section>\n")
}

/// Whether a guest's memory is known well enough for the picture, which has a direct map and a module area.
fn is_drawn(scene: &Scene) -> bool {
    !scene.rows.is_empty() && scene.area.exists()
}

fn finding(finding: &Finding) -> String {
    let (class, word) = match finding.severity {
        Severity::Problem => ("problem", "Problem"),
        Severity::Note => ("note", "Note"),
    };
    let cure = cure_of(&finding.cures);
    format!(
        "<div class=\"finding {class}\">\n<h3>{word}: {}</h3>\n<p>{}</p>\n{cure}</div>\n",
        escape(&finding.title),
        escape(&finding.detail)
    )
}

fn cure_of(cures: &[String]) -> String {
    match cures {
        [] => String::new(),
        [way] => format!("<p><strong>What helps:</strong> {}</p>\n", escape(way)),
        ways => {
            let ways: String = ways.iter().map(|way| format!("<li>{}</li>\n", escape(way))).collect();
            format!("<p><strong>What helps</strong>, any one of these:</p>\n<ul>\n{ways}</ul>\n")
        }
    }
}

/// The rows, exactly, for those who compare or cannot see the picture.
fn table(scene: &Scene) -> String {
    let rows: String = scene.rows.iter().map(|row| table_row(row, scene)).collect();
    let mut marks = String::new();
    for (name, address) in [("rows end", scene.alloc_end), ("mapping ends", scene.mapped_end)] {
        if let Some(address) = address {
            marks += &format!("<li>{name} at <code>{address:#018x}</code></li>\n");
        }
    }
    if let Some(tables) = scene.tables {
        let [l1, l2, l3, l4] = tables.0;
        marks += &format!(
            "<li>page tables: {l4} of level 4, {l3} of level 3, {l2} of level 2, {l1} of level 1</li>\n"
        );
    }
    format!(
        "<table>\n\
         <caption>Rows in the builder's order{}</caption>\n\
         <thead><tr><th scope=\"col\">row</th><th scope=\"col\">start</th><th scope=\"col\">end</th>\
         <th scope=\"col\" class=\"n\">pfn</th><th scope=\"col\" class=\"n\">pages</th>\
         <th scope=\"col\" class=\"n\">size</th><th scope=\"col\" class=\"n\">in the module area</th></tr></thead>\n\
         <tbody>\n{rows}</tbody>\n</table>\n<ul>\n{marks}<li>{}</li>\n</ul>\n",
        area(scene),
        escape(&how_many(scene))
    )
}

fn area(scene: &Scene) -> String {
    let start = scene.area.start;
    if !scene.area.exists() {
        return String::new();
    }
    format!("; the module area starts at <code>{start:#018x}</code>")
}

fn how_many(scene: &Scene) -> String {
    match scene.pages {
        Some(pages) => format!("{} of memory, {pages:#x} pages", Size::of_pages(pages)),
        None => "the guest's memory is not known".to_owned(),
    }
}

fn table_row(row: &Row, scene: &Scene) -> String {
    let address =
        |address: Option<u64>| address.map_or("not mapped".to_owned(), |address| format!("{address:#018x}"));
    let inside = match row.bytes_in(scene.area) {
        0 => "-".to_owned(),
        bytes => format!("<strong>{}</strong>", Size(bytes)),
    };
    format!(
        "<tr title=\"{}\"><th scope=\"row\">{}</th><td class=\"a\" data-what=\"start\">{}</td>\
         <td class=\"a\" data-what=\"end\">{}</td><td class=\"n a\" data-what=\"pfn\">{}</td>\
         <td class=\"n a\" data-what=\"pages\">{:#x}</td><td class=\"n\" data-what=\"size\">{}</td>\
         <td class=\"n\" data-what=\"in the module area\">{inside}</td></tr>\n",
        escape(&rows::sentence(row)),
        escape(&row.name),
        address(row.address),
        address(row.end()),
        row.pfn.map_or("-".to_owned(), |pfn| format!("{pfn:#x}")),
        row.pages,
        Size::of_pages(row.pages)
    )
}
