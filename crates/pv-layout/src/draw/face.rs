//! What texts look like, and how much room they take.
//!
//! The reader's font is not known: widths are those of the widest usual ones, so that a text never takes more than it
//! is given. `theme` has the matching style sheet.

/// What a text looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Face {
    Title,
    Head,
    Name,
    Plain,
    Small,
    Mono,
    /// What is wrong: red, bold.
    Alarm,
    AlarmMono,
    /// On the P2M's dark ground.
    OnP2m,
    OnP2mBold,
}

impl Face {
    /// Class in the style sheet, size in pixels, width in hundredths of the usual one.
    const fn facts(self) -> (&'static str, i32, i32) {
        match self {
            Self::Title => ("title", 19, 108),
            Self::Head => ("head", 14, 108),
            Self::Name => ("name", 14, 108),
            Self::Plain => ("plain", 13, 96),
            Self::Small => ("small", 12, 96),
            Self::Mono => ("mono", 12, 0),
            Self::Alarm => ("alarm", 14, 108),
            Self::AlarmMono => ("alarm mono", 12, 0),
            Self::OnP2m => ("on", 13, 96),
            Self::OnP2mBold => ("on name", 14, 108),
        }
    }

    /// Its class in the style sheet.
    pub(crate) const fn class(self) -> &'static str {
        self.facts().0
    }

    /// Its size in pixels.
    pub(crate) const fn size(self) -> i32 {
        self.facts().1
    }

    /// Pixels that `text` takes at most.
    pub(crate) fn width(self, text: &str) -> i32 {
        let (_, size, per_cent) = self.facts();
        let hundredths: i32 = match per_cent {
            0 => text.chars().map(|c| if c.is_ascii() { 62 } else { 125 }).sum(),
            _ => text.chars().map(hundredths).sum::<i32>() * per_cent / 100,
        };
        hundredths * size / 100 + 1
    }

    /// `text`, cut so that it takes no more than `width`.
    pub(crate) fn cut(self, text: &str, width: i32) -> String {
        if self.width(text) <= width {
            return text.to_owned();
        }
        let mut kept = String::new();
        for c in text.chars() {
            if self.width(&format!("{kept}{c}…")) > width {
                break;
            }
            kept.push(c);
        }
        format!("{}…", kept.trim_end())
    }
}

/// Width of a character in hundredths of its size, in wide fonts such as Verdana and DejaVu Sans.
fn hundredths(c: char) -> i32 {
    match c {
        'i' | 'j' | 'l' | 'I' | '.' | ',' | ':' | ';' | '\'' | '|' | '!' | ' ' => 38,
        'f' | 'r' | 't' | '(' | ')' | '-' | '/' => 46,
        'm' | 'M' | 'W' | 'w' | '@' | '%' | '…' | '→' => 102,
        'A'..='Z' | '=' | '+' | '<' | '>' => 78,
        _ if c.is_ascii() => 65,
        _ => 125,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_that_is_too_long_is_cut_and_one_that_fits_is_not() {
        assert_eq!(Face::Plain.cut("short", 200), "short");
        let cut = Face::Plain.cut("a text that is much too long", 100);
        assert!(cut.ends_with('…') && Face::Plain.width(&cut) <= 100, "{cut}");
    }
}
