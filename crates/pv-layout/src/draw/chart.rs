//! A curve of sizes: from which ramdisk on a kernel's modules cannot be loaded, over the guest's memory.
//!
//! Memory grows by powers of two, the ramdisk evenly. `check` fills it; `canvas` and `theme` are the pictures' own.

use super::{
    canvas::{Align, Canvas, Face, Frame},
    svg::{self, Style},
};
use crate::sizes::Size;

const WIDTH: i32 = 860;
const LEFT: i32 = 100;
const TOP: i32 = 84;
const RIGHT: i32 = 830;
const BOTTOM: i32 = 424;
/// The upper end of the ramdisk's axis.
const MOST: Size = Size::of_mib(640);
const GRID: Size = Size::of_mib(128);

/// What is known for one memory size; none means never.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Point {
    pub(crate) memory: Size,
    pub(crate) collides: Option<Size>,
    pub(crate) refused: Option<Size>,
}

/// The curve.
#[derive(Debug, Clone)]
pub(crate) struct Chart {
    pub(crate) title: String,
    pub(crate) area_start: u64,
    pub(crate) points: Vec<Point>,
}

/// Draws it.
pub(crate) fn svg(chart: &Chart) -> String {
    let canvas = draw(chart);
    svg::document(&canvas, "curve", "wide", (&chart.title, &describe(chart)), Style::Inside)
}

pub(super) fn draw(chart: &Chart) -> Canvas {
    let mut canvas = Canvas::new(WIDTH);
    canvas.height = BOTTOM + 66;
    let room = WIDTH - 28;
    canvas.text((14, 28), Align::Start, Face::Title, &Face::Title.cut(&chart.title, room));
    let what = format!("Ramdisk from which on something lies in the module area ({:#x})", chart.area_start);
    canvas.text((14, 54), Align::Start, Face::Plain, &Face::Plain.cut(&what, room));
    grid(&mut canvas, chart);
    curve(&mut canvas, chart);
    canvas
}

fn grid(canvas: &mut Canvas, chart: &Chart) {
    for step in 0..=MOST.0 / GRID.0 {
        let size = Size(step * GRID.0);
        let at = y(size);
        canvas.line((LEFT, at), (RIGHT, at), "grid");
        canvas.text(
            (LEFT - 8, at + 4),
            Align::End,
            Face::Mono,
            &if step == 0 { "none".to_owned() } else { size.to_string() },
        );
    }
    let last = chart.points.len().saturating_sub(1);
    for (index, point) in chart.points.iter().enumerate().step_by(8) {
        let at = x(index, last);
        canvas.line((at, BOTTOM), (at, BOTTOM + 6), "axis");
        canvas.text((at, BOTTOM + 22), Align::Middle, Face::Mono, &point.memory.to_string());
    }
    canvas.line((LEFT, BOTTOM), (RIGHT, BOTTOM), "axis");
    canvas.line((LEFT, TOP), (LEFT, BOTTOM), "axis");
    canvas.text((i32::midpoint(LEFT, RIGHT), BOTTOM + 46), Align::Middle, Face::Plain, "memory of the guest");
}

/// The line, the ground above it, and what both mean.
fn curve(canvas: &mut Canvas, chart: &Chart) {
    let last = chart.points.len().saturating_sub(1);
    let known: Vec<(i32, i32)> = chart
        .points
        .iter()
        .enumerate()
        .filter_map(|(index, point)| point.collides.map(|size| (x(index, last), y(size))))
        .collect();
    let (Some(first), Some(end)) = (known.first(), known.last()) else {
        let middle = (i32::midpoint(LEFT, RIGHT), i32::midpoint(TOP, BOTTOM) + 20);
        canvas.text(middle, Align::Middle, Face::Head, "no collision at any of these sizes");
        return;
    };
    let line: String = known.iter().map(|(x, y)| format!("L{x} {y}")).collect();
    let line = line.strip_prefix('L').unwrap_or_default();
    let frame = Frame::new(first.0, TOP, end.0, BOTTOM);
    canvas.path(format!("M{line}L{} {TOP}L{} {TOP}Z", end.0, first.0), "collides", frame);
    canvas.path(format!("M{line}"), "curve", frame);
    let middle = i32::midpoint(first.0, end.0);
    canvas.text(
        (middle, TOP + 26),
        Align::Middle,
        Face::Alarm,
        &Face::Alarm.cut("modules cannot be loaded", end.0 - first.0),
    );
    canvas.text(
        (middle, BOTTOM - 24),
        Align::Middle,
        Face::Name,
        &Face::Name.cut("module area free", end.0 - first.0),
    );
}

fn x(index: usize, last: usize) -> i32 {
    let along = i64::from(RIGHT - LEFT) * to_i64(index) / to_i64(last).max(1);
    LEFT + i32::try_from(along).unwrap_or(0)
}

fn to_i64(number: usize) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn y(size: Size) -> i32 {
    let up = u128::from(size.0.min(MOST.0)) * u128::from((BOTTOM - TOP).unsigned_abs()) / u128::from(MOST.0);
    BOTTOM - i32::try_from(up).unwrap_or(0)
}

/// The curve as text.
fn describe(chart: &Chart) -> String {
    let points = chart.points.iter().step_by(4).map(|point| {
        let size = |size: Option<Size>| size.map_or("never".to_owned(), |size| format!("from {size}"));
        format!("{}: collides {}, refused {}", point.memory, size(point.collides), size(point.refused))
    });
    points.collect::<Vec<_>>().join("; ")
}
