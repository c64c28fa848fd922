//! The console: what is configured, what is happening, and what a visitor's claims would be. Read-only. Shows no secret
//! and nobody's identity but the one typed into its own form.

use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, UNIX_EPOCH};

use axum::response::Response;
use http::{HeaderMap, StatusCode};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::base::clock::UnixTime;
use crate::claims::PageInput;
use crate::config::duration::show_duration;
use crate::config::env::Effective;
use crate::config::var::{infix_of, scoped};
use crate::http::origin::{OriginError, sent_by_page_of};
use crate::http::page::{Asset, html};
use crate::http::problem::Problem;
use crate::http::state::{AppState, Snapshot};
use crate::jose::keyring;
use crate::net::origin;
use crate::observe::metrics::recent::Minute;
use crate::session::Session;
use crate::session::identity::{EMAIL_MAX, GROUPS_MAX, ITEM_MAX, Identity, NAME_MAX, Subject, tidy};
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

/// The page as it stands now.
pub fn show(state: &AppState, ready: bool) -> Response {
    page(state, ready, StatusCode::OK, SAMPLE, &Value::Null)
}

/// The page with what each widget would receive for a sample identity.
pub fn preview(state: &AppState, ready: bool, headers: &HeaderMap, sample: &str) -> Response {
    if !sent_by_our_page(headers) {
        let refused = json!({ "fault": "This form was not sent by this page, so nothing was done with it." });
        return page(state, ready, Problem::Origin(OriginError::NotListed).status(), SAMPLE, &refused);
    }
    match read_sample(sample, state.clock.now()) {
        Ok(session) => {
            let snapshot = state.snapshot();
            let received: Vec<Value> =
                snapshot.widgets.iter().map(|widget| receives(&snapshot, widget, &session)).collect();
            page(state, ready, StatusCode::OK, sample, &json!({ "widgets": received }))
        }
        Err(fault) => page(state, ready, Problem::BadSample.status(), sample, &json!({ "fault": fault })),
    }
}

/// Whoever serves us under TLS in front of this listener changes the scheme, never the host.
fn sent_by_our_page(headers: &HeaderMap) -> bool {
    let Some(host) = origin::host(headers) else { return false };
    ["http", "https"].iter().any(|scheme| sent_by_page_of(&format!("{scheme}://{host}"), headers))
}

fn page(state: &AppState, ready: bool, status: StatusCode, sample: &str, preview: &Value) -> Response {
    let snapshot = state.snapshot();
    let now = state.clock.now();
    let (issued, refused) = state.metrics.totals();
    let pulse = state.metrics.pulse();
    let (beats, refusals) = (pulse.beats(), pulse.refusals());
    drop(pulse);
    let total = |counted: &HashMap<String, u64>| counted.values().sum::<u64>();
    let kinds = refusals.iter().map(|seen| {
        json!({
            "widget": seen.kind.widget, "code": seen.kind.code, "reason": seen.kind.reason, "total": seen.total,
            "ago": ago(now.since(seen.seen)),
        })
    });
    let widgets = snapshot.widgets.iter().enumerate().map(|(i, widget)| {
        let of = |counted: &HashMap<String, u64>| counted.get(&widget.name).copied().unwrap_or_default();
        configured(&snapshot, widget, i == 0, (of(&issued), of(&refused)), now)
    });
    let sources = snapshot.issuer.chain().health().map(|(name, resting)| json!({ "name": name, "resting": resting }));
    let settings = snapshot.reading.effective.iter().map(|setting| {
        json!({
            "name": setting.name, "shown": setting.shown, "origin": setting.origin,
            "age": age(setting, now).map(ago), "chosen": setting.origin != "default",
        })
    });
    let warnings = snapshot.reading.warnings.iter().map(ToString::to_string);
    let values = json!({
        "version": env!("CARGO_PKG_VERSION"), "ready": ready,
        "issued": total(&issued), "refused": total(&refused),
        "in_flight": state.metrics.in_flight.get(), "lost": state.audit.lost(),
        "pulse": drawn(&beats), "refusals": kinds.collect::<Vec<_>>(),
        "widgets": widgets.collect::<Vec<_>>(), "sources": sources.collect::<Vec<_>>(),
        "settings": settings.collect::<Vec<_>>(), "warnings": warnings.collect::<Vec<_>>(),
        "sample": sample, "preview": preview,
    });
    html(status, POLICY, PAGE, &values)
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
        "login": widget.page_call(&snapshot.mount, first), "logout": widget.profile.page_logout,
    })
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
    let own = [widget.profile.secret, &keyring::PRIVATE_KEY];
    let named = own.iter().flat_map(|var| [scoped(var.name, Some(&infix)), var.name.to_owned()]);
    let aliases = own.iter().flat_map(|var| var.aliases.iter().map(|&alias| alias.to_owned()));
    let mut candidates = named.chain(aliases);
    candidates.find_map(|name| snapshot.reading.effective.iter().find(|setting| setting.name == name))
}

/// How long ago the file behind a setting was written.
fn age(setting: &Effective, now: UnixTime) -> Option<Duration> {
    let written = std::fs::metadata(setting.file.as_ref()?).ok()?.modified().ok()?;
    let written = written.duration_since(UNIX_EPOCH).ok()?;
    Some(now.since(UnixTime(written.as_secs())))
}

fn ago(span: Duration) -> String {
    let seconds = span.as_secs();
    let (count, unit) = match seconds {
        0..60 => return "less than a minute".to_owned(),
        60..3600 => (seconds / 60, "minute"),
        3600..86_400 => (seconds / 3600, "hour"),
        _ => (seconds / 86_400, "day"),
    };
    format!("{count} {unit}{}", if count == 1 { "" } else { "s" })
}

/// Size of the drawing area of the two curves.
const WIDTH: u64 = 720;
const HEIGHT: u64 = 60;

/// The beats as bars and a line, with what they mean in words.
fn drawn(beats: &[Minute]) -> Value {
    let step = WIDTH / 180;
    let most = beats.iter().map(|b| b.issued + b.refused).max().unwrap_or_default();
    let slowest = beats.iter().map(|b| b.mean_us).max().unwrap_or_default();
    let scale = |n: u64, most: u64| (n * HEIGHT).checked_div(most).unwrap_or_default();
    let left = WIDTH - step * u64::try_from(beats.len()).unwrap_or_default().min(180);
    let placed = beats.iter().zip(0u64..).map(|(beat, i)| (beat, left + i * step));
    let bars: Vec<Value> = placed
        .clone()
        .filter(|(beat, _)| beat.issued + beat.refused > 0)
        .map(|(beat, x)| {
            let (issued, refused) = (scale(beat.issued, most), scale(beat.refused, most));
            json!({
                "x": x, "w": step - 1, "issued": issued, "issued_y": HEIGHT - issued,
                "refused": refused, "refused_y": HEIGHT - issued - refused,
            })
        })
        .collect();
    let line = placed
        .filter(|(beat, _)| beat.mean_us > 0)
        .map(|(beat, x)| format!("{x},{}", HEIGHT - scale(beat.mean_us, slowest)));
    let busy: Vec<&Minute> = beats.iter().filter(|beat| beat.mean_us > 0).collect();
    let mean = busy.iter().map(|b| b.mean_us).sum::<u64>().checked_div(busy.len() as u64).unwrap_or_default();
    json!({
        "width": WIDTH, "height": HEIGHT, "bars": bars, "line": line.collect::<Vec<_>>().join(" "),
        "most": most, "slowest": in_ms(slowest), "mean": in_ms(mean), "any": !busy.is_empty(),
        "issued": beats.iter().map(|b| b.issued).sum::<u64>(), "refused": beats.iter().map(|b| b.refused).sum::<u64>(),
    })
}

fn in_ms(micros: u64) -> String {
    format!("{}.{} ms", micros / 1000, micros % 1000 / 100)
}

fn receives(snapshot: &Snapshot, widget: &Widget, session: &Session) -> Value {
    match snapshot.issuer.preview(widget, session, &PageInput::default()) {
        Ok(claims) => {
            let shown = serde_json::to_string_pretty(&claims).unwrap_or_default();
            json!({ "name": widget.name, "claims": shown })
        }
        Err(refusal) => json!({ "name": widget.name, "refusal": refusal.to_string() }),
    }
}

/// An identity as somebody types it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Sample {
    sub: String,
    name: Option<String>,
    email: Option<String>,
    email_verified: Option<bool>,
    #[serde(default)]
    groups: Vec<String>,
    locale: Option<String>,
    #[serde(default)]
    attributes: BTreeMap<String, Value>,
}

fn read_sample(text: &str, now: UnixTime) -> Result<Session, String> {
    let sample: Sample = serde_json::from_str(text).map_err(|problem| format!("This is no identity: {problem}."))?;
    let fit = |what: &str, value: &Option<String>, max| match value {
        Some(value) => tidy(value, max).map_err(|unfit| format!("`{what}` cannot be used: {unfit}.")),
        None => Ok(None),
    };
    let subject = Subject::new(&sample.sub).map_err(|unfit| format!("`sub` cannot be used: {unfit}."))?;
    let mut identity = Identity::new(subject);
    identity.name = fit("name", &sample.name, NAME_MAX)?;
    identity.email = fit("email", &sample.email, EMAIL_MAX)?;
    identity.email_verified = sample.email_verified;
    identity.locale = fit("locale", &sample.locale, ITEM_MAX)?;
    identity.groups = sample.groups.into_iter().take(GROUPS_MAX).collect();
    identity.attributes = sample.attributes;
    Ok(Session { identity, source: "console", expires_at: None, authenticated_at: Some(now) })
}
