//! `countersign doctor`: asks a running deployment, through its own proxy, what a page would ask, and tries what an attacker would.
//!
//! What an answer shows, anybody sees. What arrived behind the proxy, only the service knows, and it tells at its operations
//! listener alone (see [`crate::http::inspection`], which argues for that). So the doctor runs where an operator is: beside the service,
//! with the same settings. From elsewhere it finds less, and says so.

mod checks;
mod finding;
mod visitor;

use std::io::BufRead as _;

use clap::Args;
use serde_json::{Value, json};
use url::Url;

use self::checks::Examination;
use self::finding::{Finding, Verdict};
use self::visitor::{Inspector, Visitor};
use super::{CliContext, Exit, pick, print_json};

/// Which deployment.
#[derive(Debug, Args)]
pub struct DoctorArgs {
    /// The address under which pages reach the service, path included [default: `PUBLIC_URL`].
    url: Option<Url>,
    /// Which widget; the first when not given.
    #[arg(long)]
    widget: Option<String>,
    /// The cookies of somebody who is logged in, as `name=value; name=value`: then a token is fetched and verified. With `-` they are
    /// the first line of standard input, which keeps them out of the process list.
    #[arg(long, value_name = "COOKIES")]
    cookie: Option<String>,
    /// An access token, likewise.
    #[arg(long, value_name = "TOKEN")]
    bearer: Option<String>,
    /// The host to ask for, where URL names the proxy by another one.
    #[arg(long, value_name = "NAME")]
    host: Option<String>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// Examines the deployment; exit code 1 when something has to be changed.
///
/// # Errors
/// Mistakes of the configuration; an address that may not be called.
pub async fn run(args: &DoctorArgs, context: &mut CliContext<'_>) -> anyhow::Result<Exit> {
    let config = context.settings()?;
    let widget = pick(&config.widgets, args.widget.as_deref())?;
    let url = args.url.clone().or_else(|| config.shared.public_url.clone());
    let url = url.ok_or_else(|| anyhow::anyhow!("say which URL, or set PUBLIC_URL"))?;
    let inspector = Inspector::open(config.admin_listen.clone()).await;
    let visitor = Visitor::new(&config, &context.clock, &url, args.host.as_deref(), &inspector.name)?;
    let (chain, clock) = (crate::app::build::chain(&config, &context.clock)?, context.clock.clone());
    let examination = Examination { config: &config, chain, widget, visitor, inspector, clock, url };
    let (cookie, bearer) = (given(args.cookie.as_deref())?, given(args.bearer.as_deref())?);
    let findings = examination.all(cookie.as_deref(), bearer.as_deref()).await;
    let bad = findings.iter().any(|finding| finding.verdict == Verdict::Bad);
    if args.json {
        let all: Vec<Value> = findings.iter().map(Finding::described).collect();
        print_json(context, &json!({ "good": !bad, "findings": all }))?;
    } else {
        for finding in &findings {
            write!(context.out, "{}", finding.lines(context.paint))?;
        }
    }
    Ok(if bad { Exit::Failed } else { Exit::Well })
}

/// What was said, or what stands on the next line of standard input.
fn given(said: Option<&str>) -> std::io::Result<Option<String>> {
    if said != Some("-") {
        return Ok(said.map(str::to_owned));
    }
    let mut line = String::new();
    std::io::stdin().lock().read_line(&mut line)?;
    Ok(Some(line.trim().to_owned()))
}
