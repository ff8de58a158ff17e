//! The list of captures that a run reads, as a later run can tell whether they are the same.
//!
//! In: captures, in the order in which they are read. Out: of each its path, length and time of last change; and from such a list
//! and what paths lead to now, the same order, or what is different. No capture is opened for it.
//! Must not know what is in a capture.
//! Read next: `archive/standing.rs` (who goes on in it).

use std::{
    collections::{HashMap, VecDeque},
    ffi::OsStr,
    fs,
    os::unix::{ffi::OsStrExt, fs::MetadataExt},
    path::Path,
};

use serde::{Deserialize, Serialize};

use super::find::{Capture, Way};

/// A capture of the list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listed {
    /// Its path, as it is: names need not be text.
    path: Vec<u8>,
    /// What tells it from another file of the name; `None` when it could not be read.
    file: Option<Sameness>,
}

/// What changes when a file does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Sameness {
    length: u64,
    /// Seconds and nanoseconds of its last change.
    changed: (i64, i64),
}

impl Listed {
    /// Looks at a capture.
    ///
    /// # Errors
    /// It is a pipe, in words: nobody can read it twice.
    pub(super) fn of(capture: &Capture) -> Result<Self, String> {
        let path = capture.path.as_os_str().as_bytes().to_vec();
        let file = match &capture.way {
            Way::Unreadable(_) => None,
            Way::File { .. } => fs::metadata(&capture.path)
                .ok()
                .map(|found| Sameness { length: found.len(), changed: (found.mtime(), found.mtime_nsec()) }),
            Way::Stream(_) => {
                return Err(format!("{} can be read only once: give files or folders", capture.path.display()));
            }
        };
        Ok(Self { path, file })
    }

    /// Its path.
    #[must_use]
    pub fn path(&self) -> &Path {
        Path::new(OsStr::from_bytes(&self.path))
    }
}

/// Puts captures in the order of a list, which must hold the same and no others.
///
/// # Errors
/// What is different, in words.
pub(super) fn arrange(captures: Vec<Capture>, list: &[Listed]) -> Result<Vec<Capture>, String> {
    let mut found: HashMap<Vec<u8>, VecDeque<(Listed, Capture)>> = HashMap::new();
    for capture in captures {
        let now = Listed::of(&capture)?;
        found.entry(now.path.clone()).or_default().push_back((now, capture));
    }
    let mut arranged = Vec::with_capacity(list.len());
    for was in list {
        let Some((now, capture)) = found.get_mut(&was.path).and_then(VecDeque::pop_front) else {
            return Err(format!("{} was read then and is not named or found now", was.path().display()));
        };
        if now != *was {
            return Err(format!("{} has changed since", was.path().display()));
        }
        arranged.push(capture);
    }
    match found.values().flatten().next() {
        Some((new, _)) => Err(format!("{} was not there then", new.path().display())),
        None => Ok(arranged),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::find::Found;

    fn found(folder: &Path) -> Vec<Capture> {
        let mut found = Found::default();
        for name in ["a", "b", "gone"] {
            found.name(&folder.join(name));
        }
        found.captures
    }

    #[test]
    fn the_same_captures_come_in_the_order_of_the_list_and_others_are_named() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::write(at("a"), "one").unwrap();
        fs::write(at("b"), "two").unwrap();
        let mut list: Vec<_> = found(folder.path()).iter().map(|capture| Listed::of(capture).unwrap()).collect();
        list.reverse();
        let arranged = arrange(found(folder.path()), &list).unwrap();
        let names: Vec<_> =
            arranged.iter().map(|capture| capture.path.file_name().unwrap().to_str().unwrap()).collect();
        assert_eq!(names, ["gone", "b", "a"]);
        let why = |list: &[Listed]| {
            let reason = arrange(found(folder.path()), list).err().unwrap();
            reason.replace(folder.path().to_str().unwrap(), "")
        };
        assert_eq!(why(&list[..2]), "/a was not there then");
        let doubled = [&list[..], &list[..1]].concat();
        assert_eq!(why(&doubled), "/gone was read then and is not named or found now");
        fs::write(at("b"), "three").unwrap();
        assert_eq!(why(&list), "/b has changed since");
    }
}
