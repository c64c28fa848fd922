//! `countersign keygen`.

use clap::{Args, ValueEnum};

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
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Kind {
    /// A secret or key pair that signs tokens.
    Signature,
    /// The key of pseudonyms.
    Pseudonym,
}

/// Prints a fresh secret or private key.
///
/// # Errors
/// An unknown algorithm.
pub fn run(args: &KeygenArgs, context: &mut CliContext<'_>) -> anyhow::Result<Exit> {
    if args.kind == Kind::Pseudonym {
        writeln!(context.out, "{}", Encoding::Base64Url.encode(&random_bytes::<64>()))?;
        return Ok(Exit::Well);
    }
    let names: Vec<&str> = Algorithm::all().map(Algorithm::name).collect();
    let algorithm = Algorithm::named(&args.algorithm)
        .ok_or_else(|| anyhow::anyhow!("there is no algorithm `{}`; there are {}", args.algorithm, names.join(", ")))?;
    if let Some(pem) = generate_pem(algorithm) {
        write!(context.out, "{pem}")?;
        return Ok(Exit::Well);
    }
    let bytes = random_bytes::<64>();
    writeln!(context.out, "{}", args.encoding.encode(&bytes[..algorithm.least_secret_bytes()]))?;
    Ok(Exit::Well)
}
