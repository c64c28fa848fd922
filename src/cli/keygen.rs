//! `countersign keygen`.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::{Args, ValueEnum};
use secrecy::SecretSlice;
use zeroize::Zeroizing;

use super::{CliContext, Exit};
use crate::base::clock::{UnixTime, random_bytes};
use crate::base::secret::Encoding;
use crate::jose::algorithm::Algorithm;
use crate::jose::certificate;
use crate::jose::signer::{HeaderOptions, Signer, generate_pem};

/// What to make.
#[derive(Debug, Args)]
pub struct KeygenArgs {
    /// For which algorithm, in any case; an asymmetric one makes a private key in PEM.
    #[arg(long, default_value = "HS256", value_parser = algorithm)]
    algorithm: Algorithm,
    /// What for: the signature of `--algorithm`, or the key of pseudonyms (64 bytes, base64url).
    #[arg(long, value_enum, default_value_t = Kind::Signature)]
    kind: Kind,
    /// How to write a secret: utf8 (text any vendor takes), base64, base64url, hex.
    #[arg(long, default_value = "base64url")]
    encoding: Encoding,
    /// Write it to this new file, which only you can read, instead of printing it.
    #[arg(long, value_name = "FILE", group = "file")]
    out: Option<PathBuf>,
    /// Make none: take the private key in this file.
    #[arg(long, value_name = "FILE", group = "file", requires = "shown")]
    of: Option<PathBuf>,
    /// Print the public key (PEM) of the private key, for the vendor's console.
    #[arg(long, group = "shown", requires = "file")]
    public: bool,
    /// Print the public key as a JWK, with a certificate of its own in `x5c` where it is RSA.
    #[arg(long, group = "shown", requires = "file")]
    jwk: bool,
    /// `kid` of the JWK, where tokens name another; the key's RFC 7638 thumbprint when not given.
    #[arg(long, value_name = "ID", requires = "jwk")]
    kid: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Kind {
    /// A secret or key pair that signs tokens.
    Signature,
    /// The key of pseudonyms.
    Pseudonym,
}

fn algorithm(name: &str) -> Result<Algorithm, String> {
    let names: Vec<&str> = Algorithm::signing().map(Algorithm::name).collect();
    Algorithm::meant_by(name).ok_or_else(|| format!("there are {}", names.join(", ")))
}

/// Makes a fresh secret or private key, and prints it or writes it to a file.
///
/// # Errors
/// A file that cannot be made, or is there already; the public half of a key that has none.
pub fn run(args: &KeygenArgs, context: &mut CliContext<'_>) -> anyhow::Result<Exit> {
    let made = Zeroizing::new(match &args.of {
        Some(path) => std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?,
        None => make(args),
    });
    let public = if args.public || args.jwk { Some(public_half(args, &made, context.clock.now())?) } else { None };
    match &args.out {
        Some(path) => write_new(path, &made).with_context(|| format!("cannot make {}", path.display()))?,
        None if args.of.is_some() => {}
        None => context.out.write_all(made.as_bytes())?,
    }
    context.out.write_all(public.unwrap_or_default().as_bytes())?;
    Ok(Exit::Well)
}

fn make(args: &KeygenArgs) -> String {
    let line = |encoding: Encoding, bytes: &[u8]| format!("{}\n", encoding.encode(bytes));
    if args.kind == Kind::Pseudonym {
        return line(Encoding::Base64Url, &random_bytes::<64>());
    }
    let secret = || line(args.encoding, &random_bytes::<64>()[..args.algorithm.least_secret_bytes()]);
    generate_pem(args.algorithm).unwrap_or_else(secret)
}

fn public_half(args: &KeygenArgs, made: &str, now: UnixTime) -> anyhow::Result<String> {
    let key = SecretSlice::from(made.as_bytes().to_vec());
    let signer = Signer::new(args.algorithm, &key, &HeaderOptions::default());
    if let (Some(path), Err(problem)) = (&args.of, &signer) {
        anyhow::bail!("{} {problem}; --algorithm says what it signs with", path.display());
    }
    let public = signer.ok().filter(|_| args.kind == Kind::Signature).and_then(|signer| {
        if args.jwk {
            return certificate::public_jwk(&signer, args.kid.as_deref(), now).map(|jwk| format!("{jwk:#}\n"));
        }
        signer.public_pem()
    });
    public.ok_or_else(|| {
        anyhow::anyhow!(
            "a secret has no public half; --public and --jwk go with an asymmetric --algorithm, such as ES256"
        )
    })
}

/// Writes a secret to a file that only this user can read. A secret that is written over is lost, and with it whatever it
/// opens: the file must not be there.
///
/// # Errors
/// The system's.
pub fn write_new(path: &Path, text: &str) -> std::io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}
