//! `countersign presets`.

use clap::{Args, Subcommand};

use super::preview::page_call;
use super::{CliContext, Exit};
use crate::config::duration::show_duration;
use crate::widget::presets::{self, Profile};

/// What to show.
#[derive(Debug, Args)]
pub struct PresetsArgs {
    #[command(subcommand)]
    what: Option<What>,
}

#[derive(Debug, Subcommand)]
enum What {
    /// List the presets (the default).
    List,
    /// Show one preset: its document, its claims, and the page's snippet.
    Show {
        /// Name of the preset.
        name: String,
    },
}

/// Prints the presets, or one of them.
///
/// # Errors
/// An unknown name.
pub fn run(args: &PresetsArgs, context: &mut CliContext<'_>) -> anyhow::Result<Exit> {
    match &args.what {
        Some(What::Show { name }) => show(name, context),
        Some(What::List) | None => list(context),
    }
}

fn list(context: &mut CliContext<'_>) -> anyhow::Result<Exit> {
    for profile in presets::ALL {
        writeln!(context.out, "{:20} {}", profile.name, profile.title)?;
    }
    Ok(Exit::Well)
}

fn show(name: &str, context: &mut CliContext<'_>) -> anyhow::Result<Exit> {
    let known: Vec<&str> = presets::ALL.iter().map(|p| p.name).collect();
    let profile = presets::named(name)
        .ok_or_else(|| anyhow::anyhow!("there is no preset `{name}`; there are {}", known.join(", ")))?;
    let snippet = snippet(profile, context);
    let out = &mut context.out;
    writeln!(out, "{} - {}\n{}\n", profile.name, profile.title, profile.document)?;
    writeln!(out, "Algorithms  {}", profile.algorithms.join(", "))?;
    writeln!(out, "Secret      {} ({})", profile.secret.name, profile.encoding)?;
    writeln!(out, "Lifetime    {}, at most {}", show_duration(profile.lifetime), show_duration(profile.lifetime_max))?;
    if let Some(subject) = &profile.subject {
        writeln!(out, "Visitor id  claim {}, at most {} characters", subject.claim, subject.max)?;
    }
    if !profile.template.is_empty() {
        writeln!(out, "\nClaims (WIDGET_CLAIMS replaces them):\n{}", profile.template)?;
    }
    writeln!(out, "\nIn the page:\n{snippet}\n\nAt logout:\n{}", profile.page_logout)?;
    if !profile.notes.is_empty() {
        writeln!(out, "\nNotes:")?;
        profile.notes.iter().try_for_each(|note| writeln!(out, "- {note}"))?;
    }
    Ok(Exit::Well)
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
