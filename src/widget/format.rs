//! A widget's format: its vendor's profile, with what the operator may choose of it.

use std::borrow::Cow;
use std::time::Duration;

use url::Url;

use super::mechanism::Chosen;
use super::presets::{self, Profile};
use super::vars::{
    WIDGET_AUDIENCE, WIDGET_CLAIMS, WIDGET_ISSUER, WIDGET_LIFETIME, WIDGET_OPTIONAL_ATTRIBUTES, WIDGET_PRESET,
    WIDGET_STAMPED, WIDGET_SUBJECT_CLAIM, WIDGET_TYP,
};
use crate::claims::{ClaimTemplate, Registered, Stamped, SubjectRule, Surroundings};
use crate::config::duration::show_duration;
use crate::config::env::{Env, Var};
use crate::jose::keyring::WIDGET_KEY_ID;
use crate::jose::signer::HeaderOptions;
use crate::session::identity::SUBJECT_MAX;

pub(super) fn read_profile(env: &mut Env) -> Option<&'static Profile> {
    if !env.is_set(&WIDGET_PRESET) {
        let names: Vec<&str> = presets::ALL.iter().map(|p| p.name).collect();
        env.mistake_in(&WIDGET_PRESET, &format!("is required: one of {}", names.join(", ")));
        return None;
    }
    let words: Vec<(&'static str, &'static Profile)> = presets::ALL.iter().map(|p| (p.name, *p)).collect();
    env.choice(&WIDGET_PRESET, &words)
}

/// A text that may be replaced, or left out with `none`.
fn optional(env: &mut Env, var: &Var, fallback: Option<&str>) -> Option<String> {
    match env.text(var) {
        Some(text) if text.eq_ignore_ascii_case("none") => None,
        Some(text) => Some(text),
        None => fallback.map(str::to_owned),
    }
}

/// What the token's header says.
pub(super) fn read_header(env: &mut Env, profile: &Profile) -> HeaderOptions {
    let typ = if profile.adjustable { optional(env, &WIDGET_TYP, profile.typ) } else { profile.typ.map(str::to_owned) };
    if profile.key_id && !env.is_set(&WIDGET_KEY_ID) {
        env.mistake_in(&WIDGET_KEY_ID, "is required: the vendor looks its key up by the id in the token's header");
    }
    let cty = profile.cty.map(str::to_owned);
    HeaderOptions { typ, kid: None, cty, ascii_payload: profile.ascii_payload }
}

/// The claims that no template sets.
pub(super) fn read_registered(
    env: &mut Env,
    profile: &'static Profile,
    chosen: &Chosen,
    public_url: Option<&Url>,
) -> Registered {
    if !chosen.is_token() {
        // What is no token has no claims of its own: the members are what the page is to be told.
        let subject = if profile.open { read_subject_rule(env, profile) } else { profile.subject.map(Into::into) };
        return Registered { issuer: None, audience: Vec::new(), subject, stamped: Vec::new() };
    }
    let (issuer, audience) =
        if profile.addressed { (read_issuer(env, public_url), read_audience(env)) } else { (None, Vec::new()) };
    let (subject, stamped) = if profile.adjustable {
        (read_subject_rule(env, profile), read_stamped(env, profile))
    } else {
        (profile.subject.map(Into::into), fixed_stamped(env, profile))
    };
    Registered { issuer, audience, subject, stamped }
}

fn read_issuer(env: &mut Env, public_url: Option<&Url>) -> Option<String> {
    let issuer = optional(env, &WIDGET_ISSUER, public_url.map(|url| url.as_str().trim_end_matches('/')));
    if issuer.is_none() && env.text(&WIDGET_ISSUER).is_none() {
        env.mistake_in(&WIDGET_ISSUER, "is required when PUBLIC_URL is not set: who signs (or `none`)");
    }
    issuer
}

fn read_audience(env: &mut Env) -> Vec<String> {
    let audience: Vec<String> = env.list(&WIDGET_AUDIENCE);
    if audience.is_empty() {
        env.mistake_in(&WIDGET_AUDIENCE, "is required: whom the token is for, as the vendor verifies it (or `none`)");
    }
    let none = matches!(audience.as_slice(), [one] if one.eq_ignore_ascii_case("none"));
    if none { Vec::new() } else { audience }
}

/// Whether the operator wants tokens without an end, of a vendor whose own sample has none.
fn is_endless(env: &mut Env, profile: &Profile) -> bool {
    profile.exp_optional && env.text(&WIDGET_LIFETIME).is_some_and(|text| text.eq_ignore_ascii_case("none"))
}

fn fixed_stamped(env: &mut Env, profile: &Profile) -> Vec<Stamped> {
    let endless = is_endless(env, profile);
    if endless {
        env.warn(
            WIDGET_LIFETIME.name,
            "writes no exp: whoever gets hold of a token can open authenticated chats for ever",
        );
    }
    profile.stamped.iter().copied().filter(|stamped| !endless || *stamped != Stamped::Expires).collect()
}

fn read_subject_rule(env: &mut Env, profile: &'static Profile) -> Option<SubjectRule> {
    match env.text(&WIDGET_SUBJECT_CLAIM) {
        None => profile.subject.map(Into::into),
        Some(name) if name.eq_ignore_ascii_case("none") => None,
        Some(name) => Some(SubjectRule { claim: Cow::Owned(name), max: SUBJECT_MAX * 2, alphanumeric: false }),
    }
}

fn read_stamped(env: &mut Env, profile: &'static Profile) -> Vec<Stamped> {
    const WORDS: [(&str, Stamped); 4] =
        [("iat", Stamped::IssuedAt), ("nbf", Stamped::NotBefore), ("exp", Stamped::Expires), ("jti", Stamped::Id)];
    let words: Vec<String> = env.list(&WIDGET_STAMPED);
    if words.is_empty() {
        return profile.stamped.to_vec();
    }
    let known = |word: &String| WORDS.iter().find(|(name, _)| name == word).map(|(_, s)| *s);
    if let Some(word) = words.iter().find(|word| known(word).is_none()) {
        env.mistake_in(&WIDGET_STAMPED, &format!("`{word}` is none of iat, nbf, exp, jti"));
    }
    let stamped: Vec<Stamped> = words.iter().filter_map(known).collect();
    if !stamped.contains(&Stamped::Expires) {
        env.warn(WIDGET_STAMPED.name, "leaves out exp: a captured token is good for ever");
    }
    stamped
}

pub(super) fn read_template(
    env: &mut Env,
    profile: &'static Profile,
    chosen: &Chosen,
    registered: Registered,
    surroundings: Surroundings,
) -> Option<ClaimTemplate> {
    let exchanged = matches!(chosen, Chosen::Exchange(_));
    let own = env.text(&WIDGET_CLAIMS).or_else(|| (profile.open && exchanged).then(|| "{}".to_owned()));
    if own.is_none() && profile.template.is_empty() {
        env.mistake_in(&WIDGET_CLAIMS, "is required for this preset: a JSON object of claims");
        return None;
    }
    let text = own.unwrap_or_else(|| with_optional_attributes(env, profile));
    match ClaimTemplate::compile_over(&text, profile.fixed, registered, surroundings) {
        Ok(template) => Some(template),
        Err(errors) => {
            for error in errors {
                env.mistake_in(&WIDGET_CLAIMS, &error.to_string());
            }
            None
        }
    }
}

/// The preset's template, with the session attributes that the operator lets scenarios read.
fn with_optional_attributes(env: &mut Env, profile: &Profile) -> String {
    let Some(claim) = profile.optional_attributes else { return profile.template.to_owned() };
    let names: Vec<String> = env.list(&WIDGET_OPTIONAL_ATTRIBUTES);
    let template = serde_json::from_str::<serde_json::Value>(profile.template);
    let (false, Ok(mut template)) = (names.is_empty(), template) else { return profile.template.to_owned() };
    let fields = names.into_iter().map(|name| (name.clone(), format!("{{{{ attributes.{name} }}}}").into()));
    template[claim] = serde_json::Value::Object(fields.collect());
    template.to_string()
}

pub(super) fn read_lifetime(env: &mut Env, profile: &Profile) -> Option<Duration> {
    if is_endless(env, profile) || !env.is_set(&WIDGET_LIFETIME) {
        return Some(profile.lifetime);
    }
    let lifetime = env.duration_within(&WIDGET_LIFETIME, Duration::from_secs(10), profile.lifetime_max)?;
    if lifetime > profile.lifetime {
        let usual = show_duration(profile.lifetime);
        env.warn(
            WIDGET_LIFETIME.name,
            &format!("is longer than the preset's {usual}: a stolen token is good for as long"),
        );
    }
    Some(lifetime)
}
