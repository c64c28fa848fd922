//! `countersign preview`.

use clap::Args;
use serde_json::{Map, Value, json};

use super::{CliContext, Exit, Visitor, pick, print_json};
use crate::app::config::Settings;
use crate::claims::{Incomplete, Missing, PageInput};
use crate::issuance::{Issuer, Refusal};
use crate::session::Session;
use crate::widget;

/// Whose claims to show.
#[derive(Debug, Args)]
pub struct PreviewArgs {
    /// Which widget; the first when not given.
    #[arg(long)]
    widget: Option<String>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    visitor: Visitor,
}

/// What stands in for what the vendor requires and the command line does not say.
const SAMPLE_NAME: &str = "Jane Doe";
const SAMPLE_EMAIL: &str = "jane@example.org";

/// Prints the claims a visitor's token would carry, where each comes from, and what the page does with it.
///
/// # Errors
/// Mistakes of the configuration; why this visitor would get no token.
pub fn run(args: &PreviewArgs, context: &mut CliContext<'_>) -> anyhow::Result<Exit> {
    let settings = context.settings()?;
    let widget = pick(&settings.widgets, args.widget.as_deref())?;
    let session = args.visitor.session(&context.clock)?;
    let (claims, samples) = claims(&settings.issuer(&context.clock), widget, session)
        .map_err(|refusal| anyhow::anyhow!("this visitor would get no token: {refusal}"))?;
    let origins: Vec<(String, String)> = widget.template.origins();
    let page = page_call(&settings, widget);
    if args.json {
        let origins: Map<String, Value> = origins.into_iter().map(|(name, from)| (name, from.into())).collect();
        let all = json!({
            "widget": widget.name, "preset": widget.profile.name, "claims": claims, "origins": origins,
            "samples": samples, "page": page, "logout": widget.profile.page_logout,
        });
        print_json(context, &all)?;
        return Ok(Exit::Well);
    }
    writeln!(
        context.out,
        "Claims of widget `{}` ({}):\n{:#}",
        widget.name,
        widget.profile.title,
        Value::Object(claims)
    )?;
    for sample in samples {
        let told = format!("--{sample} was not given and is required: this one is a sample.");
        writeln!(context.out, "{}", context.paint.warning(&told))?;
    }
    let rows: Vec<Vec<String>> = origins.into_iter().map(|(name, from)| vec![name, from]).collect();
    writeln!(context.out, "\nWhere they come from (what is absent is left out):\n{}", context.paint.table(&rows))?;
    writeln!(context.out, "In the page:\n{page}\n\nAt logout:\n{}", widget.profile.page_logout)?;
    let others: Vec<&str> = settings.widgets.iter().map(|w| w.name.as_str()).filter(|w| *w != widget.name).collect();
    if !others.is_empty() {
        writeln!(context.out, "\nOther widgets (--widget NAME): {}", others.join(", "))?;
    }
    Ok(Exit::Well)
}

/// The claims, and which options a sample stood in for.
fn claims(
    issuer: &Issuer,
    widget: &widget::Settings,
    mut session: Session,
) -> Result<(Map<String, Value>, Vec<&'static str>), Refusal> {
    let mut samples = Vec::new();
    loop {
        let refusal = match issuer.preview(widget, &session, &PageInput::default()) {
            Ok(claims) => return Ok((claims.map(), samples)),
            Err(refusal) => refusal,
        };
        let identity = &mut session.identity;
        match &refusal {
            Refusal::IdentityIncomplete(Incomplete { reason: Missing::Missing, .. }) if identity.name.is_none() => {
                identity.name = Some(SAMPLE_NAME.to_owned());
                samples.push("name");
            }
            Refusal::IdentityIncomplete(Incomplete { reason: Missing::Missing, .. }) if identity.email.is_none() => {
                identity.email = Some(SAMPLE_EMAIL.to_owned());
                identity.email_verified = Some(true);
                samples.push("email");
            }
            _ => return Err(refusal),
        }
    }
}

/// The vendor's page call with this organisation's own address filled in.
#[must_use]
pub fn page_call(settings: &Settings, widget: &widget::Settings) -> String {
    let first = settings.widgets.first().is_some_and(|w| w.name == widget.name);
    widget.page_call(&settings.mount(), first)
}
