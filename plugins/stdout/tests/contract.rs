//! The contract of outputs, kept by `stdout`; and what a user of a pipe gets.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests take the short way, their helpers too")]

use std::{
    io::{self, ErrorKind, Write},
    sync::{Arc, Mutex},
};

use tripline_plugin::{Options, Output, OutputError, Table, testkit};

/// A screen that can be read afterwards.
#[derive(Clone, Default)]
struct Screen(Arc<Mutex<Vec<u8>>>);

impl Write for Screen {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A pipe that fails in one way.
struct Broken(ErrorKind);

impl Write for Broken {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        Err(self.0.into())
    }

    fn flush(&mut self) -> io::Result<()> {
        Err(self.0.into())
    }
}

fn open() -> (Box<dyn Output>, Screen) {
    let screen = Screen::default();
    (tripline_stdout::to(screen.clone()), screen)
}

fn read(screen: &Screen) -> String {
    String::from_utf8(screen.0.lock().unwrap().clone()).unwrap()
}

#[test]
fn it_keeps_the_contract() {
    testkit::check_card(&tripline_stdout::PLUGIN);
    testkit::check_lines(open, read);
    testkit::check_empty(open, read);
    testkit::check_reopen(open, read);
}

#[test]
fn a_reader_that_went_away_ends_it_quietly() {
    let mut output = tripline_stdout::to(Broken(ErrorKind::BrokenPipe));
    let closed = Err(OutputError::Fatal("standard output was closed".into()));
    assert_eq!(output.write(&testkit::records()), closed);
    assert_eq!(output.flush(), closed);
}

#[test]
fn a_full_disk_is_tried_again() {
    let mut output = tripline_stdout::to(Broken(ErrorKind::StorageFull));
    assert!(matches!(output.write(&testkit::records()), Err(OutputError::Retry(_))));
}

#[test]
fn it_has_no_options_and_says_so() {
    let table = Table::from([("path".to_owned(), "/x".into())]);
    let errors = Options::check(tripline_stdout::PLUGIN.options, &table).unwrap_err();
    assert_eq!(errors[0].to_string(), "path: no such option (it has none)");
}
