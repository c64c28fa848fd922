//! One record per decision: who asked for what, when, and what came of it. Never a token, a secret or a name.
//!
//! Records are JSON lines. The subject appears as a keyed hash, so that the lines of one visitor can be found by whoever
//! holds the key and by nobody else. A thread of its own writes them: it takes whatever has gathered and writes it at
//! once, so a quiet service logs immediately and a busy one logs in large writes.

use std::fmt::Write as _;
use std::io::Write;
use std::net::IpAddr;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use aws_lc_rs::digest;
use secrecy::{ExposeSecret, SecretSlice};

use crate::base::clock::{Clock, random_bytes};
use crate::config::env::{Env, Var};
use crate::session::identity::Subject;

/// Where records go.
pub const AUDIT_LOG: Var = Var::new(
    "AUDIT_LOG",
    "stdout",
    "/var/log/countersign/audit.jsonl",
    "Where the audit records go, one JSON line per decision: stdout, off, or a file to append to.",
);
/// Key of the subject hashes.
pub const AUDIT_KEY: Var = Var::secret(
    "AUDIT_KEY",
    "Secret that keys the subject hashes of the audit log, so that they stay the same across restarts and replicas. A random one per process when not set.",
);

/// What happened to one request for a token.
#[derive(Debug, Clone, Copy)]
pub struct Record<'a> {
    /// Our id of the request.
    pub request_id: &'a str,
    /// `issued`, or the stable code of the refusal.
    pub outcome: &'a str,
    /// Why, in our own words; empty when issued.
    pub reason: &'a str,
    /// Which widget, when one was named that exists.
    pub widget: &'a str,
    /// Which source vouched, when one did.
    pub source: &'static str,
    /// Who, when somebody was found.
    pub subject: Option<&'a Subject>,
    /// `jti` of the token, when it has one.
    pub token_id: &'a str,
    /// When the token ends, seconds since 1970; zero when none was issued.
    pub expires_at: u64,
    /// Whence the request came.
    pub client: Option<IpAddr>,
    /// How long the decision took.
    pub took: Duration,
}

/// What happened to one login or logout of our own.
#[derive(Debug, Clone, Copy)]
pub struct Event<'a> {
    /// `login`, `logout` or `back_channel_logout`.
    pub what: &'static str,
    /// `granted`, `refused` or `unavailable`.
    pub outcome: &'static str,
    /// Why, in our own words; empty when granted.
    pub reason: &'static str,
    /// `oidc` or `accounts`.
    pub method: &'static str,
    /// Who, when somebody was found.
    pub subject: Option<&'a Subject>,
    /// Whence the request came.
    pub client: Option<IpAddr>,
}

/// Where audit records go.
#[derive(Debug, Clone)]
pub struct Audit(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    clock: Clock,
    key: SecretSlice<u8>,
    queue: Option<Arc<Queue>>,
}

/// Settings of this room, opened.
pub struct AuditSettings {
    sink: Option<Box<dyn Write + Send>>,
    on_stdout: bool,
    key: SecretSlice<u8>,
}

impl std::fmt::Debug for AuditSettings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AuditSettings").field("on", &self.sink.is_some()).finish_non_exhaustive()
    }
}

impl AuditSettings {
    /// The settings of this room.
    pub const VARS: &[&Var] = &[&AUDIT_LOG, &AUDIT_KEY];

    /// Reads where records go, and opens it.
    pub fn read(env: &mut Env) -> Self {
        let place = env.text(&AUDIT_LOG).unwrap_or_default();
        let sink: Option<Box<dyn Write + Send>> = match place.as_str() {
            "off" => None,
            "stdout" => Some(Box::new(std::io::stdout())),
            path => match std::fs::File::options().append(true).create(true).open(Path::new(path)) {
                Ok(file) => Some(Box::new(file)),
                Err(e) => {
                    env.mistake_in(&AUDIT_LOG, &format!("{path} cannot be opened for appending ({})", e.kind()));
                    None
                }
            },
        };
        let key = env.secret(&AUDIT_KEY).map(|key| key.expose_secret().as_bytes().to_vec());
        let key = key.unwrap_or_else(|| random_bytes::<32>().to_vec()).into();
        Self { sink, on_stdout: place == "stdout", key }
    }

    /// The same for a command that prints its answer on standard output: records that would go there go to standard
    /// error instead.
    #[must_use]
    pub fn beside_output(self) -> Self {
        let sink: Option<Box<dyn Write + Send>> =
            if self.on_stdout { Some(Box::new(std::io::stderr())) } else { self.sink };
        Self { sink, on_stdout: false, key: self.key }
    }

    /// Records to `sink`; for tests and the demo.
    #[must_use]
    pub fn to(sink: Option<Box<dyn Write + Send>>) -> Self {
        Self { sink, on_stdout: false, key: random_bytes::<32>().to_vec().into() }
    }
}

#[derive(Debug, Default)]
struct Queue {
    state: Mutex<QueueState>,
    filled: Condvar,
    emptied: Condvar,
    lost: AtomicU64,
}

#[derive(Debug, Default)]
struct QueueState {
    lines: Vec<u8>,
    /// The writer is awake, or will be soon without being told.
    writing: bool,
    /// Somebody waits for the queue to be empty.
    hurry: bool,
}

/// Most bytes that wait for a sink that does not take them. Beyond it records are counted as lost, loudly, because a
/// stuck log must not take the service with it.
const QUEUE_MAX: usize = 4 * 1024 * 1024;

/// How long the writer rests after a write. What comes meanwhile is written together, and nobody who records has to wake
/// it: on a busy service that costs more than making the token does.
const REST: Duration = Duration::from_millis(10);

impl Audit {
    /// Starts recording.
    #[must_use]
    pub fn start(settings: AuditSettings, clock: Clock) -> Self {
        let queue = settings.sink.map(|sink| {
            let queue = Arc::new(Queue::default());
            let shared = queue.clone();
            std::thread::spawn(move || write_forever(&shared, sink));
            queue
        });
        Self(Arc::new(Inner { clock, key: settings.key, queue }))
    }

    /// Writes one record.
    pub fn record(&self, record: &Record<'_>) {
        let Some(queue) = &self.0.queue else { return };
        let line = self.line(record);
        queue.push(line.as_bytes());
    }

    /// Writes down that an operator asked whom a pseudonym stands for.
    pub fn unmasked(&self, outcome: &str, subject: Option<&Subject>) {
        let Some(queue) = &self.0.queue else { return };
        let at = self.0.clock.since_epoch();
        let subject = subject.map(|s| self.subject_hash(s)).unwrap_or_default();
        let line = format!(
            r#"{{"audit":"unmask","at":{}.{:03},"outcome":"{outcome}","subject":"{subject}"}}"#,
            at.as_secs(),
            at.subsec_millis(),
        );
        queue.push(format!("{line}\n").as_bytes());
    }

    /// Writes down a login or a logout of our own.
    pub fn event(&self, event: &Event<'_>) {
        let Some(queue) = &self.0.queue else { return };
        let at = self.0.clock.since_epoch();
        let line = format!(
            r#"{{"audit":"{}","at":{}.{:03},"outcome":"{}","reason":"{}","method":"{}","subject":"{}","client":"{}"}}"#,
            event.what,
            at.as_secs(),
            at.subsec_millis(),
            event.outcome,
            event.reason,
            event.method,
            event.subject.map(|subject| self.subject_hash(subject)).unwrap_or_default(),
            event.client.map(|client| client.to_string()).unwrap_or_default(),
        );
        queue.push(format!("{line}\n").as_bytes());
    }

    /// Waits until everything recorded so far has been handed to the sink.
    pub fn flush(&self) {
        if let Some(queue) = &self.0.queue {
            queue.wait_until_empty();
        }
    }

    /// Records that could not be kept because the sink took none.
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.0.queue.as_ref().map_or(0, |queue| queue.lost.load(Ordering::Relaxed))
    }

    /// The keyed hash under which a subject appears in the log: 16 hex digits.
    #[must_use]
    pub fn subject_hash(&self, subject: &Subject) -> String {
        let mut context = digest::Context::new(&digest::SHA256);
        context.update(self.0.key.expose_secret());
        context.update(b"\0subject\0");
        context.update(subject.as_str().as_bytes());
        hex::encode(&context.finish().as_ref()[..8])
    }

    /// Values that could hold anything but our own words are hashed, formatted by us, or checked before they come here,
    /// so the line needs no escaping; the request id is validated where it is taken. Writing to a String does not fail.
    fn line(&self, r: &Record<'_>) -> String {
        let at = self.0.clock.since_epoch();
        let subject = r.subject.map(|s| self.subject_hash(s)).unwrap_or_default();
        let mut line = String::with_capacity(320);
        let _ = write!(line, r#"{{"audit":"token","at":{}.{:03}"#, at.as_secs(), at.subsec_millis());
        let texts = [
            (r#","request":""#, r.request_id),
            (r#","outcome":""#, r.outcome),
            (r#","reason":""#, r.reason),
            (r#","widget":""#, r.widget),
            (r#","source":""#, r.source),
            (r#","subject":""#, &subject),
            (r#","jti":""#, r.token_id),
        ];
        for (name, value) in texts {
            line.push_str(name);
            line.push_str(value);
            line.push('"');
        }
        let _ = write!(line, r#","exp":{},"client":""#, r.expires_at);
        let _ = r.client.map(|client| write!(line, "{client}"));
        let _ = write!(line, r#"","took_us":{}}}"#, r.took.as_micros());
        line.push('\n');
        line
    }
}

impl Queue {
    fn push(&self, line: &[u8]) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.lines.len() + line.len() > QUEUE_MAX {
            self.lost.fetch_add(1, Ordering::Relaxed);
            return;
        }
        let was_empty = state.lines.is_empty();
        state.lines.extend_from_slice(line);
        let wake = was_empty && !state.writing;
        drop(state);
        if wake {
            self.filled.notify_one();
        }
    }

    fn wait_until_empty(&self) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.writing || !state.lines.is_empty() {
            state.hurry = true;
            self.filled.notify_one();
        }
        let waited = self.emptied.wait_while(state, |s| s.writing || !s.lines.is_empty());
        drop(waited.unwrap_or_else(PoisonError::into_inner));
    }

    /// Lets records gather, unless somebody waits for them.
    fn rest(&self) {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        drop(self.filled.wait_timeout_while(state, REST, |s| !s.hurry));
    }

    /// Everything that has gathered; blocks while there is nothing.
    fn take(&self, spare: Vec<u8>) -> Vec<u8> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.writing = false;
        if state.lines.is_empty() {
            state.hurry = false;
            self.emptied.notify_all();
        }
        let mut state = self.filled.wait_while(state, |s| s.lines.is_empty()).unwrap_or_else(PoisonError::into_inner);
        state.writing = true;
        std::mem::replace(&mut state.lines, spare)
    }
}

fn write_forever(queue: &Queue, mut sink: Box<dyn Write + Send>) {
    let mut lines = Vec::new();
    loop {
        lines.clear();
        // A buffer that once held a burst is not kept for ever; one that a busy service fills each time is.
        lines.shrink_to(512 * 1024);
        lines = queue.take(lines);
        if let Err(problem) = sink.write_all(&lines).and_then(|()| sink.flush()) {
            let count = lines.split(|b| *b == b'\n').count().saturating_sub(1) as u64;
            queue.lost.fetch_add(count, Ordering::Relaxed);
            tracing::error!(kind = %problem.kind(), count, "audit records could not be written");
        }
        queue.rest();
    }
}
