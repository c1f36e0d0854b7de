//! Brings together the accounts that tell of the same guest: whoever built it, and the guest itself.
//!
//! A guest that tells its rows belongs to the builder that told the same kernel and the same P2M. A Linux guest tells
//! no rows; it belongs to the builder before it in its stream, or to the only one there is.

use super::{account::Account, fact::Teller, speaker::Stream};

/// A guest, by all that is told of it. At least one side is there.
#[derive(Debug, Clone)]
pub(super) struct Guest {
    pub builder: Option<Account>,
    pub inside: Option<Account>,
    /// Where its first account stands among all.
    place: usize,
}

impl Guest {
    pub(super) fn sides(&self) -> impl Iterator<Item = &Account> {
        self.builder.iter().chain(&self.inside)
    }

    /// The first answer of a side, the builder's before the guest's.
    pub(super) fn ask<T>(&self, question: impl Fn(&Account) -> Option<T>) -> Option<T> {
        self.sides().find_map(question)
    }

    /// Whether it is the initial domain.
    pub(super) fn is_initial(&self) -> bool {
        self.builder.as_ref().is_some_and(|side| side.teller == Teller::Xen && side.stream == Stream::Host)
    }
}

/// Makes guests of accounts, in the order of their first lines. What says nothing of use by itself, such as a version,
/// may still go with a builder that has found no better match.
pub(super) fn guests(accounts: Vec<Account>) -> Vec<Guest> {
    let (builders, mut insides): (Vec<_>, Vec<_>) =
        accounts.into_iter().enumerate().partition(|(_, account)| account.teller.builds());
    let built = |(place, account)| Guest { builder: Some(account), inside: None, place };
    let mut guests: Vec<_> = builders.into_iter().map(built).collect();
    insides.sort_by_key(|(place, account)| (!account.is_usable(), *place));
    for (place, account) in insides {
        match partner(&guests, place, &account) {
            Some(at) => {
                guests[at].place = guests[at].place.min(place);
                guests[at].inside = Some(account);
            }
            None => guests.push(Guest { builder: None, inside: Some(account), place }),
        }
    }
    guests.retain(|guest| guest.sides().any(Account::is_usable));
    guests.sort_by_key(|guest| guest.place);
    guests
}

/// The guest whose builder's account goes with a guest's own.
fn partner(guests: &[Guest], place: usize, inside: &Account) -> Option<usize> {
    let free = |at: &usize| guests[*at].inside.is_none();
    let builder = |at: &usize| guests[*at].builder.as_ref();
    let mut fitting: Vec<_> = (0..guests.len())
        .filter(free)
        .filter(|at| builder(at).is_some_and(|side| may_have_built(side, inside)))
        .collect();
    fitting.sort_by_key(|at| (guests[*at].place > place, guests[*at].place.abs_diff(place)));
    if inside.row("kernel").is_some() {
        return fitting.first().copied();
    }
    let near = |at: &usize| {
        let same = |side: &Account| (side.source, side.stream) == (inside.source, inside.stream);
        guests[*at].place < place && builder(at).is_some_and(same)
    };
    let nearest = fitting.iter().copied().find(near);
    nearest.or(match *fitting {
        [only] => Some(only),
        _ => None,
    })
}

fn may_have_built(builder: &Account, inside: &Account) -> bool {
    let agrees = |name| match (builder.row(name), inside.row(name)) {
        (Some(said), Some(found)) => (said.start, said.pages) == (found.start, found.pages),
        _ => true,
    };
    let streams = match builder.teller {
        Teller::Xen => builder.stream == inside.stream,
        _ => true,
    };
    let sizes = builder
        .pages
        .zip(inside.pages)
        .is_none_or(|(said, found)| said == found || builder.teller == Teller::Xen);
    streams && sizes && agrees("kernel") && agrees("phys2mach")
}
