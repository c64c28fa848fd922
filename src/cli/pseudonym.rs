//! `countersign pseudonym`.

use clap::Args;

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
}

/// Prints the id under which a widget's vendor knows this visitor.
///
/// # Errors
/// Mistakes of the configuration; a subject that is none.
pub fn run(args: &PseudonymArgs, context: &mut CliContext<'_>) -> anyhow::Result<Exit> {
    let config = context.config()?;
    let widget = pick(&config.widgets, args.widget.as_deref())?;
    let keys = config.shared.pseudonyms.as_ref().ok_or_else(|| anyhow::anyhow!("PSEUDONYM_KEY is not set"))?;
    let namespace = args.namespace.as_deref().unwrap_or_else(|| config.shared.namespaces.of(""));
    let realm = Realm { namespace, audience: &widget.pairwise_id };
    let id: String = keys.mask(realm, &Subject::new(&args.subject)?).into();
    writeln!(context.out, "{id}")?;
    Ok(Exit::Well)
}
