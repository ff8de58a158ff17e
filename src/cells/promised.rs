//! What explains a source's knocks though it lies outside them: doors that it was told of, hosts that make it act.
//!
//! In: lines of FTP's control channel, SYN-ACKs that answer nothing. Out: for how many doors of a source a promise is
//! taken as an excuse, and who prompted it. Anybody can forge such a line, so that an excuse is bounded: so many doors
//! of a source in vain, from then on they count as all others. Both memories are small and of fixed size.
//! Must not know how knocks are judged.
//! Read next: `mod.rs` (`expect`), `decode/ftp.rs`.

use std::{collections::VecDeque, io};

use crate::{
    checkpoint::{Kept, Reader, Unfit, Writer},
    decode::Address,
    dispatch::Key,
};

/// Doors of a source that may be in vain because they were promised. A client of a server whose data ports are
/// blocked gives up before; one that forges promises to hide a scan gains as many.
const EXCUSES: u8 = 16;
/// Sources whose excuses are counted: 1 KiB a cell.
const SOURCES: usize = 64;
/// Pairs of a source and who prompts it.
const PROMPTERS: usize = 8;
/// Times that make a prompter: one packet astray makes none.
const OFTEN: u32 = 3;

/// What a cell knows of promises.
#[derive(Debug)]
pub struct Promised {
    used: Vec<(u64, u8)>,
    /// Whom, who, how often.
    prompters: VecDeque<(Address, Address, u32)>,
}

impl Default for Promised {
    fn default() -> Self {
        Self { used: vec![(0, 0); SOURCES], prompters: VecDeque::with_capacity(PROMPTERS) }
    }
}

impl Promised {
    /// Uses up an excuse of a source; false when there is none left.
    pub fn excuse(&mut self, key: &Key, source: Address) -> bool {
        let hash = key.hash((source, 'p')) | 1;
        let at = ((hash >> 32) * self.used.len() as u64) >> 32;
        let Some(entry) = self.used.get_mut(at as usize) else { return false };
        if entry.0 != hash {
            *entry = (hash, 0);
        }
        entry.1 = entry.1.saturating_add(1);
        entry.1 <= EXCUSES
    }

    /// `by` makes `source` act.
    pub fn prompt(&mut self, source: Address, by: Address) {
        if let Some((.., times)) = self.prompters.iter_mut().find(|(s, b, _)| (*s, *b) == (source, by)) {
            *times = times.saturating_add(1);
            return;
        }
        if self.prompters.len() >= PROMPTERS {
            self.prompters.pop_front();
        }
        self.prompters.push_back((source, by, 1));
    }

    /// Who makes `source` act, again and again; of several the last.
    #[must_use]
    pub fn prompter(&self, source: Address) -> Option<Address> {
        self.prompters.iter().rev().find(|(whom, _, times)| *whom == source && *times >= OFTEN).map(|(_, by, _)| *by)
    }
}

impl Kept for Promised {
    fn keep(&self, to: &mut Writer<'_>) -> io::Result<()> {
        let Self { used, prompters } = self;
        to.put(used.as_slice())?;
        to.put(prompters)
    }

    fn resume(&mut self, from: &mut Reader<'_>) -> Result<(), Unfit> {
        from.fill(&mut self.used)?;
        self.prompters = from.list(PROMPTERS)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cells::samples::host;

    #[test]
    fn excuses_of_a_source_come_to_an_end() {
        let (key, mut promised) = (Key::new(1), Promised::default());
        assert_eq!((0..100).filter(|_| promised.excuse(&key, host(1))).count(), usize::from(EXCUSES));
        assert!(promised.excuse(&key, host(2)), "each has his own");
    }

    #[test]
    fn the_last_who_prompts_is_named_and_no_more_are_kept_than_fit() {
        let mut promised = Promised::default();
        for by in 10..30 {
            (0..OFTEN).for_each(|_| promised.prompt(host(1), host(by)));
        }
        assert_eq!((promised.prompter(host(1)), promised.prompter(host(2))), (Some(host(29)), None));
        assert_eq!(promised.prompters.len(), PROMPTERS);
    }
}
