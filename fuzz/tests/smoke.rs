//! The short run: for each target the same damaged seeds every time, on any compiler; and every input in `regressions/`,
//! which once broke a promise. `TRIPLINE_FUZZ=50` makes it fifty times as long.

// Says to clippy that all of it is tests, where `unwrap` is a plain way to fail.
#![cfg(test)]

use std::{env, fs, panic, path::Path, time::Instant};

use tripline_fuzz::{
    TARGETS, Target,
    mutate::{Random, mutate},
    seeds::Seeds,
};

fn target(name: &str) -> &'static Target {
    TARGETS.iter().find(|target| target.name == name).unwrap()
}

fn smoke(name: &str) {
    let target = target(name);
    let Seeds { inputs, words } = (target.seeds)();
    for (n, input) in inputs.iter().enumerate() {
        check(target, input, &format!("seed-{n}"));
    }
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("regressions").join(name);
    for entry in fs::read_dir(folder).into_iter().flatten() {
        let path = entry.unwrap().path();
        check(target, &fs::read(&path).unwrap(), "regression");
    }
    let times = env::var("TRIPLINE_FUZZ").map_or(1, |times| times.parse().unwrap());
    let began = Instant::now();
    let count = target.smoke * times;
    for n in 0..count {
        let input = mutate(&mut Random(n.into()), &inputs, &words);
        check(target, &input, &n.to_string());
    }
    eprintln!("{name}: {} seeds, {count} executions in {:.1} s", inputs.len(), began.elapsed().as_secs_f64());
}

/// Runs one input; when it breaks a promise, keeps it where it can be tried again.
fn check(target: &Target, input: &[u8], which: &str) {
    if let Err(broken) = panic::catch_unwind(|| (target.check)(input)) {
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{}-{which}", target.name));
        fs::write(&path, input).unwrap();
        eprintln!("the input is kept: put {} into fuzz/regressions/{}/", path.display(), target.name);
        panic::resume_unwind(broken);
    }
}

/// A test for each target, so that they run side by side.
macro_rules! targets {
    ($($name:ident)*) => {
        $(#[test] fn $name() { smoke(stringify!($name)); })*

        const TESTED: &[&str] = &[$(stringify!($name)),*];
    };
}

targets! { pcap pcapng gzip zstd xz lz4 run decode defragment streams rules filter events }

#[test]
fn every_target_has_its_test_and_its_door_for_the_long_run() {
    let names: Vec<&str> = TARGETS.iter().map(|target| target.name).collect();
    assert_eq!(names, TESTED);
    for name in names {
        let door = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("fuzz_targets/{name}.rs"));
        let text = fs::read_to_string(&door).unwrap_or_else(|why| panic!("{}: {why}", door.display()));
        assert!(text.contains(&format!("run(\"{name}\", bytes)")), "{} opens another target", door.display());
    }
}

#[test]
fn a_broken_promise_is_noticed_and_damage_is_the_same_every_time() {
    let broken = Target { name: "broken", check: |bytes| assert!(bytes.len() < 3), ..*target("events") };
    assert!(panic::catch_unwind(|| check(&broken, b"four", "on-purpose")).is_err());
    let inputs = [b"some bytes".to_vec(), b"and others".to_vec()];
    let damaged = |n| mutate(&mut Random(n), &inputs, &["word"]);
    assert_eq!(damaged(7), damaged(7));
    assert!((0..100).filter(|n| !inputs.contains(&damaged(*n))).count() > 90, "hardly anything is damaged");
}
