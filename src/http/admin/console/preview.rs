//! What each widget would receive for a visitor that somebody types in.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Value, json};

use crate::base::clock::UnixTime;
use crate::claims::PageInput;
use crate::http::state::Snapshot;
use crate::session::Session;
use crate::session::identity::{EMAIL_MAX, GROUPS_MAX, ITEM_MAX, Identity, NAME_MAX, Subject, tidy};
use crate::widget::Widget;

/// What this widget would.
pub(super) fn receives(snapshot: &Snapshot, widget: &Widget, session: &Session) -> Value {
    match snapshot.issuer.preview(widget, session, &PageInput::default()) {
        Ok(claims) => {
            let shown = serde_json::to_string_pretty(&claims).unwrap_or_default();
            json!({ "name": widget.name, "claims": shown, "origins": widget.template.origins() })
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

/// The visitor, or what is wrong with how they are described.
pub(super) fn read_sample(text: &str, now: UnixTime) -> Result<Session, String> {
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
    Ok(Session { authenticated_at: Some(now), ..Session::of(identity, "console") })
}
