//! Writes the man pages and the shell completions, from the command line's one source.
//!
//! In: a folder. Out: in it `man1/tripline*.1`, a page for each command, and `completions/` for
//! bash, zsh, fish and elvish. An example and not a part of the program, so that who runs
//! Tripline carries nothing of it: `make man`.
//! Read next: `src/cli/args.rs`, the source.

use std::{env, ffi::OsStr, fs, io, path::Path};

use clap::{Command, CommandFactory, ValueEnum};
use clap_complete::Shell;
use tripline::cli::args::Cli;

fn main() -> io::Result<()> {
    let folder = env::args_os().nth(1).unwrap_or_else(|| OsStr::new("target/man").to_owned());
    write(Path::new(&folder))
}

fn write(folder: &Path) -> io::Result<()> {
    let (pages, completions) = (folder.join("man1"), folder.join("completions"));
    fs::create_dir_all(&pages)?;
    fs::create_dir_all(&completions)?;
    clap_mangen::generate_to(program(), &pages)?;
    for shell in Shell::value_variants() {
        if *shell != Shell::PowerShell {
            clap_complete::generate_to(*shell, &mut program(), "tripline", &completions)?;
        }
    }
    Ok(())
}

fn program() -> Command {
    // `help` says what these pages say.
    Cli::command().disable_help_subcommand(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `tripline`, `tripline-read`, `tripline-rules-check`, as man pages are called.
    fn commands(command: &Command, name: &str, all: &mut Vec<String>) {
        all.push(name.to_owned());
        for part in command.get_subcommands() {
            commands(part, &format!("{name}-{}", part.get_name()), all);
        }
    }

    #[test]
    fn every_command_has_a_page_with_its_flags_and_examples() {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path()).unwrap();
        let mut names = Vec::new();
        commands(&program(), "tripline", &mut names);
        assert!(names.contains(&"tripline-rules-check".to_owned()));
        for name in &names {
            let page = fs::read_to_string(folder.path().join(format!("man1/{name}.1"))).unwrap();
            assert!(name == "tripline" || page.contains("Examples:"), "{name} shows no example");
        }
        let read = fs::read_to_string(folder.path().join("man1/tripline-read.1")).unwrap();
        assert!(read.contains("\\-\\-fail\\-on\\-scan") && read.contains("SHA"), "{read}");
        assert!(!read.contains("\\-\\-batch"), "what is hidden stays so");
    }

    #[test]
    fn shells_complete_the_commands_and_flags() {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path()).unwrap();
        for name in ["tripline.bash", "_tripline", "tripline.fish", "tripline.elv"] {
            let text = fs::read_to_string(folder.path().join("completions").join(name)).unwrap();
            assert!(text.contains("fail-on-scan") && text.contains("sample-events"), "{name}");
        }
    }
}
