//! The accounts file on the disk: read as a whole, replaced as a whole, changed by one at a time.

use std::fs::File;
use std::io::Write as _;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, fchown};
use std::path::{Path, PathBuf};

use crate::base::clock::random_id;
use crate::login::accounts::store::{AccountStore, AccountStoreError};

/// Largest accounts file. Whoever has more accounts than this has a directory, and the directory has a login.
const FILE_MAX: u64 = 256 * 1024;

impl AccountStore {
    /// Reads a file.
    ///
    /// # Errors
    /// [`AccountStoreError`]: the file, or its first line that is wrong.
    pub fn load(path: &Path) -> Result<Self, AccountStoreError> {
        let unreadable = |e: std::io::Error| bad_file(path, "read", &e);
        if std::fs::metadata(path).map_err(unreadable)?.len() > FILE_MAX {
            let problem = format!("larger than {FILE_MAX} bytes");
            return Err(AccountStoreError::File { path: path.to_owned(), done: "read", problem });
        }
        Self::parse(&std::fs::read_to_string(path).map_err(unreadable)?)
    }

    /// Writes the file, readable by its owner only or as it was, so that a reader sees the old one or the new one and never
    /// half of either.
    ///
    /// # Errors
    /// [`AccountStoreError::File`]; also when whoever could read the old file could not read the new one, because then the service
    /// would go on with the old accounts.
    pub fn save(&self, path: &Path) -> Result<(), AccountStoreError> {
        let unwritable = |e: std::io::Error| bad_file(path, "written", &e);
        let text = self.text().map_err(unwritable)?;
        if text.len() as u64 > FILE_MAX {
            let problem = format!("it would be larger than {FILE_MAX} bytes");
            return Err(AccountStoreError::File { path: path.to_owned(), done: "written", problem });
        }
        let mut beside = path.as_os_str().to_owned();
        beside.push(format!(".{}", random_id()));
        let beside = PathBuf::from(beside);
        let mut file = std::fs::OpenOptions::new();
        let mut file = file.write(true).create_new(true).mode(0o600).open(&beside).map_err(unwritable)?;
        let written =
            keep_readers(path, &file).and_then(|()| file.write_all(text.as_bytes())).and_then(|()| file.sync_all());
        let moved = written.and_then(|()| std::fs::rename(&beside, path));
        if moved.is_err() {
            drop(std::fs::remove_file(&beside));
        }
        moved.map_err(unwritable)
    }
}

/// Reads the file, or begins one, changes it and writes it: what `countersign accounts` does.
///
/// # Errors
/// [`AccountStoreError`].
pub fn edit(
    path: &Path,
    change: impl FnOnce(&mut AccountStore) -> Result<(), AccountStoreError>,
) -> Result<(), AccountStoreError> {
    let _alone = alone(path)?;
    let mut store = if path.exists() { AccountStore::load(path)? } else { AccountStore::default() };
    change(&mut store)?;
    store.save(path)
}

/// Changes a file that is there: a mistyped path must not become an empty one.
///
/// # Errors
/// [`AccountStoreError`].
pub fn change(
    path: &Path,
    change: impl FnOnce(&mut AccountStore) -> Result<(), AccountStoreError>,
) -> Result<(), AccountStoreError> {
    let _alone = alone(path)?;
    let mut store = AccountStore::load(path)?;
    change(&mut store)?;
    store.save(path)
}

/// Waits until nobody else changes a file in this folder, and keeps others waiting while it is held: of two changes at once
/// neither may be lost. The file itself cannot be held, because it is replaced.
fn alone(path: &Path) -> Result<File, AccountStoreError> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let held = File::open(folder).and_then(|folder| folder.lock().map(|()| folder));
    held.map_err(|e| bad_file(path, "written", &e))
}

/// Gives the new file the owner, the group and the rights of the old one.
fn keep_readers(old: &Path, new: &File) -> std::io::Result<()> {
    let old = match std::fs::metadata(old) {
        Ok(old) => old,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(e) => return Err(e),
    };
    let own = new.metadata()?;
    if (own.uid(), own.gid()) != (old.uid(), old.gid()) {
        fchown(new, Some(old.uid()), Some(old.gid()))?;
    }
    new.set_permissions(old.permissions())
}

fn bad_file(path: &Path, done: &'static str, error: &std::io::Error) -> AccountStoreError {
    AccountStoreError::File { path: path.to_owned(), done, problem: error.kind().to_string() }
}
