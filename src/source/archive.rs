//! Many captures as one stream: files, folders, pipes, standard input, one after the other or merged.
//!
//! In: paths and the [`Order`] to read them in. Out: their frames, with clock and sequence
//! numbers running on from file to file; a [`Trouble`] in its place for each capture that
//! cannot be read to its end. A few files are open at a time (`turns.rs`), merged ones while they overlap, so an
//! archive may have any number.
//! Must not know the formats.
//! Read next: `find.rs` (what paths lead to), `turns.rs`, `reader.rs` (one capture), `merge.rs`.

mod standing;

use std::{
    fs::File,
    io::{self, Cursor, Read},
    mem::take,
    path::{Path, PathBuf},
    sync::Arc,
};

use crate::checkpoint::{Kept, Reader as State, Unfit, Writer};

use super::{
    Batch, Pull, Sizes, Source, Time, Trouble, Window,
    cut::Run,
    find::{Capture, Found, Passed, Way},
    input::{Input, Unpack},
    merge::Merge,
    natural,
    pipe::Pipe,
    reader::Reader,
    tail::last_stamp,
    turns::{Turn, Turns, Unpacking},
};

/// In which order captures are read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Order {
    /// By the stamp of the first packet; equal ones as they were given. What has no such
    /// stamp stays behind the capture that was given before it.
    #[default]
    Time,
    /// By path, numbers in it by their value.
    Name,
    /// As they were given; a folder's files by name.
    Given,
}

/// Captures that are read one after the other.
pub struct Archive {
    turns: Turns,
    unpacking: Unpacking,
    reading: Option<Reader>,
    run: Run,
    sizes: Sizes,
    total_bytes: Option<u64>,
    passed: Passed,
    /// Bytes used up at the end of a capture, behind its last packet: for the next batch to tell.
    owed: u64,
    /// Captures that lie outside the window as a whole.
    outside: u64,
    /// What takes the place of `turns` and `reading` when files are merged.
    merge: Option<Merge>,
}

/// What lies outside the window.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LeftOut {
    /// Frames, of files that were read.
    pub frames: u64,
    /// Files whose first or last packet told that all are outside.
    pub files: u64,
}

impl Archive {
    /// Finds the captures that `paths` name and puts them in order; `-` is standard input.
    /// For [`Order::Time`] the first bytes of each are read. Never fails: what cannot be
    /// read is told as [`Pull::Trouble`] when its turn comes.
    pub fn open(paths: &[PathBuf], order: Order, sizes: Sizes) -> Self {
        let mut found = Found::default();
        for path in paths {
            found.name(path);
        }
        let Found { mut captures, passed } = found;
        match order {
            Order::Name => captures.sort_by(|a, b| natural::compare(&a.path, &b.path)),
            // A single one needs no look, and a pipe might not be ready for it.
            Order::Time if captures.len() > 1 => sort_by_time(&mut captures),
            Order::Time | Order::Given => {}
        }
        Self::of(captures, passed, sizes)
    }

    /// One capture, named `name` where it is spoken of, that comes from any reader: packed or not.
    pub fn stream(name: &Path, from: impl Read + Send + 'static, sizes: Sizes) -> Self {
        let capture = Capture { path: name.into(), way: Way::Stream(Box::new(from)) };
        Self::of(vec![capture], Passed::default(), sizes)
    }

    /// These captures, in this order.
    fn of(captures: Vec<Capture>, passed: Passed, sizes: Sizes) -> Self {
        let total_bytes = captures.iter().map(Capture::length).sum();
        Self {
            turns: Turns::new(captures, sizes),
            unpacking: Unpacking::default(),
            reading: None,
            run: Run::default(),
            sizes,
            total_bytes,
            passed,
            owed: 0,
            outside: 0,
            merge: None,
        }
    }

    /// Gives the frames of a span of time only, and does not even open what lies far from it.
    #[must_use]
    pub fn within(mut self, window: Window) -> Self {
        self.run.window = Some(window);
        self.turns.within(window);
        self
    }

    /// Says how many compressed captures are unpacked at once, and with how much memory. To be called before
    /// [`Archive::merged`].
    #[must_use]
    pub fn unpacking(mut self, unpacking: Unpacking) -> Self {
        self.unpacking = unpacking;
        self.turns.set(unpacking);
        self
    }

    /// Gives the frames of captures that overlap in order of their stamps. The order that was asked
    /// for decides between equal ones.
    #[must_use]
    pub fn merged(mut self) -> Self {
        self.merge = Some(Merge::new(with_first_stamps(self.turns.captures()), self.unpacking.memory));
        self
    }

    /// What was left out so far.
    pub fn left_out(&self) -> LeftOut {
        let merged = self.merge.as_ref().map_or(0, |merge| merge.outside);
        LeftOut { frames: self.run.left_out, files: self.outside + merged }
    }

    /// Captures of which frames came too late, since more overlap than can be open at a time.
    pub fn late(&self) -> u64 {
        self.merge.as_ref().map_or(0, |merge| merge.late)
    }

    /// The bytes of all files together, which [`Batch::consumed`] comes to add up to;
    /// `None` when there is a pipe or standard input among them.
    pub fn total_bytes(&self) -> Option<u64> {
        self.total_bytes
    }

    /// How many captures have not had their turn.
    pub fn waiting(&self) -> usize {
        self.turns.len() + self.merge.as_ref().map_or(0, Merge::waiting)
    }

    /// What was not taken for a capture in folders.
    pub fn passed(&self) -> Passed {
        self.passed
    }
}

impl Source for Archive {
    fn keep(&self, to: &mut Writer<'_>) -> io::Result<()> {
        Kept::keep(self, to)
    }

    fn resume(&mut self, from: &mut State<'_>) -> Result<(), Unfit> {
        Kept::resume(self, from)
    }

    fn pull(&mut self, batch: &mut Batch) -> Pull {
        if let Some(merge) = &mut self.merge {
            return merge.pull(batch, &mut self.run, self.sizes);
        }
        loop {
            if let Some(reader) = &mut self.reading {
                match reader.pull(batch, &mut self.run) {
                    Pull::End => {
                        self.reading = None;
                        self.owed += batch.consumed;
                    }
                    Pull::Idle if reader.is_starved() => {
                        self.turns.give_all(reader);
                        self.owed += batch.consumed;
                    }
                    pull => {
                        batch.consumed += take(&mut self.owed);
                        return pull;
                    }
                }
                continue;
            }
            match self.turns.next() {
                Some(Turn::Begun(reader)) => self.reading = Some(*reader),
                Some(Turn::Outside(capture)) => {
                    self.outside += 1;
                    self.owed += capture.length().unwrap_or(0);
                }
                Some(Turn::Failed(path, length, reason)) => {
                    batch.pieces.clear();
                    batch.bytes.clear();
                    batch.origin = Some(Arc::clone(&path));
                    batch.consumed = length + take(&mut self.owed);
                    return Pull::Trouble(Trouble { path, offset: 0, unpacked: false, frames: 0, reason });
                }
                None => {
                    batch.pieces.clear();
                    batch.bytes.clear();
                    batch.consumed = take(&mut self.owed);
                    return Pull::End;
                }
            }
        }
    }
}

impl Capture {
    /// What it adds to the size of the archive; `None` when nobody knows.
    pub(super) fn length(&self) -> Option<u64> {
        match self.way {
            Way::File { length } => Some(length),
            Way::Stream(_) => None,
            Way::Unreadable(_) => Some(0),
        }
    }

    /// Begins to read it.
    ///
    /// # Errors
    /// The operating system's reason, in words.
    pub(super) fn open(self, sizes: Sizes, unpack: Unpack) -> Result<Reader, String> {
        let is_stream = matches!(self.way, Way::Stream(_));
        let (input, length): (Box<dyn Read + Send>, _) = match self.way {
            Way::File { length } => (Box::new(File::open(&self.path).map_err(|e| e.to_string())?), length),
            Way::Stream(stream) => (stream, 0),
            Way::Unreadable(reason) => return Err(reason),
        };
        let input = match Input::new(input, unpack) {
            // When it is read on its own: who merges has to wait for the next frame of each in any case.
            Ok(Input::Plain(pipe)) if is_stream && matches!(unpack, Unpack::Ahead(_)) => {
                Pipe::new(pipe).map(|pipe| Input::Plain(Box::new(pipe)))
            }
            input => input,
        };
        let input = input.map_err(|e| e.to_string())?;
        Ok(Reader::new(input, self.path, length, sizes))
    }

    /// Whether its first or last packet tells that none is within `window`. Streams are not asked:
    /// their last is not there yet, and who reads them wants to see what comes.
    pub(super) fn is_outside(&mut self, window: Window) -> bool {
        let Way::File { .. } = self.way else { return false };
        let last = || last_stamp(&mut File::open(&self.path).ok()?);
        last().is_some_and(|last| window.is_behind(last)) || self.first_stamp().is_some_and(|t| window.is_before(t))
    }

    /// The stamp of its first packet that has one, when it can be had.
    fn first_stamp(&mut self) -> Option<Time> {
        /// Enough of a pipe to come to a packet, and little enough to keep.
        const HEAD: u64 = 1 << 20;
        match &mut self.way {
            Way::File { .. } => first_stamp(Box::new(File::open(&self.path).ok()?)),
            Way::Stream(stream) => {
                let mut head = Vec::new();
                // An error will come again when it is read in earnest.
                let _ = stream.by_ref().take(HEAD).read_to_end(&mut head);
                let stamp = first_stamp(Box::new(Cursor::new(head.clone())));
                let rest = std::mem::replace(stream, Box::new(io::empty()));
                *stream = Box::new(Cursor::new(head).chain(rest));
                stamp
            }
            Way::Unreadable(_) => None,
        }
    }
}

/// Reads the beginning of a capture up to its first stamp.
fn first_stamp(input: Box<dyn Read + Send>) -> Option<Time> {
    let sizes = Sizes { batch_bytes: 4_096, piece_bytes: 4_096 };
    let input = Input::new(input, Unpack::BEGINNING).ok()?;
    let mut reader = Reader::new(input, Path::new("").into(), 0, sizes);
    let mut batch = Batch::default();
    let mut first = None;
    let mut run = Run::default();
    let pull = loop {
        match reader.pull(&mut batch, &mut run) {
            Pull::Idle => {}
            pull => break pull,
        }
    };
    if let Pull::Filled = pull {
        for piece in &batch.pieces {
            // Frames without a stamp show the beginning of 1970 until one has come.
            batch.walk(piece, |frame| first = first.or((frame.stamp != Time(0)).then_some(frame.stamp)));
        }
    }
    first
}

/// Each with the stamp of its first packet, or where it has none that of the one before.
fn with_first_stamps(captures: impl Iterator<Item = Capture>) -> impl Iterator<Item = (Time, Capture)> {
    let mut before = Time(i64::MIN);
    captures.map(move |mut capture| {
        before = capture.first_stamp().unwrap_or(before);
        (before, capture)
    })
}

fn sort_by_time(captures: &mut Vec<Capture>) {
    let mut keyed: Vec<_> = with_first_stamps(captures.drain(..)).collect();
    keyed.sort_by_key(|(stamp, _)| *stamp);
    captures.extend(keyed.into_iter().map(|(_, capture)| capture));
}

#[cfg(test)]
mod tests {
    use std::{fs, io::Write};

    use super::*;
    use crate::source::{
        LinkType,
        packed::{
            Packing,
            tests::{ALL, pack},
        },
        write::PcapWriter,
    };

    /// A capture with a frame at each of these seconds.
    fn capture(seconds: &[i64]) -> Vec<u8> {
        let mut file = PcapWriter::new(LinkType(1), false, false);
        for second in seconds {
            file.frame(Time(second * Time::SECOND), 60, &[0; 60]);
        }
        file.bytes().to_vec()
    }

    struct Folder(tempfile::TempDir);

    impl Folder {
        fn of(files: &[(&str, &[u8])]) -> Self {
            let folder = Self(tempfile::tempdir().unwrap());
            for (name, bytes) in files {
                let path = folder.path(name);
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                fs::write(path, bytes).unwrap();
            }
            folder
        }

        fn path(&self, name: &str) -> PathBuf {
            self.0.path().join(name)
        }

        /// Reads it all: each frame as `file:second`, each trouble as `file! reason`.
        fn read(&self, names: &[&str], order: Order) -> Vec<String> {
            let paths: Vec<_> = names.iter().map(|name| self.path(name)).collect();
            let mut archive = Archive::open(&paths, order, Sizes::default());
            self.told(&mut archive)
        }

        fn told(&self, archive: &mut Archive) -> Vec<String> {
            let name = |path: &Path| path.strip_prefix(self.0.path()).unwrap().display().to_string();
            let (mut told, mut seq, mut consumed) = (Vec::new(), 0, 0);
            let mut batch = Batch::default();
            loop {
                let pull = archive.pull(&mut batch);
                match &pull {
                    Pull::Filled => {
                        for piece in &batch.pieces {
                            batch.walk(piece, |frame| {
                                assert_eq!(frame.seq, seq, "numbers run on from file to file");
                                seq += 1;
                                let origin = name(batch.origin_of(frame.seq).unwrap());
                                told.push(format!("{origin}:{}", frame.stamp.0 / Time::SECOND));
                            });
                        }
                    }
                    Pull::Trouble(trouble) => told.push(format!("{}! {}", name(&trouble.path), trouble.reason)),
                    Pull::Idle | Pull::End => {}
                }
                consumed += batch.consumed;
                if let Pull::End = pull {
                    break;
                }
            }
            assert_eq!(archive.total_bytes().unwrap_or(consumed), consumed, "a progress bar ends at its end");
            told
        }
    }

    #[test]
    fn captures_are_read_in_the_order_asked_for() {
        let folder = Folder::of(&[("a", &capture(&[30, 31])), ("b", &capture(&[10])), ("c", &capture(&[20]))]);
        let given = ["c", "a", "b"];
        assert_eq!(folder.read(&given, Order::Time), ["b:10", "c:20", "a:30", "a:31"]);
        assert_eq!(folder.read(&given, Order::Name), ["a:30", "a:31", "b:10", "c:20"]);
        let ring = Folder::of(&[("x", &capture(&[1])), ("x2", &capture(&[2])), ("x10", &capture(&[3]))]);
        assert_eq!(ring.read(&["x10", "x", "x2"], Order::Name), ["x:1", "x2:2", "x10:3"], "as tcpdump -C numbers");
        assert_eq!(folder.read(&given, Order::Given), ["c:20", "a:30", "a:31", "b:10"]);
    }

    #[test]
    fn captures_that_begin_together_keep_their_order() {
        let folder = Folder::of(&[("a", &capture(&[10])), ("b", &capture(&[10])), ("c", &capture(&[5]))]);
        assert_eq!(folder.read(&["b", "a", "c"], Order::Time), ["c:5", "b:10", "a:10"]);
    }

    #[test]
    fn what_cannot_be_read_is_told_in_its_place() {
        let folder = Folder::of(&[("a", &capture(&[30])), ("b", b"hello"), ("c", &capture(&[10])), ("d", &[])]);
        let told = folder.read(&["a", "b", "c", "d", "e"], Order::Time);
        let begin: Vec<_> = told.iter().map(|line| line.split(" (").next().unwrap()).collect();
        assert_eq!(
            begin,
            [
                "c:10",
                "d! empty file",
                "e! No such file or directory",
                "a:30",
                "b! not a capture file: begins with 68 65 6c 6c 6f",
            ]
        );
    }

    #[test]
    fn folders_give_their_captures_and_pass_over_the_rest_with_a_word() {
        let folder = Folder::of(&[
            ("f/2.cap", &capture(&[1])),
            ("f/1/deep.cap", &capture(&[2])),
            ("f/.hidden.cap", &capture(&[3])),
            ("f/notes.txt", b"not a capture"),
            ("f/old.cap.gz", &pack(Packing::Gzip, &capture(&[6]))),
            ("f/old.txt.xz", &pack(Packing::Xz, b"not a capture either")),
            ("f/old.zst", &pack(Packing::Zstd, b"")),
            ("f/older.cap.bz2", b"BZh91AY&SY"),
            ("f/torn.cap.gz", &[0x1f, 0x8b, 8, 0]),
            ("f/_SUCCESS", &[]),
            ("f/cut.cap", &capture(&[4])[..30]),
        ]);
        let mut archive = Archive::open(&[folder.path("f")], Order::Given, Sizes::default());
        assert_eq!(
            folder.told(&mut archive),
            [
                "f/1/deep.cap:2",
                "f/2.cap:1",
                "f/cut.cap! the file ends in the middle of a record's header: 6 of 16 bytes are there",
                "f/old.cap.gz:6",
                "f/torn.cap.gz! the gzip file is cut: it ends at its byte 4, in the middle of what it packs",
            ]
        );
        assert_eq!(
            archive.passed().to_string(),
            "1 hidden, 2 no captures, 1 compressed in a way that is not read, 2 empty"
        );
    }

    #[test]
    fn compressed_captures_are_read_in_their_place_and_the_bar_counts_the_files_as_they_lie_on_the_disk() {
        let mut files: Vec<_> = (0_i64..).zip(ALL).map(|(n, p)| (n, pack(p, &capture(&[40 - n, 40 - n])))).collect();
        files.push((9, pack(Packing::Zstd, &capture(&vec![31; 100_000]))));
        let names: Vec<_> = files.iter().map(|(n, _)| n.to_string()).collect();
        let files: Vec<_> =
            names.iter().zip(&files).map(|(name, (_, file))| (name.as_str(), file.as_slice())).collect();
        let folder = Folder::of(&files);
        let told = folder.read(&["0", "1", "2", "3", "9"], Order::Time);
        assert_eq!(told[99_999..100_003], ["9:31", "3:37", "3:37", "2:38"]);
        assert_eq!(told.len(), 100_008);
    }

    #[test]
    fn a_compressed_file_that_is_cut_or_damaged_counts_as_far_as_it_goes() {
        let seconds: Vec<_> = (1..=20_000).collect();
        for packing in ALL {
            let mut file = pack(packing, &capture(&seconds));
            file.truncate(file.len() / 2);
            let folder = Folder::of(&[("a", &file), ("b", &capture(&[30_000]))]);
            let told = folder.read(&["a", "b"], Order::Given);
            let words = &told[told.len() - 2];
            assert!(told.len() > 1_000 && words.starts_with(&format!("a! the {packing} file is cut")), "{words}");
            assert_eq!(told[told.len() - 1], "b:30000");
        }
    }

    /// All that is told of these files, for this many unpacked at once with this much memory.
    fn unpacked(folder: &Folder, names: &[&str], at_once: usize, memory: u64) -> Vec<String> {
        let paths: Vec<_> = names.iter().map(|name| folder.path(name)).collect();
        let archive = Archive::open(&paths, Order::Given, Sizes { batch_bytes: 10_000, piece_bytes: 1_000 });
        folder.told(&mut archive.unpacking(Unpacking { at_once, memory }))
    }

    /// What zstd makes of `bytes` with a window of 2 to the power of `log`.
    fn pack_wide(bytes: &[u8], log: u32) -> Vec<u8> {
        let mut encoder = zstd::stream::write::Encoder::new(Vec::new(), 1).unwrap();
        encoder.window_log(log).unwrap();
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn however_many_are_unpacked_at_once_the_same_comes_in_the_same_order() {
        let seconds = |n: i64| (0..3_000).map(|k| n * 10_000 + k).collect::<Vec<_>>();
        let mut files: Vec<_> = (0_i64..)
            .zip(ALL.into_iter().cycle().take(12))
            .map(|(n, packing)| pack(packing, &capture(&seconds(n))))
            .collect();
        files[1] = pack_wide(&capture(&seconds(1)), 24);
        files[6] = capture(&seconds(6));
        files[7].truncate(2_000);
        files[8] = b"no capture".to_vec();
        let names: Vec<_> = (0..files.len()).map(|n| format!("{n:02}")).collect();
        let mut names: Vec<_> = names.iter().map(String::as_str).collect();
        let files: Vec<_> = names.iter().copied().zip(files.iter().map(Vec::as_slice)).collect();
        let folder = Folder::of(&files);
        names.insert(3, "gone");
        let expected = unpacked(&folder, &names, 1, 16 << 20);
        assert!(expected.len() > 9 * 3_000 && expected.iter().filter(|line| line.contains('!')).count() == 3);
        for (at_once, memory) in [(2, 4 << 20), (2, 16 << 20), (5, 24 << 20), (16, 64 << 20), (16, 1 << 30)] {
            assert_eq!(unpacked(&folder, &names, at_once, memory), expected, "{at_once} with {memory}");
        }
    }

    #[test]
    fn a_packed_file_that_is_damaged_is_told_in_its_place_though_it_was_unpacked_before_its_turn() {
        let files = [0, 1, 2, 3, 4].map(|n| pack(Packing::Gzip, &capture(&[n, n, n])));
        let mut files = files.map(|file| (file.len(), file));
        let (length, damaged) = &mut files[2];
        damaged.truncate(*length - 8);
        let names = ["a", "b", "c", "d", "e"];
        let folder = Folder::of(&[0, 1, 2, 3, 4].map(|n| (names[n], files[n].1.as_slice())));
        for at_once in [1, 2, 5] {
            let told = unpacked(&folder, &names, at_once, 16 << 20);
            let begins: Vec<_> = told.iter().map(|line| &line[..3]).collect();
            let expected = "a:0 a:0 a:0 b:1 b:1 b:1 c:2 c:2 c:2 c!  d:3 d:3 d:3 e:4 e:4 e:4";
            assert_eq!(begins.join(" "), expected, "{at_once}: {told:?}");
        }
    }

    #[test]
    fn a_later_part_that_asks_for_a_larger_window_gets_it_and_nothing_comes_twice() {
        let (first, rest) = (capture(&(0..5_000).collect::<Vec<_>>()), capture(&(5_000..40_000).collect::<Vec<_>>()));
        let mut file = pack(Packing::Zstd, &first);
        file.extend(pack_wide(&rest[24..], 23));
        let after = pack(Packing::Zstd, &capture(&[50_000]));
        let folder = Folder::of(&[("a", &after), ("b", &file), ("c", &after), ("d", &file)]);
        let once: Vec<_> = (0..40_000).map(|second| format!("b:{second}")).collect();
        for at_once in [1, 2, 4] {
            let told = unpacked(&folder, &["a", "b", "c", "d"], at_once, 16 << 20);
            assert_eq!((told.len(), &told[0][..], &told[40_001][..]), (80_002, "a:50000", "c:50000"), "{at_once}");
            assert_eq!(told[1..=40_000], once, "{at_once}");
        }
        // What is too much for all of the memory stays so.
        let told = unpacked(&folder, &["b", "c"], 2, 4 << 20);
        assert!(told[5_000].starts_with("b! unpacking takes more memory than the 4 MiB"), "{}", told[5_000]);
        assert_eq!((told.len(), &told[5_001][..]), (5_002, "c:50000"));
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn an_archive_that_goes_away_lets_go_of_every_file() {
        let file = pack(Packing::Gzip, &capture(&(0..30_000).collect::<Vec<_>>()));
        let folder = Folder::of(&["a", "b", "c", "d"].map(|name| (name, file.as_slice())));
        let open = || {
            let files = fs::read_dir("/proc/self/fd").unwrap().filter_map(|file| fs::read_link(file.ok()?.path()).ok());
            files.filter(|file| file.starts_with(folder.0.path())).count()
        };
        let archive = Archive::open(&[folder.path("")], Order::Given, Sizes::default());
        let mut archive = archive.unpacking(Unpacking { at_once: 3, memory: 4 << 20 });
        assert!(matches!(archive.pull(&mut Batch::default()), Pull::Filled));
        assert_eq!(open(), 3, "one is read, and two are unpacked before their turn");
        drop(archive);
        while open() > 0 {
            std::thread::yield_now();
        }
    }

    #[test]
    fn all_that_is_open_shares_out_one_amount_of_memory() {
        let long = capture(&(0..30_000).collect::<Vec<_>>());
        // Each behind others that leave no room for it: 8 MiB of window, lz4, 16 MiB.
        let files = [pack(Packing::Gzip, &long), pack_wide(&long, 23), pack(Packing::Lz4, &long), pack_wide(&long, 24)];
        let names = ["a", "b", "c", "d", "e", "f", "g", "h"];
        let folder = Folder::of(&[0, 1, 2, 3, 4, 5, 6, 7].map(|n| (names[n], files[n * 3 / 2 % 4].as_slice())));
        for at_once in [2, 4, 16] {
            let archive = Archive::open(&[folder.path("")], Order::Given, Sizes::default());
            let mut archive = archive.unpacking(Unpacking { at_once, memory: 16 << 20 });
            let (mut batch, mut frames, mut most) = (Batch::default(), 0, 0);
            while let Pull::Filled = archive.pull(&mut batch) {
                frames += batch.pieces.iter().map(|piece| piece.frames).sum::<u64>();
                let reading = archive.reading.as_ref().map_or(0, Reader::held);
                most = most.max(reading + archive.turns.held());
            }
            assert_eq!(frames, 8 * 30_000);
            // Beside the window of the largest: its decoder, and three buffers.
            assert!(most <= (16 << 20) + (5 << 18), "{most} bytes with {at_once} at once");
        }
    }

    #[test]
    fn what_was_compressed_twice_is_told_with_what_to_do() {
        let twice = pack(Packing::Xz, &pack(Packing::Gzip, &capture(&[1])));
        let told = Folder::of(&[("a", &twice)]).read(&["a"], Order::Time);
        assert!(told[0].starts_with("a! compressed twice, the second time with gzip"), "{told:?}");
    }

    /// The frames of these files merged.
    fn merged(folder: &Folder, names: &[&str]) -> Vec<String> {
        let paths: Vec<_> = names.iter().map(|name| folder.path(name)).collect();
        folder.told(&mut Archive::open(&paths, Order::Given, Sizes { batch_bytes: 300, piece_bytes: 100 }).merged())
    }

    #[test]
    fn files_that_overlap_are_merged_by_time() {
        let folder = Folder::of(&[
            ("a", &capture(&[1, 3, 5, 9])),
            ("b", &pack(Packing::Zstd, &capture(&[2, 3, 4, 20]))),
            ("c", &capture(&[11, 12])),
            ("d", b"no capture"),
        ]);
        let told = merged(&folder, &["c", "b", "d", "a"]);
        let (troubles, frames): (Vec<_>, Vec<_>) = told.into_iter().partition(|line| line.contains('!'));
        assert_eq!(frames, ["a:1", "b:2", "b:3", "a:3", "b:4", "a:5", "a:9", "c:11", "c:12", "b:20"]);
        assert!(troubles.len() == 1 && troubles[0].starts_with("d! not a capture file"), "{troubles:?}");
    }

    #[test]
    fn frames_of_one_file_stay_in_its_order_and_one_wild_stamp_holds_nobody_up() {
        let folder = Folder::of(&[("a", &capture(&[10, 9, 900_000, 11, 13])), ("b", &capture(&[10, 12, 14]))]);
        let told = merged(&folder, &["a", "b"]);
        assert_eq!(told, ["a:10", "a:9", "a:900000", "b:10", "a:11", "b:12", "a:13", "b:14"]);
    }

    #[test]
    fn a_file_of_a_merged_archive_that_is_cut_gives_what_is_there() {
        let folder = Folder::of(&[("a", &capture(&[1, 4, 6])[..180]), ("b", &capture(&[2, 3, 5, 7]))]);
        let told = merged(&folder, &["a", "b"]);
        let (troubles, frames): (Vec<_>, Vec<_>) = told.into_iter().partition(|line| line.contains('!'));
        assert_eq!(frames, ["a:1", "b:2", "b:3", "a:4", "b:5", "b:7"]);
        assert!(troubles[0].starts_with("a! the file ends in the middle"), "{troubles:?}");
    }

    #[test]
    fn more_files_than_may_be_open_are_merged_as_far_as_can_be_and_counted() {
        let files: Vec<_> = (0..300).map(|n| (format!("{n:03}"), capture(&[n, 1_000 + n]))).collect();
        let files: Vec<_> = files.iter().map(|(name, file)| (name.as_str(), file.as_slice())).collect();
        let folder = Folder::of(&files);
        let mut archive = Archive::open(&[folder.path("")], Order::Time, Sizes::default()).merged();
        assert_eq!((folder.told(&mut archive).len(), archive.waiting()), (600, 0));
        assert!((1..=50).contains(&archive.late()), "{}", archive.late());
    }

    #[test]
    fn only_frames_within_the_window_come_and_files_far_from_it_are_left_out_whole() {
        const DAY: i64 = 86_400;
        let day = |n: i64| [n * DAY, n * DAY + 1, n * DAY + 2];
        let folder = Folder::of(&[
            ("1", &capture(&day(1))),
            ("2.gz", &pack(Packing::Gzip, &capture(&day(2)))),
            ("3", &capture(&day(3))),
            ("4.xz", &pack(Packing::Xz, &capture(&day(4)))),
            ("5", &capture(&day(5))),
        ]);
        let at = |seconds: i64| Some(Time(seconds * Time::SECOND));
        let window = Window::new(at(3 * DAY + 1), at(4 * DAY + 2)).unwrap();
        for order in [Order::Time, Order::Name] {
            let mut archive = Archive::open(&[folder.path("")], order, Sizes::default()).within(window);
            let told = folder.told(&mut archive);
            let expected = [("3", 3 * DAY + 1), ("3", 3 * DAY + 2), ("4.xz", 4 * DAY), ("4.xz", 4 * DAY + 1)];
            assert_eq!(told, expected.map(|(file, second)| format!("{file}:{second}")));
            // The end of a compressed file cannot be seen from its begin.
            assert_eq!(archive.left_out(), LeftOut { frames: 3 + 1 + 1, files: 2 });
        }
    }

    #[test]
    fn frames_keep_their_number_in_the_file_when_others_are_left_out() {
        let folder = Folder::of(&[("a", &capture(&[1, 20, 2, 3, 21, 4, 22]))]);
        let window = Window::new(None, Some(Time(10 * Time::SECOND))).unwrap();
        for batch_bytes in [80, 200, 1 << 20] {
            let sizes = Sizes { batch_bytes, piece_bytes: 64 };
            let mut archive = Archive::open(&[folder.path("a")], Order::Given, sizes).within(window);
            let (mut batch, mut numbers) = (Batch::default(), Vec::new());
            while !matches!(archive.pull(&mut batch), Pull::End) {
                for piece in &batch.pieces {
                    batch.walk(piece, |frame| numbers.push((frame.number, frame.seq)));
                }
            }
            assert_eq!(numbers, [(1, 0), (3, 1), (4, 2), (6, 3)], "{batch_bytes}");
        }
    }

    #[test]
    fn a_folder_without_captures_is_told() {
        let folder = Folder::of(&[("f/notes.txt", b"not a capture")]);
        assert_eq!(folder.read(&["f"], Order::Time), ["f! no capture in this folder"]);
    }

    #[cfg(unix)]
    #[test]
    fn links_that_lead_round_in_a_circle_end() {
        let folder = Folder::of(&[("f/a", &capture(&[1]))]);
        std::os::unix::fs::symlink(folder.path("f"), folder.path("f/again")).unwrap();
        std::os::unix::fs::symlink(folder.path("f/a"), folder.path("f/b")).unwrap();
        assert_eq!(folder.read(&["f"], Order::Name), ["f/a:1", "f/b:1"]);
    }

    #[test]
    fn a_file_that_shrinks_or_goes_away_meanwhile_is_trouble_and_no_more() {
        let folder = Folder::of(&[("a", &capture(&[1, 2, 3])), ("b", &capture(&[4])), ("c", &capture(&[5]))]);
        let paths = ["a", "b", "c"].map(|name| folder.path(name));
        let mut archive = Archive::open(&paths, Order::Time, Sizes::default());
        fs::write(folder.path("a"), &capture(&[1, 2])[..170]).unwrap();
        fs::remove_file(folder.path("b")).unwrap();
        let told = folder.told(&mut archive);
        assert_eq!(told.len(), 4, "{told:?}");
        assert!(told[1].starts_with("a! the file ends in the middle") && told[2].starts_with("b! No such file"));
    }

    #[test]
    fn a_pipe_takes_its_place_by_time_and_loses_nothing() {
        let folder = Folder::of(&[("a", &capture(&[20]))]);
        let mut found = Found::default();
        found.name(&folder.path("a"));
        let early: Vec<_> = (0..20_000).map(|n| 1 + n / 2_000).collect();
        let pipe = Cursor::new(capture(&early));
        found.add(&folder.path("-"), Way::Stream(Box::new(pipe)));
        sort_by_time(&mut found.captures);
        let mut archive = Archive::of(found.captures, Passed::default(), Sizes::default());
        let told = folder.told(&mut archive);
        assert_eq!((told.len(), &told[0][..], &told[20_000][..]), (20_001, "-:1", "a:20"));
    }
}
