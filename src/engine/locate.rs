//! From a packet's place in the run to what a person can look up: file and frame, or interface.
//!
//! In: batches, as they come. Out: path and frame number, or the interface's name. One entry a file, but where
//! frames of a file are left out or files are merged: there one for each run of frames that lie together in a
//! file. Of interfaces one for each change from one to another, and one for each scan that is not over: its `end` has no
//! packet of its own.

use std::{
    collections::{HashMap, VecDeque},
    ffi::OsStr,
    io,
    os::unix::ffi::OsStrExt,
    path::Path,
    sync::Arc,
};

use tripline_plugin::event::{Event, Phase};

use crate::{
    checkpoint::{Kept, Reader, Unfit, Writer},
    source::Batch,
};

/// Runs that are remembered. Only merged files and several interfaces have so many; an event that is decided by a frame further
/// back (by a time-out, mostly) then names no frame.
const RUNS: usize = 1 << 20;

/// Which file each sequence number is of.
#[derive(Debug, Default)]
pub struct Locator {
    /// In order of their first frame.
    runs: VecDeque<Run>,
    /// They are of interfaces.
    live: bool,
    /// Where the last packet came from that had something to say of a scan, by the scan's id. Only when there are several
    /// interfaces; as many as there are scans that are not over, which the cells bound.
    scans: HashMap<String, Arc<Path>>,
}

/// Frames that lie together in a file.
#[derive(Debug)]
struct Run {
    /// Of the first: its place in the whole run, and its number in the file.
    seq: u64,
    number: u64,
    path: Arc<Path>,
}

impl Locator {
    /// Takes note of a batch.
    pub fn note(&mut self, batch: &Batch) {
        self.live |= batch.wire.live;
        if let Some(path) = &batch.origin {
            for piece in &batch.pieces {
                self.add(piece.first_seq, piece.first_number, path);
            }
        }
        for place in &batch.places {
            self.add(place.first_seq, place.first_number, &place.path);
        }
    }

    fn add(&mut self, seq: u64, number: u64, path: &Arc<Path>) {
        let goes_on = |last: &Run| last.path == *path && seq.wrapping_sub(last.seq) == number.wrapping_sub(last.number);
        if self.runs.back().is_some_and(goes_on) {
            return;
        }
        if self.runs.len() == RUNS {
            self.runs.pop_front();
        }
        self.runs.push_back(Run { seq, number, path: Arc::clone(path) });
    }

    /// The interface that an event's packet came from, when live. Of an event without a packet (`None`): the only one, or
    /// that of the last packet that had something to say of the same scan. `event` must be of a scan that has an end.
    pub fn interface(&mut self, seq: Option<u64>, event: &Event) -> Option<Arc<Path>> {
        if !self.live || self.runs.len() == 1 {
            return self.runs.front().filter(|_| self.live).map(|run| Arc::clone(&run.path));
        }
        let found = seq.and_then(|seq| self.run(seq)).map(|run| Arc::clone(&run.path));
        let Some(scan) = &event.scan else { return found };
        match (scan.phase, &found) {
            (Phase::End, _) => self.scans.remove(&scan.id).or(found),
            (_, Some(path)) => {
                self.scans.insert(scan.id.clone(), Arc::clone(path));
                found
            }
            (_, None) => self.scans.get(&scan.id).cloned(),
        }
    }

    /// The interface of a packet whose event is the only one of its scan, when live.
    #[must_use]
    pub fn interface_of(&self, seq: u64) -> Option<Arc<Path>> {
        self.run(seq).filter(|_| self.live).map(|run| Arc::clone(&run.path))
    }

    /// The file of a packet and its number in it, from 1; nothing when live.
    #[must_use]
    pub fn locate(&self, seq: u64) -> Option<(&Path, u64)> {
        let run = self.run(seq).filter(|_| !self.live)?;
        Some((&run.path, run.number + (seq - run.seq)))
    }

    fn run(&self, seq: u64) -> Option<&Run> {
        let after = self.runs.partition_point(|run| run.seq <= seq);
        self.runs.get(after.checked_sub(1)?)
    }
}

impl Kept for Locator {
    fn keep(&self, to: &mut Writer<'_>) -> io::Result<()> {
        // Of interfaces nothing is kept.
        let Self { runs, live: _, scans: _ } = self;
        to.put(&runs.len())?;
        let mut before = None;
        for Run { seq, number, path } in runs {
            // Runs of one file follow each other.
            let named = Some(path).filter(|path| before != Some(*path));
            to.put(&(seq, number, named.map(|path| path.as_os_str().as_bytes())))?;
            before = Some(path);
        }
        Ok(())
    }

    fn resume(&mut self, from: &mut Reader<'_>) -> Result<(), Unfit> {
        for _ in 0..from.length(RUNS)? {
            let (seq, number, named): (u64, u64, Option<Vec<u8>>) = from.take()?;
            let path = match (named, self.runs.back()) {
                (Some(named), _) => Path::new(OsStr::from_bytes(&named)).into(),
                (None, Some(before)) => Arc::clone(&before.path),
                (None, None) => return Err(Unfit::Damaged),
            };
            if self.runs.back().is_some_and(|before| before.seq >= seq) {
                return Err(Unfit::Damaged);
            }
            self.runs.push_back(Run { seq, number, path });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_is_found_in_its_file_by_its_number_there() {
        let (a, b): (Arc<Path>, Arc<Path>) = (Path::new("a").into(), Path::new("b").into());
        let mut locator = Locator::default();
        // Ten frames of a, of which the first three are left out, then b; the second piece of a goes on.
        for (seq, number, path) in [(0, 4, &a), (3, 7, &a), (7, 1, &b), (9, 11, &a)] {
            locator.add(seq, number, path);
        }
        let found = |seq| locator.locate(seq).map(|(path, number)| (path.to_str().unwrap().to_owned(), number));
        for (seq, path, number) in [(0, "a", 4), (6, "a", 10), (7, "b", 1), (8, "b", 2), (9, "a", 11), (12, "a", 14)] {
            assert_eq!(found(seq), Some((path.to_owned(), number)), "{seq}");
        }
        assert_eq!(locator.runs.len(), 3);
    }

    #[test]
    fn a_live_packet_is_of_the_interface_that_had_its_turn() {
        let (a, b): (Arc<Path>, Arc<Path>) = (Path::new("eth0").into(), Path::new("eth1").into());
        let mut locator = Locator { live: true, ..Locator::default() };
        // The second batch of one interface changes nothing.
        locator.add(0, 1, &a);
        locator.add(5, 6, &a);
        let event = |phase| {
            let events = tripline_plugin::sample_events().into_iter();
            let mut event = events.into_iter().find(|event| event.scan.is_some()).unwrap();
            event.scan.as_mut().unwrap().phase = phase;
            event
        };
        let (begin, update, end) = (event(Phase::Begin), event(Phase::Update), event(Phase::End));
        assert_eq!(locator.interface(Some(7), &begin), Some(Arc::clone(&a)));
        assert_eq!(locator.interface(None, &end), Some(Arc::clone(&a)), "there is no other");
        locator.add(8, 9, &b);
        assert_eq!(locator.interface(None, &end), None, "nothing was said of it since there are two");
        assert_eq!(locator.interface(Some(7), &begin), Some(Arc::clone(&a)));
        assert_eq!(locator.interface(Some(8), &update), Some(Arc::clone(&b)));
        assert_eq!(locator.interface(None, &update), Some(Arc::clone(&b)));
        assert_eq!((locator.interface(None, &end), locator.scans.len()), (Some(Arc::clone(&b)), 0));
        assert_eq!((locator.interface_of(7), locator.interface_of(8)), (Some(a), Some(b)));
        assert_eq!(locator.locate(7), None);
    }

    #[test]
    fn memory_is_bounded_and_the_oldest_goes_first() {
        let files: [Arc<Path>; 2] = [Path::new("a").into(), Path::new("b").into()];
        let mut locator = Locator::default();
        for seq in 0..RUNS as u64 + 10 {
            locator.add(seq, seq + 1, &files[seq as usize % 2]);
        }
        assert_eq!((locator.runs.len(), locator.locate(9)), (RUNS, None));
        assert_eq!(locator.locate(10), Some((Path::new("a"), 11)));
    }
}
