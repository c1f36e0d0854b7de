//! Finds the lines of a transcript in a fresh output, where numbers may have changed.

/// A line of the transcript, counted from 0, that the output does not have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Missing(pub(super) usize);

/// Stands for lines left out.
const GAP: &str = "...";

/// The lines of `output` that the lines of `shown` are, gaps kept. Between gaps they must follow one another.
pub(super) fn fit(shown: &[String], output: &[String], vary: &[String]) -> Result<Vec<String>, Missing> {
    let plain: Vec<String> = output.iter().map(|line| normal(line, vary)).collect();
    let mut fresh = Vec::new();
    let (mut from, mut at) = (0, 0);
    for run in shown.split(|line| line.trim() == GAP) {
        let wanted: Vec<String> = run.iter().map(|line| normal(line, vary)).collect();
        let start = from + place(&wanted, &plain[from..]).map_err(|Missing(offset)| Missing(at + offset))?;
        if at > 0 {
            fresh.push(GAP.to_owned());
        }
        from = start + run.len();
        fresh.extend(output[start..from].iter().map(|line| line.trim_end().to_owned()));
        at += run.len() + 1;
    }
    Ok(fresh)
}

/// Where the lines stand one after another for the first time; otherwise the one at which the best attempt ends.
fn place(wanted: &[String], output: &[String]) -> Result<usize, Missing> {
    let fits = |start: usize| wanted.iter().zip(&output[start..]).take_while(|(a, b)| a == b).count();
    let mut best = 0;
    for start in 0..=output.len() {
        match fits(start) {
            length if length == wanted.len() => return Ok(start),
            length => best = best.max(length),
        }
    }
    Err(Missing(best))
}

/// A line without what differs from run to run: each number is `#`, each run of blanks one blank.
fn normal(line: &str, vary: &[String]) -> String {
    let mut out = String::new();
    let line = vary.iter().fold(line.to_owned(), |line, varies| line.replace(varies.as_str(), "#"));
    let mut rest = line.trim();
    while let Some(first) = rest.chars().next() {
        let length = token(rest);
        let (word, after) = rest.split_at(length.max(first.len_utf8()));
        match first {
            _ if length > 0 => out.push_str(&plain(word)),
            _ if first.is_whitespace() => blank(&mut out),
            _ => out.push(first),
        }
        rest = after;
    }
    out
}

fn blank(out: &mut String) {
    if !out.ends_with(' ') {
        out.push(' ');
    }
}

/// The length of the word that a text begins with; a dot between digits belongs to it.
fn token(text: &str) -> usize {
    let bytes = text.as_bytes();
    let digit = |at: usize| bytes.get(at).is_some_and(u8::is_ascii_digit);
    let mut length = 0;
    while bytes.get(length).is_some_and(|byte| byte.is_ascii_alphanumeric() || *byte == b'_')
        || (length > 0 && bytes.get(length) == Some(&b'.') && digit(length - 1) && digit(length + 1))
    {
        length += 1;
    }
    length
}

/// A word, or `#` for the number in it. `0x1f`, `ffff8000` and `3.5` are numbers, `L2` and `p2m` are names; a unit
/// stays.
fn plain(word: &str) -> String {
    let is_hex = |text: &str| text.bytes().all(|byte| byte.is_ascii_hexdigit());
    let is_long = word.len() >= 8 || word.len() >= 4 && word.bytes().any(|byte| byte.is_ascii_digit());
    if word.strip_prefix("0x").is_some_and(is_hex) {
        return "#".to_owned();
    }
    if is_hex(word) && (is_long || word.starts_with(|c: char| c.is_ascii_digit())) {
        return "#".to_owned();
    }
    let unit = word.trim_start_matches(|c: char| c.is_ascii_digit() || c == '.');
    if unit.len() < word.len() { format!("#{unit}") } else { word.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &str) -> Vec<String> {
        text.lines().map(str::to_owned).collect()
    }

    #[test]
    fn numbers_may_change_and_words_may_not() {
        let same = |a, b| assert_eq!(normal(a, &[]), normal(b, &[]));
        let differ = |a, b| assert_ne!(normal(a, &[]), normal(b, &[]));
        same("[    0.003] walk: L1 276,  0x22800 pages", "[   10.1] walk: L1 3, 0xffff880000000000 pages");
        same("RIP: e030:[<ffffffff8100af1e>] f+0xe/0x13", "RIP: e030:[<ffffffff8200bf2f>] f+0x1/0x2");
        same("4K RW", "2048K RW");
        same("L1[0] = 3.5 MiB", "L1[511] = 12 MiB");
        differ("L1 built 3", "L2 built 3");
        differ("4K RW", "4M RW");
        differ("p2m: 3", "p3m: 3");
        differ("0x1 ro x", "0x1 RW x");
        differ("128 KiB copied", "128 KiB filled");
    }

    #[test]
    fn words_that_vary_may_change_too() {
        let vary = ["word-string", "words", "vectors"].map(str::to_owned);
        assert_eq!(normal("copy by words", &vary), normal("copy by vectors", &vary));
        assert_eq!(normal("copy by words", &vary), normal("copy by word-string", &vary));
        assert_ne!(normal("copy by words", &vary), normal("copy by bytes", &vary));
    }

    #[test]
    fn a_transcript_gets_the_numbers_of_the_output() {
        let output = lines("boot\n[1] a 5\n[2] b\nnoise\n[3] a 6  \nend");
        let fresh = fit(&lines("[0] a 1\n[0] b\n...\n[0] a 1"), &output, &[]);
        assert_eq!(fresh, Ok(lines("[1] a 5\n[2] b\n...\n[3] a 6")));
        assert_eq!(fit(&lines("...\n[0] b\n..."), &output, &[]), Ok(lines("...\n[2] b\n...")));
    }

    #[test]
    fn a_line_that_is_gone_moved_or_no_neighbour_is_named() {
        let output = lines("one\ntwo\nthree");
        assert_eq!(fit(&lines("one\n...\nfour"), &output, &[]), Err(Missing(2)));
        assert_eq!(fit(&lines("three\n...\none"), &output, &[]), Err(Missing(2)));
        assert_eq!(fit(&lines("one\nthree"), &output, &[]), Err(Missing(1)));
    }
}
