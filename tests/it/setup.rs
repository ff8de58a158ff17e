//! `scripts/setup` on machines of every sort, played by folders of stand-in programs: it says
//! what it installs and why before it does, and does nothing where nothing is missing.
#![cfg(unix)]

use std::{
    fs,
    os::unix::{self, fs::PermissionsExt},
    process::{Command, Output},
};

use tempfile::TempDir;

/// A machine that has these programs (each a line of shell) and a few that every one has.
fn on_a_machine_with(programs: &[(&str, &str)]) -> Output {
    let bin = TempDir::new().unwrap();
    for every in ["sh", "env", "rm", "mktemp"] {
        let real = ["/bin", "/usr/bin"].map(|at| std::path::Path::new(at).join(every)).into_iter().find(|p| p.exists());
        unix::fs::symlink(real.unwrap(), bin.path().join(every)).unwrap();
    }
    for (name, line) in programs {
        let path = bin.path().join(name);
        fs::write(&path, format!("#!/bin/sh\n{line}\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    }
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/scripts/setup");
    Command::new("/bin/sh").arg(script).arg("test").env_clear().env("PATH", bin.path()).output().unwrap()
}

const RUST: (&str, &str) = ("cargo", "exit 0");
const ROOT: (&str, &str) = ("id", "echo 0");
const COMPILER: (&str, &str) = ("cc", "exit 0");
const PKG_CONFIG: (&str, &str) = ("pkg-config", "exit 0");
const APT_GET: (&str, &str) = ("apt-get", "echo \"apt-get ran: $*\"");
const APT_CACHE: (&str, &str) = ("apt-cache", "exit 0");

fn words(output: &Output) -> String {
    String::from_utf8_lossy(&[output.stdout.as_slice(), &output.stderr].concat()).into_owned()
}

#[test]
fn where_nothing_is_missing_it_is_silent_and_touches_nothing() {
    let output = on_a_machine_with(&[RUST, ROOT, COMPILER, PKG_CONFIG, APT_GET, APT_CACHE]);
    assert!(output.status.success());
    assert_eq!(words(&output), "");
}

#[test]
fn on_a_bare_machine_it_says_what_it_installs_and_why_and_then_does() {
    let output = on_a_machine_with(&[RUST, ROOT, APT_GET, APT_CACHE]);
    let said = words(&output);
    assert!(output.status.success(), "{said}");
    let (before, ran) = said.split_once("apt-get ran:").expect("it installs");
    for package in ["gcc", "libc6-dev", "pkg-config", "libpcap-dev"] {
        assert!(before.contains(&format!("{package}: ")), "{package} is not announced with its reason: {said}");
        assert!(ran.contains(package), "{package} is not installed: {said}");
    }
    assert!(!said.contains("update"), "the package lists were there: {said}");
}

#[test]
fn only_what_is_missing_is_installed() {
    let no_libpcap = ("pkg-config", "exit 1");
    let said = words(&on_a_machine_with(&[RUST, ROOT, COMPILER, no_libpcap, APT_GET, APT_CACHE]));
    assert!(said.ends_with("install libpcap-dev\n"), "{said}");
}

#[test]
fn package_lists_are_fetched_when_they_are_empty_or_stale() {
    let unknown = ("apt-cache", "exit 100");
    let said = words(&on_a_machine_with(&[RUST, ROOT, APT_GET, unknown]));
    assert!(said.contains("--no-install-recommends update"), "{said}");

    // Installing fails until the lists are fetched: the marker lies where the test can see no harm.
    let marker = TempDir::new().unwrap();
    let marker = marker.path().join("updated").display().to_string();
    let stale = format!("case \"$*\" in *update*) : >{marker};; *) [ -e {marker} ];; esac");
    let output = on_a_machine_with(&[RUST, ROOT, ("apt-get", &stale), APT_CACHE]);
    assert!(output.status.success(), "{}", words(&output));
}

#[test]
fn who_cannot_install_is_told_what_to_do() {
    for (programs, hint) in [
        (&[][..], "rustup.rs"),
        (&[RUST, ROOT][..], "libpcap-devel"),
        (&[RUST, ("id", "echo 1000"), APT_GET, APT_CACHE][..], "Run as root: apt-get install"),
        (&[("cargo", "[ \"$1\" != clippy ]")][..], "rustup component add clippy"),
        (&[RUST, ROOT, ("apt-get", "exit 100"), APT_CACHE][..], "is there a network?"),
    ] {
        let output = on_a_machine_with(programs);
        let said = words(&output);
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(said.contains(hint), "{hint:?} is not in: {said}");
    }
}
