//! The way from a vendor's console to a working page, as text: for `countersign presets show`, and for the console.

use std::fmt::Write as _;

use serde_json::Value;

use super::needs;
use super::needs::parts::Make;
use super::presets::{Format, Profile};
use crate::config::duration::show_duration;

/// The organisation's own addresses.
#[derive(Debug, Clone, Copy)]
pub struct Addresses<'a> {
    /// The path under which its site routes to us.
    pub mount: &'a str,
    /// The page's call.
    pub page_call: &'a str,
    /// Where the widget's public keys are.
    pub keys: &'a str,
    /// The browser module's adapter for this preset, below the mount, where there is one.
    pub adapter: Option<&'static str>,
    /// The widget's name.
    pub widget: &'a str,
}

/// The whole guide.
#[must_use]
pub fn text(profile: &'static Profile, at: &Addresses<'_>) -> String {
    let mut text = String::new();
    // Writing to a String does not fail.
    let _ = facts(profile, &mut text).and_then(|()| steps(profile, at, &mut text));
    if !profile.notes.is_empty() {
        text.push_str("\nNotes:\n");
        profile.notes.iter().for_each(|note| text.extend(["- ", note, "\n"]));
    }
    text
}

fn facts(profile: &Profile, out: &mut String) -> std::fmt::Result {
    let (usual, most) = (show_duration(profile.lifetime), show_duration(profile.lifetime_max));
    writeln!(out, "{} - {}\n{}\n", profile.name, profile.title, profile.document)?;
    writeln!(out, "Mechanism   {}", profile.format.heading())?;
    if !profile.algorithms.is_empty() {
        writeln!(out, "Algorithms  {}", profile.algorithms.join(", "))?;
    }
    writeln!(out, "Secret      {} ({})", profile.secret.name, profile.encoding)?;
    writeln!(out, "Lifetime    {usual}, at most {most}")?;
    let (confidence, evidence) = (profile.confidence.word(), profile.evidence.word());
    writeln!(out, "Facts       {confidence}; read on {}; compared with: {evidence}", profile.read_on)?;
    if let Some(subject) = &profile.subject {
        writeln!(out, "Visitor id  claim {}, at most {} characters", subject.claim, subject.max)?;
    }
    if !matches!(profile.template, "" | "{}") {
        writeln!(out, "\nClaims (WIDGET_CLAIMS replaces them):\n{}", profile.template)?;
    }
    if profile.fixed != "{}" {
        writeln!(out, "\nLaid over them:\n{}", profile.fixed)?;
    }
    match profile.format {
        Format::Token => Ok(()),
        Format::Digest(text) => writeln!(out, "\nDigest:\n{text}"),
        Format::Exchange(text) => writeln!(out, "\nExchange:\n{text}"),
    }
}

fn steps(profile: &'static Profile, at: &Addresses<'_>, out: &mut String) -> std::fmt::Result {
    let console = if profile.console.is_empty() { "see the document above" } else { profile.console };
    writeln!(out, "\n1. At the vendor: {}\n\n2. In the environment:", console.replace("{keys_url}", at.keys))?;
    settings(profile).iter().try_for_each(|line| writeln!(out, "   {line}"))?;
    writeln!(
        out,
        "\n3. Try it: `countersign check`, then `countersign preview --subject 4711 --name 'Jane Doe' --email jane@example.org`"
    )?;
    writeln!(out, "\n4. In the page:\n{}", at.page_call)?;
    if let Some(adapter) = at.adapter {
        module(profile, adapter, at, out)?;
    }
    writeln!(out, "\n5. At logout:\n{}", profile.page_logout)
}

fn module(profile: &Profile, adapter: &str, at: &Addresses<'_>, out: &mut String) -> std::fmt::Result {
    let Addresses { mount, widget, .. } = at;
    let field = match token_field(profile).as_str() {
        "token" => String::new(),
        other => format!(", field: '{other}'"),
    };
    writeln!(
        out,
        "\n   Or with the browser module, which renews and takes back by itself; what options there are, the adapter says:"
    )?;
    writeln!(out, "import {{ connect, createTokenSource }} from '{mount}/countersign.js';")?;
    writeln!(out, "import adapter from '{mount}/{adapter}';")?;
    writeln!(out, "connect(createTokenSource({{ widget: '{widget}'{field} }}), adapter);")
}

/// The answer's member that holds the proof.
fn token_field(profile: &Profile) -> String {
    let Format::Digest(text) = profile.format else { return profile.token_field.to_owned() };
    let digest: Value = serde_json::from_str(text).unwrap_or_default();
    digest["field"].as_str().unwrap_or(profile.token_field).to_owned()
}

/// What has to stand there, as `countersign init` writes it.
fn settings(profile: &'static Profile) -> Vec<String> {
    let (entries, secrets) = needs::needs(profile);
    let entries = entries.iter().map(|entry| match entry.yours.as_str() {
        "" => format!("{}={}", entry.name, entry.value),
        yours => format!("{}=...   ({yours})", entry.name),
    });
    let secrets = secrets.iter().map(|secret| match secret.make {
        Make::Text(..) => format!("{}_FILE=...", secret.setting),
        Make::Pair(algorithm) => {
            format!("{}_FILE=...   (`countersign keygen --algorithm {algorithm}`)", secret.setting)
        }
        Make::Pseudonym => format!("{}_FILE=...   (`countersign keygen --kind pseudonym`)", secret.setting),
    });
    let optional = profile.constants.iter().filter_map(|constant| Some((constant, constant.default?)));
    let optional = optional.map(|(constant, default)| {
        let default = if default.is_empty() { "nothing" } else { default };
        format!("  WIDGET_CONSTANTS may set {}: {} ({default} when not set)", constant.name, constant.meaning)
    });
    entries.chain(secrets).chain(optional).collect()
}
