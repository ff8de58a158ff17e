//! What README.md shows is what the program says: each `$ tripline …` in a `console` block
//! is run, and the lines below it must be what standard output gets.
//!
//! `UPDATE_README=1 cargo test --test it readme` writes them down anew.

use std::{env, fs, path::Path};

use crate::program::tripline;

const PROMPT: &str = "$ tripline ";

#[test]
fn the_commands_of_the_readme_say_what_it_shows() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md");
    let shown = fs::read_to_string(&path).unwrap();
    let (real, commands) = with_real_output(&shown);
    assert!(commands > 2, "the README shows only {commands} commands");
    if env::var_os("UPDATE_README").is_some() {
        fs::write(&path, real).unwrap();
    } else {
        assert_eq!(shown, real, "UPDATE_README=1 cargo test --test it readme writes what the program says now");
    }
}

/// The page with the output that its commands have now, and how many they are.
fn with_real_output(page: &str) -> (String, usize) {
    let mut real = String::new();
    let mut commands = 0;
    let mut in_block = false;
    let mut in_output = false;
    for line in page.lines() {
        if line.starts_with("```") {
            in_block = line == "```console";
            in_output = false;
        }
        if let Some(arguments) = line.strip_prefix(PROMPT).filter(|_| in_block) {
            let run = tripline(arguments.split_whitespace());
            assert_eq!(run.status, Some(0), "{line}: {}", run.stderr);
            real.extend([line, "\n", &run.stdout]);
            commands += 1;
            in_output = true;
        } else if !in_output {
            real += line;
            real.push('\n');
        }
    }
    (real, commands)
}
