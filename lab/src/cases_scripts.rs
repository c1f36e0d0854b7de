//! Guests that something is done with while they run: a script for each.
//!
//! Neighbours: `script` has the steps, `player` plays them; `table` lists these cases.

use crate::{
    cases::{Case, HELLO, case},
    script::Step,
};

/// Every kind of step once, with a guest that ends by itself and stays until the script does.
pub(crate) fn quick() -> Vec<Case> {
    vec![Case {
        cmdline: "digest=on",
        maxmem_mib: Some(96),
        script: &[
            Step::Type("nobody reads this"),
            Step::Expect(HELLO),
            Step::Expect("p2m: digest 0x*; 0 missing"),
            Step::Shows("xl list $NAME", "script-steps "),
            Step::Run("xl mem-max $NAME 80"),
            Step::Expect("Test result: SUCCESS"),
            Step::ReadP2m,
            Step::Repeat(
                2,
                &[
                    Step::Send(b"\x03\r"),
                    Step::Shows("xenstore-read /local/domain/$ID/name", "script-steps"),
                    Step::Fails("xenstore-read /local/domain/$ID/nothing 2> /dev/null", 1),
                ],
            ),
        ],
        ..case("script-steps")
    }]
}
