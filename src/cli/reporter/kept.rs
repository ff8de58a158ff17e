//! What a reporter writes down when a run may have to go on later, and how another takes that up.
//!
//! In: a reporter, all of whose events are where they go. Out: where its outputs stand, what limits have let through, what the summary
//! has counted. Where outputs stand comes first: it is needed before they are opened (`cli/resume.rs`).
//! Read next: `engine/checkpoint.rs` (the file), `output/standing.rs`.

use std::{ffi::OsStr, io, os::unix::ffi::OsStrExt, path::PathBuf};

use super::Reporter;
use crate::checkpoint::{Kept, Reader, Unfit, Writer};

impl Kept for Reporter {
    fn keep(&self, to: &mut Writer<'_>) -> io::Result<()> {
        let Self { router, outputs, lines: _, progress: _, screens: _, summary, stop: _, unknown_link, is_kept: _ } =
            self;
        let stands = outputs.standings();
        let (standings, now) = stands.map_err(|(name, why)| io::Error::other(format!("output `{name}`: {why}")))?;
        to.put(&standings)?;
        to.put(&now)?;
        router.keep(to)?;
        summary.keep(to)?;
        to.put(&unknown_link.as_deref().map(|path| path.as_os_str().as_bytes()))
    }

    /// All but where outputs stand.
    fn resume(&mut self, from: &mut Reader<'_>) -> Result<(), Unfit> {
        self.router.resume(from)?;
        self.summary.resume(from)?;
        let path: Option<Vec<u8>> = from.take()?;
        self.unknown_link = path.map(|path| PathBuf::from(OsStr::from_bytes(&path)));
        Ok(())
    }
}
