//! `revector symbolize`: file and line for every address in a log's call traces.
//!
//! The log goes through as it is, each line followed by what its addresses stand for: functions inlined there first,
//! innermost first. `trace` finds the addresses, `image` looks them up.
//!
//! An address alone does not say which image it is in: every kernel has code at 0xffffffff81001180. So an address is
//! looked up if the log's name for it is the image's too; without a name, if the log has shown by then that it is of
//! this image, by its build-id or by a name that agreed. Everything else is left alone, and counted.

mod evidence;
mod image;
mod trace;

use anyhow::{Context, Result};
use clap::Args;
use evidence::{Evidence, Seen, Unproven};
use image::Image;
use pv_layout::{
    input, note,
    say::{self, Listener},
};
use std::{
    io::{self, BufRead, BufReader, Read},
    path::{Path, PathBuf},
};
use trace::{Place, build_id, may_have_place, places};

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
    /// Look up addresses without a name even if nothing shows that they are in the kernel
    #[arg(long)]
    trust_kernel: bool,
}

/// Runs the verb.
pub(crate) fn run(args: &SymbolizeArgs) -> Result<()> {
    let mut image = Image::open(&args.kernel)?;
    let (name, log) = input::log(&args.log)?;
    let unproven = if args.trust_kernel { Unproven::Trusted } else { Unproven::LeftAlone };
    let seen = copy(&mut image, unproven, BufReader::new(log), &mut say::bytes);
    let seen = seen.with_context(|| format!("cannot read {name}"))?;
    if let Some(complaint) = complaint(&seen, &args.kernel) {
        note!("revector: {complaint}");
    }
    Ok(())
}

fn complaint(seen: &Seen, image: &Path) -> Option<String> {
    let Seen { places, known, others, unproven } = *seen;
    let image = image.display();
    match () {
        () if places == 0 => Some(
            "found no address in the log: expected lines such as [<ffffffff8101c0e1>] name+0x331/0x994"
                .to_owned(),
        ),
        () if others > 0 => Some(format!(
            "{others} of {places} addresses are not those of {image}, by the names that the log has for them: they \
             were left alone; give the image that was booted, with debug information"
        )),
        () if unproven > 0 => Some(format!(
            "{unproven} of {places} addresses have no name, and nothing in the log shows that they are in {image} (its \
             build-id, a function's name): they were left alone; --trust-kernel looks them up"
        )),
        () if known == 0 => Some(format!(
            "none of the {places} addresses is in {image}: give the image that was booted, with debug information"
        )),
        () => None,
    }
}

/// Where the log goes on to.
type Out<'a> = &'a mut dyn FnMut(&[u8]) -> Listener;

/// Writes the log through, with lines added, until the output has no reader any more.
fn copy(image: &mut Image, unproven: Unproven, mut log: impl BufRead, out: Out<'_>) -> io::Result<Seen> {
    let mut seen = Seen::default();
    let mut evidence = Evidence::default();
    let mut stopped_at = None;
    loop {
        let mut output = Vec::new();
        if log.by_ref().take(LONGEST).read_until(b'\n', &mut output)? == 0 {
            break;
        }
        let text = match may_have_place(&output) {
            true => String::from_utf8_lossy(output.trim_ascii_end()).into_owned(),
            false => String::new(),
        };
        if build_id(&text).is_some_and(|id| image.is_built_as(&id)) {
            evidence = Evidence::OURS;
        }
        let places = places(&text);
        if !places.is_empty() && !output.ends_with(b"\n") {
            output.push(b'\n');
        }
        for place in places {
            seen.places += 1;
            let lines = lookup(image, &place, (&mut evidence, unproven), &mut seen, &mut stopped_at);
            lines.iter().for_each(|line| output.extend(format!("        {line}\n").bytes()));
        }
        if out(&output) == Listener::Gone {
            break;
        }
    }
    Ok(seen)
}

/// The lines for a place, if it is the image's.
fn lookup(
    image: &Image,
    place: &Place,
    (evidence, unproven): (&mut Evidence, Unproven),
    seen: &mut Seen,
    stopped_at: &mut Option<u64>,
) -> Vec<String> {
    if !evidence.weigh(image.belongs(place), unproven, seen) {
        return Vec::new();
    }
    let lines = image.lines(place, stopped_at);
    seen.known += usize::from(!lines.is_empty());
    lines
}

#[cfg(test)]
mod tests {
    use super::{
        image::{Function, short_path, without_hash},
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

    fn symbolized(log: &str) -> (String, Seen) {
        symbolized_by(&mut this_program(), log)
    }

    fn symbolized_by(image: &mut Image, log: &str) -> (String, Seen) {
        let mut out = Vec::new();
        let mut print = |bytes: &[u8]| {
            out.extend_from_slice(bytes);
            Listener::Here
        };
        let seen = copy(image, Unproven::LeftAlone, log.as_bytes(), &mut print).unwrap();
        (String::from_utf8(out).unwrap(), seen)
    }

    fn seen(places: usize, known: usize, others: usize, unproven: usize) -> Seen {
        Seen { places, known, others, unproven }
    }

    #[test]
    fn a_function_of_this_program_is_found_with_its_file_and_line() {
        let (name, Function { start, size }) = place(&this_program());
        let (text, found) = symbolized(&format!("RIP: e033:[<{start:016x}>] {name}+0x0/{size:#x}\nlast\n"));
        assert!(text.contains("symbolize/mod.rs:") && text.ends_with("last\n"), "{text}");
        assert_eq!(found, seen(1, 1, 0, 0));
        let (by_name, found) = symbolized(&format!("RIP: 0010:{name}+0x0/{size:#x}\n"));
        assert!(by_name.contains("symbolize/mod.rs:"), "{by_name}");
        assert_eq!((found.known, marked() > 0), (1, true));
    }

    /// A function of this program, with its name.
    fn place(image: &Image) -> (String, Function) {
        let (name, places) =
            image.functions.iter().find(|(name, _)| name.ends_with("tests::marked")).unwrap();
        (name.clone(), places[0])
    }

    #[test]
    fn an_address_that_another_image_has_a_name_for_is_left_alone() {
        let mut image = this_program();
        let (name, Function { start, size }) = place(&image);
        let mut symbolized = |log: &str| symbolized_by(&mut image, log);
        let mut at = |name: &str, offset: u64| {
            symbolized(&format!(" [<{:016x}>] {name}+{offset:#x}/0x9\n", start + 2))
        };
        assert_eq!(at(&name, 2).1, seen(1, 1, 0, 0));
        // Another name, the same name at another place, a function of another size: all of them belong to other images.
        let others = [at("some::other", 2), at(&name, 3)];
        let other_size = symbolized(&format!(" {name}+0x2/{:#x}\n", size + 1));
        for (text, found) in others.into_iter().chain([other_size]) {
            assert_eq!(found, seen(1, 0, 1, 0), "{text}");
            assert!(!text.contains(".rs:"), "{text}");
        }
    }

    #[test]
    fn an_address_without_a_name_needs_a_name_or_a_build_id_before_it() {
        let mut image = this_program();
        let (name, Function { start, size }) = place(&image);
        let mut symbolized = |log: &str| symbolized_by(&mut image, log);
        let bare = format!("(XEN) RIP:    e033:[<{start:016x}>]\n");
        let named = format!(" {name}+0x2/{size:#x}\n");
        assert_eq!(symbolized(&bare).1, seen(1, 0, 0, 1));
        assert_eq!(symbolized(&format!("{named}{bare}")).1, seen(2, 2, 0, 0));
        let other = " some_other+0x1/0x9\n";
        assert_eq!(symbolized(&format!("{named}{other}{bare}")).1, seen(3, 1, 1, 1));
        if let Some(id) = image.build_id().map(str::to_owned) {
            let log = format!("(XEN) build-id: {id}\n{bare}");
            assert_eq!(symbolized_by(&mut image, &log).1, seen(1, 1, 0, 0));
        }
        let trusted = copy(&mut image, Unproven::Trusted, bare.as_bytes(), &mut |_| Listener::Here).unwrap();
        assert_eq!(trusted, seen(1, 1, 0, 0));
    }

    #[test]
    fn what_is_left_alone_is_said() {
        let image = Path::new("vmlinux");
        assert_eq!(complaint(&seen(3, 3, 0, 0), image), None);
        assert!(
            complaint(&seen(3, 1, 2, 0), image)
                .unwrap()
                .contains("2 of 3 addresses are not those of vmlinux")
        );
        assert!(complaint(&seen(3, 1, 0, 2), image).unwrap().contains("--trust-kernel"));
        assert!(complaint(&seen(0, 0, 0, 0), image).unwrap().contains("found no address"));
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
        assert_eq!(symbolized(log), (log.to_owned(), seen(1, 0, 0, 1)));
    }

    #[test]
    fn what_is_no_program_is_refused_with_a_message() {
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
