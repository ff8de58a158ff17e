//! Writes to standard output: what one sees first, and what pipes into the next program.
//!
//! In: batches of records. Out: their lines, one write a batch. A reader that went away
//! (`tripline … | head`) ends this output quietly; it is no error of anybody's.
//! Must not know formats or colours: the host renders.
//!
//! Read next: `tests/contract.rs`, then `plugins/file` (an output with options).

use std::io::{ErrorKind, Write};

use tripline_plugin::{Output, OutputError, OutputPlugin, Record, WholeLines};

/// The card of this plugin.
pub const PLUGIN: OutputPlugin = OutputPlugin {
    name: "stdout",
    summary: "standard output: the screen, or the next program of a pipe",
    format: "human",
    leaves: false,
    options: &[],
    check: |_| Ok(()),
    build: |_| Ok(to(std::io::stdout())),
};

/// The same output on any writer.
pub fn to(writer: impl Write + Send + 'static) -> Box<dyn Output> {
    Box::new(Stdout { writer, lines: WholeLines::default() })
}

struct Stdout<W> {
    writer: W,
    lines: WholeLines,
}

impl<W: Write + Send> Output for Stdout<W> {
    fn write(&mut self, batch: &[Record]) -> Result<(), OutputError> {
        self.lines.write(batch, &mut self.writer).map_err(|error| judge(&error))
    }

    fn flush(&mut self) -> Result<(), OutputError> {
        self.writer.flush().map_err(|error| judge(&error))
    }
}

/// Only a reader that is gone for good ends the output; a full disk behind `>` may pass.
fn judge(error: &std::io::Error) -> OutputError {
    match error.kind() {
        ErrorKind::BrokenPipe => OutputError::Fatal("standard output was closed".into()),
        _ => OutputError::Retry(format!("standard output: {error}")),
    }
}
