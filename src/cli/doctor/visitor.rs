//! A visitor's browser, as far as the doctor plays one, and the operations listener, which tells what arrived.

use std::time::Duration;

use bytes::Bytes;
use http::header::HOST;
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use url::Url;

use crate::app::config::Settings;
use crate::base::clock::Clock;
use crate::cli::admin;
use crate::http::inspection::{self, Seen};
use crate::http::listen::Address;
use crate::net::outbound::{Call, Limits, Reply, Target};

/// A proxy that asks a login first takes its time.
const DEADLINE: Duration = Duration::from_secs(15);
/// What a page of the site itself sends along.
pub(super) const OWN_PAGE: [(&str, &str); 3] =
    [("sec-fetch-site", "same-origin"), ("sec-fetch-mode", "cors"), ("sec-fetch-dest", "empty")];

/// Asks through the proxy.
pub(super) struct Visitor {
    target: Target,
    base: Url,
    host: Option<HeaderValue>,
    inspection: String,
}

impl Visitor {
    /// # Errors
    /// An address that may not be called.
    pub(super) fn new(
        config: &Settings,
        clock: &Clock,
        base: &Url,
        host: Option<&str>,
        inspection: &str,
    ) -> anyhow::Result<Self> {
        let limits = Limits { deadline: DEADLINE, ..Limits::DEFAULT };
        let target = Target::new(&config.shared.outbound, base, limits, clock.clone())
            .map_err(|problem| anyhow::anyhow!("{base} {problem}"))?;
        let host = host.map(HeaderValue::from_str).transpose()?;
        Ok(Self { target, base: base.clone(), host, inspection: inspection.to_owned() })
    }

    /// What the doctor's own values hold, so that they are known again where they arrive.
    pub(super) fn mark(&self) -> &str {
        &self.inspection
    }

    /// Asks for a path below the mount, as `step`.
    ///
    /// # Errors
    /// Why there is no answer.
    pub(super) async fn ask(
        &self,
        step: &str,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
    ) -> anyhow::Result<Reply> {
        let mut all = HeaderMap::new();
        for (name, value) in headers {
            all.append(HeaderName::from_bytes(name.as_bytes())?, HeaderValue::from_str(value)?);
        }
        all.insert(inspection::HEADER, HeaderValue::try_from(format!("{}.{step}", self.inspection))?);
        all.extend(self.host.iter().map(|host| (HOST, host.clone())));
        let mut url = self.base.clone();
        url.set_path(&format!("{}{path}", self.base.path().trim_end_matches('/')));
        let call = Call { method, url, headers: all, body: Bytes::new() };
        self.target.call(call).await.map_err(|fault| anyhow::anyhow!("{fault}"))
    }
}

/// What arrived, asked at the operations listener.
pub(super) struct Inspector {
    address: Option<Address>,
    /// The inspection's name; one that nobody knows when none could be opened.
    pub(super) name: String,
    /// Why none could.
    pub(super) problem: Option<String>,
}

impl Inspector {
    /// Opens an inspection.
    pub(super) async fn open(address: Option<Address>) -> Self {
        let asked = match &address {
            None => Err("ADMIN_LISTEN is off".to_owned()),
            Some(at) => match admin::ask(at, "POST", "/inspections").await {
                Ok(answer) if answer.status == "200" => Ok(answer.body.trim().to_owned()),
                Ok(answer) => Err(format!("{at} answered {}", answer.status)),
                Err(error) => Err(format!("{at} could not be asked: {error}")),
            },
        };
        let problem = asked.as_ref().err().cloned();
        Self { address, name: asked.unwrap_or_else(|_| crate::base::clock::random_id()), problem }
    }

    /// What arrived of this step; the last request, where it was several.
    pub(super) async fn seen(&self, step: &str) -> Option<Seen> {
        let address = self.address.as_ref().filter(|_| self.problem.is_none())?;
        let answer = admin::ask(address, "GET", &format!("/inspections/{}", self.name)).await.ok()?;
        let seen: Vec<Seen> = serde_json::from_str(&answer.body).ok()?;
        seen.into_iter().rfind(|one| one.step == step)
    }
}
