//! `countersign presets`.

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::{CliContext, Exit};
use crate::config::var::nearest;
use crate::http::guide;
use crate::widget::presets::{self, Profile};

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
        let of_heading = found.iter().filter(|profile| profile.format.heading() == heading);
        let rows: Vec<Vec<String>> = of_heading.map(|p| vec![p.name.to_owned(), p.title.to_owned()]).collect();
        writeln!(context.out, "{heading}:\n{}", context.paint.table(&rows))?;
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
        "proof": profile.evidence.test(),
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
    let shown = shown(profile, context);
    context.out.write_all(shown.as_bytes())?;
    Ok(Exit::Well)
}

/// With this organisation's own addresses when a widget of the preset is configured, else with usual ones.
fn shown(profile: &'static Profile, context: &CliContext<'_>) -> String {
    let settings = context.settings().ok();
    let own = settings.as_ref().and_then(|settings| {
        let at = settings.widgets.iter().position(|widget| widget.profile.name == profile.name)?;
        let base = settings.shared.public_url.as_ref()?.as_str();
        Some(guide::of_widget(&settings.widgets[at], base, &settings.mount(), at == 0))
    });
    own.unwrap_or_else(|| guide::of_preset(profile))
}
