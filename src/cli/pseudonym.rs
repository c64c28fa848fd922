//! `countersign pseudonym`.

use clap::Args;

use super::witness::{About, Reason, Witness};
use super::{CliContext, Exit, pick};
use crate::claims::pseudonym::Realm;
use crate::session::identity::Subject;

/// Whose pseudonym to make.
#[derive(Debug, Args)]
pub struct PseudonymArgs {
    /// The visitor's id, as the host's login knows it.
    #[arg(long)]
    subject: String,
    /// Which widget; the first when not given.
    #[arg(long)]
    widget: Option<String>,
    /// Name of the login system, when there are several.
    #[arg(long)]
    namespace: Option<String>,
    #[command(flatten)]
    reason: Reason,
}

/// Prints the id under which a widget's vendor knows this visitor, after writing down that somebody asked.
///
/// # Errors
/// Mistakes of the configuration; a subject that is none; no record that lasts.
pub fn run(args: &PseudonymArgs, context: &mut CliContext<'_>) -> anyhow::Result<Exit> {
    let settings = context.settings()?;
    let widget = pick(&settings.widgets, args.widget.as_deref())?;
    let keys = settings.shared.pseudonyms.as_ref().ok_or_else(|| anyhow::anyhow!("PSEUDONYM_KEY is not set"))?;
    let namespace = args.namespace.as_deref().unwrap_or_else(|| settings.shared.namespaces.of(""));
    let realm = Realm { namespace, audience: &widget.pairwise_id };
    let id: String = keys.mask(realm, &Subject::new(&args.subject)?).into();
    let witness = Witness::new("pseudonym", settings.audit.clone(), &args.reason, context)?;
    witness.asked(About { widget: &widget.name, id: &id, subject: Some(&args.subject) })?;
    writeln!(context.out, "{id}")?;
    Ok(Exit::Well)
}
