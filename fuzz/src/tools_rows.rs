//! Any two logs: what the toolstack said up to the first NUL, what the guest said after it.

use pv_layout::ramdisk::Ramdisk;
use pv_layout::rows::Layout;
use pv_layout::verdict::Outcome;

use super::assert_one_line;

/// Compares two logs, and each with itself.
pub fn run(data: &[u8]) {
    let end = data.iter().position(|byte| *byte == 0).unwrap_or(data.len());
    let toolstack = String::from_utf8_lossy(&data[..end]);
    let console = String::from_utf8_lossy(data.get(end + 1..).unwrap_or(&[]));
    let console: Vec<_> = console.lines().collect();
    let (said, found) = (Layout::of_toolstack(&toolstack), Layout::of_guest(&console));
    Layout::differences(&said, &found).iter().for_each(assert_one_line);
    assert_agrees_with_itself(&said);
    assert_both_read_rows_alike(&found);
    if Outcome::of_console(&console) == Outcome::Success {
        assert!(console.iter().any(|line| line.starts_with("Test result: SUCCESS")));
    }
    if let Err(error) = console.first().unwrap_or(&"").parse::<Ramdisk>() {
        assert!(!error.to_string().is_empty());
    }
}

fn assert_agrees_with_itself(layout: &Layout) {
    let complaints = Layout::differences(layout, layout);
    assert!(complaints.iter().all(|complaint| complaint.contains("has no rows")), "{complaints:?}");
}

/// A row that the guest printed means the same in the toolstack's log.
fn assert_both_read_rows_alike(found: &Layout) {
    let seen = Layout::differences_of(("one", &Layout::default()), ("other", found));
    let row = |sentence: &String| {
        let (name, row) = sentence.strip_prefix("row '")?.split_once("': one nothing, other ")?;
        Some(format!("xc_dom_alloc_segment: {name} : {row}\n"))
    };
    let log: String = seen.iter().filter_map(row).collect();
    // What mail programs write would be undone a second time.
    if log.contains(['&', '=']) {
        return;
    }
    let complaints = Layout::differences(&Layout::of_toolstack(&log), found);
    assert_eq!(complaints.iter().find(|text| text.starts_with("row")), None);
}
