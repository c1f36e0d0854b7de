//! What is drawn across the columns: addresses, the line where the module area starts, the P2M's way.
//!
//! `picture` calls this between the blocks and their texts.

use super::{
    canvas::{Align, Canvas, Face, Frame},
    columns::{Block, Column, Look},
    places::{Part, Place, Ticks},
    stripes::{Cuts, What},
};
use crate::scene::{After, DIRECT, Kind, PAGE, Run};

/// Addresses where a column's blocks begin and end; the module area's start has its own.
pub(super) fn ticks(canvas: &mut Canvas, cuts: &Cuts<'_>, place: &Place, blocks: &[Block]) {
    let (x, align) = match place.ticks {
        Ticks::None => return,
        Ticks::Left => (place.x0 - 8, Align::End),
        Ticks::Right => (place.x1 + 8, Align::Start),
    };
    let is_high = place.column == Column::HighBefore;
    for (index, block) in blocks.iter().enumerate() {
        let Some(Run { first, end }) = block.pages.filter(|_| block.look != Look::Nothing) else { continue };
        if !(is_high && Some(first) == cuts.area) {
            tick(canvas, (x, block.y0), align, address(cuts, place.column, first));
        }
        let goes_on = blocks.get(index + 1).is_some_and(|next| next.look != Look::Nothing);
        let is_area = is_high && Some(end) == cuts.area;
        if !(goes_on || is_area) {
            tick(canvas, (x, block.y1), align, address(cuts, place.column, end));
        }
    }
}

fn tick(canvas: &mut Canvas, (x, y): (i32, i32), align: Align, address: Option<String>) {
    canvas.text((x, y + 4), align, Face::Mono, &address.unwrap_or_default());
}

/// The address that a column shows a page at; pages are known by their number.
///
/// None past the last address.
fn address(cuts: &Cuts<'_>, column: Column, pfn: u64) -> Option<String> {
    let base = match column {
        Column::Pages => return Some(format!("pfn {pfn:#x}")),
        Column::HighBefore | Column::HighAfter => cuts.base,
        Column::DirectBefore | Column::DirectAfter => DIRECT,
    };
    let address = base.checked_add(pfn.checked_mul(PAGE)?)?;
    Some(format!("{address:#018x}"))
}

/// The line where the module area starts.
pub(super) fn area_line(canvas: &mut Canvas, cuts: &Cuts<'_>, part: &Part) {
    let Some(y) = cuts.area_line() else { return };
    for place in &part.places {
        if matches!(place.column, Column::HighBefore | Column::HighAfter) {
            let from = if place.ticks == Ticks::Left { place.x0 - 6 } else { place.x0 - 8 };
            canvas.line((from, y), (place.x1 + 8, y), "area");
        }
        if place.ticks == Ticks::Left {
            let text = format!("{:#018x}", cuts.scene.area.start);
            canvas.text((place.x0 - 10, y + 4), Align::End, Face::AlarmMono, &text);
            canvas.text((place.x0 - 10, y + 19), Align::End, Face::Alarm, "module area");
        }
    }
}

/// The P2M's way: a band from its old place to its new one.
pub(super) fn band(canvas: &mut Canvas, cuts: &Cuts<'_>, part: &Part) {
    let from =
        part.places.iter().find(|place| matches!(place.column, Column::HighBefore | Column::HighAfter));
    let to = part.places.iter().find(|place| place.column == Column::DirectAfter);
    let old = cuts.span(|stripe| cuts.holds(stripe, Kind::P2m) && cuts.is_mapped(stripe));
    let new = match cuts.scene.after {
        After::Kept => None,
        After::Copied(_) => cuts.span(|stripe| matches!(stripe.what, What::Copy | What::CopySomewhere)),
        After::Aliased | After::Listed | After::Unknown => old,
    };
    let (Some(from), Some(to), Some(old), Some(new)) = (from, to, old, new) else { return };
    let (x0, x1) = (from.x1, to.x0);
    // The bend is done before the next column of the high mapping, whose blocks the band passes behind.
    let next = part.places.iter().find(|place| place.column == Column::HighAfter && place.x0 > from.x1);
    let bend = next.map_or(x1, |place| place.x0);
    let half = i32::midpoint(x0, bend);
    let data = format!(
        "M{x0} {}C{half} {} {half} {} {bend} {}L{x1} {}L{x1} {}L{bend} {}C{half} {} {half} {} {x0} {}Z",
        old.0, old.0, new.0, new.0, new.0, new.1, new.1, new.1, old.1, old.1
    );
    let frame = Frame::new(x0, old.0.min(new.0), x1, old.1.max(new.1));
    canvas.path(data, if cuts.scene.after == After::Unknown { "way-out" } else { "way" }, frame);
    let y = i32::midpoint(new.0, new.1);
    let head = Frame::new(x1 - 13, y - 13, x1 - 1, y + 13);
    canvas.path(format!("M{} {}L{} {y}L{} {}Z", head.x0, head.y0, head.x1, head.x0, head.y1), "arrow", head);
}
