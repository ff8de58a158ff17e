//! What paths lead to: files, folders, pipes, standard input.
//!
//! In: the paths that the user named. Out: the [`Capture`]s there, folders in order of
//! their names, and a count of what was [`Passed`] over. What is named itself has to be a
//! capture; what merely lies in a folder is looked at first.
//! Must not know in which order captures are read.
//! Read next: `magic.rs` (what a capture is), `archive.rs`.

use std::{
    fmt,
    fs::{self, File},
    io::{self, Read},
    path::Path,
    sync::Arc,
};

use super::{
    flaw::Flaw,
    input::{Input, Unpack},
    magic::{self, Format},
    natural,
    reader::read_full,
};

/// What was passed over in folders. A path that is named itself never is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Passed {
    /// Names that begin with a dot.
    pub hidden: u64,
    /// Files of another kind, sockets, pipes.
    pub foreign: u64,
    /// Files compressed in a way that is not read, which may well be captures.
    pub compressed: u64,
    /// Files of no bytes.
    pub empty: u64,
    /// Symbolic links to folders: they may lead round in a circle.
    pub links: u64,
}

impl Passed {
    /// Whether it is nothing at all.
    pub fn is_nothing(&self) -> bool {
        *self == Self::default()
    }
}

impl fmt::Display for Passed {
    /// `3 hidden, 1 empty`: the kinds that there were.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kinds = [
            (self.hidden, "hidden"),
            (self.foreign, "no captures"),
            (self.compressed, "compressed in a way that is not read"),
            (self.empty, "empty"),
            (self.links, "links to folders"),
        ];
        let words: Vec<_> = kinds.iter().filter(|(n, _)| *n > 0).map(|(n, word)| format!("{n} {word}")).collect();
        f.write_str(&words.join(", "))
    }
}

/// A capture before it is read.
pub(super) struct Capture {
    pub(super) path: Arc<Path>,
    pub(super) way: Way,
}

/// How a capture is come by.
pub(super) enum Way {
    /// Opened when its turn comes.
    File { length: u64 },
    /// Open already: it cannot be opened twice.
    Stream(Box<dyn Read + Send>),
    /// Not at all, for this reason.
    Unreadable(String),
}

/// What the given paths lead to.
#[derive(Default)]
pub(super) struct Found {
    pub(super) captures: Vec<Capture>,
    pub(super) passed: Passed,
}

impl Found {
    /// Takes a path that the user named: a folder, or else a capture.
    pub(super) fn name(&mut self, path: &Path) {
        if path == Path::new("-") {
            return self.add(path, Way::Stream(Box::new(io::stdin())));
        }
        let way = match fs::metadata(path) {
            Ok(meta) if meta.is_dir() => {
                let before = self.captures.len();
                self.folder(path);
                if self.captures.len() > before {
                    return;
                }
                Way::Unreadable("no capture in this folder".into())
            }
            Ok(meta) if meta.is_file() => Way::File { length: meta.len() },
            // A named pipe, or what the shell makes of `<(…)`.
            Ok(_) => match File::open(path) {
                Ok(pipe) => Way::Stream(Box::new(pipe)),
                Err(error) => Way::Unreadable(error.to_string()),
            },
            Err(error) => Way::Unreadable(error.to_string()),
        };
        self.add(path, way);
    }

    /// Takes what a folder holds, by name as people count, and the folders in it.
    fn folder(&mut self, path: &Path) {
        let entries = fs::read_dir(path)
            .and_then(|entries| entries.map(|entry| entry.map(|entry| entry.path())).collect::<io::Result<Vec<_>>>());
        match entries {
            Err(error) => self.add(path, Way::Unreadable(error.to_string())),
            Ok(mut entries) => {
                entries.sort_by(|a, b| natural::compare(a, b));
                for entry in entries {
                    self.entry(&entry);
                }
            }
        }
    }

    fn entry(&mut self, path: &Path) {
        if path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b".")) {
            self.passed.hidden += 1;
            return;
        }
        match fs::metadata(path) {
            Err(error) => self.add(path, Way::Unreadable(error.to_string())),
            Ok(meta) if meta.is_dir() && path.is_symlink() => self.passed.links += 1,
            Ok(meta) if meta.is_dir() => self.folder(path),
            Ok(meta) if meta.is_file() => match head(path).map(|head| magic::recognise(&head)) {
                Err(error) => self.add(path, Way::Unreadable(error.to_string())),
                Ok(Err(Flaw::Empty)) => self.passed.empty += 1,
                Ok(Err(Flaw::Compressed { .. })) => self.passed.compressed += 1,
                Ok(Err(Flaw::Foreign(_))) => self.passed.foreign += 1,
                Ok(_) => self.add(path, Way::File { length: meta.len() }),
            },
            Ok(_) => self.passed.foreign += 1,
        }
    }

    pub(super) fn add(&mut self, path: &Path, way: Way) {
        self.captures.push(Capture { path: path.into(), way });
    }
}

/// The first bytes of a file, or of what it packs. Where a compressed file cannot even tell
/// those it is taken for a capture: its damage is to be told.
fn head(path: &Path) -> io::Result<Vec<u8>> {
    let mut head = [0; magic::ENOUGH];
    let have = read_full(&mut File::open(path)?, &mut head)?;
    let head = head.get(..have).unwrap_or_default();
    let Ok(Format::Packed(_)) = magic::recognise(head) else { return Ok(head.to_vec()) };
    let mut inner = [0; magic::ENOUGH];
    let mut input = Input::new(Box::new(File::open(path)?), Unpack::BEGINNING)?;
    match read_full(&mut input, &mut inner) {
        Ok(have) => Ok(inner.get(..have).unwrap_or_default().to_vec()),
        Err(_) => Ok(head.to_vec()),
    }
}
