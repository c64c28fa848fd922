//! Where records end up: a file of ours, or what the process was given.

use std::io::{self, ErrorKind, Write};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use super::file::{LogFile, Rotation};

/// A sink that is handed in.
pub(super) type Given = Arc<Mutex<dyn Write + Send>>;

/// An open sink.
pub(super) enum Sink {
    File(LogFile),
    Stream(Box<dyn Write + Send>),
    Given(Given),
}

impl Sink {
    /// Opens a file for appending; makes it when it is not there.
    pub(super) fn file(path: &Path, rotation: Rotation) -> io::Result<Self> {
        LogFile::open(path, rotation).map(Self::File)
    }

    /// Opens the file anew, where it is one. When that fails the old one is better than none.
    pub(super) fn reopen(&mut self) {
        if let Self::File(file) = self
            && let Err(problem) = file.reopen()
        {
            tracing::error!(kind = %problem.kind(), "AUDIT_LOG cannot be opened anew");
        }
    }

    /// Hands a stream what follows the first `taken` bytes, and moves `taken` on.
    pub(super) fn stream(&mut self, bytes: &[u8], taken: &mut usize) -> io::Result<()> {
        while let Some(rest) = bytes.get(*taken..).filter(|rest| !rest.is_empty()) {
            match self.with(|stream| stream.write(rest)) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(count) => *taken += count,
                Err(problem) if problem.kind() == ErrorKind::Interrupted => {}
                Err(problem) => return Err(problem),
            }
        }
        self.with(|stream| stream.flush())
    }

    fn with<T>(&mut self, act: impl FnOnce(&mut dyn Write) -> io::Result<T>) -> io::Result<T> {
        match self {
            Self::File(_) => Err(ErrorKind::Unsupported.into()),
            Self::Stream(stream) => act(stream),
            Self::Given(given) => act(&mut *given.lock().unwrap_or_else(PoisonError::into_inner)),
        }
    }
}
