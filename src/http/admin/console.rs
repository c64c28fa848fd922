//! The console: what is configured, what is happening, why somebody got no token, and what a visitor's claims would be.
//! Read-only. Shows no secret and nobody's identity but the one typed into its own form.

mod keys;
mod latency;
mod preview;
mod pulse;
mod why;
mod words;

use std::collections::HashMap;

use axum::response::Response;
use http::{HeaderMap, StatusCode};
use serde_json::{Value, json};

use self::keys::age;
use self::preview::{read_sample, receives};
use self::pulse::drawn;
use self::words::{ago, reason};
use crate::base::clock::UnixTime;
use crate::config::duration::show_duration;
use crate::config::env::{Effective, Supplier};
use crate::config::var::{infix_of, scoped};
use crate::http::guide;
use crate::http::origin::{OriginError, sent_by_page_of};
use crate::http::page::{Asset, html};
use crate::http::problem::Problem;
use crate::http::state::{AppState, Snapshot};
use crate::jose::keyring;
use crate::net::origin;
use crate::observe::metrics::recent::Refusals;
use crate::widget::Widget;

const PAGE: &str = include_str!("../../browser/console/console.html");

/// Only our own two files, and forms only to ourselves.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
                      form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// What the console's page loads.
pub const ASSETS: &[Asset] = &[
    Asset {
        name: "console.css",
        media: "text/css; charset=utf-8",
        text: include_str!("../../browser/console/console.css"),
    },
    Asset {
        name: "console.js",
        media: "text/javascript; charset=utf-8",
        text: include_str!("../../browser/console/console.js"),
    },
    Asset { name: "icon.svg", media: "image/svg+xml", text: include_str!("../../browser/icon.svg") },
];

/// The identity that the form shows before anybody has typed one.
const SAMPLE: &str = r#"{
  "sub": "4711",
  "name": "Jane Doe",
  "email": "jane@example.org",
  "email_verified": true,
  "groups": ["patients"],
  "locale": "en"
}"#;

/// What the page is to show beside how things stand.
#[derive(Debug)]
struct Asked<'a> {
    status: StatusCode,
    /// The identity in the form of the preview.
    sample: &'a str,
    /// What came of the preview.
    preview: Value,
    /// What is known about a request.
    why: Value,
}

impl Default for Asked<'_> {
    fn default() -> Self {
        Self { status: StatusCode::OK, sample: SAMPLE, preview: Value::Null, why: Value::Null }
    }
}

/// The page as it stands now, and why the request of this id got no token, where one is asked about.
pub fn show(state: &AppState, ready: bool, request: Option<&str>) -> Response {
    let about = request.filter(|id| !id.trim().is_empty());
    let why = about.map_or(Value::Null, |id| why::answer(state, id, state.clock.now()));
    page(state, ready, &Asked { why, ..Asked::default() })
}

/// The page with what each widget would receive for a sample identity.
pub fn preview(state: &AppState, ready: bool, headers: &HeaderMap, sample: &str) -> Response {
    if !sent_by_our_page(headers) {
        let preview = json!({ "fault": "This form was not sent by this page, so nothing was done with it." });
        let status = Problem::Origin(OriginError::NotListed).status();
        return page(state, ready, &Asked { status, preview, ..Asked::default() });
    }
    let asked = match read_sample(sample, state.clock.now()) {
        Ok(session) => {
            let snapshot = state.snapshot();
            let received: Vec<Value> =
                snapshot.widgets.iter().map(|widget| receives(&snapshot, widget, &session)).collect();
            Asked { sample, preview: json!({ "widgets": received }), ..Asked::default() }
        }
        Err(fault) => {
            let status = Problem::BadSample.status();
            Asked { status, sample, preview: json!({ "fault": fault }), ..Asked::default() }
        }
    };
    page(state, ready, &asked)
}

/// Whoever serves us under TLS in front of this listener changes the scheme, never the host.
fn sent_by_our_page(headers: &HeaderMap) -> bool {
    let Some(host) = origin::host(headers) else { return false };
    ["http", "https"].iter().any(|scheme| sent_by_page_of(&format!("{scheme}://{host}"), headers))
}

fn page(state: &AppState, ready: bool, asked: &Asked<'_>) -> Response {
    let snapshot = state.snapshot();
    let now = state.clock.now();
    let (issued, refused) = state.metrics.totals();
    let pulse = state.metrics.pulse();
    let (beats, refusals) = (pulse.beats(), pulse.refusals());
    drop(pulse);
    let total = |counted: &HashMap<String, u64>| counted.values().sum::<u64>();
    let kinds: Vec<Value> = refusals.iter().map(|seen| kind(seen, now)).collect();
    let widgets = snapshot.widgets.iter().enumerate().map(|(i, widget)| {
        let of = |counted: &HashMap<String, u64>| counted.get(&widget.name).copied().unwrap_or_default();
        configured(&snapshot, widget, i == 0, (of(&issued), of(&refused)), now)
    });
    let settings = snapshot.reading.effective.iter().map(|one| setting(one, now));
    let warnings = snapshot.reading.warnings.iter().map(ToString::to_string);
    let values = json!({
        "version": env!("CARGO_PKG_VERSION"), "ready": ready,
        "issued": total(&issued), "refused": total(&refused),
        "in_flight": state.metrics.in_flight.get(), "lost": state.audit.lost(),
        "pulse": drawn(&beats), "refusals": kinds, "why": asked.why,
        "widgets": widgets.collect::<Vec<_>>(), "sources": latency::sources(state),
        "dependencies": latency::dependencies(now), "keys": keys::shown(&snapshot, state.metrics.started(), now),
        "settings": settings.collect::<Vec<_>>(), "warnings": warnings.collect::<Vec<_>>(),
        "sample": asked.sample, "preview": asked.preview,
    });
    html(asked.status, POLICY, PAGE, &values)
}

fn kind(seen: &Refusals, now: UnixTime) -> Value {
    let labels = &seen.kind;
    json!({
        "widget": labels.widget, "code": labels.code, "reason": labels.reason, "words": reason(labels.reason),
        "total": seen.total, "ago": ago(now.since(seen.seen)),
    })
}

fn setting(one: &Effective, now: UnixTime) -> Value {
    json!({
        "name": one.name, "shown": one.shown, "origin": one.origin.to_string(),
        "age": age(one, now).map(ago), "chosen": one.origin != Supplier::Default,
    })
}

fn configured(snapshot: &Snapshot, widget: &Widget, first: bool, counts: (u64, u64), now: UnixTime) -> Value {
    let key_file = key_setting(snapshot, widget).and_then(|setting| age(setting, now));
    let origins: Vec<&str> = widget.origins.iter().map(|(origin, _)| origin.as_str()).collect();
    let connector = widget.connector.as_ref().map(
        |connector| json!({ "name": connector.name(), "hosts": connector.egress(), "resting": connector.is_resting() }),
    );
    json!({
        "name": widget.name, "title": widget.profile.title, "document": widget.profile.document,
        "algorithm": widget.mechanism.algorithm(), "key": widget.mechanism.fingerprint(),
        "key_age": key_file.map(ago), "published": widget.keyring().map_or(0, |keys| keys.published().len()),
        "lifetime": show_duration(widget.lifetime), "origins": origins, "rules": rules(widget), "connector": connector,
        "issued": counts.0, "refused": counts.1,
        "guide": guide_of(snapshot, widget, first),
    })
}

fn guide_of(snapshot: &Snapshot, widget: &Widget, first: bool) -> String {
    let own = snapshot.origins.own.as_ref().map(ToString::to_string).unwrap_or_default();
    guide::of_widget(widget, &format!("{own}{}", snapshot.mount), &snapshot.mount, first)
}

/// The widget's rules in words.
fn rules(widget: &Widget) -> Vec<String> {
    let policy = &widget.policy;
    let mut rules = Vec::new();
    if !policy.groups.is_empty() {
        rules.push(format!("in one of the groups {}", policy.groups.join(", ")));
    }
    if !policy.email_domains.is_empty() {
        rules.push(format!("e-mail verified and in {}", policy.email_domains.join(", ")));
    } else if policy.verified_email {
        rules.push("e-mail verified".to_owned());
    }
    if let Some(most) = policy.max_session_age {
        rules.push(format!("logged in at most {} ago", show_duration(most)));
    }
    rules
}

/// The setting that holds the widget's key.
fn key_setting<'a>(snapshot: &'a Snapshot, widget: &Widget) -> Option<&'a Effective> {
    let infix = infix_of(&widget.name);
    let own = [widget.profile.secret, &keyring::WIDGET_PRIVATE_KEY];
    let named = own.iter().flat_map(|var| [scoped(var.name, Some(&infix)), var.name.to_owned()]);
    let aliases = own.iter().flat_map(|var| var.aliases.iter().map(|&alias| alias.to_owned()));
    let mut candidates = named.chain(aliases);
    candidates.find_map(|name| snapshot.reading.effective.iter().find(|setting| setting.name == name))
}
