//! `countersign keygen`.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::{Args, ValueEnum};
use zeroize::Zeroizing;

use super::{CliContext, Exit};
use crate::base::clock::random_bytes;
use crate::base::secret::Encoding;
use crate::jose::signer::{Algorithm, generate_pem};

/// What to make.
#[derive(Debug, Args)]
pub struct KeygenArgs {
    /// For which algorithm; an asymmetric one makes a private key in PEM.
    #[arg(long, default_value = "HS256")]
    algorithm: String,
    /// What for: the signature of `--algorithm`, or the key of pseudonyms (64 bytes, base64url).
    #[arg(long, value_enum, default_value_t = Kind::Signature)]
    kind: Kind,
    /// How to write a secret: utf8 (text any vendor takes), base64, base64url, hex.
    #[arg(long, default_value = "base64url")]
    encoding: Encoding,
    /// Write it to this new file, which only you can read, instead of printing it.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Kind {
    /// A secret or key pair that signs tokens.
    Signature,
    /// The key of pseudonyms.
    Pseudonym,
}

/// Makes a fresh secret or private key, and prints it or writes it to a file.
///
/// # Errors
/// An unknown algorithm; a file that cannot be made, or is there already.
pub fn run(args: &KeygenArgs, context: &mut CliContext<'_>) -> anyhow::Result<Exit> {
    let made = Zeroizing::new(make(args)?);
    match &args.out {
        Some(path) => write_new(path, &made).with_context(|| format!("cannot make {}", path.display()))?,
        None => context.out.write_all(made.as_bytes())?,
    }
    Ok(Exit::Well)
}

fn make(args: &KeygenArgs) -> anyhow::Result<String> {
    let line = |encoding: Encoding, bytes: &[u8]| format!("{}\n", encoding.encode(bytes));
    if args.kind == Kind::Pseudonym {
        return Ok(line(Encoding::Base64Url, &random_bytes::<64>()));
    }
    let names: Vec<&str> = Algorithm::all().map(Algorithm::name).collect();
    let algorithm = Algorithm::named(&args.algorithm)
        .ok_or_else(|| anyhow::anyhow!("there is no algorithm `{}`; there are {}", args.algorithm, names.join(", ")))?;
    let secret = || line(args.encoding, &random_bytes::<64>()[..algorithm.least_secret_bytes()]);
    Ok(generate_pem(algorithm).unwrap_or_else(secret))
}

/// A secret that is written over is lost, and with it whatever it opens: the file must not be there.
fn write_new(path: &Path, text: &str) -> std::io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}
