//! What happens in the demo, told live to its page: real records of the clinic, of countersign and of the widget server.

use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::body::{Body, Bytes};
use futures_util::stream;
use serde::Serialize;
use serde_json::Value;
use tokio::sync::watch;

use crate::base::clock::Clock;

/// How many are kept for a page that is opened later.
const KEPT: usize = 200;
/// A line now and then, so that a connection to nobody is noticed.
const HEARTBEAT: Duration = Duration::from_secs(20);

/// Who did something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Actor {
    /// The host site.
    Clinic,
    /// The issuer.
    Countersign,
    /// The chat vendor's server.
    WidgetServer,
    /// The double of Direct Line.
    DirectLine,
    /// The agent behind it.
    Agent,
}

/// How it went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// Well.
    Granted,
    /// Somebody was turned away.
    Refused,
    /// Neither.
    Noted,
}

/// One thing that happened. Holds no token and no secret.
#[derive(Debug, Clone, Serialize)]
pub struct Event {
    /// Counts up.
    pub id: u64,
    /// Milliseconds since 1970.
    pub at: u64,
    /// Who.
    pub actor: Actor,
    /// How it went.
    pub outcome: Outcome,
    /// A sentence.
    pub text: String,
    /// The record behind the sentence, or null.
    pub detail: Value,
}

/// The demo's memory of what happened.
#[derive(Debug, Clone)]
pub struct Events(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    clock: Clock,
    kept: Mutex<VecDeque<Event>>,
    newest: watch::Sender<u64>,
}

impl Events {
    /// Nothing yet.
    #[must_use]
    pub fn new(clock: Clock) -> Self {
        Self(Arc::new(Inner { clock, kept: Mutex::default(), newest: watch::Sender::new(0) }))
    }

    /// Tells every open page.
    pub fn tell(&self, actor: Actor, outcome: Outcome, text: impl Into<String>, detail: Value) {
        let at = u64::try_from(self.0.clock.since_epoch().as_millis()).unwrap_or(u64::MAX);
        let mut kept = self.0.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let id = kept.back().map_or(1, |last| last.id + 1);
        if kept.len() == KEPT {
            kept.pop_front();
        }
        kept.push_back(Event { id, at, actor, outcome, text: text.into(), detail });
        drop(kept);
        let _ = self.0.newest.send_replace(id);
    }

    /// What happened after the event of this id.
    #[must_use]
    pub fn after(&self, id: u64) -> Vec<Event> {
        let kept = self.0.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.iter().filter(|event| event.id > id).cloned().collect()
    }

    /// The events after this id and every later one, as an event stream, until the demo stops.
    pub fn stream(&self, after: u64, stopped: watch::Receiver<bool>) -> Body {
        let state = (self.clone(), self.0.newest.subscribe(), stopped, after);
        Body::from_stream(stream::unfold(state, |(events, mut newest, mut stopped, after)| async move {
            loop {
                if *stopped.borrow() {
                    return None;
                }
                let news = events.after(after);
                if let Some(last) = news.last().map(|event| event.id) {
                    let text: String = news.iter().map(frame).collect();
                    return Some((Ok::<_, io::Error>(Bytes::from(text)), (events, newest, stopped, last)));
                }
                tokio::select! {
                    _ = newest.changed() => {}
                    _ = stopped.changed() => {}
                    () = tokio::time::sleep(HEARTBEAT) => {
                        return Some((Ok(Bytes::from_static(b":\n\n")), (events, newest, stopped, after)));
                    }
                }
            }
        }))
    }
}

fn frame(event: &Event) -> String {
    let data = serde_json::to_string(event).unwrap_or_default();
    format!("id: {}\ndata: {data}\n\n", event.id)
}

/// Takes countersign's audit records and tells what they say.
#[derive(Debug)]
pub struct AuditSink(pub Events);

impl io::Write for AuditSink {
    fn write(&mut self, lines: &[u8]) -> io::Result<usize> {
        for line in lines.split(|byte| *byte == b'\n') {
            if let Ok(record) = serde_json::from_slice::<Value>(line) {
                self.tell(record);
            }
        }
        Ok(lines.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl AuditSink {
    fn tell(&self, record: Value) {
        let field = |name: &str| record.get(name).and_then(Value::as_str).unwrap_or_default();
        if !field("audit").is_empty() && field("audit") != "token" {
            return self.tell_login(&record);
        }
        let (outcome, reason, widget) = (field("outcome"), field("reason"), field("widget"));
        let (outcome, text) = match outcome {
            "issued" => (Outcome::Granted, format!("Signed a {widget} token")),
            "renewed" => (Outcome::Granted, format!("Renewed the conversation of a {widget} visitor")),
            "login_required" => (Outcome::Noted, format!("No {widget} token: nobody is signed in")),
            code => (Outcome::Refused, format!("No {widget} token: {} ({code})", explained(reason))),
        };
        self.0.tell(Actor::Countersign, outcome, text, record);
    }
}

impl AuditSink {
    /// Of countersign's own login.
    fn tell_login(&self, record: &Value) {
        let field = |name: &str| record.get(name).and_then(Value::as_str).unwrap_or_default();
        let (outcome, text) = match (field("audit"), field("outcome")) {
            ("login", "granted") => (Outcome::Granted, "Somebody logged in at countersign\u{2019}s own login"),
            ("login", _) => (Outcome::Refused, "A login at countersign\u{2019}s own came to nothing"),
            (_, "granted") => (Outcome::Noted, "countersign\u{2019}s own session has ended"),
            _ => (Outcome::Refused, "countersign\u{2019}s own session could not be ended"),
        };
        self.0.tell(Actor::Countersign, outcome, text, record.clone());
    }
}

/// The audit log's words, for people.
fn explained(reason: &str) -> &str {
    match reason {
        "not_listed" => "the page belongs to another site",
        "not_fetch" => "only a page\u{2019}s own script may ask",
        "navigation" => "the address was opened instead of fetched",
        "no_origin" => "nothing says which page is asking",
        "visitor" => "this visitor has asked too often",
        other => other,
    }
}
