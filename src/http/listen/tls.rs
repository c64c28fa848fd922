//! TLS for proxies on another host, and what a proxy's own certificate proves.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use rustls::client::verify_server_name;
use rustls::server::{ParsedCertificate, WebPkiClientVerifier};
use rustls::{RootCertStore, ServerConfig};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use secrecy::ExposeSecret as _;
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use crate::base::clock::UnixTime;
use crate::base::moment;
use crate::config::env::Env;
use crate::jose::certificate;
use crate::jose::pem::private_key;

/// How long before its end a certificate is spoken of.
const SOON: Duration = Duration::from_hours(14 * 24);

crate::settings! {
    pub vars VARS {
        TLS_CERT("", "/etc/countersign/tls/cert.pem"),
            "The listener's certificate in PEM, with those between it and its authority; or the file that holds them. Without it LISTEN speaks plain HTTP. A changed file is in force for connections from then on.";
        TLS_KEY(secret),
            "Its private key in PEM, mostly given as TLS_KEY_FILE.";
        TLS_CLIENT_CA("", "/etc/countersign/tls/proxies-ca.pem"),
            "The authorities, in PEM or the file that holds them, whose certificates the proxy must show: nobody else can connect. Such a certificate proves that identity headers are the proxy's, as FORWARDED_PROOF_SECRET does.";
        TLS_CLIENT_NAMES("", "proxy.internal.example.org"),
            "DNS names (subjectAltName) of which the proxy's certificate must have one. Empty: every certificate of TLS_CLIENT_CA, which then must be an authority for proxies alone.";
    }
}

/// A listener's keys, and whom it asks for a certificate. Its private key never leaves the library's configuration.
#[derive(Debug, Clone)]
pub struct Tls {
    config: Arc<ServerConfig>,
    names: Vec<ServerName<'static>>,
    /// By setting, when the first of its certificates ends.
    pub ends: Vec<(&'static str, UnixTime)>,
    /// Whether whoever connects has shown a certificate.
    pub asks: bool,
}

impl Tls {
    /// Reads the four; `None` where there is no certificate, or after naming what is wrong.
    pub fn read(env: &mut Env, unix: bool) -> Option<Arc<Self>> {
        let (chain, roots) = (certificates(env, &TLS_CERT), certificates(env, &TLS_CLIENT_CA));
        let ends = [(&TLS_CERT, &chain), (&TLS_CLIENT_CA, &roots)];
        let ends = ends.into_iter().filter_map(|(var, all)| Some((var.name, first_end(all.as_deref()?)?))).collect();
        let names: Vec<String> = env.list(&TLS_CLIENT_NAMES);
        let key = env.secret_lines(&TLS_KEY);
        if !env.is_set(&TLS_CERT) {
            for var in [&TLS_KEY, &TLS_CLIENT_CA, &TLS_CLIENT_NAMES] {
                if env.is_set(var) {
                    env.mistake_in(
                        var,
                        "needs TLS_CERT: without a certificate of its own the listener speaks plain HTTP",
                    );
                }
            }
            return None;
        }
        if unix {
            env.mistake_in(&TLS_CERT, "is for address:port, and LISTEN is a Unix socket, which needs no TLS");
        }
        if !names.is_empty() && !env.is_set(&TLS_CLIENT_CA) {
            env.mistake_in(&TLS_CLIENT_NAMES, "needs TLS_CLIENT_CA: nobody is asked for a certificate");
        }
        if key.is_none() && !env.is_set(&TLS_KEY) {
            env.mistake_in(&TLS_KEY, "is required beside TLS_CERT");
        }
        let asks = env.is_set(&TLS_CLIENT_CA);
        let (chain, key) = (chain?, key?);
        let roots = if asks { Some(roots?) } else { None };
        let key = private_key(&key).map_err(|problem| env.mistake_in(&TLS_KEY, &problem.to_string())).ok()?;
        let key = PrivateKeyDer::from_pem_slice(key.expose_secret().as_bytes());
        let key = key.map_err(|problem| env.mistake_in(&TLS_KEY, &format!("cannot be read: {problem}"))).ok()?;
        let parsed = |name: String| ServerName::try_from(name).map_err(|_| ());
        let Ok(names) = names.into_iter().map(parsed).collect() else {
            env.mistake_in(&TLS_CLIENT_NAMES, "holds something that is no DNS name");
            return None;
        };
        match config(chain, key, roots) {
            Ok(config) => Some(Arc::new(Self { config: Arc::new(config), names, ends, asks })),
            Err((var, problem)) => {
                env.mistake_in(var, &problem);
                None
            }
        }
    }

    /// By setting, what to say of certificates that have ended or soon will.
    pub fn ending(&self, now: UnixTime) -> impl Iterator<Item = (&'static str, String)> {
        self.ends.iter().filter(move |(_, end)| *end < now.plus(SOON)).map(move |(setting, end)| {
            let (ends, then) = if *end <= now {
                ("ended", "connections fail where it is checked; put its successor into the file")
            } else {
                ("ends", "put its successor into the file before")
            };
            (*setting, format!("holds a certificate that {ends} on {}: {then}", moment::show(*end)))
        })
    }

    /// Speaks TLS with whoever has connected.
    ///
    /// # Errors
    /// When the two do not agree, or the certificate shown is not one that is asked for.
    pub(super) async fn accept(&self, stream: TcpStream) -> io::Result<TlsStream<TcpStream>> {
        let stream = TlsAcceptor::from(self.config.clone()).accept(stream).await?;
        let shown = stream.get_ref().1.peer_certificates().and_then(|chain| chain.first());
        if self.asks && !shown.is_some_and(|certificate| self.is_named(certificate)) {
            return Err(io::Error::other("the client's certificate has none of the names in TLS_CLIENT_NAMES"));
        }
        Ok(stream)
    }

    fn is_named(&self, certificate: &CertificateDer<'_>) -> bool {
        let has = |parsed: &ParsedCertificate<'_>| {
            self.names.is_empty() || self.names.iter().any(|name| verify_server_name(parsed, name).is_ok())
        };
        ParsedCertificate::try_from(certificate).is_ok_and(|parsed| has(&parsed))
    }
}

fn first_end(certificates: &[CertificateDer<'_>]) -> Option<UnixTime> {
    certificates.iter().filter_map(|one| certificate::ends(one)).min()
}

type Wrong = (&'static crate::config::var::Var, String);

fn config(
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
    roots: Option<Vec<CertificateDer<'static>>>,
) -> Result<ServerConfig, Wrong> {
    let builder = match roots {
        None => ServerConfig::builder().with_no_client_auth(),
        Some(roots) => {
            let mut store = RootCertStore::empty();
            for root in roots {
                store.add(root).map_err(|problem| (&TLS_CLIENT_CA, format!("cannot be used: {problem}")))?;
            }
            let verifier = WebPkiClientVerifier::builder(store.into()).build();
            let verifier = verifier.map_err(|problem| (&TLS_CLIENT_CA, format!("cannot be used: {problem}")))?;
            ServerConfig::builder().with_client_cert_verifier(verifier)
        }
    };
    let config = builder.with_single_cert(chain, key);
    let mut config = config
        .map_err(|problem| (&TLS_CERT, format!("and TLS_KEY do not belong together, or cannot be used: {problem}")))?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}

/// The certificates in the text; `None` where it is not set, or after naming what is wrong.
fn certificates(env: &mut Env, var: &crate::config::var::Var) -> Option<Vec<CertificateDer<'static>>> {
    let text = env.text(var)?;
    let text = if text.starts_with('/') { env.named_file(var)? } else { text.replace("\\n", "\n") };
    let all: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(text.as_bytes()).collect();
    match all {
        Ok(all) if !all.is_empty() => {
            env.show_as(var, format!("{} in PEM", if all.len() == 1 { "1 certificate" } else { "certificates" }));
            Some(all)
        }
        _ => {
            env.mistake_in(var, "holds no certificate in PEM, and is no file that does");
            None
        }
    }
}
