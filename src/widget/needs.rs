//! What a vendor's preset needs in the environment file.

pub mod parts;

use self::parts::{Entry, Make, SecretFile};
use super::presets::{Format, Profile, SubjectForm};
use super::vars;
use crate::base::secret::Encoding;
use crate::config::var::{infix_of, scoped};
use crate::connector::Kind;
use crate::connector::direct_line::WIDGET_WEBCHAT_SECRET as WEBCHAT_SECRET;
use crate::jose::algorithm::Algorithm;
use crate::jose::keyring::{WIDGET_ALGORITHM, WIDGET_KEY_ID, WIDGET_PRIVATE_KEY, WIDGET_SECRET_ENCODING};

/// Bytes of a stand-in where a vendor's own secrets have no length that is known.
const STAND_IN: usize = 64;

const LETTERS: &str = "The vendor takes letters and digits only, so ids are written in hex. Where yours have nothing else, `plain` leaves them as they are.";

/// Settings and secrets of a widget of each vendor. Several widgets have their vendors' names.
#[must_use]
pub fn needs_of_all(profiles: &[&'static Profile]) -> (Vec<Entry>, Vec<SecretFile>) {
    if let [profile] = profiles {
        return needs(profile);
    }
    let names: Vec<&str> = profiles.iter().map(|profile| profile.name).collect();
    let (mut entries, mut secrets) = (vec![Entry::set(vars::WIDGETS.name, &names.join(","))], Vec::new());
    for profile in profiles {
        let (of_widget, its_secrets) = needs(profile);
        let own = |name: &str| scoped(name, Some(&infix_of(profile.name)));
        entries.extend(of_widget.into_iter().map(|entry| Entry { name: own(&entry.name), ..entry }));
        let its_secrets = its_secrets.into_iter().map(|secret| {
            let setting = own(&secret.setting);
            // What is no widget's alone is made once.
            let shared = setting == secret.setting;
            let plain = shared || secret.file == profile.name;
            let file = if plain { secret.file } else { format!("{}-{}", profile.name, secret.file) };
            SecretFile { setting, file, ..secret }
        });
        for secret in its_secrets {
            if !secrets.iter().any(|known: &SecretFile| known.setting == secret.setting) {
                secrets.push(secret);
            }
        }
    }
    (entries, secrets)
}

/// Settings and secrets of a widget of this vendor.
#[must_use]
pub fn needs(profile: &'static Profile) -> (Vec<Entry>, Vec<SecretFile>) {
    let mut entries = vec![Entry::set(vars::WIDGET_PRESET.name, profile.name)];
    let mut secrets = Vec::new();
    let console = if profile.console.is_empty() { profile.document } else { profile.console };
    if profile.open {
        entries.push(Entry::set(WIDGET_ALGORITHM.name, "HS256"));
        entries.push(Entry::set(WIDGET_SECRET_ENCODING.name, "base64url"));
        entries.push(Entry::yours(
            vars::WIDGET_CLAIMS.name,
            r#"{"name": "{{ name }}"}"#,
            "the claims that the vendor verifies",
        ));
    }
    let algorithm = profile.algorithms.first().and_then(|name| Algorithm::named(name)).filter(|_| !profile.open);
    if let Some(pair) = algorithm.filter(|algorithm| !algorithm.is_symmetric()) {
        secrets.push(SecretFile::ours(WIDGET_PRIVATE_KEY.name, profile.name, Make::Pair(pair)));
    } else {
        let encoding = if profile.open { Encoding::Base64Url } else { profile.encoding };
        secrets.push(SecretFile::theirs(profile.secret.name, profile.name, Make::Text(encoding, STAND_IN), console));
    }
    entries.extend(
        profile.key_id.then(|| Entry::yours(WIDGET_KEY_ID.name, "key-1", "the key's id, from the vendor's console")),
    );
    if profile.addressed {
        entries.push(Entry::yours(
            vars::WIDGET_AUDIENCE.name,
            profile.name,
            "whom the token is for, as the vendor verifies it",
        ));
    }
    match (profile.subject_form, profile.subject) {
        (SubjectForm::Pseudonym, _) => {
            secrets.push(SecretFile::ours("PSEUDONYM_KEY", "pseudonym", Make::Pseudonym));
        }
        (_, Some(claim)) if claim.alphanumeric => entries.push(Entry::noted(vars::WIDGET_SUBJECT.name, "hex", LETTERS)),
        _ => {}
    }
    connector(profile, &mut entries, &mut secrets);
    let required = profile.constants.iter().filter(|constant| constant.default.is_none());
    let constants: Vec<String> = required.map(|constant| format!("{}=stand-in", constant.name)).collect();
    if !constants.is_empty() {
        let meaning: Vec<String> =
            profile.constants.iter().map(|constant| format!("{}: {}", constant.name, constant.meaning)).collect();
        entries.push(Entry::yours(vars::WIDGET_CONSTANTS.name, &constants.join(","), &meaning.join("; ")));
    }
    (entries, secrets)
}

fn connector(profile: &Profile, entries: &mut Vec<Entry>, secrets: &mut Vec<SecretFile>) {
    match profile.connector {
        Some(Kind::DirectLine) => {
            let from = "the same page, or the bot's Web Chat or Direct Line channel";
            let make = Make::Text(Encoding::Base64Url, STAND_IN);
            secrets.push(SecretFile::theirs(WEBCHAT_SECRET.name, "webchat", make, from));
        }
        Some(Kind::CopilotStudio) => {
            let endpoint = crate::connector::place::WIDGET_TOKEN_ENDPOINT;
            entries.push(Entry::yours(endpoint.name, endpoint.example, "the agent's token endpoint"));
        }
        None => {}
    }
    if matches!(profile.format, Format::Exchange(_)) && profile.open {
        entries.push(Entry::yours(vars::WIDGET_EXCHANGE.name, "", "how the vendor's server is asked"));
    }
}
