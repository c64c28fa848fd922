//! `countersign unmask`.

use clap::Args;

use super::{CliContext, Exit};
use crate::claims::pseudonym::Realm;
use crate::observe::audit::Audit;

/// Which pseudonym to turn back.
#[derive(Debug, Args)]
pub struct UnmaskArgs {
    /// The id as the vendor shows it, prefix included.
    id: String,
}

/// Prints whom a pseudonym stands for, and writes down that somebody asked.
///
/// # Errors
/// Mistakes of the configuration; an id that is not ours, or was altered.
pub fn run(args: &UnmaskArgs, context: &mut CliContext<'_>) -> anyhow::Result<Exit> {
    let config = context.config()?;
    let shared = &config.shared;
    let keys = shared.pseudonyms.as_ref().ok_or_else(|| anyhow::anyhow!("PSEUDONYM_KEY is not set"))?;
    let namespaces: Vec<&str> = shared.namespaces.all().collect();
    let audiences = config.widgets.iter().map(|w| w.pairwise_id.as_str());
    let realms = audiences.flat_map(|audience| namespaces.iter().map(move |namespace| Realm { namespace, audience }));
    let found = keys.unmask(&args.id, realms);
    let audit = Audit::start(config.audit.beside_output(), context.clock.clone());
    let outcome = if found.is_ok() { "unmasked" } else { "not_unmasked" };
    audit.unmasked(outcome, found.as_ref().ok().map(|unmasked| &unmasked.subject));
    audit.flush();
    let unmasked = found?;
    writeln!(context.out, "subject   {}", unmasked.subject.as_str())?;
    writeln!(context.out, "login     {}", unmasked.realm.namespace)?;
    writeln!(context.out, "widget    {}", unmasked.realm.audience)?;
    Ok(Exit::Well)
}
