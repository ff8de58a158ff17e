//! Cuts a file back to where an interrupted run is known to have come.
//!
//! In: a path and the place at which the file ended then. Out: the file, which ends there. It is done before the file is opened for
//! appending, so that half a line behind that place is not taken for somebody's torn one. A file that cannot be the one that
//! was written then is left alone.
//! Must not know what is in it, but that it ends with a whole line.
//!
//! Read next: `tail.rs`.

use std::{
    fs::{File, OpenOptions},
    io::{self, Read, Seek, SeekFrom},
    path::Path,
};

use tripline_plugin::ConfigError;

/// Cuts the file off at `end`.
pub(crate) fn cut(path: &Path, end: u64) -> Result<(), ConfigError> {
    let wrong = |why: &str| {
        let error = ConfigError::about("path", format!("{} cannot be cut back to byte {end}: {why}", path.display()));
        error.hint("bring back the file that the interrupted run wrote, or begin anew without its state")
    };
    let mut file = match OpenOptions::new().read(true).write(true).open(path) {
        // Nothing was written then: it will be made anew.
        Err(error) if error.kind() == io::ErrorKind::NotFound && end == 0 => return Ok(()),
        opened => opened.map_err(|error| wrong(&error.to_string()))?,
    };
    let length = file.metadata().map_err(|error| wrong(&error.to_string()))?.len();
    if length < end {
        return Err(wrong(&format!("it has {length} bytes")));
    }
    match ends_a_line(&mut file, end) {
        Ok(true) => {}
        Ok(false) => return Err(wrong("no line ends there, so it is another file")),
        Err(error) => return Err(wrong(&error.to_string())),
    }
    if length > end {
        file.set_len(end).and_then(|()| file.sync_all()).map_err(|error| wrong(&error.to_string()))?;
    }
    Ok(())
}

fn ends_a_line(file: &mut File, end: u64) -> io::Result<bool> {
    let Some(last) = end.checked_sub(1) else { return Ok(true) };
    let mut byte = [0];
    file.seek(SeekFrom::Start(last))?;
    file.read_exact(&mut byte)?;
    Ok(byte == *b"\n")
}
