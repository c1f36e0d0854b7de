//! Scripts, played with a guest made up for it: what must pass passes, and each kind of step fails once.

use super::{Place, play, type_lines};
use crate::script::{Peer, Ran, Step, reads_p2m};
use anyhow::Result;
use std::time::Duration;

/// Longer than an unfinished line must have stayed.
const LIMIT: Duration = Duration::from_millis(300);

/// A guest that answers each typed line with itself, and a toolstack that knows two commands.
#[derive(Default)]
struct Echo {
    lines: Vec<String>,
    unfinished: String,
    ended: Option<&'static str>,
    differences: Vec<String>,
    commands: usize,
}

impl Echo {
    fn prompting() -> Self {
        Self { unfinished: "revector> ".to_owned(), ..Self::default() }
    }
}

impl Peer for Echo {
    fn send(&mut self, bytes: &[u8]) -> Result<Ran> {
        let text = String::from_utf8_lossy(bytes);
        let line = text.trim_end_matches('\r');
        self.lines.push(format!("{}{line}", self.unfinished));
        self.lines.push(format!("echo: {line}"));
        Ok(Ran { status: u32::from(self.ended.is_some()), ..Ran::default() })
    }

    fn shell(&mut self, command: &str, _limit: Duration) -> Result<Ran> {
        self.commands += 1;
        let (status, output) = match command {
            "xl list" => (0, "Name ID\nguest 1\n"),
            "xl hang" => (137, ""),
            _ => (1, "no such command\n"),
        };
        Ok(Ran { status, output: output.to_owned() })
    }

    fn read_p2m(&mut self, _limit: Duration) -> Result<Vec<String>> {
        Ok(self.differences.clone())
    }

    fn listen(&mut self) -> Result<()> {
        std::thread::sleep(Duration::from_millis(5));
        Ok(())
    }

    fn lines(&self) -> &[String] {
        &self.lines
    }

    fn unfinished(&self) -> String {
        self.unfinished.clone()
    }

    fn ended(&self) -> Option<&str> {
        self.ended
    }
}

fn complaint(peer: &mut Echo, script: &[Step]) -> Option<String> {
    play(peer, script, LIMIT).unwrap()
}

#[test]
fn a_script_that_holds_has_no_complaint() {
    let script = [
        Step::Expect("revector> "),
        Step::Type("help"),
        Step::Expect("echo: h*p"),
        Step::Expect("revector> "),
        Step::Send(b"x"),
        Step::Run("xl list"),
        Step::Shows("xl list", "guest *"),
        Step::Fails("xl frobnicate", 1),
        Step::ReadP2m,
    ];
    assert_eq!(complaint(&mut Echo::prompting(), &script), None);
}

#[test]
fn an_expectation_that_is_wrong_is_a_complaint_with_its_step_and_the_console() {
    let script = [Step::Expect("revector> "), Step::Type("help"), Step::Expect("never said")];
    let found = complaint(&mut Echo::prompting(), &script).unwrap();
    assert!(found.starts_with("script, step 3, wait for a console line with 'never said': found none in"));
    assert!(found.contains("\n        echo: help") && found.ends_with("\n        revector> "), "{found}");
}

#[test]
fn steps_after_a_failed_one_are_not_played() {
    let mut peer = Echo::default();
    assert!(complaint(&mut peer, &[Step::Run("xl frobnicate"), Step::Run("xl list")]).is_some());
    assert_eq!(peer.commands, 1);
}

#[test]
fn what_has_been_found_is_not_found_again() {
    let mut peer = Echo { lines: vec!["said once".to_owned()], ..Echo::default() };
    assert_eq!(complaint(&mut peer, &[Step::Expect("said")]), None);
    let found = complaint(&mut peer, &[Step::Expect("said"), Step::Expect("once")]).unwrap();
    assert!(found.starts_with("script, step 2"), "{found}");
}

#[test]
fn a_guest_that_ends_is_not_waited_for() {
    let mut peer = Echo { ended: Some("---s--"), ..Echo::default() };
    let found = play(&mut peer, &[Step::Expect("more")], Duration::from_secs(600)).unwrap().unwrap();
    assert!(found.contains("before the guest ended (state ---s--)"), "{found}");
    let found = complaint(&mut peer, &[Step::Type("help")]).unwrap();
    assert!(found.contains("does not take it: expected exit code 0, found 1"), "{found}");
}

#[test]
fn each_wrong_end_of_a_command_is_a_complaint() {
    for (step, why) in [
        (Step::Run("xl frobnicate"), "expected exit code 0, found 1; its output:\n        no such command"),
        (Step::Run("xl hang"), "expected exit code 0, found 137 (killed: its time was up); its output: none"),
        (Step::Fails("xl list", 1), "expected exit code 1, found 0"),
        (Step::Shows("xl list", "guest 2"), "expected a line of output with 'guest 2', found none"),
    ] {
        let found = complaint(&mut Echo::default(), &[step]).unwrap();
        assert!(found.contains(why), "{found}");
    }
}

#[test]
fn lines_are_typed_at_prompts_until_there_is_none() {
    let lines = ["one", "two"].map(str::to_owned);
    let mut peer = Echo::prompting();
    assert_eq!(type_lines(&mut peer, &lines, "revector> ", LIMIT).unwrap(), None);
    assert_eq!(peer.lines, ["revector> one", "echo: one", "revector> two", "echo: two"]);
    let found = type_lines(&mut Echo::default(), &lines, "revector> ", LIMIT).unwrap().unwrap();
    assert!(
        found.starts_with("line 1, 'one', was not typed: expected the prompt 'revector> ', found none in")
    );
}

#[test]
fn a_p2m_that_is_read_otherwise_is_a_complaint() {
    let mut peer = Echo { differences: vec!["one".to_owned(), "two".to_owned()], ..Echo::default() };
    let found = complaint(&mut peer, &[Step::ReadP2m]);
    assert_eq!(found.as_deref(), Some("script, step 1, read the P2M: one; two"));
}

#[test]
fn a_round_that_fails_is_named() {
    let mut peer = Echo { lines: ["a", "b", "a"].map(str::to_owned).to_vec(), ..Echo::default() };
    let found = complaint(&mut peer, &[Step::Repeat(3, &[Step::Expect("a"), Step::Expect("b")])]).unwrap();
    assert!(found.starts_with("script, step 1, round 2 of 3, step 2, wait for"), "{found}");
}

#[test]
fn the_rest_of_a_prompts_line_is_new_and_the_prompt_in_it_is_not() {
    let after_prompt = Place::default().after("> ", &[], Some("revector> ")).unwrap();
    let lines = ["revector> help".to_owned()];
    assert_eq!(after_prompt.after("revector> ", &lines, Some("")), None);
    assert!(after_prompt.after("help", &lines, Some("")).is_some());
    assert!(after_prompt.after("revector> ", &lines, Some("revector> ")).is_some());
    assert_eq!(after_prompt.after("*", &[], Some("revector> ")), None);
    assert_eq!(Place::default().after("> ", &[], None), None);
}

#[test]
fn a_script_that_reads_the_p2m_is_known_by_its_steps() {
    assert!(reads_p2m(&[Step::Type("x"), Step::Repeat(2, &[Step::ReadP2m])]));
    assert!(!reads_p2m(&[Step::Repeat(2, &[Step::Type("x")])]));
}
