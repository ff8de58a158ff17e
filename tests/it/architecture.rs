//! The walls of the house: who may use whom and who may do what, as `docs/ARCHITECTURE.md`
//! says it. The page's own tables are the rules, so neither can drift from the other.
//!
//! In: the sources as text. Out: each line that breaks a rule.
//! A search for words, not a compiler: it is there to stop an honest mistake.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// One source file: its path from the root, with `/`, and its text.
struct Source {
    path: String,
    text: String,
}

impl Source {
    /// The lines that are code, numbered from 1: without comments and the tests at the end.
    fn code(&self) -> impl Iterator<Item = (usize, &str)> {
        self.text
            .lines()
            .take_while(|line| !line.starts_with("mod tests {"))
            .map(|line| line.split_once("//").map_or(line, |(code, _)| code))
            .enumerate()
            .map(|(i, code)| (i + 1, code))
            .filter(|(_, code)| !code.trim().is_empty())
    }

    fn has_tests(&self) -> bool {
        self.text.contains("#[cfg(test)]")
    }

    /// `src/decode/tcp.rs` is of the stage `decode`, `src/main.rs` of none.
    fn stage(&self) -> Option<&str> {
        let (stage, _) = self.path.strip_prefix("src/")?.split_once('/')?;
        Some(stage)
    }
}

/// All sources of the program and its plugins.
fn sources() -> Vec<Source> {
    let mut found = Vec::new();
    for folder in ["src", "plugins"] {
        walk(&root().join(folder), &mut |path| {
            if path.extension().is_some_and(|e| e == "rs") {
                let name = path.strip_prefix(root()).unwrap().to_str().unwrap().replace('\\', "/");
                found.push(Source { path: name, text: fs::read_to_string(path).unwrap() });
            }
        });
    }
    assert!(found.len() > 10, "where are the sources?");
    found
}

pub(crate) fn walk(folder: &Path, visit: &mut impl FnMut(&Path)) {
    let mut entries: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    entries.sort();
    for path in entries {
        if path.is_dir() { walk(&path, visit) } else { visit(&path) }
    }
}

/// The rows of a marked table of the page: the words in backquotes of the first two columns.
fn table(name: &str) -> Vec<(Vec<String>, Vec<String>)> {
    let page = fs::read_to_string(root().join("docs/ARCHITECTURE.md")).unwrap();
    let begin = page.split_once(&format!("<!-- {name}:")).unwrap_or_else(|| panic!("no table {name}")).1;
    let marked = begin.split_once("<!-- end -->").expect("the table has an end").0;
    let words = |cell: &str| cell.split('`').skip(1).step_by(2).map(str::to_owned).collect::<Vec<_>>();
    let rows: Vec<_> = marked
        .lines()
        .filter(|line| line.starts_with("| `"))
        .map(|line| line.split('|').map(words).collect::<Vec<_>>())
        .map(|cells| (cells[1].clone(), cells[2].clone()))
        .collect();
    assert!(rows.len() > 5, "the table {name} has hardly a row");
    rows
}

pub(crate) fn none(broken: &[String]) {
    assert!(broken.is_empty(), "\n{}\n", broken.join("\n"));
}

#[test]
fn every_file_opens_by_saying_what_it_is() {
    let silent = sources().into_iter().filter(|s| !s.text.starts_with("//! ")).map(|s| s.path);
    none(&silent.collect::<Vec<_>>());
}

#[test]
fn a_stage_uses_only_what_the_page_allows_it() {
    let allowed: BTreeMap<_, _> = table("stages").into_iter().map(|(stage, uses)| (stage[0].clone(), uses)).collect();
    let mut broken = Vec::new();
    for source in sources() {
        let Some(stage) = source.stage() else { continue };
        let Some(uses) = allowed.get(stage) else {
            broken.push(format!("{}: the page has no row for `{stage}`", source.path));
            continue;
        };
        for (line, code) in source.code() {
            for used in used_stages(code) {
                if used != stage && !uses.contains(&used) {
                    broken.push(format!("{}:{line}: `{stage}` may not use `{used}`", source.path));
                }
            }
        }
    }
    none(&broken);
}

/// The modules that a line names: `crate::source::Time`, `use crate::{decode::Kind, source};`.
fn used_stages(code: &str) -> Vec<String> {
    let name = |text: &str| text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect::<String>();
    let mut used = Vec::new();
    for (at, found) in code.match_indices("crate::") {
        let path = &code[at + found.len()..];
        let Some(list) = path.strip_prefix('{') else {
            used.push(name(path));
            continue;
        };
        let mut depth = 0;
        let mut begins = true;
        for (i, c) in list.char_indices() {
            match c {
                '{' => depth += 1,
                '}' => depth -= 1,
                ',' if depth == 0 => begins = true,
                c if begins && !c.is_whitespace() => {
                    used.push(name(&list[i..]));
                    begins = false;
                }
                _ => {}
            }
        }
    }
    // Macros and items of the root are no stages.
    used.retain(|name| root().join("src").join(name).is_dir() || root().join(format!("src/{name}.rs")).is_file());
    used
}

#[test]
fn the_page_lets_nothing_flow_backwards() {
    let mut above: Vec<String> = Vec::new();
    for (stage, uses) in table("stages") {
        for used in uses {
            assert!(above.contains(&used), "`{}` may use `{used}`, which does not stand above it", stage[0]);
        }
        above.push(stage[0].clone());
    }
}

#[test]
fn powers_are_used_only_where_the_page_says() {
    let mut broken = Vec::new();
    for (words, places) in table("powers") {
        for source in sources() {
            if places.iter().any(|place| source.path.starts_with(place)) || source.path.contains("/tests/") {
                continue;
            }
            for (line, code) in source.code() {
                if let Some(word) = words.iter().find(|word| says(code, word)) {
                    broken.push(format!("{}:{line}: `{word}` may stand only in {places:?}", source.path));
                }
            }
        }
    }
    none(&broken);
}

/// Whether a line says a word, and not merely a longer one that ends with it.
fn says(code: &str, word: &str) -> bool {
    code.match_indices(word).any(|(at, _)| !code[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_'))
}

#[test]
fn plugins_know_the_plugin_crate_and_nothing_else_of_the_project() {
    let mut broken = Vec::new();
    walk(&root().join("plugins"), &mut |path| {
        if !path.ends_with("Cargo.toml") {
            return;
        }
        let manifest: toml::Table = fs::read_to_string(path).unwrap().parse().unwrap();
        for section in ["dependencies", "build-dependencies"] {
            let names = manifest.get(section).and_then(toml::Value::as_table).into_iter().flat_map(toml::Table::keys);
            for name in names {
                if (name.starts_with("tripline") && name != "tripline-plugin") || ["pcap", "pnet"].contains(&&**name) {
                    broken.push(format!("{}: {name}", path.display()));
                }
            }
        }
    });
    none(&broken);
}

#[test]
fn every_plugin_that_can_be_configured_is_in_the_list_of_built_in_ones() {
    let list = fs::read_to_string(root().join("src/output/builtin.rs")).unwrap();
    let mut broken = Vec::new();
    walk(&root().join("plugins"), &mut |path| {
        if path.ends_with("sample.toml") {
            let plugin = path.parent().unwrap().file_name().unwrap().to_str().unwrap();
            if !says(&list, &format!("tripline_{}", plugin.replace('-', "_"))) {
                broken.push(format!("src/output/builtin.rs does not name tripline_{plugin}"));
            }
        }
    });
    none(&broken);
}

#[test]
fn decoders_presets_formats_and_plugins_have_tests() {
    // A promise may say which file it tests: by its path.
    let mut promises = String::new();
    walk(&root().join("tests/it"), &mut |path| promises += &fs::read_to_string(path).unwrap());
    let mut broken = Vec::new();
    for source in sources() {
        let Some((folder, file)) = source.path.rsplit_once('/') else { continue };
        let stem = file.trim_end_matches(".rs");
        let stages = ["src/decode", "src/presets", "src/output/formats"];
        let needs = (stem != "mod" && stages.iter().any(|stage| folder.starts_with(stage)))
            || (folder.starts_with("plugins/") && folder.ends_with("/src") && stem == "lib");
        let beside = root().join(folder).join("../tests").is_dir();
        // Definitions without a function have nothing that could be wrong.
        let does = source.code().any(|(_, code)| says(code, "fn "));
        if needs && does && !source.has_tests() && !beside && !promises.contains(&source.path) {
            broken.push(format!("{} has no test", source.path));
        }
    }
    none(&broken);
}

#[test]
fn no_room_is_called_after_what_things_are_instead_of_what_they_are_for() {
    let mut broken = Vec::new();
    for folder in ["src", "plugins", "tests", "benches"].map(|folder| root().join(folder)) {
        if folder.is_dir() {
            walk(&folder, &mut |path| {
                let path = path.strip_prefix(root()).unwrap();
                let bad = ["types", "utils", "util", "common", "helpers", "misc"];
                let named = path.iter().map(|part| Path::new(part).file_stem().unwrap_or_default());
                if named.into_iter().any(|name| bad.iter().any(|bad| name == *bad)) {
                    broken.push(path.display().to_string());
                }
            });
        }
    }
    none(&broken);
}
