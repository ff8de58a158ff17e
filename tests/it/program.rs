//! The program as a person runs it: arguments in, exit status and words out.
//!
//! Every run is watched: one that does not end by itself is a failure, not a wait.

use std::{ffi::OsStr, time::Duration};

use assert_cmd::Command;
use serde_json::Value;

/// More than any capture of the tests may take, on a busy machine too.
const PATIENCE: Duration = Duration::from_secs(20);

/// What a run came to.
#[derive(Debug)]
pub(crate) struct Run {
    /// The exit status; `None` when it was killed: by a crash, or for want of an end.
    pub(crate) status: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Run {
    /// Standard output as JSON, one object a line.
    pub(crate) fn json(&self) -> Vec<Value> {
        self.stdout.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}"))).collect()
    }

    /// The scan events among them, in their first phase.
    pub(crate) fn begins(&self) -> Vec<Value> {
        self.json().into_iter().filter(|e| e["event_type"] == "scan" && e["scan"]["phase"] == "begin").collect()
    }
}

/// `tripline` with these arguments, nothing on standard input.
pub(crate) fn tripline<S: AsRef<OsStr>>(arguments: impl IntoIterator<Item = S>) -> Run {
    fed(arguments, Vec::new())
}

/// The same, with standard input.
pub(crate) fn fed<S: AsRef<OsStr>>(arguments: impl IntoIterator<Item = S>, stdin: Vec<u8>) -> Run {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tripline"));
    // The machine's own zone and taste must not decide a test.
    command.env("TZ", "UTC").env("RUST_BACKTRACE", "0").env_remove("NO_COLOR").env_remove("CLICOLOR_FORCE");
    let output = command.args(arguments).write_stdin(stdin).timeout(PATIENCE).output().unwrap();
    Run {
        status: output.status.code(),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}
