//! `revector manual`: writes the man page and the shell completions, from the same text as `--help`.
//!
//! `make` calls it; packagers take what it writes.

use anyhow::{Context, Result};
use clap::{Args, Command, ValueEnum};
use clap_complete::Shell;
use std::{
    fs,
    path::{Path, PathBuf},
};

/// Write the man pages and the shell completions into a folder.
#[derive(Debug, Args)]
#[command(after_help = "Example: read the man page\n  revector manual target && man target/man/revector.1")]
pub(crate) struct ManualArgs {
    /// Where to: man/ and completions/ are made there
    #[arg(default_value = "target")]
    folder: PathBuf,
}

/// Runs the verb for the whole command line.
pub(crate) fn write(command: &Command, args: &ManualArgs) -> Result<()> {
    let pages = command.clone().disable_help_subcommand(true);
    // One page for the command, one for each verb that is shown.
    clap_mangen::generate_to(pages, made(&args.folder, "man")?).context("cannot write the man pages")?;
    let completions = made(&args.folder, "completions")?;
    for shell in Shell::value_variants() {
        clap_complete::generate_to(*shell, &mut command.clone(), "revector", &completions)
            .with_context(|| format!("cannot write the completions of {shell}"))?;
    }
    Ok(())
}

fn made(folder: &Path, name: &str) -> Result<PathBuf> {
    let folder = folder.join(name);
    fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    Ok(folder)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[expect(clippy::disallowed_methods, reason = "files that the test has written itself")]
    fn every_verb_that_is_shown_has_a_page_and_every_shell_its_completions() {
        let folder = std::env::temp_dir().join(format!("revector-manual-{}", std::process::id()));
        let command = crate::command();
        write(&command, &ManualArgs { folder: folder.clone() }).unwrap();
        let read = |name: &str| fs::read_to_string(folder.join(name)).unwrap_or_default();
        for verb in command.get_subcommands().filter(|verb| !verb.is_hide_set()) {
            let page = read(&format!("man/revector-{}.1", verb.get_name()));
            assert!(page.contains(".SH SYNOPSIS") && page.contains("Example"), "{}", verb.get_name());
        }
        assert!(read("man/revector.1").contains("predict"));
        assert!(read("completions/revector.bash").contains("predict"));
        assert!(!read("completions/_revector").is_empty() && !read("completions/revector.fish").is_empty());
        fs::remove_dir_all(&folder).unwrap();
    }

    /// What `revector ARGUMENTS --help` prints on a terminal of 100 columns.
    fn help(arguments: &[&str]) -> String {
        let typed = [&["revector"], arguments, &["--help"]].concat();
        crate::command().term_width(100).try_get_matches_from(typed).unwrap_err().to_string()
    }

    #[test]
    fn the_help_of_every_verb_fits_a_screen_and_has_an_example() {
        let command = crate::command();
        let shown = command.get_subcommands().filter(|verb| !verb.is_hide_set());
        for text in shown.map(|verb| help(&[verb.get_name()])).chain([help(&[])]) {
            assert!(text.lines().count() <= 40, "{} lines\n{text}", text.lines().count());
            assert!(text.contains("Example"), "{text}");
        }
    }
}
