//! Where records end up: a file of ours, or what the process was given.

use std::fs::File;
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

/// The owner writes, the group reads, and nobody else does either.
const MODE: u32 = 0o640;

/// A sink that is handed in.
pub(super) type Given = Arc<Mutex<dyn Write + Send>>;

/// An open sink.
pub(super) enum Sink {
    File { path: PathBuf, file: File },
    Stream(Box<dyn Write + Send>),
    Given(Given),
}

impl Sink {
    /// Opens a file for appending; makes it when it is not there.
    pub(super) fn file(path: &Path) -> io::Result<Self> {
        Ok(Self::File { path: path.to_owned(), file: open(path)? })
    }

    /// Opens the file anew, where it is one; whether it did. When that fails the old one is better than none.
    pub(super) fn reopen(&mut self) -> bool {
        let Self::File { path, file } = self else { return false };
        match open(path) {
            Ok(opened) => *file = opened,
            Err(problem) => {
                tracing::error!(kind = %problem.kind(), "AUDIT_LOG cannot be opened anew");
                return false;
            }
        }
        true
    }

    /// Writes what follows the first `taken` bytes, and moves `taken` on.
    pub(super) fn write(&mut self, bytes: &[u8], taken: &mut usize, sync: bool) -> io::Result<()> {
        while let Some(rest) = bytes.get(*taken..).filter(|rest| !rest.is_empty()) {
            match self.write_some(rest) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(count) => *taken += count,
                Err(problem) if problem.kind() == ErrorKind::Interrupted => {}
                Err(problem) => return Err(problem),
            }
        }
        self.settle(sync)
    }

    fn write_some(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::File { file, .. } => file.write(bytes),
            Self::Stream(stream) => stream.write(bytes),
            Self::Given(given) => given.lock().unwrap_or_else(PoisonError::into_inner).write(bytes),
        }
    }

    fn settle(&mut self, sync: bool) -> io::Result<()> {
        match self {
            // Devices and pipes cannot be synchronised, and need not be.
            Self::File { file, .. } if sync && file.metadata()?.is_file() => file.sync_data(),
            Self::File { .. } => Ok(()),
            Self::Stream(stream) => stream.flush(),
            Self::Given(given) => given.lock().unwrap_or_else(PoisonError::into_inner).flush(),
        }
    }
}

fn open(path: &Path) -> io::Result<File> {
    let file = File::options().append(true).create(true).mode(MODE).open(path)?;
    let metadata = file.metadata()?;
    let mode = metadata.permissions().mode();
    if metadata.is_file() && mode & 0o777 & !MODE != 0 {
        let narrowed = file.set_permissions(std::fs::Permissions::from_mode(mode & MODE));
        if narrowed.is_err() {
            tracing::warn!("others may read or write AUDIT_LOG, and its mode cannot be changed");
        }
    }
    Ok(file)
}
