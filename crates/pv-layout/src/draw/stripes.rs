//! Cuts a guest's memory into stripes: what lies at the same height in every column.
//!
//! Page `n` is at `base + n * 4096` in the high mapping and at `DIRECT + n * 4096` in the direct map. So all columns
//! have the same cuts: where a row begins or ends, where the mapping ends, where the module area begins, where memory
//! ends. Rows are drawn to scale where that leaves room for their names; gaps are not, and are marked as broken.
//! `columns` says what each column shows at a stripe.

use crate::scene::{After, HIGH, Kind, ModuleArea, PAGE, Row, Run, Scene};
use std::collections::BTreeSet;

/// Rows beyond this number are only described.
pub(super) const MOST_ROWS: usize = 24;
/// Ranges of a copied list beyond this number are not drawn one by one.
pub(super) const MOST_RANGES: usize = 3;
/// Pixels for all rows together, before the least height of each.
const TO_SCALE: u64 = 300;
/// Rows of a guest with no more pages than this are not drawn larger than in one with as many.
const SMALL: u64 = 0x4000;
const LEAST: i32 = 30;
/// A gap with its mark.
pub(super) const BROKEN: i32 = 42;
/// The part of the P2M in the module area says so in three lines.
const IN_AREA: i32 = 76;
/// Pages that a picture can place: all of 52 address bits.
const MOST_PAGES: u64 = 1 << 40;

/// What lies in a stripe.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum What {
    /// Rows, by their index; more than one if small ones share a stripe, or if they overlap.
    Rows(Vec<usize>),
    /// Pages in no row.
    Gap,
    /// One range of the pages that the list was copied to.
    Copy,
    /// The pages that the list was copied to, where the log does not say which.
    CopySomewhere,
}

/// A stripe.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Stripe {
    /// Its pages, if they are known.
    pub(super) pages: Option<Run>,
    pub(super) what: What,
    pub(super) y0: i32,
    pub(super) y1: i32,
}

/// How a row is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reach {
    /// At its place in the high mapping.
    High,
    /// At another address.
    Elsewhere(u64),
    Unmapped,
}

/// A scene with the numbers that every column needs.
#[derive(Debug)]
pub(super) struct Cuts<'a> {
    pub(super) scene: &'a Scene,
    /// The address of page 0 in the initial mapping.
    pub(super) base: u64,
    /// The page that the module area's start would show.
    pub(super) area: Option<u64>,
    /// First page after the initial mapping.
    pub(super) mapped: Option<u64>,
    pub(super) stripes: Vec<Stripe>,
}

impl<'a> Cuts<'a> {
    /// Cuts `scene` from the height `top` down.
    pub(super) fn new(scene: &'a Scene, top: i32) -> Self {
        let base = base(scene);
        let page = |address: u64| {
            let pages = address.checked_sub(base)? / PAGE;
            Some(pages).filter(|pages| *pages <= MOST_PAGES)
        };
        let end = scene.mapped_end.or(scene.alloc_end);
        let mut cuts = Self {
            scene,
            base,
            area: page(scene.area.start),
            mapped: end.and_then(page),
            stripes: Vec::new(),
        };
        cuts.cut();
        cuts.stack(top);
        cuts
    }

    /// The address of a page in the initial mapping.
    pub(super) const fn high(&self, pfn: u64) -> u64 {
        self.base.wrapping_add(pfn.wrapping_mul(PAGE))
    }

    /// A row's pages, from its pfn or its address.
    pub(super) fn pages(&self, row: &Row) -> Option<Run> {
        let from_address = || Some(row.address?.checked_sub(self.base)? / PAGE);
        let first = row.pfn.or_else(from_address)?;
        let end = first.checked_add(row.pages)?;
        (end <= MOST_PAGES).then_some(Run { first, end })
    }

    pub(super) fn reach(&self, row: &Row) -> Reach {
        match (row.address, self.pages(row)) {
            (None, _) => Reach::Unmapped,
            (Some(address), Some(Run { first, .. })) if address == self.high(first) => Reach::High,
            (Some(address), _) => Reach::Elsewhere(address),
        }
    }

    /// Rows that are drawn, with their index.
    pub(super) fn rows(&self) -> impl Iterator<Item = (usize, &'a Row)> {
        self.scene.rows.iter().enumerate().take(MOST_ROWS)
    }

    /// The lowest and the highest pixel of the stripes that `wanted` picks.
    pub(super) fn span(&self, wanted: impl Fn(&Stripe) -> bool) -> Option<(i32, i32)> {
        let mut found = self.stripes.iter().filter(|stripe| wanted(stripe));
        let first = found.next()?;
        // Only stripes that touch belong together.
        Some(found.fold(
            (first.y0, first.y1),
            |(y0, y1), stripe| {
                if stripe.y0 == y1 { (y0, stripe.y1) } else { (y0, y1) }
            },
        ))
    }

    /// Whether the stripe holds a row of this kind.
    pub(super) fn holds(&self, stripe: &Stripe, kind: Kind) -> bool {
        match &stripe.what {
            What::Rows(rows) => rows.iter().any(|index| self.scene.rows[*index].kind == kind),
            _ => false,
        }
    }

    /// First page after the whole picture.
    fn last(&self, points: &BTreeSet<u64>) -> u64 {
        let drawn = points.last().copied().unwrap_or(0);
        let area = self.area.map_or(0, |area| area + (16 << 20) / PAGE);
        drawn.max(area)
    }

    fn points(&self) -> BTreeSet<u64> {
        let rows = self.rows().filter_map(|(_, row)| self.pages(row)).filter(|run| run.pages() > 0);
        let runs = rows.chain(self.copies());
        let mut points: BTreeSet<u64> = runs.flat_map(|Run { first, end }| [first, end]).collect();
        points.extend([Some(0), self.mapped, self.area].into_iter().flatten());
        points.extend(self.scene.pages.filter(|pages| *pages <= MOST_PAGES));
        let last = self.last(&points);
        points.insert(last);
        points
    }

    /// Where the list was copied to, as far as it is drawn.
    pub(super) fn copies(&self) -> Vec<Run> {
        let After::Copied(runs) = &self.scene.after else { return Vec::new() };
        let drawn = |run: &&Run| run.pages() > 0 && run.end <= MOST_PAGES;
        runs.iter().filter(drawn).take(MOST_RANGES).copied().collect()
    }

    fn cut(&mut self) {
        let points: Vec<u64> = self.points().into_iter().collect();
        let copies = self.copies();
        for pair in points.windows(2) {
            let (first, end) = (pair[0], pair[1]);
            let inside = |run: Run| run.first <= first && end <= run.end;
            let rows: Vec<usize> = self
                .rows()
                .filter(|(_, row)| self.pages(row).is_some_and(inside))
                .map(|(index, _)| index)
                .collect();
            let what = if !rows.is_empty() {
                What::Rows(rows)
            } else if copies.iter().copied().any(inside) {
                What::Copy
            } else {
                What::Gap
            };
            self.add(Stripe { pages: Some(Run { first, end }), what, y0: 0, y1: 0 });
        }
        self.add_unplaced(&copies);
    }

    /// Adds a stripe, or lets it share the one before: single pages with each other, the stack with its padding.
    fn add(&mut self, stripe: Stripe) {
        let at_area = self.is_area_start(&stripe);
        if let Some(before) = self.stripes.last_mut()
            && !at_area
            && let (What::Rows(have), What::Rows(more)) = (&mut before.what, &stripe.what)
            && have.iter().chain(more).all(|index| is_single_page(self.scene.rows[*index].kind))
        {
            have.extend(more);
            before.pages = before.pages.zip(stripe.pages).map(|(before, new)| Run { end: new.end, ..before });
            return;
        }
        self.stripes.push(stripe);
    }

    /// Rows whose pages are not known, and a copy whose place is not.
    fn add_unplaced(&mut self, copies: &[Run]) {
        let unplaced: Vec<usize> =
            self.rows().filter(|(_, row)| self.pages(row).is_none()).map(|(index, _)| index).collect();
        for index in unplaced {
            self.stripes.push(Stripe { pages: None, what: What::Rows(vec![index]), y0: 0, y1: 0 });
        }
        if copies.is_empty() && matches!(self.scene.after, After::Copied(_)) {
            let stripe = Stripe { pages: None, what: What::CopySomewhere, y0: 0, y1: 0 };
            let free = |stripe: &Stripe| {
                let after_mapping =
                    stripe.pages.zip(self.mapped).is_some_and(|(run, mapped)| run.first >= mapped);
                stripe.what == What::Gap && after_mapping
            };
            let at = self.stripes.iter().position(free).unwrap_or(self.stripes.len());
            self.stripes.insert(at, stripe);
        }
    }

    /// Gives each stripe its height.
    fn stack(&mut self, top: i32) {
        let all: u64 = self.stripes.iter().filter(|stripe| stripe.what != What::Gap).map(pages_of).sum();
        let mut y = top;
        let heights: Vec<i32> = self.stripes.iter().map(|stripe| self.height(stripe, all)).collect();
        for (stripe, height) in self.stripes.iter_mut().zip(heights) {
            (stripe.y0, stripe.y1) = (y, y + height);
            y += height;
        }
    }

    fn height(&self, stripe: &Stripe, all: u64) -> i32 {
        let in_the_way = self.is_in_area(stripe) && self.is_mapped(stripe) && self.holds(stripe, Kind::P2m);
        let least = if in_the_way { IN_AREA } else { LEAST };
        if stripe.what == What::Gap {
            let in_area = self.is_in_area(stripe) && self.is_mapped(stripe);
            return if in_area { LEAST } else { BROKEN };
        }
        let scaled = u128::from(pages_of(stripe)) * u128::from(TO_SCALE) / u128::from(all.max(SMALL));
        least.max(i32::try_from(scaled).unwrap_or(0))
    }

    /// Whether the stripe lies past the start of the module area; without pages of its own, as drawn.
    pub(super) fn is_in_area(&self, stripe: &Stripe) -> bool {
        match stripe.pages.zip(self.area) {
            Some((Run { first, .. }, area)) => first >= area && self.in_area(first),
            None => self.area_line().is_some_and(|y| stripe.y0 > y),
        }
    }

    /// The height of the module area's start.
    pub(super) fn area_line(&self) -> Option<i32> {
        self.stripes.iter().find(|stripe| self.is_area_start(stripe)).map(|stripe| stripe.y0)
    }

    /// Whether the stripe begins where the module area does.
    pub(super) fn is_area_start(&self, stripe: &Stripe) -> bool {
        stripe.pages.is_some_and(|run| Some(run.first) == self.area)
    }

    fn in_area(&self, pfn: u64) -> bool {
        let ModuleArea { start, end } = self.scene.area;
        let address = self.high(pfn);
        start <= address && address < end
    }

    /// Whether the builder mapped the stripe high.
    pub(super) fn is_mapped(&self, stripe: &Stripe) -> bool {
        match &stripe.what {
            What::Rows(rows) => rows.iter().any(|index| self.reach(&self.scene.rows[*index]) == Reach::High),
            What::Gap => stripe.pages.zip(self.mapped).is_some_and(|(run, mapped)| run.end <= mapped),
            What::Copy | What::CopySomewhere => false,
        }
    }
}

fn pages_of(stripe: &Stripe) -> u64 {
    stripe.pages.map_or(0, Run::pages)
}

const fn is_single_page(kind: Kind) -> bool {
    matches!(kind, Kind::StartInfo | Kind::Xenstore | Kind::Console)
}

/// Most images are mapped from `HIGH` on; one without `VIRT_BASE` is mapped from 0.
fn base(scene: &Scene) -> u64 {
    let base_of = |row: &Row| {
        let (address, first) = row.address.zip(row.pfn)?;
        address.checked_sub(first.checked_mul(PAGE)?)
    };
    scene.rows.iter().find(|row| row.kind == Kind::Kernel).and_then(base_of).unwrap_or(HIGH)
}
