//! Where audit records go, and under which key.

use std::fs::File;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use secrecy::{ExposeSecret, SecretSlice};

use super::sink::{Given, Sink};
use crate::base::clock::random_bytes;
use crate::config::env::{Env, Var};

/// Where records go.
pub const AUDIT_LOG: Var = Var::new(
    "AUDIT_LOG",
    "stdout",
    "/var/log/countersign/audit.jsonl",
    "Where the audit records go, one JSON line per decision: stdout, off, or a file to append to (mode 0640; SIGHUP opens it anew).",
);
/// Key of the subject hashes.
pub const AUDIT_KEY: Var = Var::secret(
    "AUDIT_KEY",
    "Secret of at least 32 bytes that keys the subject hashes of the audit log (HMAC-SHA256), so that they stay the same across restarts and replicas. Without it they tell visitors apart within one process only.",
);
/// Whether there is no token without a record.
pub const AUDIT_REQUIRED: Var = Var::new(
    "AUDIT_REQUIRED",
    "false",
    "true",
    "No token leaves before its record is written and, in a file, on the disk: while that fails, requests are answered with 503. Otherwise a grant waits only for its place in the queue.",
);

/// Least bytes of a key: as many as the hash has.
const KEY_LEAST: usize = 32;

/// The settings of this room.
#[derive(Clone)]
pub struct AuditSettings {
    place: Destination,
    key: SecretSlice<u8>,
    keyed: bool,
    /// No token without its record.
    pub required: bool,
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
    /// The settings of this room.
    pub const VARS: &[&Var] = &[&AUDIT_LOG, &AUDIT_KEY, &AUDIT_REQUIRED];

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
        Self { place, key, keyed, required }
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
        Self { place, key: random_bytes::<KEY_LEAST>().to_vec().into(), keyed: true, required: false }
    }

    pub(super) fn key(&self) -> &SecretSlice<u8> {
        &self.key
    }

    pub(super) fn open(&self) -> Result<Option<Sink>, String> {
        Ok(Some(match &self.place {
            Destination::Off => return Ok(None),
            Destination::Stdout => Sink::Stream(Box::new(std::io::stdout())),
            Destination::Given(given) => Sink::Given(given.clone()),
            Destination::File(path) => Sink::file(path)
                .map_err(|problem| format!("{} cannot be opened for appending ({})", path.display(), problem.kind()))?,
        }))
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
