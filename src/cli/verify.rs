//! `countersign verify`.

use std::borrow::Cow;
use std::io::{BufRead as _, Read as _};
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context as _;
use clap::Args;
use serde_json::{Map, Value, json};

use super::{CliContext, Exit, pick, print_json};
use crate::base::clock::UnixTime;
use crate::issuance::verifier::{expectation, opened};
use crate::jose::jwe::{Decryption, is_encrypted};
use crate::jose::jws::examine::{Examined, Expectation, examine};
use crate::jose::jws::rejected::Rejected;
use crate::widget;

/// Which token to check.
#[derive(Debug, Args)]
pub struct VerifyArgs {
    /// Which widget; the first when not given.
    #[arg(long)]
    widget: Option<String>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
    /// The private half of `WIDGET_ENCRYPTION_KEY` where that is an RSA key, in PEM: opens the token first.
    #[arg(long, value_name = "FILE")]
    decryption_key: Option<PathBuf>,
    /// Check every line of standard input as a token, and print for each `holds` or the reason why it does not.
    #[arg(long, conflicts_with_all = ["json", "token"])]
    lines: bool,
    /// The token; read from standard input when not given, which keeps it out of the process list.
    token: Option<String>,
}

impl VerifyArgs {
    fn opened<'a>(&self, widget: &widget::Settings, token: &'a str) -> anyhow::Result<Result<Cow<'a, str>, Rejected>> {
        let Some(file) = self.decryption_key.as_ref().filter(|_| is_encrypted(token)) else {
            return Ok(opened(widget, token));
        };
        let text = std::fs::read_to_string(file).with_context(|| file.display().to_string())?;
        let key = Decryption::rsa(&text.into()).with_context(|| file.display().to_string())?;
        Ok(key.open(token).map(Cow::Owned).map_err(|_| Rejected::Sealed))
    }
}

/// Checks a token as the widget's server would, and prints what it says and everything that does not hold.
///
/// # Errors
/// Mistakes of the configuration; standard input that cannot be read.
pub fn run(args: &VerifyArgs, context: &mut CliContext<'_>) -> anyhow::Result<Exit> {
    let config = context.settings()?;
    let widget = pick(&config.widgets, args.widget.as_deref())?;
    let expected = expectation(widget, context.clock.now()).ok_or_else(|| {
        anyhow::anyhow!("widget `{}` makes no signed token: {}", widget.name, widget.mechanism.name())
    })?;
    if args.lines {
        return each_line(widget, &expected, context);
    }
    let token = match &args.token {
        Some(token) => token.clone(),
        None => read_stdin()?,
    };
    let now = context.clock.now();
    let examined = match args.opened(widget, token.trim())? {
        Ok(token) => examine(&token, &expected, now),
        Err(sealed) => Examined { faults: vec![sealed], ..Examined::default() },
    };
    let faults: Vec<String> =
        examined.faults.iter().map(|fault| explained(*fault, &examined, &expected, now)).collect();
    if args.json {
        let left = examined.claims.get("exp").and_then(Value::as_u64).map(|exp| exp.saturating_sub(now.0));
        let Examined { header, claims, .. } = &examined;
        let reasons: Vec<&str> = examined.faults.iter().map(|fault| fault.reason()).collect();
        let all = json!({
            "holds": faults.is_empty(), "widget": widget.name, "header": header, "claims": claims, "expires_in": left,
            "reasons": reasons, "faults": faults,
        });
        print_json(context, &all)?;
    } else {
        show(&examined, &faults, now, context)?;
    }
    Ok(if faults.is_empty() { Exit::Well } else { Exit::Failed })
}

fn each_line(
    widget: &widget::Settings,
    expected: &Expectation<'_>,
    context: &mut CliContext<'_>,
) -> anyhow::Result<Exit> {
    let mut all_hold = true;
    for line in std::io::stdin().lock().lines() {
        let line = line?;
        let fault = match opened(widget, &line) {
            Ok(token) => examine(&token, expected, context.clock.now()).faults.first().copied(),
            Err(sealed) => Some(sealed),
        };
        writeln!(context.out, "{}", fault.map_or("holds", Rejected::reason))?;
        all_hold &= fault.is_none();
    }
    Ok(if all_hold { Exit::Well } else { Exit::Failed })
}

fn show(examined: &Examined, faults: &[String], now: UnixTime, context: &mut CliContext<'_>) -> std::io::Result<()> {
    let paint = context.paint;
    if faults.is_empty() {
        writeln!(context.out, "{}", paint.good("The token holds: signature, algorithm, times and addressees."))?;
    } else {
        writeln!(context.out, "{}", paint.bad("The token does not hold:"))?;
    }
    for fault in faults {
        writeln!(context.out, "  {fault}")?;
    }
    if examined.header.is_empty() {
        return Ok(());
    }
    writeln!(context.out, "\nHeader: {}", Value::Object(examined.header.clone()))?;
    writeln!(context.out, "Claims: {:#}", Value::Object(examined.claims.clone()))?;
    if let Some(times) = times(&examined.claims, now) {
        // What nobody stands behind may say what it likes.
        let by = if faults.is_empty() { "" } else { "By its own words: " };
        writeln!(context.out, "{by}{times}")?;
    }
    Ok(())
}

/// When it was made and how long it is still good, in words.
fn times(claims: &Map<String, Value>, now: UnixTime) -> Option<String> {
    let at = |name: &str| claims.get(name).and_then(Value::as_u64);
    let made = at("iat").map(|iat| format!("Made {} ago", span(now.0.saturating_sub(iat))));
    let left = at("exp").map(|exp| match exp.checked_sub(now.0) {
        Some(left) if left > 0 => format!("good for another {}", span(left)),
        _ => format!("ended {} ago", span(now.0.saturating_sub(exp))),
    });
    let said: Vec<String> = made.into_iter().chain(left).collect();
    (!said.is_empty()).then(|| format!("{}.", said.join(", ")))
}

/// A span in its two largest units.
fn span(seconds: u64) -> String {
    let left = Duration::from_secs(seconds).as_secs();
    let parts = [(left / 86_400, "d"), (left / 3600 % 24, "h"), (left / 60 % 60, "m"), (left % 60, "s")];
    let said: Vec<String> =
        parts.iter().filter(|(count, _)| *count > 0).take(2).map(|(count, unit)| format!("{count}{unit}")).collect();
    if said.is_empty() { "0s".to_owned() } else { said.join(" ") }
}

/// What does not hold, with what is there and what was expected.
fn explained(fault: Rejected, examined: &Examined, expected: &Expectation<'_>, now: UnixTime) -> String {
    let claim = |name: &str| examined.claims.get(name).map_or_else(|| "none".to_owned(), Value::to_string);
    match fault {
        Rejected::Algorithm => {
            let found = examined.header.get("alg").map_or_else(|| "none".to_owned(), Value::to_string);
            format!("{fault}: it is {found}, agreed on is {}; its signature was not looked at", expected.algorithm)
        }
        Rejected::Issuer => {
            format!("{fault}: it is {}, expected is {}", claim("iss"), json!(expected.issuer.unwrap_or_default()))
        }
        Rejected::Audience => format!("{fault}: it is {}, expected is {}", claim("aud"), json!(expected.audience)),
        Rejected::Time => format!("{fault}: required are {}", expected.required.join(", ")),
        Rejected::Type => {
            let found = |name: &str| examined.header.get(name).map_or_else(|| "none".to_owned(), Value::to_string);
            let (typ, cty) = (expected.typ.unwrap_or("JWT or none"), expected.cty.unwrap_or("none"));
            format!("{fault}: typ is {}, expected is {typ}; cty is {}, expected is {cty}", found("typ"), found("cty"))
        }
        Rejected::Sealed => format!("{fault} (--decryption-key opens what is for an RSA key)"),
        Rejected::Expired | Rejected::Early => {
            format!("{fault}: nbf {}, iat {}, exp {}, and it is {}", claim("nbf"), claim("iat"), claim("exp"), now.0)
        }
        _ => fault.to_string(),
    }
}

fn read_stdin() -> std::io::Result<String> {
    let mut text = String::new();
    std::io::stdin().take(64 * 1024).read_to_string(&mut text)?;
    Ok(text)
}
