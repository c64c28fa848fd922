//! The files that `countersign init` writes.

use std::fmt::Write as _;
use std::fs::OpenOptions;
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use zeroize::Zeroizing;

use super::choices::Choices;
use super::proxies::VOUCHING_STEP;
use crate::base::secret::Encoding;
use crate::http::origin::PUBLIC_URL;
use crate::net::peer::TRUSTED_PROXIES;
use crate::widget::needs;
use crate::widget::needs::parts::{Entry, Make, SecretFile};

/// A file and what it will hold.
struct Planned {
    path: PathBuf,
    text: Zeroizing<String>,
    private: bool,
    /// A secret that is there already is kept: what it opens would be lost with it.
    keep: bool,
}

/// Everything that is written, and what is left to do.
pub(super) struct Plan {
    files: Vec<Planned>,
    /// What the operator must fill in or replace.
    pub(super) yours: Vec<String>,
    /// What the operator must do.
    pub(super) steps: Vec<String>,
}

impl Plan {
    /// What these choices come to.
    ///
    /// # Errors
    /// A secret that is there and cannot be read.
    pub(super) fn of(choices: &Choices) -> anyhow::Result<Self> {
        let (entries, secrets) = needs(choices);
        let mut plan = Self { files: Vec::new(), yours: Vec::new(), steps: Vec::new() };
        let mut env = String::from(
            "# Made by `countersign init`. `countersign settings` explains these settings and all others.\n\n",
        );
        for entry in &entries {
            let filled = Entry { value: choices.fill(&entry.value), ..entry.clone() };
            env.push_str(&filled.line());
            if !entry.yours.is_empty() {
                plan.yours.push(format!("{} in .env: {}", entry.name, entry.yours));
            }
        }
        let mut proof = Zeroizing::new(String::new());
        for secret in secrets {
            let path = choices.dir.join(&secret.file);
            writeln!(env, "{}_FILE={}", secret.setting, path.display())?;
            let text = Zeroizing::new(kept(&path)?.unwrap_or_else(|| secret.make.make()));
            if secret.file == "proof" {
                proof = Zeroizing::new(text.trim().to_owned());
            }
            if !secret.from.is_empty() {
                plan.yours.push(format!(
                    "{}: a stand-in was made; the real one is from {}",
                    path.display(),
                    secret.from
                ));
            }
            plan.files.push(Planned { path, text, private: true, keep: true });
        }
        plan.files.push(Planned { path: choices.dir.join(".env"), text: env.into(), private: true, keep: false });
        plan.add_proxy(choices, &proof);
        Ok(plan)
    }

    fn add_proxy(&mut self, choices: &Choices, proof: &str) {
        let proxy = choices.proxy;
        let vouched = choices.source.vouched;
        for file in if vouched { proxy.vouching } else { proxy.handing_on } {
            // What is shipped under a name of its own is here the one that the site includes.
            let text = file.text.replace("countersign/by-cookie.", "countersign/countersign.");
            let text = text.replace("/chat-identity", &choices.mount);
            let text = Zeroizing::new(text.replace("{listen}", &choices.listen).replace("{proof}", proof));
            self.files.push(Planned { path: choices.dir.join(file.path), text, private: file.private, keep: false });
        }
        if vouched && !proxy.login.is_empty() {
            self.yours.push(choices.fill(proxy.login));
        }
        let more = (vouched && proxy.vouching.is_empty()).then_some(&VOUCHING_STEP);
        self.steps.extend(proxy.steps.iter().chain(more).map(|step| choices.fill(step)));
    }

    /// Writes everything, or nothing.
    ///
    /// # Errors
    /// Files that are there already, unless `force`; the system's.
    pub(super) fn write(&self, force: bool) -> anyhow::Result<Vec<&Path>> {
        let there: Vec<String> =
            self.files.iter().filter(|file| file.path.exists()).map(|file| file.path.display().to_string()).collect();
        if !there.is_empty() && !force {
            anyhow::bail!(
                "nothing was written, because there is already: {}. --force writes anew what is no secret, and keeps secrets",
                there.join(", ")
            );
        }
        for file in self.files.iter().filter(|file| !(file.keep && file.path.exists())) {
            file.write().with_context(|| format!("cannot write {}", file.path.display()))?;
        }
        Ok(self.files.iter().map(|file| file.path.as_path()).collect())
    }
}

impl Planned {
    fn write(&self) -> std::io::Result<()> {
        if let Some(folder) = self.path.parent() {
            std::fs::DirBuilder::new().recursive(true).mode(0o755).create(folder)?;
        }
        match std::fs::remove_file(&self.path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mode = if self.private { 0o600 } else { 0o644 };
        let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(&self.path)?;
        file.write_all(self.text.as_bytes())?;
        file.sync_all()
    }
}

fn kept(path: &Path) -> anyhow::Result<Option<String>> {
    match std::fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| format!("cannot read {}", path.display())),
    }
}

/// Every setting and secret, what `--set` says in place of what would be.
fn needs(choices: &Choices) -> (Vec<Entry>, Vec<SecretFile>) {
    let mut entries = vec![Entry::set(PUBLIC_URL.name, "{origin}{mount}"), Entry::set("LISTEN", "{listen}")];
    entries.push(Entry::set(TRUSTED_PROXIES.name, "127.0.0.1,::1"));
    entries.extend(choices.source.settings.iter().map(|one| Entry::yours(one.name, one.value, one.yours)));
    let secret = |one: &super::sources::Secret| {
        SecretFile::theirs(one.setting, one.file, Make::Text(Encoding::Base64Url, 32), one.from)
    };
    let mut secrets: Vec<SecretFile> = choices.source.secrets.iter().map(secret).collect();
    if choices.source.vouched {
        entries.extend(choices.proxy.convention.iter().map(|(name, value)| Entry::set(name, value)));
    }
    let (of_widget, widget_secrets) = needs::needs_of_all(&choices.profiles);
    entries.extend(of_widget);
    secrets.extend(widget_secrets);
    for (name, value) in &choices.set {
        entries.retain(|entry| entry.name != *name);
        secrets.retain(|secret| secret.setting != *name && format!("{}_FILE", secret.setting) != *name);
        entries.push(Entry::set(name, value));
    }
    (entries, secrets)
}
