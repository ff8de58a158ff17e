//! The recordings in `tests/captures` and what is known about each.
//!
//! In: `manifest.toml`. Out: [`Recording`]s. The folder, the manifest and its README
//! must name the same files, or an expectation is never checked.

use std::{collections::BTreeSet, fs, path::PathBuf};

use serde::Deserialize;

/// One recording and its expectations; the manifest's head says what each means.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Recording {
    pub(crate) file: String,
    pub(crate) about: String,
    pub(crate) frames: usize,
    pub(crate) verdict: Verdict,
    #[serde(default)]
    pub(crate) scanners: Vec<String>,
    #[serde(default)]
    pub(crate) decoys: Vec<String>,
    #[serde(default)]
    pub(crate) techniques: Vec<String>,
    #[serde(default)]
    pub(crate) kinds: Vec<String>,
    pub(crate) tool: Option<String>,
    pub(crate) scanlogd: Option<Vec<String>>,
    pub(crate) falls_short: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Verdict {
    Scan,
    Benign,
}

impl Recording {
    pub(crate) fn path(&self) -> PathBuf {
        folder().join(&self.file)
    }
}

pub(crate) fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/captures")
}

/// All of them, in the manifest's order.
pub(crate) fn all() -> Vec<Recording> {
    #[derive(Deserialize)]
    struct Manifest {
        capture: Vec<Recording>,
    }
    let path = folder().join("manifest.toml");
    let manifest: Manifest = toml::from_str(&fs::read_to_string(path).unwrap()).unwrap_or_else(|e| panic!("{e}"));
    manifest.capture
}

#[test]
fn the_folder_the_manifest_and_the_readme_name_the_same_recordings() {
    let listed: BTreeSet<String> = all().into_iter().map(|r| r.file).collect();
    let lying: BTreeSet<String> = fs::read_dir(folder())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name != "README.md" && name != "manifest.toml")
        .collect();
    assert_eq!(listed, lying, "manifest.toml on the left, the folder on the right");
    let readme = fs::read_to_string(folder().join("README.md")).unwrap();
    for file in listed {
        assert!(readme.contains(&format!("`{file}`")), "README.md does not say what {file} is");
    }
}

#[test]
fn the_recordings_stay_small_enough_to_clone() {
    let bytes: u64 = all().iter().map(|r| fs::metadata(r.path()).unwrap().len()).sum();
    assert!(bytes < 3 << 20, "{bytes} bytes are more than 3 MiB");
}
