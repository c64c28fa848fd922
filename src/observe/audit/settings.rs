//! Where audit records go, and under which key.

use std::fs::File;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use secrecy::{ExposeSecret, SecretSlice};

use super::file::Rotation;
use super::sink::{Given, Sink};
use crate::base::clock::random_bytes;
use crate::config::duration::parse_duration;
use crate::config::env::Env;

crate::settings! {
    pub vars VARS {
        AUDIT_LOG("stdout", "/var/log/countersign/audit.jsonl"; at_start()),
            "Where the audit records go, one JSON line per decision: stdout, off, or a file to append to (mode 0640; SIGHUP opens it anew).";
        AUDIT_KEY(secret; at_start()),
            "Secret of at least 32 bytes that keys the subject hashes of the audit log (HMAC-SHA256), so that they stay the same across restarts and replicas. Without it they tell visitors apart within one process only.";
        AUDIT_REQUIRED("false", "true"; at_start()),
            "No token leaves before its record is written and, in a file, on the disk: while that fails, requests are answered with 503. Otherwise a grant waits only for its place in the queue.";
        AUDIT_ROTATE_SIZE("off", "100M"; at_start()),
            "Size at which the audit file is moved aside as FILE.20261126T164200Z and another one begun, in bytes, k, M or G; `off` leaves that to logrotate or the like. Files are never deleted.";
        AUDIT_ROTATE_EVERY("off", "1d"; at_start()),
            "Age of its first record at which the audit file is moved aside, such as 1d; `off` as above. The chain goes on from file to file.";
        REPLICA_ID("", "countersign-0"; at_start()),
            "Name of this replica in audit records: letters, digits, `.`, `_` and `-`, at most 64. The machine's name when empty.";
    }
}

/// Least bytes of a key: as many as the hash has.
const KEY_LEAST: usize = 32;

/// Where records go, and how.
#[derive(Clone)]
pub struct AuditSettings {
    place: Destination,
    key: SecretSlice<u8>,
    keyed: bool,
    /// No token without its record.
    pub required: bool,
    /// When a file is moved aside.
    pub rotation: Rotation,
    /// Which replica this is.
    pub replica: String,
}

#[derive(Clone)]
enum Destination {
    Off,
    Stdout,
    File(PathBuf),
    Given(Given),
}

impl std::fmt::Debug for AuditSettings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AuditSettings").field("on", &!matches!(self.place, Destination::Off)).finish_non_exhaustive()
    }
}

impl AuditSettings {
    /// Reads where records go. Nothing is made yet.
    pub fn read(env: &mut Env) -> Self {
        let place = match env.text(&AUDIT_LOG).unwrap_or_default().as_str() {
            "off" => Destination::Off,
            "stdout" => Destination::Stdout,
            path => Destination::File(PathBuf::from(path)),
        };
        if let Destination::File(path) = &place
            && let Err(kind) = can_append(path)
        {
            env.mistake_in(&AUDIT_LOG, &format!("{} cannot be opened for appending ({kind})", path.display()));
        }
        let required = env.flag(&AUDIT_REQUIRED);
        if required && matches!(place, Destination::Off) {
            env.mistake_in(&AUDIT_REQUIRED, "needs a log: AUDIT_LOG is off");
        }
        let key = env.secret(&AUDIT_KEY).map(|key| key.expose_secret().as_bytes().to_vec());
        if key.as_ref().is_some_and(|key| key.len() < KEY_LEAST) {
            env.mistake_in(&AUDIT_KEY, "is shorter than 32 bytes. `countersign keygen` makes a strong one");
        }
        let keyed = key.is_some();
        if !keyed && matches!(place, Destination::File(_)) {
            env.warn(
                AUDIT_KEY.name,
                "is not set: after a restart nobody can tell whom the records before it are about",
            );
        }
        let key = key.unwrap_or_else(|| random_bytes::<KEY_LEAST>().to_vec()).into();
        Self { place, key, keyed, required, rotation: read_rotation(env), replica: read_replica(env) }
    }

    /// The same for a command that must leave a record: it is on the disk before the command goes on.
    ///
    /// # Errors
    /// A sentence, when no record would last or its hashes would mean nothing.
    pub fn for_command(mut self) -> Result<Self, &'static str> {
        self.required = true;
        match (&self.place, self.keyed) {
            (Destination::Off | Destination::Stdout, _) => {
                Err("this command leaves an audit record: AUDIT_LOG must name a file that keeps it")
            }
            (_, false) => {
                Err("this command leaves an audit record: AUDIT_KEY must be set, or nobody can tell whom it is about")
            }
            _ => Ok(self),
        }
    }

    /// Records to `sink`; for tests and the demo.
    #[must_use]
    pub fn to(sink: Option<Box<dyn Write + Send>>) -> Self {
        let place = sink.map_or(Destination::Off, |sink| Destination::Given(Arc::new(Mutex::new(sink))));
        Self {
            place,
            key: random_bytes::<KEY_LEAST>().to_vec().into(),
            keyed: false,
            required: false,
            rotation: Rotation::default(),
            replica: "here".to_owned(),
        }
    }

    pub(super) fn key(&self) -> &SecretSlice<u8> {
        &self.key
    }

    /// The key of subjects, when they mean something beyond this process.
    #[must_use]
    pub fn chain_key(&self) -> Option<&SecretSlice<u8>> {
        self.keyed.then_some(&self.key)
    }

    /// The file, when it is one.
    #[must_use]
    pub fn path(&self) -> Option<&Path> {
        match &self.place {
            Destination::File(path) => Some(path),
            _ => None,
        }
    }

    pub(super) fn open(&self) -> Result<Option<Sink>, String> {
        Ok(Some(match &self.place {
            Destination::Off => return Ok(None),
            Destination::Stdout => Sink::Stream(Box::new(std::io::stdout())),
            Destination::Given(given) => Sink::Given(given.clone()),
            Destination::File(path) => Sink::file(path, self.rotation)
                .map_err(|problem| format!("{} cannot be opened for appending ({})", path.display(), problem.kind()))?,
        }))
    }
}

/// What is needed to read a log: where it is, and its key.
pub struct Evidence {
    /// The file, when it is one.
    pub log: Option<PathBuf>,
    /// The key, when there is one.
    pub key: Option<SecretSlice<u8>>,
}

impl Evidence {
    /// Reads both. Who reads a log need not be able to write it.
    pub fn read(env: &mut Env) -> Self {
        let log = env.text(&AUDIT_LOG).filter(|place| place != "off" && place != "stdout").map(PathBuf::from);
        let key = env.secret(&AUDIT_KEY).map(|key| key.expose_secret().as_bytes().to_vec().into());
        Self { log, key }
    }
}

/// Whether the file can be appended to, or made; without making it.
fn can_append(path: &Path) -> Result<(), ErrorKind> {
    match File::options().append(true).open(path) {
        Ok(_) => Ok(()),
        Err(problem) if problem.kind() == ErrorKind::NotFound => {
            let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
            if folder.is_dir() { Ok(()) } else { Err(ErrorKind::NotFound) }
        }
        Err(problem) => Err(problem.kind()),
    }
}

fn read_rotation(env: &mut Env) -> Rotation {
    let mut set = |var| env.text(var).filter(|text| !text.eq_ignore_ascii_case("off"));
    let (size, every) = (set(&AUDIT_ROTATE_SIZE), set(&AUDIT_ROTATE_EVERY));
    let rotation = Rotation {
        size: size.as_deref().and_then(parse_size).filter(|size| *size > 0),
        every: every.as_deref().and_then(parse_duration).filter(|every| !every.is_zero()),
    };
    if size.is_some() && rotation.size.is_none() {
        env.mistake_in(&AUDIT_ROTATE_SIZE, "is no size such as 100M, and not off");
    }
    if every.is_some() && rotation.every.is_none() {
        env.mistake_in(&AUDIT_ROTATE_EVERY, "is no span of time such as 1d, and not off");
    }
    rotation
}

/// `100M` is that many times 1024 times 1024 bytes, as logrotate counts.
fn parse_size(text: &str) -> Option<u64> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let shift = match unit.trim() {
        "" => 0,
        "k" | "K" => 10,
        "M" => 20,
        "G" => 30,
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(1 << shift)
}

fn read_replica(env: &mut Env) -> String {
    let given = env.text(&REPLICA_ID).filter(|name| !name.is_empty());
    let plain = |name: &String| {
        (1..=64).contains(&name.len()) && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b))
    };
    if given.as_ref().is_some_and(|name| !plain(name)) {
        env.mistake_in(&REPLICA_ID, "takes 1 to 64 letters, digits, dots, underscores and hyphens");
    }
    let machine = || std::fs::read_to_string("/proc/sys/kernel/hostname").ok().map(|name| name.trim().to_owned());
    given.or_else(machine).filter(plain).unwrap_or_else(|| "unnamed".to_owned())
}
