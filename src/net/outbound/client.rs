//! What every outbound call shares: the proxy, and whom TLS trusts.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use hyper_util::client::proxy::matcher::Matcher;
use secrecy::{ExposeSecret, SecretString};
use url::Url;

use super::address::{CarefulResolver, LOOPBACK, check_literal, is_loopback};
use crate::base::rate::Rate;
use crate::config::env::Env;

crate::settings! {
    pub vars VARS {
        HTTPS_PROXY(secret; or(&["https_proxy"])),
            "Proxy for calls to https addresses, `http://[user:password@]host:port`. Calls to this machine never use it, nor do plain-http ones.";
        HTTP_PROXY(secret; or(&["http_proxy"])),
            "Never used: what is called over plain http is this machine, or must be named in NO_PROXY where this is set.";
        ALL_PROXY(secret; or(&["all_proxy"])),
            "Never used; HTTPS_PROXY names the proxy. Where this is set, it is as with HTTP_PROXY.";
        NO_PROXY("", "localhost,.internal"; or(&["no_proxy"])),
            "Hosts that are called without the proxy.";
        EXTRA_CA_CERTS("", "/etc/ssl/company-ca.pem"),
            "PEM file of certificate authorities to trust besides the system's.";
        RATE_LIMIT_ADDRESS("300/m", "1000/m"),
            "Most session cookies or access tokens that turn out to be nobody's, from one client address (IPv6: /64), that the session endpoint or the authorization server is asked about, as count/s, count/m or count/h; `off` sets no limit. Whose are known does not count. Needs TRUSTED_PROXIES behind a proxy.";
    }
}

/// Settings shared by every target.
#[derive(Clone, Default)]
pub struct Outbound {
    proxy: Option<reqwest::Proxy>,
    /// Where any proxy is configured: which plain-http addresses would be expected to go through one.
    proxied: Option<Arc<Matcher>>,
    extra_roots: Vec<reqwest::Certificate>,
    /// How many credentials that nobody knows one address may bring; `None` sets no limit.
    pub(super) strangers: Option<Rate>,
    /// The proxy's host, without credentials, for the start-up message.
    pub proxy_host: Option<String>,
}

fn read_rate(env: &mut Env) -> Option<Rate> {
    let off = env.text(&RATE_LIMIT_ADDRESS).is_some_and(|text| text.eq_ignore_ascii_case("off"));
    if off { None } else { env.parse(&RATE_LIMIT_ADDRESS) }
}

impl fmt::Debug for Outbound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outbound")
            .field("proxy", &self.proxy_host)
            .field("extra_roots", &self.extra_roots.len())
            .finish_non_exhaustive()
    }
}

impl Outbound {
    /// Reads the proxy and the extra authorities.
    pub fn read(env: &mut Env) -> Self {
        let direct = format!("{LOOPBACK},{}", env.text(&NO_PROXY).unwrap_or_default());
        let others = [&HTTP_PROXY, &ALL_PROXY].map(|var| env.text(var).is_some());
        let address = env.text(&HTTPS_PROXY).map(SecretString::from);
        let proxy_url = address.as_ref().and_then(|a| Url::parse(a.expose_secret()).ok());
        let proxy = proxy_url.clone().and_then(|url| reqwest::Proxy::https(url).ok());
        if address.is_some() && proxy.is_none() {
            env.mistake_in(&HTTPS_PROXY, "is not a proxy address such as http://proxy.internal:3128");
        }
        let some = address.is_some() || others.contains(&true);
        Self {
            proxy: proxy.map(|proxy| proxy.no_proxy(reqwest::NoProxy::from_string(&direct))),
            proxied: some.then(|| Arc::new(Matcher::builder().all("http://proxy.invalid").no(direct).build())),
            extra_roots: read_roots(env),
            strangers: read_rate(env),
            proxy_host: proxy_url.and_then(|url| url.host_str().map(str::to_owned)),
        }
    }

    /// Says why an address may not be called.
    ///
    /// # Errors
    /// A sentence for the operator.
    pub fn check(&self, url: &Url) -> Result<(), String> {
        check_literal(url)?;
        self.check_plain(url)
    }

    /// Says why a plain-http address is not called: where there is a proxy, what is sent would cross the network in clear, and
    /// whoever sits in between could answer as anybody.
    ///
    /// # Errors
    /// A sentence for the operator.
    fn check_plain(&self, url: &Url) -> Result<(), String> {
        let (Some(proxied), Ok(uri)) = (&self.proxied, url.as_str().parse::<http::Uri>()) else { return Ok(()) };
        if url.scheme() == "http" && !is_loopback(url) && proxied.intercept(&uri).is_some() {
            let remedy = "use https, or name its host in NO_PROXY if it is reached directly";
            return Err(format!("is plain http, and a proxy is set (HTTPS_PROXY, HTTP_PROXY or ALL_PROXY): {remedy}"));
        }
        Ok(())
    }

    pub(super) fn client(&self, plain: bool) -> Result<reqwest::Client, reqwest::Error> {
        #[expect(clippy::disallowed_methods, reason = "this is the door")]
        let mut builder = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .tcp_nodelay(true)
            .referer(false)
            .https_only(!plain)
            .pool_idle_timeout(Duration::from_secs(30))
            .user_agent(concat!("countersign/", env!("CARGO_PKG_VERSION")))
            .dns_resolver(Arc::new(CarefulResolver));
        if let Some(proxy) = &self.proxy {
            builder = builder.proxy(proxy.clone());
        }
        // A plain-HTTP target needs no certificate store, and must work on a machine that has none.
        builder = if plain { builder.tls_certs_only([]) } else { builder.tls_certs_merge(self.extra_roots.clone()) };
        builder.build()
    }
}

fn read_roots(env: &mut Env) -> Vec<reqwest::Certificate> {
    let Some(pem) = env.named_file(&EXTRA_CA_CERTS) else { return Vec::new() };
    let roots = reqwest::Certificate::from_pem_bundle(pem.as_bytes()).unwrap_or_default();
    if roots.is_empty() {
        env.mistake_in(&EXTRA_CA_CERTS, "cannot be used: it holds no certificate in PEM");
    }
    roots
}
