//! The program: the library with the built-in outputs. One of your own joins them with
//! `tripline::builtin().output(my_output::PLUGIN)` in a file like this one.

use std::process::ExitCode;

fn main() -> ExitCode {
    tripline::run_with(tripline::builtin())
}
