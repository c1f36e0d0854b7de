//! A scene in sentences, for those who do not see the picture.

use crate::{
    scene::{After, Kind, Scene},
    sizes::Size,
};

/// What the picture shows.
pub(super) fn describe(scene: &Scene) -> String {
    let rows: Vec<_> = scene.rows.iter().take(super::stripes::MOST_ROWS).map(super::rows::sentence).collect();
    let start = scene.area.start;
    let p2m = bytes(scene, |kind| kind == Kind::P2m);
    let others = bytes(scene, |kind| kind != Kind::P2m);
    let before = if !scene.area.exists() {
        "It loads no modules, so that there is no module area.".to_owned()
    } else if p2m == 0 && others == 0 {
        format!("Nothing lies in the module area, which starts at {start:#018x}.")
    } else {
        format!(
            "{} of the P2M and {} of other rows lie in the module area, which starts at {start:#018x}.",
            Size(p2m),
            Size(others)
        )
    };
    let after = match &scene.after {
        After::Unknown => "What the guest does with it is not known; the direct map shows the same pages.",
        After::Kept => "The P2M stays where the builder put it.",
        After::Aliased => "Then the P2M's pages are reached through the direct map only.",
        After::Listed => "Then the P2M's pages are a list at addresses of its own, outside the high mapping.",
        After::Copied(_) => "Then the P2M is copied to other pages, and reached through the direct map only.",
    };
    format!("{before} {after} Rows: {}.", rows.join("; "))
}

fn bytes(scene: &Scene, wanted: impl Fn(Kind) -> bool) -> u64 {
    let rows = scene.rows.iter().filter(|row| wanted(row.kind));
    rows.map(|row| row.bytes_in(scene.area)).fold(0, u64::saturating_add)
}
