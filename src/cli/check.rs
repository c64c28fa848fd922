//! `countersign check`.

use clap::Args;
use serde_json::{Value, json};

use super::{CliContext, Exit, print_json};
use crate::app::config::Settings;
use crate::base::clock::Clock;
use crate::claims::{Incomplete, PageInput};
use crate::config::duration::show_duration;
use crate::config::env::{Effective, Mistake, Supplier};
use crate::http::script::{SCRIPTS, Script, adapter};
use crate::issuance::{Refusal, verifier};
use crate::login::accounts::ACCOUNTS;
use crate::login::accounts::store::Account;
use crate::session::Session;
use crate::sources::login;
use crate::store::place::{self, SESSION_STORE};
use crate::widget;
use crate::widget::mechanism::Mechanism;

/// What to check.
#[derive(Debug, Args)]
pub struct CheckArgs {
    /// Print nothing but warnings when all is well.
    #[arg(long, short)]
    quiet: bool,
    /// Print JSON: settings, widgets, scripts, warnings and mistakes.
    #[arg(long)]
    json: bool,
}

impl CheckArgs {
    /// Only what is wrong or worth knowing.
    #[must_use]
    pub fn quiet() -> Self {
        Self { quiet: true, json: false }
    }
}

/// Reads the configuration, tests every key, and prints what takes effect; secrets as fingerprints.
///
/// # Errors
/// Every mistake; a key that fails its self-test.
pub fn run(args: &CheckArgs, context: &mut CliContext<'_>) -> anyhow::Result<Exit> {
    match context.settings() {
        Err(mistakes) if args.json => {
            print_json(context, &json!({ "good": false, "mistakes": listed(&mistakes.0) }))?;
            Ok(Exit::Wrong)
        }
        read => good(&read?, args, context),
    }
}

fn good(config: &Settings, args: &CheckArgs, context: &mut CliContext<'_>) -> anyhow::Result<Exit> {
    for widget in &config.widgets {
        verifier::self_test(widget, &context.clock).map_err(|e| anyhow::anyhow!("widget `{}`: {e}", widget.name))?;
    }
    let machine =
        login_warnings(config, &context.clock).into_iter().chain(certificate_warnings(config, &context.clock));
    let warnings: Vec<Mistake> = config.reading.warnings.iter().cloned().chain(machine).collect();
    if args.json {
        print_json(context, &described(config, &warnings))?;
        return Ok(Exit::Well);
    }
    if !args.quiet {
        show(config, context)?;
    }
    for warning in &warnings {
        let gap = if args.quiet { "" } else { "\n" };
        writeln!(context.out, "{gap}{} {warning}", context.paint.warning("Warning:"))?;
    }
    Ok(Exit::Well)
}

/// What only a look at the machine and at every account tells: whether sessions can be kept, and who would get no token.
fn login_warnings(config: &Settings, clock: &Clock) -> Vec<Mistake> {
    let obstacle = config.place.as_ref().and_then(place::Settings::obstacle).map(|problem| {
        let problem = format!("{problem}. Make it writable for whoever runs the service, or name another path");
        Mistake::of(SESSION_STORE.name, problem)
    });
    let unfit = config.widgets.iter().filter_map(|widget| unfit_accounts(config, widget, clock));
    obstacle.into_iter().chain(unfit).collect()
}

fn certificate_warnings(config: &Settings, clock: &Clock) -> Vec<Mistake> {
    let ending = config.tls.iter().flat_map(|tls| tls.ending(clock.now()));
    ending.map(|(setting, problem)| Mistake::of(setting, problem)).collect()
}

fn unfit_accounts(config: &Settings, widget: &widget::Settings, clock: &Clock) -> Option<Mistake> {
    let accounts = config.login.as_ref()?.accounts()?;
    let incomplete = |account: &Account| {
        let identity = account.identity().ok()?;
        let session = Session::of(identity, login::NAME);
        match config.issuer(clock).preview(widget, &session, &PageInput::default()) {
            Err(Refusal::IdentityIncomplete(why)) => Some(why),
            _ => None,
        }
    };
    let unfit: Vec<Incomplete> = accounts.all_open().filter_map(|(_, account)| incomplete(account)).collect();
    let first = unfit.first()?;
    let (count, all) = (unfit.len(), accounts.all_open().count());
    let problem = format!("{count} of {all} open accounts would get no token of widget `{}`: {first}", widget.name);
    Some(Mistake::of(ACCOUNTS.name, problem))
}

fn show(config: &Settings, context: &mut CliContext<'_>) -> std::io::Result<()> {
    let paint = context.paint;
    let rows: Vec<Vec<String>> = config.reading.effective.iter().map(|setting| row(setting, context)).collect();
    let settings = paint.table(&rows);
    let widgets: Vec<Vec<String>> = config.widgets.iter().map(widget_row).collect();
    let good = paint.good("The configuration is good.");
    write!(context.out, "{good}\n\nSettings in effect:\n{settings}\nWidgets:\n{}", paint.table(&widgets))?;
    show_scripts(config, context)
}

fn row(setting: &Effective, context: &CliContext<'_>) -> Vec<String> {
    let origin = context.paint.faint(&format!("({})", setting.origin));
    vec![setting.name.clone(), format!("{}  {origin}", setting.shown.replace('\n', " "))]
}

fn widget_row(widget: &widget::Settings) -> Vec<String> {
    let (title, algorithm) = (widget.profile.title, widget.mechanism.algorithm());
    let lifetime = show_duration(widget.lifetime);
    vec![widget.name.clone(), format!("{title}, {algorithm}, {}, lifetime {lifetime}", key_or_host(&widget.mechanism))]
}

/// What names the key, or whose server is asked.
fn key_or_host(mechanism: &Mechanism) -> String {
    match mechanism {
        Mechanism::Exchange(plan) => format!("tokens from {}", plan.host()),
        keyed => format!("key {}", keyed.fingerprint()),
    }
}

/// The addresses that never change their content, each with what a page writes into `integrity`.
fn show_scripts(config: &Settings, context: &mut CliContext<'_>) -> std::io::Result<()> {
    writeln!(context.out, "\nBrowser module (address, integrity):")?;
    for (address, integrity) in scripts(config) {
        writeln!(context.out, "  {address}  {integrity}")?;
    }
    Ok(())
}

/// Those of every page; of adapters, those of the widgets.
fn scripts(config: &Settings) -> impl Iterator<Item = (String, &'static str)> {
    let adapters: Vec<&str> = config.widgets.iter().filter_map(|widget| adapter(widget.profile.name)).collect();
    let is_used = move |script: &&Script| !script.name.contains('/') || adapters.contains(&script.name);
    let mount = config.mount();
    SCRIPTS
        .iter()
        .filter(is_used)
        .filter_map(move |script| Some((format!("{mount}/{}", script.versioned.as_ref()?), script.integrity.as_str())))
}

fn described(config: &Settings, warnings: &[Mistake]) -> Value {
    let settings: Vec<Value> = config.reading.effective.iter().map(setting).collect();
    let widgets: Vec<Value> = config.widgets.iter().map(widget).collect();
    let scripts: Vec<Value> =
        scripts(config).map(|(address, integrity)| json!({ "address": address, "integrity": integrity })).collect();
    json!({
        "good": true, "settings": settings, "widgets": widgets, "scripts": scripts, "warnings": listed(warnings),
        "mistakes": [],
    })
}

fn setting(setting: &Effective) -> Value {
    let (origin, file, line) = match &setting.origin {
        Supplier::Default => ("default", None, None),
        Supplier::Environment => ("environment", None, None),
        Supplier::Line(line) => ("env_file", Some(line.file.as_ref()), Some(line.number)),
        Supplier::File(path) => ("file", Some(path), None),
    };
    json!({ "name": setting.name, "value": setting.shown, "origin": origin, "file": file, "line": line })
}

fn widget(widget: &widget::Settings) -> Value {
    let mechanism = &widget.mechanism;
    let host = match mechanism {
        Mechanism::Exchange(plan) => Some(plan.host()),
        _ => None,
    };
    json!({
        "name": widget.name, "preset": widget.profile.name, "title": widget.profile.title, "mechanism": mechanism.name(),
        "algorithm": mechanism.algorithm(), "key": mechanism.fingerprint(), "host": host,
        "lifetime": widget.lifetime.as_secs(),
    })
}

fn listed(mistakes: &[Mistake]) -> Vec<Value> {
    mistakes
        .iter()
        .map(|one| {
            json!({
                "setting": one.variable, "problem": one.problem,
                "file": one.line.as_ref().map(|line| line.file.display().to_string()),
                "line": one.line.as_ref().map(|line| line.number),
            })
        })
        .collect()
}
