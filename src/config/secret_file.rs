//! Files that hold a secret, written so that a reader sees the whole of the old text or of the new one.

use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Result, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _, chown};
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use zeroize::Zeroizing;

use crate::base::clock::UnixTime;

/// A file that need not be there.
#[derive(Debug)]
pub struct SecretFile {
    path: PathBuf,
    /// The file whose owner and permissions it gets.
    like: PathBuf,
}

impl SecretFile {
    /// The file at `path`, which is to be as readable as the one at `like`.
    #[must_use]
    pub fn new(path: PathBuf, like: &Path) -> Self {
        Self { path, like: like.to_owned() }
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Its text; `None` when it is not there, or holds nothing but space.
    ///
    /// # Errors
    /// The system's.
    pub fn read(&self) -> Result<Option<Zeroizing<String>>> {
        match fs::read_to_string(&self.path) {
            Ok(text) => Ok(Some(Zeroizing::new(text)).filter(|text| !text.trim().is_empty())),
            Err(problem) if problem.kind() == ErrorKind::NotFound => Ok(None),
            Err(problem) => Err(problem),
        }
    }

    /// When it was written, where it is there.
    ///
    /// # Errors
    /// The system's.
    pub fn written(&self) -> Result<Option<UnixTime>> {
        match fs::metadata(&self.path).and_then(|metadata| metadata.modified()) {
            Ok(at) => Ok(at.duration_since(UNIX_EPOCH).ok().map(|span| UnixTime(span.as_secs()))),
            Err(problem) if problem.kind() == ErrorKind::NotFound => Ok(None),
            Err(problem) => Err(problem),
        }
    }

    /// Puts this text in its place.
    ///
    /// # Errors
    /// The system's; then the file is as it was.
    pub fn write(&self, text: &str) -> Result<()> {
        let mut beside = self.path.clone().into_os_string();
        beside.push(format!(".{}", std::process::id()));
        let beside = PathBuf::from(beside);
        let written = self.write_to(&beside, text).and_then(|()| fs::rename(&beside, &self.path));
        if written.is_err() {
            // It may not have been made at all.
            let _ = fs::remove_file(&beside);
        }
        written
    }

    fn write_to(&self, beside: &Path, text: &str) -> Result<()> {
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(beside)?;
        let like = fs::metadata(&self.like)?;
        let made = file.metadata()?;
        if (like.uid(), like.gid()) != (made.uid(), made.gid()) {
            chown(beside, Some(like.uid()), Some(like.gid()))?;
        }
        file.set_permissions(fs::Permissions::from_mode(like.mode() & 0o640))?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        let folder = beside.parent().filter(|folder| !folder.as_os_str().is_empty());
        File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
    }

    /// Removes it, where it is there.
    ///
    /// # Errors
    /// The system's.
    pub fn remove(&self) -> Result<()> {
        match fs::remove_file(&self.path) {
            Err(problem) if problem.kind() != ErrorKind::NotFound => Err(problem),
            _ => Ok(()),
        }
    }

    /// Remembers what is in it.
    ///
    /// # Errors
    /// The system's.
    pub fn keep(&self) -> Result<Kept<'_>> {
        Ok(Kept { file: self, text: self.read()? })
    }
}

/// What was in a file.
#[derive(Debug)]
pub struct Kept<'a> {
    file: &'a SecretFile,
    text: Option<Zeroizing<String>>,
}

impl Kept<'_> {
    /// Makes the file what it was.
    ///
    /// # Errors
    /// The system's.
    pub fn put_back(self) -> Result<()> {
        let now = self.file.read()?;
        match self.text {
            text if text == now => Ok(()),
            Some(text) => self.file.write(&text),
            None => self.file.remove(),
        }
    }
}
