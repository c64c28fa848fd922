//! Whether this user may write somewhere, as far as can be told without writing: by owner, group and mode. What lies beyond them (a
//! read-only mount, an access-control list) only the attempt shows.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

/// Who this process is.
struct User {
    uid: u32,
    groups: Vec<u32>,
}

impl User {
    /// As the kernel knows it; `None` where it does not say.
    fn current() -> Option<Self> {
        let status = std::fs::read_to_string("/proc/self/status").ok()?;
        let numbers = |field: &str| -> Option<Vec<u32>> {
            let line = status.lines().find_map(|line| line.strip_prefix(field))?;
            Some(line.split_whitespace().filter_map(|number| number.parse().ok()).collect())
        };
        // Real, effective, saved, and that of the file system, which is what counts.
        let uid = *numbers("Uid:")?.get(3)?;
        let mut groups = numbers("Groups:")?;
        groups.extend(numbers("Gid:")?.get(3));
        Some(Self { uid, groups })
    }

    fn may_write(&self, meta: &Metadata) -> bool {
        let bit = match () {
            () if self.uid == 0 => return true,
            () if meta.uid() == self.uid => 0o200,
            () if self.groups.contains(&meta.gid()) => 0o020,
            () => 0o002,
        };
        meta.mode() & bit != 0
    }
}

/// Why a file at `path` could not be kept by this user, folders that are missing included; `None` when nothing speaks against it.
pub(super) fn obstacle(path: &Path) -> Option<String> {
    let user = User::current()?;
    let cannot = |what: &Path, why: &str| {
        Some(format!("{} cannot be kept by this user ({}): {} {why}", path.display(), user.uid, what.display()))
    };
    if let Ok(meta) = std::fs::metadata(path) {
        if meta.is_dir() {
            return cannot(path, "is a folder; name a file in it");
        }
        if !user.may_write(&meta) {
            return cannot(path, "is not writable");
        }
    }
    let (folder, meta) = path.ancestors().skip(1).find_map(|at| Some((at, std::fs::metadata(at).ok()?)))?;
    match () {
        () if !meta.is_dir() => cannot(folder, "is not a folder"),
        () if !user.may_write(&meta) => cannot(folder, "is not writable"),
        () => None,
    }
}
