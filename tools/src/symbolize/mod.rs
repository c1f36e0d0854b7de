//! `revector symbolize`: file and line for every address in a log's call traces.
//!
//! The log goes through as it is, each line followed by what its addresses stand for: functions inlined there first,
//! innermost first. `trace` finds the addresses, `image` looks them up.

mod image;
mod trace;

use anyhow::{Context, Result};
use clap::Args;
use image::Image;
use pv_layout::{
    input, note,
    say::{self, Listener},
};
use std::{
    io::{self, BufRead, BufReader, Read},
    path::{Path, PathBuf},
};
use trace::places;

/// Bytes of a line that are looked at as one; what is longer goes through in pieces.
const LONGEST: u64 = 1 << 16;

/// Add file and line to every address of a log's call traces.
#[derive(Debug, Args)]
#[command(
    after_help = "Knows the traces of this project's image, of Linux (with addresses or only names) and of Xen. The\n\
    image must have debug information: target/image/revector.debug, a vmlinux, a xen-syms.\n\n\
    Example: where was it when it died?\n  \
    make run CMDLINE=selftest=fault | revector symbolize - --kernel target/image/revector.debug"
)]
pub(crate) struct SymbolizeArgs {
    /// The log; - is standard input
    log: PathBuf,
    /// The program that the addresses are in, not stripped
    #[arg(long, value_name = "KERNEL", default_value = "target/image/revector.debug")]
    kernel: PathBuf,
}

/// Runs the verb.
pub(crate) fn run(args: &SymbolizeArgs) -> Result<()> {
    let mut image = Image::open(&args.kernel)?;
    let (name, log) = input::log(&args.log)?;
    let seen = copy(&mut image, BufReader::new(log), &mut say::bytes);
    let seen = seen.with_context(|| format!("cannot read {name}"))?;
    if let Some(complaint) = complaint(&seen, &args.kernel) {
        note!("revector: {complaint}");
    }
    Ok(())
}

fn complaint(seen: &Seen, image: &Path) -> Option<String> {
    let Seen { places, known, contradicted } = *seen;
    let image = image.display();
    match () {
        () if places == 0 => Some(
            "found no address in the log: expected lines such as [<ffffffff8101c0e1>] name+0x331/0x994"
                .to_owned(),
        ),
        () if known == 0 => Some(format!(
            "none of the {places} addresses is in {image}: give the image that was booted, with debug information"
        )),
        () if contradicted > 0 => Some(format!(
            "the log has other names than {image} for {contradicted} of {places} addresses: another image was booted, \
             the lines above are wrong; give that one"
        )),
        () => None,
    }
}

/// Where the log goes on to.
type Out<'a> = &'a mut dyn FnMut(&[u8]) -> Listener;

/// How many places were in the log, and how many of them are in the image.
#[derive(Debug, Default, PartialEq, Eq)]
struct Seen {
    places: usize,
    known: usize,
    /// Places that the log has other names for than the image.
    contradicted: usize,
}

/// Writes the log through, with lines added, until nobody listens any more.
fn copy(image: &mut Image, mut log: impl BufRead, out: Out<'_>) -> io::Result<Seen> {
    let mut seen = Seen::default();
    let mut stopped_at = None;
    loop {
        let mut told = Vec::new();
        if log.by_ref().take(LONGEST).read_until(b'\n', &mut told)? == 0 {
            break;
        }
        let places = match memchr::memchr2(b'[', b'+', &told) {
            Some(_) => places(&String::from_utf8_lossy(told.trim_ascii_end())),
            None => Vec::new(),
        };
        if !places.is_empty() && !told.ends_with(b"\n") {
            told.push(b'\n');
        }
        for place in places {
            seen.places += 1;
            seen.contradicted += usize::from(image.contradicts(&place));
            let lines = image.lines(&place, &mut stopped_at);
            seen.known += usize::from(!lines.is_empty());
            lines.iter().for_each(|line| told.extend(format!("        {line}\n").bytes()));
        }
        if out(&told) == Listener::Gone {
            break;
        }
    }
    Ok(seen)
}

#[cfg(test)]
mod tests {
    use super::{
        image::{short_path, without_hash},
        *,
    };
    use std::{env, fs};

    #[inline(never)]
    fn marked() -> u32 {
        line!()
    }

    /// This program is the image: the debug information of a test is there on every machine.
    fn this_program() -> Image {
        Image::open(&env::current_exe().unwrap()).unwrap()
    }

    fn told(log: &str) -> (String, Seen) {
        let mut out = Vec::new();
        let mut print = |bytes: &[u8]| {
            out.extend_from_slice(bytes);
            Listener::Here
        };
        let seen = copy(&mut this_program(), log.as_bytes(), &mut print).unwrap();
        (String::from_utf8(out).unwrap(), seen)
    }

    #[test]
    fn a_function_of_this_program_is_found_with_its_file_and_line() {
        let image = this_program();
        let (name, places) =
            image.functions.iter().find(|(name, _)| name.ends_with("tests::marked")).unwrap();
        let (start, size) = places[0];
        let (text, seen) = told(&format!("RIP: e033:[<{start:016x}>] {name}+0x0/{size:#x}\nlast\n"));
        assert!(text.contains("symbolize/mod.rs:") && text.ends_with("last\n"), "{text}");
        assert_eq!(seen, Seen { places: 1, known: 1, contradicted: 0 });
        let (by_name, seen) = told(&format!("RIP: 0010:{name}+0x0/{size:#x}\n"));
        assert!(by_name.contains("symbolize/mod.rs:"), "{by_name}");
        assert_eq!((seen.known, marked() > 0), (1, true));
    }

    #[test]
    fn another_image_than_the_booted_one_is_noticed() {
        let image = this_program();
        let (name, places) =
            image.functions.iter().find(|(name, _)| name.ends_with("tests::marked")).unwrap();
        let at = |name: &str| told(&format!(" [<{:016x}>] {name}+0x2/0x9\n", places[0].0 + 2)).1.contradicted;
        assert_eq!((at(name), at("some::other")), (0, 1));
    }

    #[test]
    fn paths_of_other_packages_begin_with_their_name() {
        let packages =
            ["/a/registry/src/index-1/spin-0.12/src/x.rs", "/rustc/0123/library/core/src/y.rs", "src/z.rs"];
        assert_eq!(packages.map(short_path), ["spin-0.12/src/x.rs", "library/core/src/y.rs", "src/z.rs"]);
    }

    #[test]
    fn a_log_without_addresses_comes_out_as_it_went_in() {
        let log = "nothing here\n\u{fffd} [<1>] nowhere\n";
        assert_eq!(told(log), (log.to_owned(), Seen { places: 1, known: 0, contradicted: 0 }));
    }

    #[test]
    fn what_is_no_program_is_refused_with_words() {
        let folder = env::temp_dir().join(format!("revector-symbolize-{}", std::process::id()));
        fs::write(&folder, "no ELF").unwrap();
        let error = format!("{:#}", Image::open(&folder).err().unwrap());
        fs::remove_file(&folder).unwrap();
        assert!(error.contains("expected an ELF file"), "{error}");
    }

    #[test]
    fn hashes_are_left_out_and_other_names_stay() {
        assert_eq!(without_hash("a::b::h0123456789abcdef"), "a::b");
        assert_eq!(without_hash("a::hello"), "a::hello");
    }
}
