//! Shapes with places known in whole pixels, and their SVG.
//!
//! Everything that is drawn goes through here, so that a test can ask whether two labels overlap or something lies
//! outside. `face` measures texts; `picture` and `chart` draw.

pub(crate) use super::face::Face;
use std::fmt::Write;

/// A rectangle; the far edges are not part of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Frame {
    pub(crate) x0: i32,
    pub(crate) y0: i32,
    pub(crate) x1: i32,
    pub(crate) y1: i32,
}

impl Frame {
    pub(crate) const fn new(x0: i32, y0: i32, x1: i32, y1: i32) -> Self {
        Self { x0, y0, x1, y1 }
    }

    pub(crate) const fn middle(self) -> (i32, i32) {
        (i32::midpoint(self.x0, self.x1), i32::midpoint(self.y0, self.y1))
    }
}

/// Where a text lies relative to its point.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Align {
    Start,
    Middle,
    End,
}

#[derive(Debug, Clone)]
enum Shape {
    Rect {
        frame: Frame,
        class: String,
        title: String,
    },
    Line {
        from: (i32, i32),
        to: (i32, i32),
        class: &'static str,
    },
    Path {
        data: String,
        class: &'static str,
        #[cfg_attr(not(test), expect(dead_code, reason = "only tests ask where a path is"))]
        frame: Frame,
    },
    Text {
        at: (i32, i32),
        align: Align,
        face: Face,
        text: String,
    },
}

/// A picture in the making.
#[derive(Debug)]
pub(crate) struct Canvas {
    pub(crate) width: i32,
    pub(crate) height: i32,
    shapes: Vec<Shape>,
}

impl Canvas {
    pub(crate) const fn new(width: i32) -> Self {
        Self { width, height: 0, shapes: Vec::new() }
    }

    pub(crate) fn rect(&mut self, frame: Frame, class: &str, title: &str) {
        self.shapes.push(Shape::Rect { frame, class: class.to_owned(), title: title.to_owned() });
    }

    pub(crate) fn line(&mut self, from: (i32, i32), to: (i32, i32), class: &'static str) {
        self.shapes.push(Shape::Line { from, to, class });
    }

    /// A path, with the frame that it stays in.
    pub(crate) fn path(&mut self, data: String, class: &'static str, frame: Frame) {
        self.shapes.push(Shape::Path { data, class, frame });
    }

    /// A text on the baseline `at.1`.
    pub(crate) fn text(&mut self, at: (i32, i32), align: Align, face: Face, text: &str) {
        if !text.is_empty() {
            self.shapes.push(Shape::Text { at, align, face, text: text.to_owned() });
        }
    }

    /// The shapes as SVG elements; `id` is the start of every name that they refer to.
    pub(crate) fn elements(&self, id: &str) -> String {
        self.shapes.iter().map(|shape| element(shape, id)).collect()
    }

    /// Where each text is, for tests.
    #[cfg(test)]
    pub(crate) fn labels(&self) -> Vec<(Frame, &str)> {
        let label = |shape| match shape {
            &Shape::Text { at, align, face, ref text } => {
                Some((text_frame(at, align, face, text), text.as_str()))
            }
            _ => None,
        };
        self.shapes.iter().filter_map(label).collect()
    }

    /// Where each shape is, for tests.
    #[cfg(test)]
    pub(crate) fn frames(&self) -> Vec<Frame> {
        let frame = |shape: &Shape| match shape {
            Shape::Rect { frame, .. } | Shape::Path { frame, .. } => *frame,
            Shape::Line { from, to, .. } => {
                Frame::new(from.0.min(to.0), from.1.min(to.1), from.0.max(to.0), from.1.max(to.1))
            }
            Shape::Text { at, align, face, text } => text_frame(*at, *align, *face, text),
        };
        self.shapes.iter().map(frame).collect()
    }
}

#[cfg(test)]
fn text_frame(at: (i32, i32), align: Align, face: Face, text: &str) -> Frame {
    let (width, size) = (face.width(text), face.size());
    let x0 = match align {
        Align::Start => at.0,
        Align::Middle => at.0 - width / 2,
        Align::End => at.0 - width,
    };
    Frame::new(x0, at.1 - size * 8 / 10, x0 + width, at.1 + size * 2 / 10)
}

fn element(shape: &Shape, id: &str) -> String {
    match shape {
        Shape::Rect { frame, class, title } => {
            let place = format!(
                "x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\"",
                frame.x0,
                frame.y0,
                frame.x1 - frame.x0,
                frame.y1 - frame.y0
            );
            // A pattern is referred to by its name in the document, which the style sheet cannot know.
            let fill = if class.starts_with("hatch") {
                format!(" fill=\"url(#{id}-hatch)\"")
            } else {
                String::new()
            };
            let title =
                if title.is_empty() { String::new() } else { format!("<title>{}</title>", escape(title)) };
            format!("<rect class=\"{class}\" {place}{fill}>{title}</rect>\n")
        }
        Shape::Line { from, to, class } => format!(
            "<line class=\"{class}\" x1=\"{}\" y1=\"{}\" x2=\"{}\" y2=\"{}\"/>\n",
            from.0, from.1, to.0, to.1
        ),
        Shape::Path { data, class, .. } => format!("<path class=\"{class}\" d=\"{data}\"/>\n"),
        Shape::Text { at, align, face, text } => {
            let anchor = match align {
                Align::Start => "start",
                Align::Middle => "middle",
                Align::End => "end",
            };
            format!(
                "<text class=\"{}\" x=\"{}\" y=\"{}\" text-anchor=\"{anchor}\">{}</text>\n",
                face.class(),
                at.0,
                at.1,
                escape(text)
            )
        }
    }
}

/// Escapes what XML and HTML reserve, and leaves out what XML forbids.
pub(crate) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            '\n' | '\t' => out.push(c),
            '\u{fffe}' | '\u{ffff}' => {}
            _ if c.is_control() => {}
            _ => out.push(c),
        }
    }
    out
}

/// A zigzag from `from` to `x1`.
pub(crate) fn zigzag(from: (i32, i32), x1: i32) -> String {
    let mut data = format!("M{} {}", from.0, from.1);
    let mut x = from.0;
    while x < x1 {
        let step = 7.min(x1 - x);
        x += step;
        let y = if (x - from.0) / 7 % 2 == 1 { from.1 - 5 } else { from.1 };
        // Writing to a String cannot fail.
        let _ = write!(data, "L{x} {y}");
    }
    data
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_xml_reserves_is_escaped_and_what_it_forbids_is_left_out() {
        assert_eq!(escape("<a b='c'>&\u{1b}\u{0}\"\u{ffff}"), "&lt;a b=&#39;c&#39;&gt;&amp;&quot;");
    }
}
