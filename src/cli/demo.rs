//! `countersign demo`.

use std::path::PathBuf;

use clap::Args;

use super::serve::stop_signal;
use super::{CliContext, Exit};
use crate::config::env::Env;
use crate::demo::{Demo, Options, PORT};
use crate::observe::logs;

/// What to show.
#[derive(Debug, Args)]
pub struct DemoArgs {
    /// Which widget the page shows first: medchat, userinfo or healthcare-agent. The page can switch.
    #[arg(long, default_value = "medchat")]
    widget: String,
    /// Port of the clinic's site on 127.0.0.1; 0 takes any free one. The default is 8080, or any free one if that is taken.
    #[arg(long)]
    port: Option<u16>,
    /// Show the healthcare agent in Microsoft's own Web Chat: path of dist/webchat.js of the npm package botframework-webchat,
    /// or of a folder with it. Without it a small client of the demo's own speaks Direct Line.
    #[arg(long, value_name = "PATH")]
    webchat: Option<PathBuf>,
}

/// Runs the demo until it is told to stop. Reads no setting: what the environment holds has no effect on it.
///
/// # Errors
/// A widget the demo does not have, or a port that is taken.
pub async fn run(args: &DemoArgs, context: &mut CliContext<'_>) -> anyhow::Result<Exit> {
    logs::start(&mut Env::new([("LOG_LEVEL", "warn")]), std::io::stderr());
    let options = Options { widget: args.widget.clone(), port: args.port, web_chat: args.webchat.clone() };
    let demo = Demo::start(&options, &context.clock).await?;
    let stop = stop_signal(std::time::Duration::ZERO)?;
    if demo.moved {
        writeln!(context.out, "Port {PORT} is taken, so this demo uses another one.\n")?;
    }
    write!(context.out, "{}", welcome(&demo))?;
    context.out.flush()?;
    demo.run(stop).await;
    writeln!(context.out, "\nThe demo has ended. Nothing of it is left.")?;
    Ok(Exit::Well)
}

fn welcome(demo: &Demo) -> String {
    let at = &demo.at;
    format!(
        "\
Open   {clinic}/

There you find Harbour Clinic, whose site has a login of its own, and a chat widget on it.

Try this:
  1. Ask the chat \"When is my appointment?\" before you sign in.
  2. Sign in as maya (password harbour-light) or zoe (password tall-ship), and ask again.
  3. Look beside the chat: the session that was checked, the claims, the token and its time, the vendor's verdict.
  4. Wait until the token is renewed; switch to the vendor's own snippet and see it expire instead.
  5. Try to break it: a forged token, a stolen one, plain HTTP, another site.
  6. Sign out, also from a second tab.
  7. Switch to the healthcare agent: one conversation over Direct Line, opened with a signed token.

Also here:
  {console}/   the console that operations see
  {widget}    the stand-in chat server, which checks tokens with its own code
  {direct_line}    a double of Direct Line, with the healthcare agent behind it
  {clinic}/sample   the healthcare agent as Microsoft's sample page embeds it
  {clinic}/vendors   ten more vendors: what each page calls, and whether the vendor believes it
  {stranger}   a foreign site that would like to have a token

Everything listens on this machine only. Secrets were made just now and end with this process. Ctrl-C stops it.
",
        clinic = at.clinic,
        console = at.console,
        widget = at.widget_server,
        direct_line = at.direct_line,
        stranger = at.stranger,
    )
}
