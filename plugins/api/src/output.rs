//! What an output is: a thing that writes batches of records, and the card it is known by.
//!
//! In: [`Record`]s, rendered by the host. Out: bytes somewhere, or an [`OutputError`] that
//! tells the host what to do. Must not queue, retry, count or format: the host does all that,
//! once, for every output.
//!
//! Read next: `options.rs` (how one is configured), `testkit.rs` (what every one must keep to),
//! `lines.rs` (the safe way to write text).

use std::sync::Arc;

use crate::{
    event::Event,
    options::{ConfigError, OptionSpec, Options},
};

/// One event on its way to one output.
#[derive(Clone, Debug)]
pub struct Record {
    /// The event, for outputs that look inside: a severity for syslog, a key for a queue.
    pub event: Arc<Event>,
    /// The event in the format that this output was configured with, made safe for a terminal,
    /// without a final newline. `eve` and `scanlogd` are one line; `human` may be several.
    pub line: String,
}

/// Delivers records. Lives on a thread of its own and may block there; it never sees a packet.
///
/// # The contract
/// - Batches come in order, at most 256 records each, and never overlap.
/// - `write` returns `Ok` only when the whole batch was taken. After an error the host keeps the
///   batch and gives it again, whole ([`OutputError`] tells how). What had got through before the
///   error is then repeated: delivery is *at least once*, and (`id`, `rev`) tells repeats.
/// - `flush` is called when there is nothing more to write for now, and once at the end.
/// - A panic is the end of the output, as [`OutputError::Fatal`] is; the program goes on.
pub trait Output: Send {
    /// Writes the whole batch, or says why not.
    fn write(&mut self, batch: &[Record]) -> Result<(), OutputError>;

    /// Passes on what it holds back, if it buffers.
    fn flush(&mut self) -> Result<(), OutputError> {
        Ok(())
    }

    /// Where it stands: a number by which all that is written from now on can be taken back later, by a new one that gets it as
    /// [`Resume::At`](crate::Resume::At) among its options. What was written before must be safe by then, whatever
    /// befalls the machine. Asked only where the options said [`Options::resume`], after a `flush`, and never while a batch
    /// is half written. An output whose readers may have seen already what would be taken back (a screen, a
    /// socket) has no position.
    fn position(&mut self) -> Result<u64, OutputError> {
        Err(OutputError::Reject("what it has told cannot be taken back".into()))
    }

    /// Opens its destination anew: somebody renamed the file, or the receiver restarted.
    /// What was written before stays.
    fn reopen(&mut self) -> Result<(), OutputError> {
        Ok(())
    }
}

/// Why a batch was not written, in words for the administrator: name the file or the host.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OutputError {
    /// It may work later (disk full, receiver away): the host waits a little, longer each time,
    /// and gives the same batch again.
    #[error("{0}")]
    Retry(String),
    /// These records will never be taken (too long for the receiver). The host gives the batch
    /// again record by record, so that only those which are refused alone are lost, and counts them.
    #[error("{0}")]
    Reject(String),
    /// This output is over: the host stops it, announces it, and counts what comes after as dropped.
    #[error("{0}")]
    Fatal(String),
}

/// All that the host must know of an output before one exists. One constant in each plugin crate.
#[derive(Clone, Copy, Debug)]
pub struct OutputPlugin {
    /// What `plugin = "…"` and `-o …` call it: lower case, no blanks.
    pub name: &'static str,
    /// One line for `tripline plugins`.
    pub summary: &'static str,
    /// The format it gets when the configuration names none.
    pub format: &'static str,
    /// Whether it takes events out of this machine's files and screens: to other machines, daemons or
    /// programs. `read` opens such an output only with `--deliver`, so that an old archive cannot
    /// fill a SIEM by mistake.
    pub leaves: bool,
    /// Every option it has. The host refuses all others before `check` and `build` are called.
    pub options: &'static [OptionSpec],
    /// Finds options that are right one by one and contradict each other. Called whenever a configuration is read, by
    /// `rules check` too, so it opens nothing and looks at nothing but the options. `|_| Ok(())` where nothing can.
    pub check: fn(&Options) -> Result<(), ConfigError>,
    /// Opens the destination. Called once, before the first packet is read; a file that cannot be
    /// opened is an error here and not later. Must not be called to merely check a configuration.
    pub build: fn(&Options) -> Result<Box<dyn Output>, ConfigError>,
}
