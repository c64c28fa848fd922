//! What is to be set up: said on the command line, or asked for at a terminal.

use std::io::{BufRead, Write};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::Args;
use url::Url;

use super::proxies::{PROXIES, Proxy};
use super::sources::{SOURCES, Source};
use crate::config::var::nearest;
use crate::widget::presets::{self, Profile};

/// What to set up.
#[derive(Debug, Args)]
pub struct InitArgs {
    /// The proxy in front: nginx, apache, caddy, haproxy or other.
    #[arg(long)]
    proxy: Option<String>,
    /// How the visitor is known: forwarded, upstream, bearer, oidc or accounts.
    #[arg(long)]
    source: Option<String>,
    /// The chat vendor's preset; `countersign presets` lists them. Several, separated by commas, for several widgets.
    #[arg(long, value_name = "PRESET")]
    widget: Option<String>,
    /// The site's origin, such as <https://www.example.org>.
    #[arg(long, value_name = "URL")]
    origin: Option<String>,
    /// The path on the site under which the proxy hands requests on.
    #[arg(long, value_name = "PATH", default_value = "/chat-identity")]
    mount: String,
    /// The folder to write into; made if it is missing.
    #[arg(long, default_value = ".")]
    dir: PathBuf,
    /// A setting that you know already, as NAME=VALUE; may be given several times.
    #[arg(long = "set", value_name = "NAME=VALUE", value_parser = setting)]
    set: Vec<(String, String)>,
    /// Write .env and the proxy's files anew where they are there already. Secrets are kept.
    #[arg(long)]
    pub(super) force: bool,
}

fn setting(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("takes NAME=VALUE")?;
    if value.contains(['\'', '\n']) {
        return Err("a value with a quote or a line end goes into .env by hand".to_owned());
    }
    Ok((name.to_owned(), value.to_owned()))
}

/// Everything that has to be known.
#[derive(Debug)]
pub(super) struct Choices {
    pub(super) origin: String,
    pub(super) mount: String,
    pub(super) listen: String,
    pub(super) dir: PathBuf,
    pub(super) proxy: &'static Proxy,
    pub(super) source: &'static Source,
    /// One for each widget, all different.
    pub(super) profiles: Vec<&'static Profile>,
    pub(super) set: Vec<(String, String)>,
}

impl Choices {
    /// As said; what is not said is asked through `ask`, where there is somebody to ask.
    ///
    /// # Errors
    /// What was said wrongly, or not at all.
    pub(super) fn of(args: &InitArgs, mut ask: Option<Ask<'_>>) -> anyhow::Result<Self> {
        let mut said = |flag: &str, said: &Option<String>, question: &str, options: &[(&str, &str)]| match said {
            Some(said) => Ok(said.clone()),
            None => match &mut ask {
                Some(ask) => ask.about(question, options),
                None => anyhow::bail!("say --{flag}, or run this at a terminal, where it asks"),
            },
        };
        let of_proxies: Vec<(&str, &str)> = PROXIES.iter().map(|proxy| (proxy.name, proxy.title)).collect();
        let of_sources: Vec<(&str, &str)> = SOURCES.iter().map(|source| (source.name, source.title)).collect();
        let origin =
            origin(&said("origin", &args.origin, "The site's address, such as https://www.example.org", &[])?)?;
        let source = said("source", &args.source, "How is the visitor known?", &of_sources)?;
        let source =
            SOURCES.iter().find(|one| one.name == source).with_context(|| unknown("source", &source, &of_sources))?;
        let proxy = said("proxy", &args.proxy, "Which proxy is in front?", &of_proxies)?;
        let proxy =
            PROXIES.iter().find(|one| one.name == proxy).with_context(|| unknown("proxy", &proxy, &of_proxies))?;
        let widget = said(
            "widget",
            &args.widget,
            "Which chat vendor? (`countersign presets` lists them; several with commas)",
            &[],
        )?;
        let profiles = profiles(&widget)?;
        let mount = args.mount.trim_end_matches('/').to_owned();
        if !mount.starts_with('/') || mount.contains(|c: char| !c.is_ascii_alphanumeric() && !"/-_.~".contains(c)) {
            anyhow::bail!("--mount takes a path such as /chat-identity");
        }
        let listen = args.set.iter().find(|(name, _)| name == "LISTEN").map_or("127.0.0.1:8080", |(_, value)| value);
        let (dir, listen) = (absolute(&args.dir)?, listen.to_owned());
        Ok(Self { origin, mount, listen, dir, proxy, source, profiles, set: args.set.clone() })
    }

    /// The text with what was chosen in it.
    pub(super) fn fill(&self, text: &str) -> String {
        let dir = self.dir.display().to_string();
        let pairs = [("{origin}", &self.origin), ("{mount}", &self.mount), ("{listen}", &self.listen), ("{dir}", &dir)];
        pairs.iter().fold(text.to_owned(), |text, (name, value)| text.replace(name, value))
    }
}

fn profiles(text: &str) -> anyhow::Result<Vec<&'static Profile>> {
    let of_presets: Vec<(&str, &str)> = presets::ALL.iter().map(|one| (one.name, one.title)).collect();
    let mut profiles: Vec<&'static Profile> = Vec::new();
    for name in text.split(',').map(str::trim) {
        let profile = presets::named(name).with_context(|| unknown("preset", name, &of_presets))?;
        if profiles.iter().any(|known| known.name == name) {
            anyhow::bail!("--widget names {name} twice; a second widget of one vendor is set up by hand (WIDGETS)");
        }
        profiles.push(profile);
    }
    Ok(profiles)
}

fn unknown(what: &str, word: &str, options: &[(&str, &str)]) -> String {
    let names: Vec<&str> = options.iter().map(|(name, _)| *name).collect();
    let hint = nearest(word, &names).map(|near| format!("; did you mean {near}?")).unwrap_or_default();
    let all = if names.len() < 10 { format!("; there are {}", names.join(", ")) } else { String::new() };
    format!("there is no {what} `{word}`{all}{hint}")
}

fn origin(text: &str) -> anyhow::Result<String> {
    let url = Url::parse(text.trim()).ok().filter(|url| matches!(url.scheme(), "https" | "http") && url.has_host());
    let url = url.filter(|url| url.path() == "/" && url.query().is_none());
    let origin = url.map(|url| url.origin().ascii_serialization());
    origin.context("--origin takes scheme and host, such as https://www.example.org; the path is --mount")
}

/// The folder from the root, so that the files that .env names are found wherever the service is started.
fn absolute(dir: &Path) -> anyhow::Result<PathBuf> {
    let path = std::path::absolute(dir).with_context(|| format!("cannot use {}", dir.display()))?;
    Ok(path.components().collect())
}

/// Somebody who can be asked.
pub(super) struct Ask<'a> {
    pub(super) input: &'a mut dyn BufRead,
    pub(super) out: &'a mut (dyn Write + Send),
}

impl Ask<'_> {
    /// One of the options, by name or number; any text where there are none. Asks again until it is one.
    fn about(&mut self, question: &str, options: &[(&str, &str)]) -> anyhow::Result<String> {
        writeln!(self.out, "{question}")?;
        for (at, (name, title)) in options.iter().enumerate() {
            writeln!(self.out, "  {}  {name:10} {title}", at + 1)?;
        }
        loop {
            write!(self.out, "> ")?;
            self.out.flush()?;
            let mut line = String::new();
            if self.input.read_line(&mut line)? == 0 {
                anyhow::bail!("nothing was written: the questions were not answered");
            }
            let word = line.trim();
            let by_number = word.parse::<usize>().ok().and_then(|number| options.get(number.checked_sub(1)?));
            let chosen = by_number.or_else(|| options.iter().find(|(name, _)| *name == word));
            match chosen {
                Some((name, _)) => return Ok((*name).to_owned()),
                None if options.is_empty() && !word.is_empty() => return Ok(word.to_owned()),
                None => writeln!(self.out, "One of these, by name or number.")?,
            }
        }
    }
}
