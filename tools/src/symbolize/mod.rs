//! `revector symbolize`: file and line for every address in a log's call traces.
//!
//! The log goes through as it is, each line followed by what its addresses stand for: functions inlined there first,
//! innermost first. `trace` finds the addresses, crate addr2line reads the image's debug information.

mod trace;

use addr2line::Loader;
use anyhow::{Context, Result, bail};
use clap::Args;
use object::{Object, ObjectSection, ObjectSymbol, SectionKind};
use std::{
    collections::HashMap,
    env, fs,
    io::{BufRead, BufReader, Read, Write, stdin, stdout},
    ops::Range,
    path::{Path, PathBuf},
};
use trace::{Code, Place, Role, places};

/// Add file and line to every address of a log's call traces.
#[derive(Debug, Args)]
#[command(
    after_help = "Knows the traces of this project's image, of Linux (with addresses or only names) and of Xen. The\n\
    image must have debug information: target/image/revector, a vmlinux, a xen-syms.\n\n\
    Example: where was it when it died?\n  \
    make run CMDLINE=selftest=fault | revector symbolize - --image target/image/revector"
)]
pub(crate) struct SymbolizeArgs {
    /// The log; - is standard input
    log: PathBuf,
    /// The program that the addresses are in, not stripped
    #[arg(long, value_name = "KERNEL", default_value = "target/image/revector")]
    image: PathBuf,
}

/// Runs the verb.
pub(crate) fn run(args: &SymbolizeArgs) -> Result<()> {
    let mut image = Image::open(&args.image)?;
    let log: Box<dyn Read> = if args.log.as_os_str() == "-" {
        Box::new(stdin().lock())
    } else {
        Box::new(
            fs::File::open(&args.log)
                .with_context(|| format!("cannot read the log {}", args.log.display()))?,
        )
    };
    let seen = copy(&mut image, BufReader::new(log), &mut stdout().lock())?;
    if let Some(complaint) = complaint(&seen, &args.image) {
        eprintln!("revector: {complaint}");
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

/// How many places were in the log, and how many of them are in the image.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Seen {
    places: usize,
    known: usize,
    /// Places that the log has other names for than the image.
    contradicted: usize,
}

/// Writes the log through, with lines added.
pub(crate) fn copy(image: &mut Image, log: impl BufRead, out: &mut impl Write) -> Result<Seen> {
    let mut seen = Seen::default();
    let mut stopped_at = None;
    for line in log.split(b'\n') {
        let line = line.context("the log ends in the middle")?;
        let mut told = line.clone();
        told.push(b'\n');
        for place in places(&String::from_utf8_lossy(&line)) {
            seen.places += 1;
            seen.contradicted += usize::from(image.contradicts(&place));
            let lines = image.lines(&place, &mut stopped_at);
            seen.known += usize::from(!lines.is_empty());
            lines.iter().for_each(|line| told.extend(format!("        {line}\n").bytes()));
        }
        // Whoever closes the pipe early has seen enough.
        if out.write_all(&told).is_err() {
            break;
        }
    }
    Ok(seen)
}

/// A program with its debug information and its functions by name.
pub(crate) struct Image {
    loader: Loader,
    /// Address and size of each function of a name.
    functions: HashMap<String, Vec<(u64, u64)>>,
    /// Where its code is: debug information also tells of functions that the linker left out, at addresses near 0.
    code: Vec<Range<u64>>,
    here: Option<PathBuf>,
}

impl Image {
    pub(crate) fn open(path: &Path) -> Result<Self> {
        let bytes = fs::read(path).with_context(|| format!("cannot read the image {}", path.display()))?;
        let functions = functions(&bytes).with_context(|| {
            format!(
                "image {}: expected an ELF file with symbols (a vmlinux, not a bzImage), found none",
                path.display()
            )
        })?;
        let loader = match Loader::new(path) {
            Ok(loader) => loader,
            Err(error) => bail!("image {}: its debug information cannot be read: {error}", path.display()),
        };
        let code = code(&bytes)?;
        Ok(Self { loader, functions, code, here: env::current_dir().ok() })
    }

    /// What a place stands for; nothing if it is not in this image.
    fn lines(&self, place: &Place, stopped_at: &mut Option<u64>) -> Vec<String> {
        let Some(address) = self.address(&place.code) else { return Vec::new() };
        // A trace begins with the instruction that the registers were told for, which nothing returns to.
        let exact = place.role == Role::Stopped || *stopped_at == Some(address);
        if place.role == Role::Stopped {
            *stopped_at = Some(address);
        }
        let probe = if exact { address } else { address.saturating_sub(1) };
        if !self.code.iter().any(|code| code.contains(&probe)) {
            return Vec::new();
        }
        let found = self.frames(probe);
        if found.is_empty() { self.symbol(probe).into_iter().collect() } else { found }
    }

    fn address(&self, code: &Code) -> Option<u64> {
        match code {
            Code::Address(address) => Some(*address),
            Code::Function { name, offset, size } => {
                let known = self.functions.get(name)?;
                let same_size = known.iter().find(|(_, known)| known == size);
                same_size.or_else(|| known.first()).and_then(|(start, _)| start.checked_add(*offset))
            }
        }
    }

    /// Inlined functions first, the function itself last.
    fn frames(&self, probe: u64) -> Vec<String> {
        let mut told = Vec::new();
        let Ok(mut frames) = self.loader.find_frames(probe) else { return told };
        while let Ok(Some(frame)) = frames.next() {
            let name = frame.function.as_ref().and_then(|name| name.demangle().ok());
            let Some(place) = frame.location.as_ref().and_then(|location| self.file_and_line(location))
            else {
                continue;
            };
            told.push(format!("{place}  {}", name.as_deref().map_or("?", without_hash)));
        }
        // Debug information often has the last part of a name only; the symbol table has all of it.
        if let (Some(last), Some(name)) = (told.last_mut(), self.name(probe))
            && let Some((place, _)) = last.split_once("  ")
        {
            *last = format!("{place}  {name}");
        }
        let inlined = told.len().saturating_sub(1);
        told.iter_mut().take(inlined).for_each(|line| line.push_str(" (inlined)"));
        told
    }

    fn file_and_line(&self, location: &addr2line::Location<'_>) -> Option<String> {
        let file = Path::new(location.file?);
        let file = self.here.as_ref().and_then(|here| file.strip_prefix(here).ok()).unwrap_or(file);
        let file = short_path(&file.to_string_lossy()).to_owned();
        Some(match (location.line, location.column) {
            (Some(line), Some(column)) if column > 0 => format!("{file}:{line}:{column}"),
            (Some(line), _) => format!("{file}:{line}"),
            (None, _) => file,
        })
    }

    /// The name alone, from the symbol table.
    fn symbol(&self, probe: u64) -> Option<String> {
        self.name(probe).map(|name| format!("(no line known)  {name}"))
    }

    fn name(&self, probe: u64) -> Option<String> {
        let name = addr2line::demangle_auto(self.loader.find_symbol(probe)?.into(), None);
        Some(without_hash(&name).to_owned())
    }

    /// Whether the log has another name for an address than this image: then another image was booted.
    fn contradicts(&self, place: &Place) -> bool {
        let Code::Address(address) = place.code else { return false };
        let last = |name: &str| name.rsplit("::").next().map(str::to_owned);
        let ours = self.name(address.saturating_sub(1));
        ours.zip(place.name.as_deref()).is_some_and(|(ours, told)| last(&ours) != last(told))
    }
}

/// Leaves out where the compiler's library and other packages are on the machine that built the image.
fn short_path(path: &str) -> &str {
    if let Some((_, rest)) = path.split_once("/registry/src/") {
        return rest.split_once('/').map_or(rest, |(_, file)| file);
    }
    path.strip_prefix("/rustc/").and_then(|rest| rest.split_once('/')).map_or(path, |(_, file)| file)
}

/// A Rust name ends with a hash that tells a reader nothing.
fn without_hash(name: &str) -> &str {
    match name.rsplit_once("::h") {
        Some((short, hash)) if hash.len() == 16 && hash.bytes().all(|b| b.is_ascii_hexdigit()) => short,
        _ => name,
    }
}

fn code(bytes: &[u8]) -> Result<Vec<Range<u64>>> {
    let file = object::File::parse(bytes)?;
    let sections = file.sections().filter(|section| section.kind() == SectionKind::Text);
    Ok(sections.map(|section| section.address()..section.address().saturating_add(section.size())).collect())
}

fn functions(bytes: &[u8]) -> Result<HashMap<String, Vec<(u64, u64)>>> {
    let file = object::File::parse(bytes)?;
    let mut found: HashMap<String, Vec<(u64, u64)>> = HashMap::new();
    for symbol in file.symbols().filter(|symbol| symbol.size() > 0) {
        let Ok(name) = symbol.name() else { continue };
        let name = addr2line::demangle_auto(name.into(), None);
        found.entry(without_hash(&name).to_owned()).or_default().push((symbol.address(), symbol.size()));
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

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
        let seen = copy(&mut this_program(), log.as_bytes(), &mut out).unwrap();
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
