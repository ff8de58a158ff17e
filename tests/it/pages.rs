//! What the pages say is so: the output that README.md shows, the numbers of
//! docs/DETECTION.md, the names of other pages.
//!
//! Each `$ tripline …` in a `console` block of README.md is run, and the lines below it must be what
//! standard output gets. `UPDATE_README=1 cargo test --test it readme` writes them down anew.

use std::{collections::BTreeMap, env, fs, path::Path};

use serde_json::Value;
use tripline::presets::tripline::Thresholds;

use crate::{
    architecture::{none, root, walk},
    program::tripline,
};

const PROMPT: &str = "$ tripline ";

#[test]
fn the_commands_of_the_readme_say_what_it_shows() {
    let path = root().join("README.md");
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

#[test]
fn the_numbers_of_the_detection_page_are_those_of_the_program() {
    let page = fs::read_to_string(root().join("docs/DETECTION.md")).unwrap();
    let table = page.split_once("## The numbers").unwrap().1.split_once("\n## ").unwrap().0;
    let shown: BTreeMap<String, Value> = table
        .lines()
        .filter_map(|row| row.strip_prefix("| `"))
        .map(|row| row.split_once("` | ").unwrap())
        .map(|(name, rest)| (name.to_owned(), rest.split_once(" |").unwrap().0.parse().unwrap()))
        .collect();
    let Value::Object(real) = serde_json::to_value(Thresholds::default()).unwrap() else { panic!("an object") };
    assert_eq!(shown, real.into_iter().collect());
}

#[test]
fn every_page_that_is_named_is_there() {
    let mut broken = Vec::new();
    let mut look = |path: &Path| {
        let Ok(text) = fs::read_to_string(path) else { return };
        for (at, _) in text.match_indices("docs/") {
            let page: String = text[at..].chars().take_while(|c| c.is_alphanumeric() || "/-_.".contains(*c)).collect();
            let page = Path::new(page.trim_end_matches('.'));
            if page.extension().is_some_and(|e| e == "md") && !root().join(page).is_file() {
                broken.push(format!("{} names {}", path.display(), page.display()));
            }
        }
    };
    for folder in ["src", "plugins", "tests", "benches", "docs", "rules"].map(|folder| root().join(folder)) {
        if folder.is_dir() {
            walk(&folder, &mut look);
        }
    }
    for page in ["README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md"] {
        look(&root().join(page));
    }
    none(&broken);
}
