//! Where rules files lie: the one place of this stage that touches the disk.
//!
//! In: paths of files and folders. Out: documents, in order; or which could not be read, and why.
//! Must not know what stands in them.
//! Read next: `mod.rs`, which puts them together.

use std::{
    fs::{self, File},
    io::{self, Read},
    path::{Path, PathBuf},
    sync::Arc,
};

use crate::config::{Diagnostic, Diagnostics, Document};

/// A rules file is written by people; one larger than this is something else.
const LARGEST: u64 = 4 << 20;

/// Reads files as given, and of folders every `*.toml` in order of name.
pub fn read(paths: &[PathBuf]) -> Result<Vec<Arc<Document>>, Diagnostics> {
    let mut errors = Diagnostics::default();
    let mut documents = Vec::new();
    for path in paths {
        let files = if path.is_dir() { in_folder(path) } else { Ok(vec![path.clone()]) };
        match files {
            Ok(files) => {
                for file in files {
                    match read_text(&file) {
                        Ok(text) => documents.push(Arc::new(Document { name: file.display().to_string(), text })),
                        Err(reason) => errors.push(unreadable(&file, &reason)),
                    }
                }
            }
            Err(reason) => errors.push(unreadable(path, &reason)),
        }
    }
    errors.none_or(documents)
}

fn unreadable(path: &Path, reason: &io::Error) -> Diagnostic {
    Diagnostic::new(format!("{}: {reason}", path.display())).hint("a rules file, or a folder with *.toml in it")
}

fn in_folder(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut files = fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect::<io::Result<Vec<_>>>()?;
    // Hidden files are those that editors and package managers leave behind.
    let hidden = |path: &Path| path.file_name().is_none_or(|name| name.as_encoded_bytes().starts_with(b"."));
    files.retain(|path| path.extension().is_some_and(|suffix| suffix == "toml") && !hidden(path));
    files.sort();
    if files.is_empty() { Err(io::Error::other("no *.toml in this folder")) } else { Ok(files) }
}

fn read_text(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    let file = File::open(path)?;
    if file.metadata()?.is_dir() {
        return Err(io::Error::other("this is a folder within a folder of rules"));
    }
    file.take(LARGEST + 1).read_to_string(&mut text)?;
    if text.len() as u64 > LARGEST { Err(io::Error::other("larger than 4 MiB: no rules file")) } else { Ok(text) }
}
