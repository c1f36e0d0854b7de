//! A benchmark as a picture: RAM to the right, time upwards, both by powers.

use super::plan::Way;
use super::summary::Summary;
use super::table::ram;
use std::fmt::Write;

const WIDTH: f64 = 760.0;
const HEIGHT: f64 = 420.0;
const PLOT: Plot = Plot { left: 70.0, right: 640.0, top: 40.0, bottom: 360.0 };

/// Least distance of two names.
const LINE: f64 = 15.0;

const STYLE: &str = "text{font:13px sans-serif;fill:#333}.grid{stroke:#ddd}.axis{stroke:#333}\
    @media(prefers-color-scheme:dark){text{fill:#ddd}.grid{stroke:#444}.axis{stroke:#ddd}}";

const fn colour(way: Way) -> &'static str {
    match way {
        Way::Linux => "#d1495b",
        Way::Baseline => "#edae49",
        Way::Copy => "#00798c",
        Way::Alias => "#5b8e3e",
        Way::Linear => "#7b4fb5",
    }
}

/// The edges of the plot.
struct Plot {
    left: f64,
    right: f64,
    top: f64,
    bottom: f64,
}

/// The ends of an axis.
struct Span {
    least: f64,
    most: f64,
}

/// From data to the plot: RAM in MiB and seconds, both by their logarithms.
struct Scale {
    ram: Span,
    time: Span,
}

impl Scale {
    fn of(summary: &Summary) -> Self {
        let sizes = summary.sizes();
        let rams: Vec<f64> = sizes.iter().map(|mib| (*mib as f64).log2()).collect();
        let ready = |way| sizes.iter().filter_map(move |mib| summary.ready(*mib, way));
        let times: Vec<f64> =
            Way::ALL.into_iter().flat_map(|way| ready(way).collect::<Vec<_>>()).map(f64::log10).collect();
        let (ram, time) = (Span::of(&rams), Span::of(&times));
        Self {
            ram: Span { most: ram.most.max(ram.least + 1.0), ..ram },
            time: Span { least: time.least.floor(), most: time.most.ceil().max(time.least.floor() + 1.0) },
        }
    }

    fn x(&self, mib: u64) -> f64 {
        PLOT.left + self.ram.part((mib as f64).log2()) * (PLOT.right - PLOT.left)
    }

    fn y(&self, seconds: f64) -> f64 {
        PLOT.bottom - self.time.part(seconds.log10()) * (PLOT.bottom - PLOT.top)
    }
}

impl Span {
    fn of(values: &[f64]) -> Self {
        Self {
            least: values.iter().copied().fold(f64::INFINITY, f64::min),
            most: values.iter().copied().fold(f64::NEG_INFINITY, f64::max),
        }
    }

    /// How far into it a value lies: 0 at one end, 1 at the other.
    fn part(&self, value: f64) -> f64 {
        (value - self.least) / (self.most - self.least)
    }
}

/// Draws it.
pub(crate) fn svg(summary: &Summary) -> String {
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\">\n<title>Boot time \
         by RAM</title>\n<style>{STYLE}</style>\n<text x=\"{}\" y=\"22\">seconds from entry to the first loaded \
         module (Linux: to its init), Xen {} under emulation</text>\n",
        PLOT.left, summary.xen
    );
    let scale = Scale::of(summary);
    if scale.time.least.is_finite() {
        grid(&mut out, summary, &scale);
        Way::ALL.into_iter().for_each(|way| curve(&mut out, summary, &scale, way));
        labels(&mut out, summary, &scale);
    }
    out.push_str("</svg>\n");
    out
}

fn grid(out: &mut String, summary: &Summary, scale: &Scale) {
    let Plot { left, right, bottom, .. } = PLOT;
    for power in scale.time.least as i32..=scale.time.most as i32 {
        let seconds = 10_f64.powi(power);
        let y = scale.y(seconds);
        // Writing to a String cannot fail, here and below.
        let _ =
            writeln!(out, "<line class=\"grid\" x1=\"{left}\" y1=\"{y:.1}\" x2=\"{right}\" y2=\"{y:.1}\"/>");
        let _ = writeln!(
            out,
            "<text x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{seconds} s</text>",
            left - 8.0,
            y + 4.0
        );
    }
    for mib in summary.sizes() {
        let x = scale.x(mib);
        let _ = writeln!(
            out,
            "<text x=\"{x:.1}\" y=\"{}\" text-anchor=\"middle\">{}</text>",
            bottom + 22.0,
            ram(mib)
        );
    }
    let _ =
        writeln!(out, "<line class=\"axis\" x1=\"{left}\" y1=\"{bottom}\" x2=\"{right}\" y2=\"{bottom}\"/>");
    let _ = writeln!(
        out,
        "<text x=\"{right}\" y=\"{}\" text-anchor=\"end\">RAM of the guest</text>",
        bottom + 44.0
    );
}

fn curve(out: &mut String, summary: &Summary, scale: &Scale, way: Way) {
    let at = |mib: &u64| Some((scale.x(*mib), scale.y(summary.ready(*mib, way)?)));
    let points: Vec<(f64, f64)> = summary.sizes().iter().filter_map(at).collect();
    if points.is_empty() {
        return;
    }
    let line: Vec<String> = points.iter().map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
    let colour = colour(way);
    let _ = writeln!(
        out,
        "<polyline fill=\"none\" stroke=\"{colour}\" stroke-width=\"2.5\" points=\"{}\"/>",
        line.join(" ")
    );
    for (x, y) in &points {
        let _ = writeln!(out, "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"4\" fill=\"{colour}\"/>");
    }
}

/// Names beside the ends of the curves, pushed down where they would cover each other.
fn labels(out: &mut String, summary: &Summary, scale: &Scale) {
    let end = |way| {
        let (mib, seconds) = summary
            .sizes()
            .into_iter()
            .filter_map(|mib| Some((mib, summary.ready(mib, way)?)))
            .next_back()?;
        Some((scale.y(seconds), scale.x(mib), way))
    };
    let mut ends: Vec<(f64, f64, Way)> = Way::ALL.into_iter().filter_map(end).collect();
    ends.sort_by(|a, b| a.0.total_cmp(&b.0));
    let mut lowest = f64::NEG_INFINITY;
    for (y, x, way) in ends {
        lowest = y.max(lowest + LINE);
        let (colour, name) = (colour(way), way.name());
        let _ = writeln!(
            out,
            "<text x=\"{:.1}\" y=\"{:.1}\" style=\"fill:{colour}\">{name}</text>",
            x + 10.0,
            lowest + 4.0
        );
    }
}

#[cfg(test)]
mod tests {
    use super::svg;
    use crate::bench::{
        figures::Figures,
        plan::{Host, Kind, Verify, Way},
        summary::Summary,
    };
    use crate::lab::XenVersion;

    fn boot(way: Way, memory_mib: u64, millis: u64) -> Figures {
        let kind = Kind { memory_mib, way, host: Host::Warm, verify: Verify::Off };
        Figures::of_console(kind, &[format!("[    0.{millis:03}000] module: hello: loaded in 9 us")])
    }

    #[test]
    fn each_way_that_was_measured_has_a_curve_and_slower_is_higher() {
        let boots = vec![boot(Way::Copy, 64, 20), boot(Way::Copy, 1024, 200), boot(Way::Alias, 64, 20)];
        let picture = svg(&Summary::of(XenVersion::V4_17, boots));
        assert_eq!(picture.matches("<polyline").count(), 2);
        let line = picture.lines().find(|line| line.contains("#00798c") && line.contains("points")).unwrap();
        let y: Vec<f64> = line
            .split("points=\"")
            .nth(1)
            .unwrap()
            .trim_end_matches("\"/>")
            .split(' ')
            .map(|point| point.split(',').nth(1).unwrap().parse().unwrap())
            .collect();
        assert!(y[1] < y[0], "{line}");
    }

    #[test]
    fn names_of_curves_that_end_together_do_not_cover_each_other() {
        let boots = vec![boot(Way::Copy, 64, 100), boot(Way::Alias, 64, 100), boot(Way::Baseline, 64, 101)];
        let picture = svg(&Summary::of(XenVersion::V4_17, boots));
        let names = picture.lines().filter(|line| line.contains("style=\"fill:#"));
        let mut y: Vec<f64> = names.map(|line| line.split('"').nth(3).unwrap().parse().unwrap()).collect();
        y.sort_by(f64::total_cmp);
        assert!(y.len() == 3 && y.windows(2).all(|pair| pair[1] - pair[0] >= 14.9), "{y:?}");
    }

    #[test]
    fn nothing_measured_is_an_empty_picture_not_a_broken_one() {
        let picture = svg(&Summary::of(XenVersion::V4_17, Vec::new()));
        assert!(
            picture.ends_with("</svg>\n") && !picture.contains("NaN") && !picture.contains("inf"),
            "{picture}"
        );
    }
}
