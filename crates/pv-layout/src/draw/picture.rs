//! Puts the columns together: side by side for a wide page, in two parts below each other for a narrow one.
//!
//! What a builder left past the start of the module area is hatched and says how much it is. `columns` gives the
//! blocks, `marks` draws what lies across them: addresses, the line where the module area starts, the P2M's way.

use super::{
    canvas::{Align, Canvas, Face, Frame, zigzag},
    columns::{self, Block, Broken, Column, Look},
    marks, notes,
    places::{Part, Place, Ticks},
    stripes::Cuts,
};
use crate::{
    scene::{After, Kind, Scene},
    sizes::Size,
};

/// How much room there is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    Wide,
    Narrow,
}

const MARGIN: i32 = 14;
/// Room for an address of 16 digits beside a column.
const ADDRESS: i32 = 148;
/// Lines of small print below.
const LINE: i32 = 18;

/// Whether the scene's title is part of the picture; a page has it as a heading already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Headline {
    Drawn,
    Elsewhere,
}

/// Draws a scene.
pub(crate) fn picture(scene: &Scene, form: Form, headline: Headline) -> Canvas {
    let parts = match form {
        Form::Wide => vec![wide(scene)],
        Form::Narrow => narrow(scene),
    };
    let right = parts.iter().flat_map(|part| &part.places).map(right_edge).max().unwrap_or(0);
    let mut canvas = Canvas::new(right + MARGIN);
    let width = canvas.width - 2 * MARGIN;
    let mut y = 4;
    if headline == Headline::Drawn {
        canvas.text((MARGIN, 28), Align::Start, Face::Title, &Face::Title.cut(&scene.title, width));
        y = 40;
    }
    for part in &parts {
        y = draw_part(&mut canvas, scene, part, y) + 16;
    }
    for line in notes::lines(scene, width) {
        canvas.text((MARGIN, y + LINE), Align::Start, Face::Small, &line);
        y += LINE;
    }
    canvas.height = y + MARGIN + 6;
    canvas
}

fn right_edge(place: &Place) -> i32 {
    place.x1 + if place.ticks == Ticks::Right { ADDRESS } else { 0 }
}

const fn place(column: Column, x0: i32, width: i32, ticks: Ticks) -> Place {
    Place { column, x0, x1: x0 + width, ticks }
}

fn wide(scene: &Scene) -> Part {
    let mut heading = vec![(MARGIN + 166 + ADDRESS, "Before: as the builder leaves it".to_owned())];
    let mut places = vec![
        place(Column::Pages, MARGIN, 166, Ticks::None),
        place(Column::HighBefore, MARGIN + 166 + ADDRESS, 166, Ticks::Left),
    ];
    if scene.after == After::Unknown {
        let x = MARGIN + 166 + ADDRESS + 166 + 150;
        heading.push((x, after_in_words(scene).to_owned()));
        places.push(place(Column::DirectAfter, x, 166, Ticks::Right));
    } else {
        let x = MARGIN + 166 + ADDRESS + 166;
        places.push(place(Column::DirectBefore, x + 14, 92, Ticks::None));
        heading.push((x + 176, after_in_words(scene).to_owned()));
        places.push(place(Column::HighAfter, x + 176, 140, Ticks::None));
        places.push(place(Column::DirectAfter, x + 176 + 140 + 14, 150, Ticks::Right));
    }
    Part { heading, places }
}

fn narrow(scene: &Scene) -> Vec<Part> {
    let before = Part {
        heading: vec![(MARGIN, "Before: as the builder leaves it".to_owned())],
        places: vec![
            place(Column::Pages, MARGIN, 98, Ticks::None),
            place(Column::HighBefore, MARGIN + 98 + ADDRESS, 126, Ticks::Left),
        ],
    };
    let first = if scene.after == After::Unknown { Column::HighBefore } else { Column::HighAfter };
    let after = Part {
        heading: vec![(MARGIN, after_in_words(scene).to_owned())],
        places: vec![
            place(first, MARGIN, 98, Ticks::None),
            place(Column::DirectAfter, MARGIN + 98 + 36, 90, Ticks::Right),
        ],
    };
    vec![before, after]
}

const fn after_in_words(scene: &Scene) -> &'static str {
    match scene.after {
        After::Unknown => "The same pages in the direct map",
        After::Kept => "After: the P2M was kept",
        After::Aliased => "After: same pages, other addresses",
        After::Listed => "After: same pages, a list of their own",
        After::Copied(_) => "After: copied out of the way",
    }
}

/// Draws one part from `top` down, and returns its lowest pixel.
fn draw_part(canvas: &mut Canvas, scene: &Scene, part: &Part, top: i32) -> i32 {
    let cuts = Cuts::new(scene, top + 58);
    let bottom = cuts.stripes.last().map_or(top + 58, |stripe| stripe.y1);
    for (x, text) in &part.heading {
        canvas.text(
            (*x, top + 22),
            Align::Start,
            Face::Head,
            &Face::Head.cut(text, canvas.width - x - MARGIN),
        );
    }
    let columns: Vec<_> =
        part.places.iter().map(|place| (place, columns::blocks(&cuts, place.column))).collect();
    for (place, blocks) in &columns {
        blocks.iter().for_each(|block| ground(canvas, place, block));
    }
    marks::band(canvas, &cuts, part);
    for (place, blocks) in &columns {
        let head = column_in_words(place.column, place.x1 - place.x0);
        canvas.text((i32::midpoint(place.x0, place.x1), top + 46), Align::Middle, Face::Plain, head);
        blocks.iter().for_each(|block| inside(canvas, place, block));
        marks::ticks(canvas, &cuts, place, blocks);
    }
    marks::area_line(canvas, &cuts, part);
    bottom
}

const fn column_in_words(column: Column, width: i32) -> &'static str {
    match column {
        Column::Pages if width < 120 => "pages",
        Column::Pages => "pseudo-physical",
        Column::HighBefore | Column::HighAfter if width < 130 => "__ka (high)",
        Column::HighBefore | Column::HighAfter => "__ka: high map",
        Column::DirectBefore | Column::DirectAfter if width < 130 => "__va (direct)",
        Column::DirectBefore | Column::DirectAfter => "__va: direct map",
    }
}

fn frame(place: &Place, block: &Block) -> Frame {
    Frame::new(place.x0, block.y0, place.x1, block.y1)
}

/// A block without its text, so that the band can lie between the two.
fn ground(canvas: &mut Canvas, place: &Place, block: &Block) {
    if block.look == Look::Nothing {
        return;
    }
    let frame = frame(place, block);
    canvas.rect(frame, class(block.look), &block.title);
    if let Some(size) = block.reserved {
        let edge = Frame { x1: frame.x0 + 12, ..frame };
        canvas.rect(edge, "hatch thin", &format!("{size} where the memory map says there is no memory"));
    }
    if let Some(size) = block.in_the_way {
        let title = format!("{size} in the way of modules: {}", block.title);
        let p2m = block.look == Look::Of(Kind::P2m);
        canvas.rect(frame, if p2m { "hatch" } else { "hatch thin" }, &title);
    }
}

/// A block's text, and the mark that something is left out.
fn inside(canvas: &mut Canvas, place: &Place, block: &Block) {
    let frame = frame(place, block);
    match block.in_the_way {
        Some(size) if block.look == Look::Of(Kind::P2m) => chip(canvas, frame, size),
        Some(_) => line_chip(canvas, frame, block),
        // Above the band, which may cross the column.
        None if place.column == Column::DirectBefore => {
            label(canvas, Frame { y1: frame.y0 + 40, ..frame }, block)
        }
        None if block.broken == Broken::Yes => torn(canvas, frame, block),
        None => label(canvas, frame, block),
    }
}

fn torn(canvas: &mut Canvas, frame: Frame, block: &Block) {
    label(canvas, Frame { y1: frame.y1 - 12, ..frame }, block);
    let y = frame.y1 - 8;
    let around = Frame::new(frame.x0, y - 6, frame.x1, y + 1);
    canvas.path(zigzag((frame.x0, y), frame.x1), "tear", around);
    canvas.path(zigzag((frame.x0, y), frame.x1), "torn", around);
}

const fn class(look: Look) -> &'static str {
    match look {
        Look::Of(Kind::Kernel) => "kernel",
        Look::Of(Kind::Ramdisk) => "ramdisk",
        Look::Of(Kind::P2m) => "p2m",
        Look::Of(_) => "other",
        Look::Ram => "ram",
        Look::Empty | Look::Nothing => "empty",
        Look::Free => "free",
        Look::Could => "could",
    }
}

/// The first of a block's texts that fits, in the middle of `frame`.
fn label(canvas: &mut Canvas, frame: Frame, block: &Block) {
    let (room, height) = (frame.x1 - frame.x0 - 8, frame.y1 - frame.y0 - 4);
    let fits = |lines: &&Vec<(Face, String)>| {
        lines.iter().map(|(face, _)| face.size() + 4).sum::<i32>() <= height
            && lines.iter().all(|(face, text)| face.width(text) <= room)
    };
    if let Some(lines) = block.texts.iter().find(fits) {
        centred(canvas, frame, lines);
    }
}

fn centred(canvas: &mut Canvas, frame: Frame, lines: &[(Face, String)]) {
    let all: i32 = lines.iter().map(|(face, _)| face.size() + 4).sum();
    let (x, middle) = frame.middle();
    let mut y = middle - all / 2;
    for (face, text) in lines {
        y += face.size() + 4;
        canvas.text((x, y - 4), Align::Middle, *face, text);
    }
}

/// How much of the P2M is in the way, on a ground of its own so that the hatching does not disturb it.
fn chip(canvas: &mut Canvas, frame: Frame, size: Size) {
    let room = frame.x1 - frame.x0 - 16;
    let lines = [
        (Face::Alarm, Face::Alarm.cut(&size.to_string(), room)),
        (Face::Plain, Face::Plain.cut("of the P2M", room)),
        (Face::Plain, Face::Plain.cut("in the way", room)),
    ];
    let width = lines.iter().map(|(face, text)| face.width(text)).max().unwrap_or(0) + 8;
    let (x, y) = frame.middle();
    canvas.rect(Frame::new(x - width / 2, y - 28, x + width / 2, y + 28), "chip", "");
    centred(canvas, frame, &lines);
}

/// The same for anything else, in one line.
fn line_chip(canvas: &mut Canvas, frame: Frame, block: &Block) {
    let room = frame.x1 - frame.x0 - 16;
    let single = |lines: &&Vec<(Face, String)>| lines.len() == 1 && lines[0].0.width(&lines[0].1) <= room;
    let Some((face, text)) = block.texts.iter().find(single).and_then(|lines| lines.first()) else { return };
    let (x, y) = frame.middle();
    let half = face.width(text) / 2 + 4;
    canvas.rect(Frame::new(x - half, y - 10, x + half, y + 10), "chip quiet", "");
    centred(canvas, frame, &[(*face, text.clone())]);
}
