//! The gallery: vendors of each mechanism, with the page's call that the vendor documents, run as it stands.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use serde_json::{Value, json};
use tower_sessions::Session;

use super::patients::{PATIENTS, SignedIn};
use super::settings::MOUNT;
use super::site::Site;
use super::vendors::VENDORS;
use crate::http::page::html;

const PAGE: &str = include_str!("../browser/demo/vendors.html");

/// The page.
pub async fn page(State(site): State<Arc<Site>>, session: Session) -> Response {
    let visitor = SignedIn::of(&session, &site.clock).await.map(|(_, patient)| patient);
    let other = PATIENTS.iter().find(|patient| visitor.is_none_or(|own| own.number != patient.number));
    let values = json!({
        "patient": visitor, "other": other, "patients": PATIENTS, "groups": groups(&site), "count": VENDORS.len(),
        "mount": MOUNT, "widget_server": site.at.widget_server,
    });
    html(StatusCode::OK, &site.policy(&site.at.widget_server, "form-action 'self'"), PAGE, &values)
}

/// The vendors under the headings of their mechanisms.
fn groups(site: &Site) -> Vec<Value> {
    let parts = site.public.snapshot();
    let mut groups: Vec<(&str, &str, Vec<Value>)> = Vec::new();
    for vendor in &VENDORS {
        let Some(widget) = parts.widgets.get(Some(vendor.name)) else { continue };
        let profile = widget.profile;
        let shown = json!({
            "name": vendor.name, "title": profile.title, "document": profile.document,
            "call": widget.page_call(MOUNT, false), "rule": vendor.in_words,
        });
        match groups.last_mut().filter(|(heading, ..)| *heading == profile.format.heading()) {
            Some((.., vendors)) => vendors.push(shown),
            None => groups.push((profile.format.heading(), profile.format.word(), vec![shown])),
        }
    }
    let groups = groups.into_iter();
    groups.map(|(heading, word, vendors)| json!({ "heading": heading, "word": word, "vendors": vendors })).collect()
}
