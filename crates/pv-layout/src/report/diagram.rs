//! Draws a guest's memory in characters, in the form of the drawing in Linux commit 357a3cfb: pages on the left, their
//! addresses in the high mapping on the right, low at the top.
//!
//! What is in the module area has a mark beside it. Rows that are not in the high mapping are not drawn.

use crate::scene::{HIGH, Kind, Row, Scene};

/// What a line stands for, apart from its text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    Elsewhere,
    ModuleArea,
}

const MARK: &str = "  in the module area";

/// The lines of the drawing; none if there is nothing to draw.
pub(super) fn lines(scene: &Scene) -> Vec<(Place, String)> {
    let mut rows: Vec<_> =
        scene.rows.iter().filter(|row| row.address.is_some_and(|start| start >= HIGH)).collect();
    rows.sort_by_key(|row| row.address);
    if rows.is_empty() {
        return Vec::new();
    }
    let mut canvas = Canvas { scene, lines: Vec::new() };
    canvas.plain("  phys                             __ka");
    canvas.plain("/------------\\                   /-------------------\\");
    canvas.line("0", "empty", &format!("{HIGH:#x}"));
    canvas.line("..", "", "..");
    for (at, row) in rows.iter().enumerate() {
        let before = at.checked_sub(1).and_then(|before| rows.get(before));
        canvas.row(row, before.copied(), rows.get(at + 1).copied());
    }
    canvas.plain("\\------------/                   \\-------------------/");
    canvas.lines
}

struct Canvas<'a> {
    scene: &'a Scene,
    lines: Vec<(Place, String)>,
}

impl Canvas<'_> {
    fn plain(&mut self, text: &str) {
        self.lines.push((Place::Elsewhere, text.to_owned()));
    }

    fn line(&mut self, pages: &str, what: &str, address: &str) {
        self.lines.push((Place::Elsewhere, format!("| {pages:<10} | {what:<17} | {address:<18}|")));
    }

    /// A line at an address, marked if that is in the module area.
    fn at(&mut self, pages: &str, what: &str, address: u64) {
        self.line(pages, what, &format!("{address:#018x}"));
        let area = self.scene.area;
        if let Some((place, text)) =
            self.lines.last_mut().filter(|_| (area.start..area.end).contains(&address))
        {
            *place = Place::ModuleArea;
            text.push_str(MARK);
        }
    }

    fn row(&mut self, row: &Row, before: Option<&Row>, next: Option<&Row>) {
        let (start, end) = (row.address.unwrap_or_default(), row.end().unwrap_or_default());
        match row.kind {
            Kind::Kernel => {
                self.at(&megabytes(start), "<= kernel starts", start);
                self.line("..", "", "");
                self.at(&megabytes(end), "<= kernel ends =>", end);
                self.beginning(row, next);
            }
            Kind::Ramdisk | Kind::P2m => {
                self.lone_beginning(row, before);
                self.at(&megabytes(end), &format!("<= {:<12}=>", format!("{} ends", name(row))), end);
                self.beginning(row, next);
            }
            Kind::PageTables => {
                self.at(&megabytes(start), "<= page tables =>", start);
                self.line("..", "", "");
                self.at(&megabytes(end), "<= PGT end     =>", end);
            }
            Kind::BootStack => self.line("..", "boot stack", ""),
            _ => self.at("..", &shortened(name(row)), start),
        }
    }

    /// A large row that begins where this one ends.
    fn beginning(&mut self, row: &Row, next: Option<&Row>) {
        let Some(next) = next.filter(|next| next.address == row.end() && is_large(next.kind)) else { return };
        self.line("..", &format!(" & {} starts", name(next)), "..");
        if next.kind == Kind::P2m {
            self.line("..", "", "..");
        }
    }

    /// A large row that begins where none ends.
    fn lone_beginning(&mut self, row: &Row, before: Option<&Row>) {
        let start = row.address.unwrap_or_default();
        let announced = before.is_some_and(|before| before.end() == Some(start) && announces(before.kind));
        if !announced {
            self.at(&megabytes(start), &format!("<= {} starts", name(row)), start);
            self.line("..", "", "..");
        }
    }
}

fn is_large(kind: Kind) -> bool {
    matches!(kind, Kind::Ramdisk | Kind::P2m)
}

fn announces(kind: Kind) -> bool {
    kind == Kind::Kernel || is_large(kind)
}

/// Whole MiB from the start of the high mapping, under the drawing's own unit.
fn megabytes(address: u64) -> String {
    format!("{}MB", address.saturating_sub(HIGH) >> 20)
}

fn name(row: &Row) -> &str {
    match row.kind {
        Kind::P2m => "P2M",
        Kind::StartInfo => "start_info",
        _ => &row.name,
    }
}

fn shortened(name: &str) -> String {
    name.chars().take(17).collect()
}
