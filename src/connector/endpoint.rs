//! Where Direct Line answers: a short list of known hosts, because the secret goes wherever the address says (R10).

use url::Url;

use crate::config::env::Env;
use crate::net::outbound::is_loopback;

crate::settings! {
    pub vars {
        WIDGET_DIRECTLINE_ENDPOINT("directline.botframework.com", "europe.directline.botframework.com"; or(&["DIRECTLINE_ENDPOINT_URI"])),
            "Direct Line host of the bot's region: a host, an address, or an address with its path. Handed to the page with every token.";
        WIDGET_DIRECTLINE_CUSTOM_HOST("false", "true"),
            "Accept a Direct Line host that is none of Microsoft's public ones, such as an App Service extension. The secret is sent there.";
    }
}

/// Hosts of the public, the US Government and the China cloud; each also with one region label in front.
const HOSTS: [&str; 6] = [
    "directline.botframework.com",
    "webchat.botframework.com",
    "directline.botframework.azure.us",
    "webchat.botframework.azure.us",
    "directline.botframework.azure.cn",
    "webchat.botframework.azure.cn",
];

/// Where the API lies on every host but an App Service extension's.
const PATH: &str = "/v3/directline";

/// One Direct Line base address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint(Url);

impl Endpoint {
    /// Reads `WIDGET_DIRECTLINE_ENDPOINT`.
    pub fn read(env: &mut Env) -> Option<Self> {
        let custom = env.flag(&WIDGET_DIRECTLINE_CUSTOM_HOST);
        let text = env.text(&WIDGET_DIRECTLINE_ENDPOINT)?;
        Self::parse(&text, custom).map_err(|problem| env.mistake_in(&WIDGET_DIRECTLINE_ENDPOINT, &problem)).ok()
    }

    /// Takes a host, an address, or an address with path; `custom` accepts hosts that are not Microsoft's. Plain HTTP never
    /// leaves this machine.
    ///
    /// # Errors
    /// What is wrong and what would be right.
    pub fn parse(text: &str, custom: bool) -> Result<Self, String> {
        let text = text.trim();
        let absolute = if text.contains("://") { text.to_owned() } else { format!("https://{text}") };
        let mut url = Url::parse(&absolute).map_err(|_| "is neither a host nor an address".to_owned())?;
        let bare = url.query().is_none() && url.fragment().is_none();
        if !bare || !url.username().is_empty() || url.password().is_some() {
            return Err("holds more than scheme, host and path; no credentials and no query belong in it".to_owned());
        }
        let local = is_loopback(&url);
        if !(url.scheme() == "https" || url.scheme() == "http" && local) {
            return Err("must be https".to_owned());
        }
        let microsofts = url.port().is_none() && url.host_str().is_some_and(is_microsofts);
        if !(microsofts || local || custom) {
            let known = "none of Microsoft's Direct Line hosts, and the secret would go there";
            return Err(format!("is {known}; if that is meant, set {}=true", WIDGET_DIRECTLINE_CUSTOM_HOST.name));
        }
        let path = url.path().trim_end_matches('/').to_owned();
        if microsofts && !matches!(path.as_str(), "" | PATH) {
            return Err(format!("has a path other than {PATH}"));
        }
        url.set_path(if path.is_empty() { PATH } else { &path });
        Ok(Self(url))
    }

    /// The address of an operation below the base.
    #[must_use]
    pub fn at(&self, operation: &str) -> Url {
        let mut url = self.0.clone();
        url.set_path(&format!("{}/{operation}", self.0.path()));
        url
    }

    /// The base address as clients take it: with path, without trailing slash.
    #[must_use]
    pub fn domain(&self) -> &str {
        self.0.as_str()
    }

    /// The bare host, with its port when it has one of its own.
    #[must_use]
    pub fn host(&self) -> String {
        let host = self.0.host_str().unwrap_or_default();
        self.0.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
    }

    /// The base address.
    #[must_use]
    pub fn url(&self) -> &Url {
        &self.0
    }
}

fn is_microsofts(host: &str) -> bool {
    let regional = |known: &str| {
        let region = host.strip_suffix(known).and_then(|rest| rest.strip_suffix('.'));
        region.is_some_and(|r| !r.is_empty() && r.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-'))
    };
    HOSTS.iter().any(|known| host == *known || regional(known))
}
