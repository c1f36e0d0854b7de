//! What each column shows at each stripe: a block with a look and a text.
//!
//! There are five columns: the pages; the high mapping and the direct map as the builder leaves them; and both
//! when the guest has moved its P2M. `picture` puts them side by side or below each other.

use super::{
    canvas::Face,
    notes,
    rows::{sentence, short},
    stripes::{self, Cuts, Reach, Stripe, What},
};
use crate::{
    scene::{After, Kind, Row, Run},
    sizes::Size,
};

/// A column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Column {
    Pages,
    HighBefore,
    DirectBefore,
    HighAfter,
    DirectAfter,
}

/// What a block looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Look {
    Of(Kind),
    /// Memory that is neither P2M nor in the way.
    Ram,
    /// Nothing there.
    Empty,
    /// Nothing there, and room for modules.
    Free,
    /// Where the P2M could be reached.
    Could,
    /// Past the end of memory.
    Nothing,
}

/// A block of a column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Block {
    pub(super) y0: i32,
    pub(super) y1: i32,
    pub(super) look: Look,
    /// Lines of text, from the fullest to the shortest that will do.
    pub(super) texts: Vec<Vec<(Face, String)>>,
    /// Bytes of it that are in the way of modules.
    pub(super) in_the_way: Option<Size>,
    /// Bytes of it that the memory map says are no memory.
    pub(super) reserved: Option<Size>,
    pub(super) broken: Broken,
    /// For a pointer held over it, and for screen readers.
    pub(super) title: String,
    /// Pages at its top and bottom, if they are known.
    pub(super) pages: Option<Run>,
}

/// Whether something is left out of a block's height.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Broken {
    Yes,
    No,
}

/// Which size a block names: the row's, or that of the stripe's part of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shown {
    Whole,
    Part,
}

/// The column's blocks; equal neighbours without a row of their own are one.
pub(super) fn blocks(cuts: &Cuts<'_>, column: Column) -> Vec<Block> {
    let mut found: Vec<Block> = Vec::new();
    for stripe in &cuts.stripes {
        let block = block(cuts, column, stripe);
        match found.last_mut() {
            Some(before) if merges(before, &block) && !splits(cuts, column, stripe) => {
                before.y1 = block.y1;
                before.pages = joined(before.pages, block.pages);
            }
            _ => found.push(block),
        }
    }
    found
}

/// Both ranges, as far as they are known.
fn joined(before: Option<Run>, new: Option<Run>) -> Option<Run> {
    match (before, new) {
        (Some(before), Some(new)) => Some(Run { end: new.end, ..before }),
        (known, None) | (None, known) => known,
    }
}

/// The module area's start is seen in the high mapping.
fn splits(cuts: &Cuts<'_>, column: Column, stripe: &Stripe) -> bool {
    cuts.is_area_start(stripe) && matches!(column, Column::HighBefore | Column::HighAfter)
}

fn merges(one: &Block, other: &Block) -> bool {
    let same = one.look == other.look && one.texts == other.texts && one.title == other.title;
    same && one.broken == Broken::No && one.in_the_way == other.in_the_way
}

fn block(cuts: &Cuts<'_>, column: Column, stripe: &Stripe) -> Block {
    let mut block = match column {
        Column::Pages => of_pages(cuts, stripe),
        Column::HighBefore => high(cuts, stripe),
        Column::HighAfter if matches!(cuts.scene.after, After::Kept) => high(cuts, stripe),
        Column::HighAfter => high_after(cuts, stripe),
        Column::DirectBefore => plain(stripe, Look::Empty, "not mapped"),
        Column::DirectAfter => direct(cuts, stripe),
    };
    block.pages = stripe.pages;
    block
}

fn of_pages(cuts: &Cuts<'_>, stripe: &Stripe) -> Block {
    match &stripe.what {
        What::Rows(rows) => {
            Block { reserved: reserved(cuts, rows), ..of_rows(cuts, stripe, rows, Shown::Whole) }
        }
        What::Copy | What::CopySomewhere => copy(stripe),
        What::Gap if is_behind_memory(cuts, stripe) => plain(stripe, Look::Nothing, ""),
        What::Gap => gap(stripe, if cuts.is_mapped(stripe) { "unused" } else { "free" }),
    }
}

fn reserved(cuts: &Cuts<'_>, rows: &[usize]) -> Option<Size> {
    let ranges = || cuts.scene.memory_map.iter().filter(|range| range.kind != "usable");
    let of_row = |index: &usize| {
        let row = &cuts.scene.rows[*index];
        ranges().map(|range| notes::shared(row, range.start, range.end)).fold(0, u64::saturating_add)
    };
    let bytes = rows.iter().map(of_row).fold(0, u64::saturating_add);
    (bytes > 0).then_some(Size(bytes))
}

fn is_behind_memory(cuts: &Cuts<'_>, stripe: &Stripe) -> bool {
    let end = cuts.scene.pages.or(cuts.mapped);
    stripe.pages.zip(end).is_some_and(|(run, end)| run.first >= end)
}

/// The high mapping as the builder leaves it.
fn high(cuts: &Cuts<'_>, stripe: &Stripe) -> Block {
    let mut block = match &stripe.what {
        What::Rows(rows) => high_rows(cuts, stripe, rows),
        What::Gap if cuts.is_mapped(stripe) => gap(stripe, "unused"),
        _ if cuts.is_in_area(stripe) => plain(stripe, Look::Free, "free for modules"),
        _ => plain(stripe, Look::Empty, "not mapped"),
    };
    if cuts.is_in_area(stripe) && cuts.is_mapped(stripe) {
        block.in_the_way = stripe.pages.map(|run| Size::of_pages(run.pages()));
    }
    block
}

fn high_rows(cuts: &Cuts<'_>, stripe: &Stripe, rows: &[usize]) -> Block {
    let row = &cuts.scene.rows[rows[0]];
    match cuts.reach(row) {
        Reach::High => of_rows(cuts, stripe, rows, Shown::Part),
        // What is not mapped here leaves room for modules, even if the row began before their area.
        Reach::Unmapped | Reach::Elsewhere(_) if splits(cuts, Column::HighBefore, stripe) => {
            plain(stripe, Look::Free, "free for modules")
        }
        Reach::Unmapped => plain(stripe, Look::Empty, "not mapped"),
        Reach::Elsewhere(address) => {
            let mut block = plain(stripe, Look::Could, "");
            let at = format!("{address:#x}");
            block.texts = vec![
                vec![(Face::Name, format!("{} is at", short(row))), (Face::Mono, at.clone())],
                vec![(Face::Mono, at)],
                vec![(Face::Plain, "elsewhere".to_owned())],
            ];
            block.title = format!("{}: mapped at {address:#018x}", row.name);
            block
        }
    }
}

/// The high mapping when it has been cleaned: the kernel is left.
fn high_after(cuts: &Cuts<'_>, stripe: &Stripe) -> Block {
    if matches!(cuts.scene.after, After::Unknown) {
        return high(cuts, stripe);
    }
    match &stripe.what {
        What::Rows(rows) if cuts.holds(stripe, Kind::Kernel) && cuts.is_mapped(stripe) => {
            of_rows(cuts, stripe, rows, Shown::Part)
        }
        _ if cuts.is_in_area(stripe) => plain(stripe, Look::Free, "free for modules"),
        _ => plain(stripe, Look::Empty, "empty"),
    }
}

/// The direct map, with the P2M where it is reached now or could be.
fn direct(cuts: &Cuts<'_>, stripe: &Stripe) -> Block {
    let p2m = cuts.holds(stripe, Kind::P2m);
    match (&cuts.scene.after, &stripe.what) {
        (After::Aliased | After::Listed, What::Rows(rows)) if p2m => {
            of_rows(cuts, stripe, rows, Shown::Whole)
        }
        (_, What::Copy | What::CopySomewhere) => copy(stripe),
        (After::Copied(_), _) if p2m => plain(stripe, Look::Ram, "given back"),
        (After::Unknown, _) if p2m && stripe.pages.is_some() => could(stripe),
        _ if is_behind_memory(cuts, stripe) => plain(stripe, Look::Nothing, ""),
        _ => plain(stripe, Look::Ram, "RAM"),
    }
}

fn could(stripe: &Stripe) -> Block {
    let mut block = plain(stripe, Look::Could, "");
    block.texts = vec![
        vec![(Face::Name, "the same pages,".to_owned()), (Face::Plain, "out of the way".to_owned())],
        vec![(Face::Plain, "the same pages".to_owned())],
        vec![(Face::Plain, "same".to_owned())],
    ];
    block.title = "The pages of the P2M, where the direct map shows them".to_owned();
    block
}

fn copy(stripe: &Stripe) -> Block {
    let size = stripe.pages.map(|run| Size::of_pages(run.pages()));
    let mut block = plain(stripe, Look::Of(Kind::P2m), "");
    let second = size.map_or("in other pages".to_owned(), |size| size.to_string());
    block.texts = vec![
        vec![(Face::OnP2mBold, "P2M, copied".to_owned()), (Face::OnP2m, second)],
        vec![(Face::OnP2mBold, "P2M, copied".to_owned())],
        vec![(Face::OnP2mBold, "P2M".to_owned())],
    ];
    block.title = "The new list that the P2M was copied to".to_owned();
    block
}

/// Rows as they are: name and size, the page if there is room.
fn of_rows(cuts: &Cuts<'_>, stripe: &Stripe, rows: &[usize], size: Shown) -> Block {
    let rows: Vec<&Row> = rows.iter().map(|index| &cuts.scene.rows[*index]).collect();
    let kind = rows.iter().map(|row| row.kind).find(|kind| *kind == Kind::P2m).unwrap_or(rows[0].kind);
    let (bold, normal) = match kind {
        Kind::P2m => (Face::OnP2mBold, Face::OnP2m),
        Kind::Kernel | Kind::Ramdisk => (Face::Name, Face::Plain),
        _ => (Face::Plain, Face::Plain),
    };
    let names = rows.iter().map(|row| short(row)).collect::<Vec<_>>().join(", ");
    let pages = match size {
        Shown::Part => stripe.pages.map_or(rows[0].pages, Run::pages),
        Shown::Whole => rows.iter().map(|row| row.pages).fold(0, u64::saturating_add),
    };
    let size = Size::of_pages(pages).to_string();
    let first = short(rows[0]).to_owned();
    let more = if rows.len() > 1 { format!("{first}, rings") } else { first.clone() };
    Block {
        texts: vec![
            vec![(bold, names.clone()), (normal, size.clone())],
            vec![(bold, format!("{names} {size}"))],
            vec![(bold, format!("{more} {size}"))],
            vec![(normal, format!("{first} {size}"))],
            vec![(bold, more)],
            vec![(normal, first)],
        ],
        title: rows.iter().map(|row| sentence(row)).collect::<Vec<_>>().join("; "),
        ..plain(stripe, Look::Of(kind), "")
    }
}

fn gap(stripe: &Stripe, word: &str) -> Block {
    let size = stripe.pages.map_or(String::new(), |run| Size::of_pages(run.pages()).to_string());
    Block {
        texts: vec![vec![(Face::Plain, format!("{word}, {size}"))], vec![(Face::Plain, word.to_owned())]],
        broken: if stripe.y1 - stripe.y0 < stripes::BROKEN { Broken::No } else { Broken::Yes },
        title: format!("{word}: {size} in no row"),
        ..plain(stripe, Look::Ram, "")
    }
}

fn plain(stripe: &Stripe, look: Look, word: &str) -> Block {
    Block {
        y0: stripe.y0,
        y1: stripe.y1,
        look,
        texts: vec![vec![(Face::Plain, word.to_owned())]],
        in_the_way: None,
        reserved: None,
        broken: Broken::No,
        title: word.to_owned(),
        pages: stripe.pages,
    }
}
