//! A vendor's guide with the addresses that we answer at.

use super::routes::PUBLIC_KEYS;
use super::script::adapter;
use crate::widget::Settings;
use crate::widget::guide::{self, Addresses};
use crate::widget::presets::Profile;

/// The guide for a widget that is configured; `base` is our public address, and `first` whether it answers at the bare route.
#[must_use]
pub fn of_widget(widget: &Settings, base: &str, mount: &str, first: bool) -> String {
    let page_call = widget.page_call(mount, first);
    text(widget.profile, &widget.name, (base, mount), &page_call)
}

/// The guide for a preset that nobody has configured yet, with addresses as they usually are.
#[must_use]
pub fn of_preset(profile: &'static Profile) -> String {
    const MOUNT: &str = "/chat-identity";
    let page_call = profile.page_login.replace("{token_url}", &format!("{MOUNT}/token"));
    text(profile, profile.name, ("https://www.example.org/chat-identity", MOUNT), &page_call)
}

fn text(profile: &'static Profile, widget: &str, (base, mount): (&str, &str), page_call: &str) -> String {
    let keys = format!("{}{PUBLIC_KEYS}/{widget}", base.trim_end_matches('/'));
    guide::text(profile, &Addresses { mount, page_call, keys: &keys, adapter: adapter(profile.name), widget })
}
