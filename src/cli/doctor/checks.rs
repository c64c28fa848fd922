//! What the doctor looks at, one function each.

use std::net::IpAddr;
use std::time::UNIX_EPOCH;

use http::header::{ACCESS_CONTROL_ALLOW_ORIGIN, CACHE_CONTROL, CONTENT_TYPE, DATE, LOCATION};
use http::{Method, StatusCode};
use serde_json::Value;
use url::Url;

use super::finding::{Finding, Verdict};
use super::visitor::{Inspector, OWN_PAGE, Visitor};
use crate::app::config::Settings;
use crate::base::clock::Clock;
use crate::http::inspection::Seen;
use crate::issuance::verifier::expectation;
use crate::jose::jws::examine::examine;
use crate::net::outbound::Reply;
use crate::sources::Chain;
use crate::sources::forwarded;
use crate::sources::forwarded::proof::{FORWARDED_PROOF_HEADER, FORWARDED_PROOF_SECRET, FORWARDED_PROOF_SECRET_NEXT};
use crate::widget;

/// Seconds by which two clocks may differ before tokens are refused somewhere.
const SKEW: u64 = 5;
/// An address that is nobody's (RFC 5737): what a visitor may claim to be.
const NOBODYS: &str = "203.0.113.77";
/// An origin that is nobody's (RFC 2606).
const FOREIGN: &str = "https://doctor.invalid";
const NO_METADATA: &str =
    "Sec-Fetch-Site or Origin does not arrive, so pages of other sites cannot be told from your own";
const KEEP_METADATA: &str = "let the proxy hand on Origin and the Sec-Fetch headers as the browser sent them";
/// Most listed origins that are tried.
const ORIGINS: usize = 5;

/// One deployment being examined.
pub(super) struct Examination<'a> {
    pub(super) config: &'a Settings,
    pub(super) chain: Chain,
    pub(super) widget: &'a widget::Settings,
    pub(super) visitor: Visitor,
    pub(super) inspector: Inspector,
    pub(super) clock: Clock,
    pub(super) url: Url,
}

impl Examination<'_> {
    /// Everything, in an order in which what fails first explains what fails later.
    pub(super) async fn all(&self, cookie: Option<&str>, bearer: Option<&str>) -> Vec<Finding> {
        let mut findings = vec![self.path(), self.inspection()];
        let reply = match self.visitor.ask("plain", Method::GET, "/session", &OWN_PAGE).await {
            Ok(reply) => reply,
            Err(problem) => {
                let advice = "is the proxy running, and does its name lead there from here?";
                findings.push(Finding::bad("reached", format!("{}: {problem}", self.url), advice));
                return findings;
            }
        };
        let reached = reached(&reply);
        let ours = reached.verdict == Verdict::Good;
        findings.push(reached);
        findings.push(clock_of(&reply, &self.clock));
        if !ours {
            return findings;
        }
        let seen = self.inspector.seen("plain").await;
        findings.extend(self.arrived(seen.as_ref()));
        findings.push(uncached(&reply));
        if let Some(seen) = &seen {
            findings.extend(self.proof(seen));
            findings.push(self.address(seen).await);
        }
        findings.extend(self.stripped().await);
        findings.extend(self.credentials().await);
        findings.extend(self.foreign_page().await);
        findings.extend(self.listed_pages().await);
        findings.push(self.token(cookie, bearer).await);
        findings
    }

    /// Whether what is asked is what the service goes by.
    fn path(&self) -> Finding {
        match &self.config.shared.public_url {
            Some(own) if own.path().trim_end_matches('/') != self.url.path().trim_end_matches('/') => Finding::bad(
                "path",
                format!("asked under {}, and PUBLIC_URL says {}", self.url.path(), own.path()),
                "let PUBLIC_URL be the address that pages use",
            ),
            Some(_) => Finding::good("path", format!("{} is the path of PUBLIC_URL", self.url.path())),
            None => Finding::bad("path", "PUBLIC_URL is not set", format!("set PUBLIC_URL={}", self.url)),
        }
    }

    fn inspection(&self) -> Finding {
        match &self.inspector.problem {
            None => Finding::good("inspection", "the service tells what arrives"),
            Some(problem) => Finding::unknown(
                "inspection",
                format!("what arrives behind the proxy cannot be seen: {problem}"),
                "run this where the service runs, with the same settings",
            ),
        }
    }

    /// Whether the service whose operations listener was asked is the one behind the proxy.
    fn arrived(&self, seen: Option<&Seen>) -> Option<Finding> {
        if seen.is_some() || self.inspector.problem.is_some() {
            return None;
        }
        let advice = "is this another replica, or a proxy that drops the header X-Countersign-Inspection?";
        Some(Finding::unknown(
            "arrived",
            "the answer came from a service that the operations listener here is not of",
            advice,
        ))
    }

    fn shown(&self, setting: &str) -> Option<&str> {
        let all = &self.config.reading.effective;
        all.iter().find(|effective| effective.name == setting).map(|effective| effective.shown.as_str())
    }

    fn is_vouched(&self) -> bool {
        self.config.sources.names.contains(&forwarded::NAME)
    }

    fn proof(&self, seen: &Seen) -> Option<Finding> {
        let secrets = [&FORWARDED_PROOF_SECRET, &FORWARDED_PROOF_SECRET_NEXT].map(|var| self.shown(var.name));
        if !self.is_vouched() || secrets.iter().all(Option::is_none) {
            return None;
        }
        let header = self.shown(FORWARDED_PROOF_HEADER.name).unwrap_or(FORWARDED_PROOF_HEADER.default);
        let right = |print: &String| secrets.iter().flatten().any(|shown| shown.ends_with(print.as_str()));
        Some(match &seen.proof {
            Some(print) if right(print) => Finding::good("proof", format!("{header} arrives, and is right")),
            Some(print) => Finding::bad(
                "proof",
                format!("{header} arrives with another value than FORWARDED_PROOF_SECRET (fingerprint {print})"),
                "give the proxy the value of FORWARDED_PROOF_SECRET, without quotes or line ends of its own",
            ),
            None => Finding::bad(
                "proof",
                format!("{header} does not arrive: nobody will be believed"),
                format!(
                    "let the proxy set {header} to the value of FORWARDED_PROOF_SECRET on every request it hands on, also where nobody is logged in"
                ),
            ),
        })
    }

    /// Whether a visitor can say where they are.
    async fn address(&self, plain: &Seen) -> Finding {
        let headers = [&OWN_PAGE[..], &[("x-forwarded-for", NOBODYS)]].concat();
        let _ = self.visitor.ask("address", Method::GET, "/session", &headers).await;
        let claimed: Option<IpAddr> = NOBODYS.parse().ok();
        match self.inspector.seen("address").await {
            Some(seen) if seen.client.is_some() && seen.client == claimed => Finding::bad(
                "address",
                format!("a visitor who sends X-Forwarded-For: {NOBODYS} is taken to be there"),
                "let the proxy set X-Forwarded-For to the address of its peer, instead of handing on the visitor's",
            ),
            Some(seen) if !seen.trusted => Finding::bad(
                "address",
                format!(
                    "the proxy at {} is not in TRUSTED_PROXIES, so all visitors have one address",
                    shown_address(seen.peer)
                ),
                "set TRUSTED_PROXIES to the proxy's address",
            ),
            Some(_) => Finding::good("address", format!("the visitor is at {}", shown_address(plain.client))),
            None => Finding::unknown("address", "the request did not arrive", "see above"),
        }
    }

    /// Every header that this configuration believes, as a visitor might send it, in both spellings.
    async fn stripped(&self) -> Vec<Finding> {
        if !self.is_vouched() {
            return Vec::new();
        }
        let guarded = self.chain.guarded().headers;
        let names: Vec<String> = guarded.iter().map(|name| name.as_str().to_owned()).collect();
        let folded: Vec<String> = names.iter().map(|name| swapped(name)).collect();
        vec![self.smuggle("stripped", &names).await, self.smuggle("stripped_spellings", &folded).await]
    }

    async fn smuggle(&self, check: &'static str, names: &[String]) -> Finding {
        let mark = self.visitor.mark();
        let headers: Vec<(&str, &str)> =
            OWN_PAGE.into_iter().chain(names.iter().map(|name| (name.as_str(), mark))).collect();
        let reply = self.visitor.ask(check, Method::GET, "/session", &headers).await;
        let refused = reply.is_ok_and(|reply| reply.status == StatusCode::BAD_REQUEST);
        match self.inspector.seen(check).await {
            Some(seen) if !seen.smuggled.is_empty() && refused => Finding::good(
                check,
                format!("a visitor's own {} arrive, and such a request is refused", seen.smuggled.join(", ")),
            ),
            Some(seen) if !seen.smuggled.is_empty() => {
                let advice = "let the proxy remove or overwrite each of them on every request (deploy/proxies has the list for nginx, Apache and Caddy)";
                Finding::bad(check, format!("a visitor's own {} arrive", seen.smuggled.join(", ")), advice)
            }
            Some(seen) if self.has_identity(&seen) => {
                let told = format!("nobody is logged in, and the proxy sets {}", seen.set.join(", "));
                Finding::bad(check, told, "let it set them from its login's answer alone")
            }
            Some(_) => Finding::good(check, format!("none of {} headers that a visitor sent arrives", names.len())),
            None if refused => Finding::good(check, "the proxy refuses a request with such headers"),
            None => Finding::unknown(check, "what arrives cannot be seen", "run this where the service runs"),
        }
    }

    /// Whether anything but the proof was set for somebody who is nobody.
    fn has_identity(&self, seen: &Seen) -> bool {
        let header = self.shown(FORWARDED_PROOF_HEADER.name).unwrap_or(FORWARDED_PROOF_HEADER.default);
        seen.set.iter().any(|name| !name.eq_ignore_ascii_case(header))
    }

    /// Whether what visitors are known by arrives.
    async fn credentials(&self) -> Vec<Finding> {
        let chain = &self.chain;
        let wanted: Vec<String> = chain.guarded().cookies.iter().map(|name| name.replace('*', "0")).collect();
        let by_token = chain.sent_by_pages().any(|name| name == http::header::AUTHORIZATION);
        if self.inspector.problem.is_some() || (wanted.is_empty() && !by_token) {
            return Vec::new();
        }
        let mark = self.visitor.mark();
        let cookies: Vec<String> = wanted.iter().map(|name| format!("{name}={mark}")).collect();
        let (cookies, token) = (cookies.join("; "), format!("Bearer {mark}"));
        let mut headers = OWN_PAGE.to_vec();
        headers.extend((!wanted.is_empty()).then_some(("cookie", cookies.as_str())));
        headers.extend(by_token.then_some(("authorization", token.as_str())));
        let _ = self.visitor.ask("credentials", Method::GET, "/session", &headers).await;
        let Some(seen) = self.inspector.seen("credentials").await else { return Vec::new() };
        let missing: Vec<&str> =
            wanted.iter().filter(|name| !seen.cookies.contains(name)).map(String::as_str).collect();
        let mut findings = Vec::new();
        if !missing.is_empty() {
            let advice = "let the proxy hand on the header Cookie to this service";
            findings.push(Finding::bad(
                "cookies",
                format!("the cookie {} does not arrive", missing.join(", ")),
                advice,
            ));
        } else if !wanted.is_empty() {
            findings.push(Finding::good("cookies", format!("{} arrives", wanted.join(", "))));
        }
        if by_token {
            findings.push(if seen.authorization {
                Finding::good("authorization", "access tokens arrive")
            } else {
                Finding::bad(
                    "authorization",
                    "Authorization does not arrive",
                    "let the proxy hand it on to this service",
                )
            });
        }
        findings
    }

    /// A page of somebody else's, which must be refused.
    async fn foreign_page(&self) -> Vec<Finding> {
        let headers = [("origin", FOREIGN), ("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "cors")];
        let Ok(reply) = self.visitor.ask("foreign", Method::GET, &self.token_path(), &headers).await else {
            return vec![Finding::unknown("foreign_page", "there was no answer", "ask again")];
        };
        let refused = reply.status == StatusCode::FORBIDDEN && code(&reply) == "origin_refused";
        let fetch = match self.inspector.seen("foreign").await {
            _ if refused => Finding::good("foreign_page", "a page of another site is refused"),
            Some(seen) if seen.fetch_site != "cross-site" || !seen.origin => {
                Finding::bad("foreign_page", NO_METADATA, KEEP_METADATA)
            }
            _ => Finding::bad(
                "foreign_page",
                format!("a page of another site was answered {} {}", reply.status.as_u16(), code(&reply)),
                "the proxy must hand on every request under the path, and leave the refusal to this service",
            ),
        };
        let allowed = allowed_origins(&reply);
        let cors = if allowed.is_empty() {
            Finding::good("cors_foreign", "and may not read the answer")
        } else {
            let told = format!("and may read the answer: Access-Control-Allow-Origin: {}", allowed.join(", "));
            Finding::bad("cors_foreign", told, "let the proxy add no Access-Control headers of its own here")
        };
        vec![fetch, cors]
    }

    /// Pages that may ask although they are of another origin.
    async fn listed_pages(&self) -> Vec<Finding> {
        let mut findings = Vec::new();
        for (origin, _) in self.widget.origins.iter().take(ORIGINS) {
            let origin = origin.as_str();
            let headers = [("origin", origin), ("sec-fetch-site", "same-site"), ("sec-fetch-mode", "cors")];
            let preflight = [&headers[..], &[("access-control-request-method", "GET")]].concat();
            for (what, method, headers) in
                [("preflight", Method::OPTIONS, &preflight[..]), ("request", Method::GET, &headers[..])]
            {
                let allowed = match self.visitor.ask("listed", method, &self.token_path(), headers).await {
                    Ok(reply) => allowed_origins(&reply),
                    Err(_) => Vec::new(),
                };
                if allowed != [origin] {
                    let said = if allowed.is_empty() { "nothing".to_owned() } else { allowed.join(", ") };
                    let told = format!("the {what} of {origin} is answered with {said} as Access-Control-Allow-Origin");
                    let advice = "let the proxy hand on OPTIONS and Origin under this path, and add no Access-Control headers of its own";
                    findings.push(Finding::bad("cors", told, advice));
                }
            }
        }
        if findings.is_empty() && !self.widget.origins.is_empty() {
            findings.push(Finding::good("cors", "pages of ALLOWED_ORIGINS may ask and read"));
        }
        findings
    }

    fn token_path(&self) -> String {
        format!("/token/{}", self.widget.name)
    }

    /// Somebody who is logged in.
    async fn token(&self, cookie: Option<&str>, bearer: Option<&str>) -> Finding {
        if cookie.is_none() && bearer.is_none() {
            let advice =
                "--cookie 'name=value' (or --bearer) of somebody who is logged in lets a token be fetched and verified";
            return Finding::unknown("token", "nobody is logged in here", advice);
        }
        let credential = bearer.map(|token| format!("Bearer {token}"));
        let mut headers = OWN_PAGE.to_vec();
        headers.extend(cookie.map(|cookie| ("cookie", cookie)));
        headers.extend(credential.as_deref().map(|credential| ("authorization", credential)));
        let reply = match self.visitor.ask("token", Method::GET, &self.token_path(), &headers).await {
            Ok(reply) => reply,
            Err(problem) => return Finding::bad("token", problem.to_string(), "ask again"),
        };
        if reply.status != StatusCode::OK {
            let told = format!("the answer is {} {}", reply.status.as_u16(), code(&reply));
            return Finding::bad("token", told, "the service's log says why, under the request's id");
        }
        self.verified(&reply)
    }

    fn verified(&self, reply: &Reply) -> Finding {
        let answer: Value = serde_json::from_slice(&reply.body).unwrap_or_default();
        let token = answer.get(&self.widget.token_field).and_then(Value::as_str).unwrap_or_default();
        let Some(expected) = expectation(self.widget, self.clock.now()) else {
            return Finding::good("token", "a visitor who is logged in gets an answer");
        };
        match examine(token, &expected, self.clock.now()).faults.first() {
            None => Finding::good("token", "a visitor who is logged in gets a token, and it verifies"),
            Some(fault) => Finding::bad(
                "token",
                format!("the token does not hold: {fault}"),
                "does the service run with these settings?",
            ),
        }
    }
}

fn shown_address(address: Option<IpAddr>) -> String {
    address.map_or_else(|| "an address that nobody says".to_owned(), |address| address.to_string())
}

/// The other spelling that careless proxies take for the same header.
fn swapped(name: &str) -> String {
    name.chars()
        .map(|c| {
            if c == '-' {
                '_'
            } else if c == '_' {
                '-'
            } else {
                c
            }
        })
        .collect()
}

fn reached(reply: &Reply) -> Finding {
    let body: Value = serde_json::from_slice(&reply.body).unwrap_or_default();
    let text = |name| reply.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let status = reply.status.as_u16();
    match reply.status {
        StatusCode::OK if body.get("logged_in").is_some() => {
            Finding::good("reached", "the proxy hands on to countersign")
        }
        _ if code(reply) == "not_found" => Finding::bad(
            "reached",
            "countersign was reached under a path that it does not know",
            "let the proxy hand on the path as it is, and PUBLIC_URL end with it",
        ),
        _ if code(reply) == "origin_refused" => Finding::bad("reached", NO_METADATA, KEEP_METADATA),
        _ if reply.status.is_redirection() => Finding::bad(
            "reached",
            format!("the proxy sends a visitor who is not logged in to {}", text(LOCATION)),
            "let the proxy hand on such requests without an identity: countersign tells the page, in JSON, that nobody is logged in",
        ),
        _ if !code(reply).is_empty() => {
            let told = format!("countersign, or a proxy on its behalf, answered {status} {}", code(reply));
            Finding::bad("reached", told, "the service's log says why")
        }
        _ => Finding::bad(
            "reached",
            format!("the answer is {status}, {}, and not countersign's", text(CONTENT_TYPE)),
            "let the proxy hand on every request under the path of PUBLIC_URL to LISTEN",
        ),
    }
}

fn clock_of(reply: &Reply, clock: &Clock) -> Finding {
    let date = reply.headers.get(DATE).and_then(|value| httpdate::parse_http_date(value.to_str().ok()?).ok());
    let Some(theirs) = date.and_then(|date| date.duration_since(UNIX_EPOCH).ok()) else {
        return Finding::unknown("clock", "the answer has no Date", "compare the clocks by hand");
    };
    let (ours, theirs) = (clock.now().0, theirs.as_secs());
    match ours.abs_diff(theirs) {
        0..=SKEW => Finding::good("clock", "this machine and the proxy agree on the time"),
        apart => {
            let told = format!("the proxy's clock and this machine's are {apart}s apart");
            Finding::bad("clock", told, "let both follow a time server: tokens are good by the clock")
        }
    }
}

fn uncached(reply: &Reply) -> Finding {
    let control = reply.headers.get(CACHE_CONTROL).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if control.contains("no-store") {
        return Finding::good("cache", "answers may be kept by nobody");
    }
    let told = format!("Cache-Control was changed on the way to `{control}`");
    Finding::bad(
        "cache",
        told,
        "let the proxy leave this service's headers alone: one visitor's answer must not reach another",
    )
}

fn code(reply: &Reply) -> String {
    let body: Value = serde_json::from_slice(&reply.body).unwrap_or_default();
    body.get("code").and_then(Value::as_str).unwrap_or_default().to_owned()
}

fn allowed_origins(reply: &Reply) -> Vec<String> {
    let all = reply.headers.get_all(ACCESS_CONTROL_ALLOW_ORIGIN);
    all.iter().map(|value| value.to_str().unwrap_or("?").to_owned()).collect()
}
