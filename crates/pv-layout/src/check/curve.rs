//! The limits as a curve: in characters for a terminal, as SVG for a page.
//!
//! Memory grows to the right by powers of two, the ramdisk upwards. Above the curve modules cannot be loaded.

use super::limits::{Fate, Question};
use crate::{
    draw::chart::{self, Chart},
    scene::PAGE,
    sizes::Size,
};

/// Steps for each doubling of the memory, in characters and in the picture.
const CHARACTERS: u64 = 3;
const POINTS: u64 = 4;
/// Doublings from 64 MiB to 16 TiB.
const DOUBLINGS: u64 = 18;
/// Doublings from one number on the axis to the next.
const NUMBERED: u64 = 3;
/// Height of the terminal's curve in characters, and MiB of ramdisk that a character stands for.
const ROWS: u64 = 16;
const ROW_MIB: u64 = 40;

/// Memory sizes along the lower axis, so many for each doubling.
fn memories(steps: u64) -> impl Iterator<Item = Size> {
    (0..=DOUBLINGS * steps).map(move |step| {
        let whole = (64 << 20) << (step / steps);
        Size((whole + whole / steps * (step % steps)) / PAGE * PAGE)
    })
}

/// The curve in characters.
pub(super) fn text(question: &Question) -> String {
    let mut out = String::from("ramdisk\n");
    for row in (0..ROWS).rev() {
        let ramdisk = Size::of_mib(row * ROW_MIB);
        let label = match row {
            0 => "none".to_owned(),
            _ if row % 4 == 0 => ramdisk.to_string(),
            _ => String::new(),
        };
        let line: String =
            memories(CHARACTERS).map(|memory| letter(question.fate(memory, ramdisk))).collect();
        out += format!("{label:>8} |{line}").trim_end();
        out.push('\n');
    }
    let axis: String = (0..=DOUBLINGS).map(|_| format!("{:3}", "|")).collect();
    out += &format!("{:8} +{}\n{:10}", "", axis.trim_end().replace(' ', "-"), "");
    for doubling in (0..=DOUBLINGS).step_by(NUMBERED as usize) {
        out += &format!("{:9}", Size::of_mib(64 << doubling).to_string());
    }
    format!(
        "{}  memory\n\n  #  P2M in the module area   +  only other rows   .  free   blank: refused\n",
        out.trim_end()
    )
}

const fn letter(fate: Fate) -> char {
    match fate {
        Fate::Fits => '.',
        Fate::SmallRows => '+',
        Fate::P2m => '#',
        Fate::Refused => ' ',
    }
}

/// The curve as SVG.
pub(super) fn svg(question: &Question, title: &str) -> String {
    let points = memories(POINTS).map(|memory| {
        let limits = question.limits(memory);
        chart::Point { memory, collides: limits.collides_from, refused: limits.refused_from }
    });
    chart::svg(&Chart { title: title.to_owned(), area_start: question.area.start, points: points.collect() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        predict::domain::{Builder, Kernel, RamdiskPlace},
        scene::ModuleArea,
    };

    fn question(kernel: Kernel) -> Question {
        Question { kernel, builder: Builder::Toolstack, area: ModuleArea::CLASSIC }
    }

    #[test]
    fn the_curve_has_collisions_for_a_kernel_without_notes_and_none_for_one_with_both() {
        let plain = Kernel::of_pages(0xe43);
        let noted = Kernel { list_at: Some(0x80_0000_0000), ramdisk: RamdiskPlace::Unmapped, ..plain };
        let rows =
            |kernel| text(&question(kernel)).lines().filter(|line| line.contains(" |")).collect::<String>();
        assert!(rows(plain).contains('#') && rows(plain).contains('.'));
        assert!(!rows(noted).contains(['#', '+']));
    }

    #[test]
    fn no_line_is_wider_than_a_terminal() {
        let text = text(&question(Kernel::of_pages(0xe43)));
        assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
    }

    #[test]
    fn the_drawn_curve_is_well_formed() {
        let svg = svg(&question(Kernel::of_pages(0xe43)), "a <kernel>");
        let parsed = roxmltree::Document::parse(&svg).unwrap();
        assert!(parsed.descendants().any(|node| node.attribute("class") == Some("curve")));
    }
}
