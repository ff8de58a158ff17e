//! A JSON file about a run: whole or not at all.
//!
//! In: a path, before the run; what to write, after it. Out: the file, put in place of an older
//! one at once. It is begun before anything is read, so that a mistyped folder does not cost a
//! night's work; and it replaces nothing that is no such file, so that a mistyped order of
//! arguments does not cost a capture.
//! Must not know what it says.
//! Read next: `ledger.rs`, `summary_file.rs` (what is written).

use std::{
    fs::{self, File},
    io::{self, BufReader, Read, Write},
    path::{Path, PathBuf},
};

use serde_json::Value;

use crate::config::Diagnostic;

/// A file that is going to be written.
#[derive(Debug)]
pub struct ReportFile {
    path: PathBuf,
    /// Where it is written until it is whole; `None` for a device or a pipe, which is written as it is.
    draft: Option<PathBuf>,
    file: File,
}

impl ReportFile {
    /// Begins the file that `flag` names.
    ///
    /// # Errors
    /// It cannot be written, or would replace something else.
    pub fn begin(flag: &str, path: &Path) -> Result<Self, Diagnostic> {
        let wrong = |why: &io::Error| {
            let error = Diagnostic::new(format!("{flag} {}: {why}", path.display()));
            error.hint("name a file in a folder that exists and that you may write to")
        };
        let special = fs::metadata(path).is_ok_and(|meta| !meta.is_file() && !meta.is_dir());
        if special {
            let file = File::options().write(true).open(path).map_err(|why| wrong(&why))?;
            return Ok(Self { path: path.to_owned(), draft: None, file });
        }
        if path.is_dir() {
            return Err(wrong(&io::ErrorKind::IsADirectory.into()));
        }
        if !may_be_replaced(path) {
            let error = Diagnostic::new(format!("{flag} {}: there is a file that is no JSON", path.display()));
            return Err(error.hint("it is left alone; name another file, or move that one away"));
        }
        let mut draft = path.as_os_str().to_owned();
        draft.push(".part");
        let draft = PathBuf::from(draft);
        let file = File::create(&draft).map_err(|why| wrong(&why))?;
        Ok(Self { path: path.to_owned(), draft: Some(draft), file })
    }

    /// Writes it and puts it in its place.
    ///
    /// # Errors
    /// What the operating system says.
    pub fn write(mut self, report: &Value) -> io::Result<()> {
        let mut text = serde_json::to_string_pretty(report)?;
        text.push('\n');
        self.file.write_all(text.as_bytes())?;
        if let Some(draft) = self.draft.take() {
            self.file.sync_all()?;
            fs::rename(draft, &self.path)?;
        }
        Ok(())
    }

    /// Where it will be.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for ReportFile {
    /// Nothing half is left behind.
    fn drop(&mut self) {
        if let Some(draft) = &self.draft {
            // Where it cannot be removed, it could be created: nobody gains by hearing of it.
            let _ = fs::remove_file(draft);
        }
    }
}

/// Whether nothing is there, or something that this program could have written.
fn may_be_replaced(path: &Path) -> bool {
    let Ok(file) = File::open(path) else { return !path.exists() };
    BufReader::new(file).bytes().next().is_none_or(|first| first.is_ok_and(|byte| byte == b'{'))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_older_report_is_replaced_when_the_new_one_is_whole() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.json");
        ReportFile::begin("--ledger", &path).unwrap().write(&json!({"run": 1})).unwrap();
        let second = ReportFile::begin("--ledger", &path).unwrap();
        assert!(fs::read_to_string(&path).unwrap().contains("\"run\": 1"), "not before the second is whole");
        drop(second);
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 1, "what was not written leaves nothing behind");
        ReportFile::begin("--ledger", &path).unwrap().write(&json!({"run": 2})).unwrap();
        assert!(fs::read_to_string(&path).unwrap().contains("\"run\": 2"));
    }

    #[test]
    fn a_capture_is_never_replaced_and_a_missing_folder_is_said_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let capture = folder.path().join("a.pcap");
        fs::write(&capture, [0xd4, 0xc3, 0xb2, 0xa1]).unwrap();
        let refused = ReportFile::begin("--summary", &capture).unwrap_err().to_string();
        assert!(refused.contains("--summary") && refused.contains("no JSON"), "{refused}");
        assert_eq!(fs::read(&capture).unwrap().len(), 4);
        let refused = ReportFile::begin("--summary", &folder.path().join("no/a.json")).unwrap_err().to_string();
        assert!(refused.contains("No such file") && refused.contains("a folder that exists"), "{refused}");
        assert!(ReportFile::begin("--summary", folder.path()).is_err());
    }
}
