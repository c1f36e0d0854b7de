//! Whether a log is of an image, as far as the log has shown by then; `mod` asks for each address.

use super::image::Belongs;

/// What is done with an address that nothing shows to be the image's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unproven {
    LeftAlone,
    Trusted,
}

/// How many places were in the log, and how many of them are in the image.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Seen {
    pub(super) places: usize,
    pub(super) known: usize,
    /// Places that the log has other names for than the image.
    pub(super) others: usize,
    /// Places without a name, of which nothing shows which image they are in.
    pub(super) unproven: usize,
}

/// What a log has shown of its image.
#[derive(Debug, Default)]
pub(super) struct Evidence {
    /// Its build-id is the image's, or a name in it agreed.
    ours: bool,
    /// A name in it was another's, and its build-id has not been the image's.
    others: bool,
}

impl Evidence {
    /// After a build-id that is the image's.
    pub(super) const OURS: Self = Self { ours: true, others: false };

    /// Whether a place is looked up, and what it shows of the others.
    pub(super) fn weigh(&mut self, belongs: Belongs, unproven: Unproven, seen: &mut Seen) -> bool {
        match belongs {
            Belongs::Ours => self.ours = true,
            Belongs::Others => {
                self.others = true;
                seen.others += 1;
            }
            Belongs::Unnamed => {
                let shown = self.ours && !self.others || unproven == Unproven::Trusted;
                seen.unproven += usize::from(!shown);
                return shown;
            }
        }
        belongs == Belongs::Ours
    }
}
