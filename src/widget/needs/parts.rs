//! What a configuration is put together from.

use crate::base::clock::random_bytes;
use crate::base::secret::Encoding;
use crate::jose::algorithm::Algorithm;
use crate::jose::signer::generate_pem;

/// A line of the environment file.
#[derive(Debug, Clone)]
pub struct Entry {
    pub name: String,
    pub value: String,
    /// What the operator must put there instead.
    pub yours: String,
    /// Why it is as it is, where that is asked.
    pub note: &'static str,
}

impl Entry {
    #[must_use]
    pub fn set(name: &str, value: &str) -> Self {
        Self::yours(name, value, "")
    }
    #[must_use]
    pub fn yours(name: &str, value: &str, yours: &str) -> Self {
        Self { name: name.to_owned(), value: value.to_owned(), yours: yours.to_owned(), note: "" }
    }
    #[must_use]
    pub fn noted(name: &str, value: &str, note: &'static str) -> Self {
        Self { note, ..Self::set(name, value) }
    }
    #[must_use]
    pub fn line(&self) -> String {
        let comment = match (self.note, self.yours.as_str()) {
            ("", "") => String::new(),
            (note, "") => format!("# {note}\n"),
            (_, yours) => format!("# Yours to fill in: {yours}\n"),
        };
        let quote = if self.value.contains([' ', '#', '"']) { "'" } else { "" };
        format!("{comment}{}={quote}{}{quote}\n", self.name, self.value)
    }
}

/// How a secret is made.
#[derive(Debug, Clone, Copy)]
pub enum Make {
    Text(Encoding, usize),
    Pair(Algorithm),
    Pseudonym,
}

impl Make {
    #[must_use]
    pub fn make(self) -> String {
        match self {
            Self::Text(encoding, bytes) => format!("{}\n", encoding.encode(&random_bytes::<64>()[..bytes.min(64)])),
            Self::Pair(algorithm) => generate_pem(algorithm).unwrap_or_default(),
            Self::Pseudonym => format!("{}\n", Encoding::Base64Url.encode(&random_bytes::<64>())),
        }
    }
}

/// A secret in a file of its own.
#[derive(Debug, Clone)]
pub struct SecretFile {
    pub setting: String,
    pub file: String,
    pub make: Make,
    /// Who gives the real one; empty when it is made here.
    pub from: String,
}

impl SecretFile {
    #[must_use]
    pub fn ours(setting: &str, file: &str, make: Make) -> Self {
        Self::theirs(setting, file, make, "")
    }
    #[must_use]
    pub fn theirs(setting: &str, file: &str, make: Make, from: &str) -> Self {
        Self { setting: setting.to_owned(), file: file.to_owned(), make, from: from.to_owned() }
    }
}
