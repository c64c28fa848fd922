//! `countersign preview`.

use clap::Args;
use serde_json::Value;

use super::{CliContext, Exit, Visitor, pick};
use crate::app::config::Config;
use crate::claims::PageInput;
use crate::widget::Widget;

/// Whose claims to show.
#[derive(Debug, Args)]
pub struct PreviewArgs {
    /// Which widget; the first when not given.
    #[arg(long)]
    widget: Option<String>,
    #[command(flatten)]
    visitor: Visitor,
}

/// Prints the claims a visitor's token would carry, and what the page does with it.
///
/// # Errors
/// Mistakes of the configuration; why this visitor would get no token.
pub fn run(args: &PreviewArgs, context: &mut CliContext<'_>) -> anyhow::Result<Exit> {
    let config = context.config()?;
    let widget = pick(&config.widgets, args.widget.as_deref())?;
    let session = args.visitor.session(&context.clock)?;
    let claims = config
        .issuer
        .preview(widget, &session, &PageInput::default())
        .map_err(|refusal| anyhow::anyhow!("this visitor would get no token: {refusal}"))?;
    writeln!(context.out, "Claims of widget `{}` ({}):", widget.name, widget.profile.title)?;
    writeln!(context.out, "{:#}", Value::Object(claims.map()))?;
    writeln!(context.out, "\nIn the page:\n{}", page_call(&config, widget))?;
    writeln!(context.out, "\nAt logout:\n{}", widget.profile.page_logout)?;
    Ok(Exit::Well)
}

/// The vendor's page call with this organisation's own address filled in.
#[must_use]
pub fn page_call(config: &Config, widget: &Widget) -> String {
    let first = config.widgets.first().is_some_and(|w| w.name == widget.name);
    widget.page_call(&config.mount(), first)
}
