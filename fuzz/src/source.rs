//! Any bytes as a ramdisk: the modules in it, each found again by its name, each loaded as far as possible.

use ko_loader::Source;
use revector::module::source::find;

use super::{assert_one_line, object};

const BUILT_IN: Source<'_> = Source { name: "built-in", object: b"" };

/// Looks for modules in `data`.
pub fn run(data: &[u8]) {
    let all = match find(Some(data), &[], BUILT_IN) {
        Ok(all) => all,
        Err(error) => return assert_one_line(&error),
    };
    assert!(!all.is_empty(), "the built-in module stands in for none");
    for source in &all {
        let again = find(Some(data), &[source.name.to_owned()], BUILT_IN);
        // A module comes with those that it needs.
        let known = |found: Vec<Source<'_>>| !found.is_empty() && found.iter().all(|one| all.contains(one));
        assert!(again.is_ok_and(known), "{}", source.name);
        object::run(source.object);
    }
    let absent = "x".repeat(data.len() + 1);
    let refused = find(Some(data), &[absent], BUILT_IN).expect_err("no archive has so long a name");
    assert_one_line(&refused);
}
