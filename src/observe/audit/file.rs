//! The file that records are appended to: whole lines, one writer at a time, a new file when it is time for one.
//!
//! The service and the commands of its operators write one chain into one file, so whoever writes holds the file's lock and
//! first looks at what others have appended. What cannot be written whole is taken out again: no line is ever torn by us,
//! and what a crash has torn is cut off, counted and recorded.

use std::fs::{File, Metadata};
use std::io::{self, ErrorKind, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;
use time::OffsetDateTime;

use super::chain::Head;

/// The owner writes, the group reads, and nobody else does either.
const MODE: u32 = 0o640;
/// Longest end of a file that is looked through for its last line.
const TAIL: u64 = 64 * 1024;

/// When a file is moved aside and another one begun.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Rotation {
    /// At this many bytes.
    pub size: Option<u64>,
    /// When its first record is this old.
    pub every: Option<Duration>,
}

pub(super) struct LogFile {
    path: PathBuf,
    file: File,
    rotation: Rotation,
    /// Where our next line begins, as far as we know.
    end: u64,
    /// When the first record was written.
    begun: Option<Duration>,
}

/// What has been found at the end of the file before writing.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Found {
    /// Where the chain stands, when somebody else has written.
    pub(super) head: Option<Head>,
    /// Bytes of a torn line that were cut off.
    pub(super) torn: u64,
    /// Nothing is in the file yet.
    pub(super) empty: bool,
}

impl LogFile {
    pub(super) fn open(path: &Path, rotation: Rotation) -> io::Result<Self> {
        Ok(Self { path: path.to_owned(), file: open(path)?, rotation, end: 0, begun: None })
    }

    /// Opens the file of this name anew.
    pub(super) fn reopen(&mut self) -> io::Result<()> {
        *self = Self::open(&self.path, self.rotation)?;
        Ok(())
    }

    /// Takes the lock and looks what is there. To be followed by [`LogFile::append`].
    pub(super) fn begin(&mut self, now: Duration) -> io::Result<Found> {
        self.lock()?;
        let mut metadata = self.file.metadata()?;
        if !metadata.is_file() {
            return Ok(Found::default());
        }
        // Somebody has put another file here: two of us share it, and the other one has begun the next.
        if std::fs::metadata(&self.path).is_ok_and(|there| there.ino() != metadata.ino()) {
            self.reopen()?;
            self.lock()?;
            metadata = self.file.metadata()?;
        }
        let found = self.look(&metadata)?;
        if !self.is_due(now) {
            return Ok(found);
        }
        self.move_aside(now)?;
        self.reopen()?;
        self.lock()?;
        Ok(Found { empty: true, ..found })
    }

    fn lock(&self) -> io::Result<()> {
        match self.file.lock() {
            // A file system without locks: then only one of us may write.
            Err(problem) if problem.kind() == ErrorKind::Unsupported => Ok(()),
            locked => locked,
        }
    }

    fn look(&mut self, metadata: &Metadata) -> io::Result<Found> {
        let len = metadata.len();
        let mut found = Found { empty: len == 0, ..Found::default() };
        if len > self.end {
            let (last, torn) = tail(&mut self.file, len)?;
            if torn > 0 {
                self.file.set_len(len - torn)?;
                tracing::error!(bytes = torn, "the audit log ended in a torn line, which was cut off");
            }
            found = Found { head: last.as_deref().and_then(Head::of_line), torn, empty: len == torn };
            self.begun = first_moment(&mut self.file)?;
            self.end = len - torn;
        } else if len < self.end {
            if len > 0 {
                tracing::error!(missing = self.end - len, "the audit log is shorter than what was written to it");
            }
            (self.end, self.begun) = (len, None);
        }
        Ok(found)
    }

    fn is_due(&self, now: Duration) -> bool {
        let old = |every| self.begun.is_some_and(|begun| now.saturating_sub(begun) >= every);
        self.end > 0
            && (self.rotation.size.is_some_and(|size| self.end >= size) || self.rotation.every.is_some_and(old))
    }

    fn move_aside(&self, now: Duration) -> io::Result<()> {
        let stamp = stamp(now);
        let names = (0..).map(|n| if n == 0 { stamp.clone() } else { format!("{stamp}.{n}") });
        let free = names.map(|stamp| beside(&self.path, &stamp)).find(|path| !path.exists());
        std::fs::rename(&self.path, free.unwrap_or_default())
    }

    /// Appends whole lines, or none of them, and gives up the lock.
    pub(super) fn append(&mut self, lines: &[u8], sync: bool, now: Duration) -> io::Result<()> {
        let regular = self.file.metadata()?.is_file();
        let mut written = self.file.write_all(lines);
        // Devices and pipes cannot be synchronised, and need not be.
        if written.is_ok() && sync && regular {
            written = self.file.sync_data();
        }
        if regular {
            match &written {
                Ok(()) => self.end += lines.len() as u64,
                Err(_) => self.file.set_len(self.end)?,
            }
            self.begun = self.begun.or(Some(now));
        }
        let _ = self.file.unlock();
        written
    }
}

/// `audit.jsonl` and `20261126T164200Z` is `audit.jsonl.20261126T164200Z`.
fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".");
    name.push(ending);
    name.into()
}

fn stamp(now: Duration) -> String {
    let seconds = i64::try_from(now.as_secs()).unwrap_or_default();
    let at = OffsetDateTime::from_unix_timestamp(seconds).unwrap_or(OffsetDateTime::UNIX_EPOCH);
    let (date, time) = (at.date(), at.time());
    let (year, month, day) = (date.year(), u8::from(date.month()), date.day());
    let (hour, minute, second) = time.as_hms();
    format!("{year:04}{month:02}{day:02}T{hour:02}{minute:02}{second:02}Z")
}

/// The last whole line, and how many bytes follow it.
fn tail(file: &mut File, len: u64) -> io::Result<(Option<String>, u64)> {
    file.seek(SeekFrom::Start(len.saturating_sub(TAIL)))?;
    let mut bytes = Vec::new();
    file.take(TAIL).read_to_end(&mut bytes)?;
    let whole = bytes.iter().rposition(|b| *b == b'\n').map_or(0, |end| end + 1);
    let torn = (bytes.len() - whole) as u64;
    let lines = bytes.get(..whole.saturating_sub(1)).unwrap_or_default();
    let last = lines.rsplit(|b| *b == b'\n').next().filter(|line| !line.is_empty());
    Ok((last.map(|line| String::from_utf8_lossy(line).into_owned()), torn))
}

/// When the first record was written.
fn first_moment(file: &mut File) -> io::Result<Option<Duration>> {
    file.seek(SeekFrom::Start(0))?;
    let mut bytes = Vec::new();
    file.take(TAIL).read_to_end(&mut bytes)?;
    let line = bytes.split(|b| *b == b'\n').next().unwrap_or_default();
    let value: Option<Value> = serde_json::from_slice(line).ok();
    Ok(value.and_then(|value| value["at"].as_f64()).and_then(|at| Duration::try_from_secs_f64(at).ok()))
}

fn open(path: &Path) -> io::Result<File> {
    let options = |read| {
        let mut options = File::options();
        options.read(read).append(true).create(true).mode(MODE);
        options
    };
    // Who may only append cannot see what others have written, and needs not: there are no others then.
    let file = options(true).open(path).or_else(|_| options(false).open(path))?;
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
