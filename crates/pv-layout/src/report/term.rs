//! The report for people: the verdict first, then each guest in a table, a drawing and sentences.
//!
//! Made for 80 columns and for a reader who has never seen one. Colours are escape sequences here; the stream that it
//! is written to leaves them out where there is no terminal or `NO_COLOR` is set.

use super::{
    Report, Verdict,
    diagram::{self, Place},
    finding::{Finding, Severity},
    reading::Reading,
    text,
};
use crate::scene::{Row, Scene};
use anstyle::{AnsiColor, Style};

const COLUMNS: usize = 80;
const HEADING: &str = "row            first address      -> first after it         pages        size";
const LEGEND: &str = "phys: the guest's memory, low pages first; __ka: the kernel's mapping of it";
const BAD: Style = AnsiColor::Red.on_default().bold();
const GOOD: Style = AnsiColor::Green.on_default().bold();
const ODD: Style = AnsiColor::Yellow.on_default().bold();
const HEAD: Style = Style::new().bold();
const DIM: Style = Style::new().dimmed();

/// The report as text with escape sequences.
pub(super) fn show(report: &Report) -> String {
    let mut page = Page::default();
    page.verdict(report);
    for (index, scene) in report.scenes.iter().enumerate() {
        page.scene(report, index, scene);
    }
    page.reading(&report.reading);
    page.text
}

#[derive(Default)]
struct Page {
    text: String,
}

impl Page {
    fn verdict(&mut self, report: &Report) {
        let problems = || report.findings.iter().filter(|finding| finding.severity == Severity::Problem);
        let (style, word, text) = match (report.verdict(), problems().next()) {
            (Verdict::Problem, Some(first)) => (BAD, "PROBLEM", first.title.clone()),
            (Verdict::Unreadable, _) => (BAD, "UNREADABLE", unreadable(&report.reading)),
            _ => (GOOD, "OK", fine(report.scenes.len(), &report.reading)),
        };
        self.wrapped(style, word, &text);
        if let more @ 1.. = problems().count().saturating_sub(1) {
            self.line(&format!("and {} below", counted(more, "more problem")));
        }
    }

    /// `WORD: text`, wrapped, the word in its colour.
    fn wrapped(&mut self, style: Style, word: &str, text: &str) {
        let options = textwrap::Options::new(COLUMNS).subsequent_indent("  ").break_words(true);
        let all = textwrap::fill(&format!("{word}: {text}"), options);
        let rest = all.strip_prefix(word).unwrap_or(&all);
        self.line(&format!("{style}{word}{style:#}{rest}"));
    }

    fn line(&mut self, text: &str) {
        self.text.push_str(text.trim_end());
        self.text.push('\n');
    }

    fn scene(&mut self, report: &Report, index: usize, scene: &Scene) {
        self.line("");
        self.line(&format!("{HEAD}{}{HEAD:#}", scene.title));
        if !scene.rows.is_empty() {
            self.line("");
            self.line(&format!("  {DIM}{HEADING}{DIM:#}"));
        }
        for row in &scene.rows {
            self.row(scene, row);
        }
        self.ends(scene);
        self.drawing(scene);
        for finding in report.findings.iter().filter(|finding| finding.guest == index) {
            self.finding(finding);
        }
    }

    fn row(&mut self, scene: &Scene, row: &Row) {
        let size = text::pages(row.pages);
        let place = match (row.address, row.end()) {
            (Some(start), Some(end)) => format!("{start:#018x} -> {end:#018x}"),
            _ => format!("{:<40}", "not mapped"),
        };
        let style = if row.bytes_in(scene.area) > 0 { BAD } else { Style::new() };
        let name: String = row.name.chars().take(14).collect();
        self.line(&format!(
            "  {style}{name:<14}{style:#} {place}  {:>9}  {size:>10}",
            format!("{:#x}", row.pages)
        ));
    }

    fn ends(&mut self, scene: &Scene) {
        if scene.rows.is_empty() {
            return;
        }
        let mut ends = Vec::new();
        ends.extend(scene.alloc_end.map(|end| format!("used up to {end:#x}")));
        ends.extend(scene.mapped_end.filter(|end| *end > 0).map(|end| format!("mapped up to {end:#x}")));
        ends.extend(scene.tables.map(|tables| {
            format!("{} page tables", tables.0.iter().fold(0, |sum: u64, count| sum.saturating_add(*count)))
        }));
        let mut parts = if ends.is_empty() { Vec::new() } else { vec![ends.join(", ")] };
        parts.extend(scene.area.exists().then(|| format!("modules from {:#x} on", scene.area.start)));
        let text = parts.join("; ");
        for line in textwrap::wrap(&text, COLUMNS - 2).into_iter().filter(|line| !line.is_empty()) {
            self.line(&format!("  {DIM}{line}{DIM:#}"));
        }
    }

    fn drawing(&mut self, scene: &Scene) {
        let lines = diagram::lines(scene);
        if !lines.is_empty() {
            self.line("");
            self.line(&format!("  {DIM}{LEGEND}{DIM:#}"));
            self.line("");
        }
        for (place, text) in lines {
            match place {
                Place::Elsewhere => self.line(&format!("  {text}")),
                Place::ModuleArea => self.line(&format!("  {BAD}{text}{BAD:#}")),
            }
        }
    }

    fn finding(&mut self, finding: &Finding) {
        self.line("");
        match finding.severity {
            Severity::Problem => self.wrapped(BAD, "Problem", &finding.title),
            Severity::Note => self.wrapped(ODD, "Note", &finding.title),
        }
        self.paragraph("", &finding.detail);
        match finding.cures.as_slice() {
            [] => {}
            [way] => self.paragraph("Cure: ", way),
            ways => self.ways(ways),
        }
    }

    /// Ways out of which one is enough.
    fn ways(&mut self, ways: &[String]) {
        self.paragraph("Cure, any one of these:", " ");
        for way in ways {
            let options = textwrap::Options::new(COLUMNS).initial_indent("  - ").subsequent_indent("    ");
            self.line(&textwrap::fill(way, options));
        }
    }

    fn paragraph(&mut self, lead: &str, text: &str) {
        let options = textwrap::Options::new(COLUMNS).initial_indent("  ").subsequent_indent("  ");
        if !text.is_empty() {
            self.line(&textwrap::fill(&format!("{lead}{text}"), options));
        }
    }

    fn reading(&mut self, reading: &Reading) {
        if reading.unusable == 0 && reading.beyond == 0 {
            return;
        }
        self.line("");
        let lines = counted(usize::try_from(reading.unusable).unwrap_or(usize::MAX), "line");
        self.wrapped(ODD, "Not used", &format!("{lines}, cut or mixed with another writer's"));
        for unusable in &reading.named {
            let source = reading.sources.get(unusable.source).map_or("", String::as_str);
            self.paragraph("", &format!("{source}:{}: {}", unusable.line, unusable.why));
        }
        if reading.unusable > reading.named.len() as u64 {
            self.paragraph("", "and others like them");
        }
        if reading.beyond > 0 {
            self.paragraph(
                "",
                &format!("{} facts of more guests than one report holds: split the log", reading.beyond),
            );
        }
    }
}

fn counted(count: usize, what: &str) -> String {
    if count == 1 { format!("1 {what}") } else { format!("{count} {what}s") }
}

fn fine(guests: usize, reading: &Reading) -> String {
    let say = if reading.sources.len() == 1 { "log says" } else { "logs say" };
    format!("nothing wrong in what the {say} about {}", counted(guests, "guest"))
}

fn unreadable(reading: &Reading) -> String {
    let lines = counted(usize::try_from(reading.lines).unwrap_or(usize::MAX), "line");
    format!(
        "nothing in {lines} is about a guest. Expected one of: the output of `xl -vvv create` or libvirt's log; Xen's \
         own log (xl dmesg) with its VIRTUAL MEMORY ARRANGEMENT (loglvl=all) or its report of a crash; the console of \
         a Linux PV guest (earlyprintk=xen), of Mini-OS or of this project's guest."
    )
}
