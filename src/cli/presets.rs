//! `countersign presets`.

use std::io::Write;

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::preview::page_call;
use super::{CliContext, Exit};
use crate::config::duration::show_duration;
use crate::config::var::nearest;
use crate::jose::keyring::{KEY_ID, PRIVATE_KEY, SECRET_ENCODING};
use crate::jose::signer::Algorithm;
use crate::widget::presets::{self, Format, Profile};

/// What to show.
#[derive(Debug, Args)]
pub struct PresetsArgs {
    /// Only presets whose name, title, mechanism or notes hold this text.
    #[arg(long, value_name = "TEXT")]
    search: Option<String>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
    #[command(subcommand)]
    what: Option<What>,
}

#[derive(Debug, Subcommand)]
enum What {
    /// List the presets (the default).
    List,
    /// Show one preset: the way from the vendor's console to a working page.
    Show {
        /// Name of the preset.
        name: String,
    },
}

/// Prints the presets, or one of them.
///
/// # Errors
/// Output that cannot be written.
pub fn run(args: &PresetsArgs, context: &mut CliContext<'_>) -> anyhow::Result<Exit> {
    match &args.what {
        Some(What::Show { name }) => show(name, args.json, context),
        Some(What::List) | None => list(args, context),
    }
}

fn list(args: &PresetsArgs, context: &mut CliContext<'_>) -> anyhow::Result<Exit> {
    let found: Vec<&Profile> = presets::ALL.iter().copied().filter(|p| matches(p, args.search.as_deref())).collect();
    if args.json {
        let all: Vec<Value> = found.into_iter().map(described).collect();
        writeln!(context.out, "{:#}", Value::from(all))?;
        return Ok(Exit::Well);
    }
    if found.is_empty() {
        writeln!(context.out, "no preset matches; `custom` takes any format from the environment")?;
        return Ok(Exit::Failed);
    }
    let mut headings: Vec<&str> = found.iter().map(|profile| profile.format.heading()).collect();
    headings.dedup();
    headings.sort_unstable();
    headings.dedup();
    for heading in headings.into_iter().rev() {
        writeln!(context.out, "{heading}:")?;
        for profile in found.iter().filter(|profile| profile.format.heading() == heading) {
            writeln!(context.out, "  {:26}{}", profile.name, profile.title)?;
        }
        writeln!(context.out)?;
    }
    Ok(Exit::Well)
}

fn matches(profile: &Profile, wanted: Option<&str>) -> bool {
    let Some(wanted) = wanted.map(str::to_lowercase) else { return true };
    let fields = [profile.name, profile.title, profile.format.heading(), profile.document];
    fields.iter().chain(profile.notes).any(|text| text.to_lowercase().contains(&wanted))
}

fn described(profile: &Profile) -> Value {
    let constants = profile
        .constants
        .iter()
        .map(|constant| json!({ "name": constant.name, "meaning": constant.meaning, "default": constant.default }));
    let page_values: Vec<&str> = profile.page_values.iter().map(|(name, _)| *name).collect();
    json!({
        "name": profile.name, "title": profile.title, "mechanism": profile.format.word(),
        "document": profile.document, "read_on": profile.read_on,
        "confidence": profile.confidence.word(), "evidence": profile.evidence.word(),
        "algorithms": profile.algorithms, "secret": profile.secret.name, "encoding": profile.encoding.name(),
        "console": profile.console, "constants": constants.collect::<Vec<_>>(), "page_values": page_values,
        "lifetime": profile.lifetime.as_secs(), "lifetime_max": profile.lifetime_max.as_secs(),
        "page": profile.page_login, "logout": profile.page_logout, "notes": profile.notes,
    })
}

fn show(name: &str, as_json: bool, context: &mut CliContext<'_>) -> anyhow::Result<Exit> {
    let Some(profile) = presets::named(name) else {
        let known: Vec<&str> = presets::ALL.iter().map(|p| p.name).collect();
        let hint = nearest(name, &known).map(|near| format!("; did you mean {near}?")).unwrap_or_default();
        writeln!(context.out, "there is no preset `{name}`{hint}\n`countersign presets` lists them")?;
        return Ok(Exit::Wrong);
    };
    if as_json {
        writeln!(context.out, "{:#}", described(profile))?;
        return Ok(Exit::Well);
    }
    let snippet = snippet(profile, context);
    facts(profile, context.out)?;
    guide(profile, &snippet, context.out)?;
    if !profile.notes.is_empty() {
        writeln!(context.out, "\nNotes:")?;
        profile.notes.iter().try_for_each(|note| writeln!(context.out, "- {note}"))?;
    }
    Ok(Exit::Well)
}

fn facts(profile: &Profile, out: &mut (dyn Write + Send)) -> std::io::Result<()> {
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

/// From the vendor's console to a working page.
fn guide(profile: &Profile, snippet: &str, out: &mut (dyn Write + Send)) -> std::io::Result<()> {
    let console = if profile.console.is_empty() { "see the document above" } else { profile.console };
    writeln!(out, "\n1. At the vendor: {console}\n\n2. In the environment:")?;
    writeln!(out, "   WIDGET_PRESET={}", profile.name)?;
    settings(profile).iter().try_for_each(|line| writeln!(out, "   {line}"))?;
    writeln!(
        out,
        "\n3. Try it: `countersign check`, then `countersign preview --subject 4711 --name 'Jane Doe' --email jane@example.org`"
    )?;
    writeln!(out, "\n4. In the page:\n{snippet}")?;
    writeln!(out, "\n5. At logout:\n{}", profile.page_logout)
}

fn settings(profile: &Profile) -> Vec<String> {
    let asymmetric = |name: &&&str| Algorithm::named(name).is_some_and(|a| !a.is_symmetric());
    let pair = profile.algorithms.first().filter(asymmetric);
    let mut lines = match pair {
        Some(algorithm) => {
            vec![format!("{}_FILE=...   (`countersign keygen --algorithm {algorithm}`)", PRIVATE_KEY.name)]
        }
        None => vec![format!("{}_FILE=...", profile.secret.name)],
    };
    if profile.key_id {
        lines.push(format!("{}=...", KEY_ID.name));
    }
    if profile.open {
        lines.push(format!("{}=...   (how the secret is written)", SECRET_ENCODING.name));
    }
    let required = profile.constants.iter().filter(|constant| constant.default.is_none());
    let required: Vec<String> = required.map(|constant| format!("{}=...", constant.name)).collect();
    if !required.is_empty() {
        lines.push(format!("WIDGET_CONSTANTS={}", required.join(",")));
    }
    lines.extend(profile.constants.iter().map(|constant| {
        let default = constant.default.filter(|d| !d.is_empty()).map(|d| format!(" ({d} when not set)"));
        format!("  {}: {}{}", constant.name, constant.meaning, default.unwrap_or_default())
    }));
    lines
}

/// With this organisation's own address when a widget of the preset is configured, else with the route's.
fn snippet(profile: &Profile, context: &CliContext<'_>) -> String {
    let configured = context.config().ok();
    let own = configured.as_ref().and_then(|config| {
        let widget = config.widgets.iter().find(|w| w.profile.name == profile.name)?;
        Some(page_call(config, widget))
    });
    own.unwrap_or_else(|| profile.page_login.replace("{token_url}", "/token"))
}
