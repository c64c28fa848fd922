//! The browser module as pages load it: `/countersign.js` (an ES module), `/countersign.classic.js` (the same with a global),
//! `/countersign.d.ts` (its types), `/adapters/NAME.js` (what a vendor's widget needs besides, by the preset's name), and all scripts
//! again at addresses that name their content.
//!
//! The module is one source file. What is served leaves out its comments and indentation, by the rule its last lines
//! state; nothing is built, so what a reviewer reads in the repository is what runs in the page.

use std::fmt::Write as _;
use std::sync::LazyLock;

use aws_lc_rs::digest;
use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use data_encoding::{BASE64, HEXLOWER};
use http::header::{
    ACCESS_CONTROL_ALLOW_ORIGIN, CACHE_CONTROL, CONTENT_TYPE, ETAG, IF_NONE_MATCH, X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};

use super::problem::Problem;
use crate::net::field::trim_str;

const SOURCE: &str = include_str!("../browser/countersign.js");
const TYPES: &str = include_str!("../browser/countersign.d.ts");

macro_rules! adapter {
    ($name:literal) => {
        (concat!("adapters/", $name, ".js"), include_str!(concat!("../browser/adapters/", $name, ".js")))
    };
}

/// Adapters that a page loads when it has that widget: the address and the source.
const ADAPTERS: &[(&str, &str)] = &[
    adapter!("chatwoot"),
    adapter!("cometchat"),
    adapter!("crisp"),
    adapter!("dynamics-365"),
    adapter!("featurebase"),
    adapter!("front"),
    adapter!("gleap"),
    adapter!("help-scout"),
    adapter!("hubspot"),
    adapter!("intercom"),
    adapter!("kustomer"),
    adapter!("salesforce"),
    adapter!("sunshine"),
    adapter!("tawk"),
    adapter!("zendesk-messaging"),
];

const RESOURCE_POLICY: HeaderName = HeaderName::from_static("cross-origin-resource-policy");
/// A plain address may show another release tomorrow; one that names its content never does.
const PLAIN: HeaderValue = HeaderValue::from_static("public, max-age=300");
const VERSIONED: HeaderValue = HeaderValue::from_static("public, max-age=31536000, immutable");

/// One file that any page may load.
#[derive(Debug)]
pub struct Script {
    /// Its plain address below the mount, such as `countersign.js`.
    pub name: &'static str,
    /// The address that names this content, such as `countersign-1f0c2a9b3d4e5f60.js`; none for the types.
    pub versioned: Option<String>,
    /// What a page writes into `integrity`.
    pub integrity: String,
    text: Bytes,
    media: HeaderValue,
    etag: HeaderValue,
}

impl Script {
    fn new(name: &'static str, media: &'static str, text: String) -> Self {
        let digest = digest::digest(&digest::SHA384, text.as_bytes());
        let hash = HEXLOWER.encode(digest.as_ref().get(..8).unwrap_or_default().as_ref());
        let versioned = name.strip_suffix(".js").map(|stem| format!("{stem}-{hash}.js"));
        let etag = HeaderValue::from_str(&format!("\"{hash}\"")).unwrap_or_else(|_| HeaderValue::from_static("\"\""));
        let integrity = format!("sha384-{}", BASE64.encode(digest.as_ref()));
        Self { name, versioned, integrity, text: text.into(), media: HeaderValue::from_static(media), etag }
    }

    /// A public file: any page of any site may load it, read it, and check it against its hash.
    fn answer(&self, headers: &HeaderMap, caching: HeaderValue) -> Response {
        let known = is_known(headers, &self.etag);
        let mut response = Response::new(if known { Body::empty() } else { Body::from(self.text.clone()) });
        let out = response.headers_mut();
        out.insert(ETAG, self.etag.clone());
        out.insert(CACHE_CONTROL, caching);
        out.insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
        out.insert(RESOURCE_POLICY, HeaderValue::from_static("cross-origin"));
        out.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        if known {
            *response.status_mut() = StatusCode::NOT_MODIFIED;
        } else {
            out.insert(CONTENT_TYPE, self.media.clone());
        }
        response
    }
}

/// Weak comparison of every listed tag (RFC 9110 section 13.1.2).
fn is_known(headers: &HeaderMap, etag: &HeaderValue) -> bool {
    let lines = headers.get_all(IF_NONE_MATCH).iter().filter_map(|line| line.to_str().ok());
    let mut tags = lines.flat_map(|line| line.split(',')).map(|tag| trim_str(tag).trim_start_matches("W/"));
    tags.any(|tag| tag == "*" || tag.as_bytes() == etag.as_bytes())
}

/// The module, the classic script, the types, and the adapters.
pub static SCRIPTS: LazyLock<Vec<Script>> = LazyLock::new(|| {
    const JAVASCRIPT: &str = "text/javascript; charset=utf-8";
    let core = [
        Script::new("countersign.js", JAVASCRIPT, as_module(SOURCE)),
        Script::new("countersign.classic.js", JAVASCRIPT, as_classic(SOURCE)),
        Script::new("countersign.d.ts", "application/typescript; charset=utf-8", TYPES.to_owned()),
    ];
    let adapters = ADAPTERS.iter().map(|(name, source)| Script::new(name, JAVASCRIPT, as_module(source)));
    core.into_iter().chain(adapters).collect()
});

/// Where the adapter of a preset's widget is, below the mount; `None` when the preset has none of its own.
#[must_use]
pub fn adapter(preset: &str) -> Option<&'static str> {
    let is_its =
        |address: &str| address.strip_prefix("adapters/").and_then(|name| name.strip_suffix(".js")) == Some(preset);
    ADAPTERS.iter().map(|(address, _)| *address).find(|address| is_its(address))
}

/// Answers with one of [`SCRIPTS`], asked for by its plain address or by the one that names its content.
#[must_use]
pub fn answer(file: usize, versioned: bool, headers: &HeaderMap) -> Response {
    let caching = if versioned { VERSIONED } else { PLAIN };
    SCRIPTS.get(file).map_or_else(|| Problem::NotFound.response(), |script| script.answer(headers, caching))
}

/// Lines without their indentation; empty lines and comment lines left out.
fn lines(source: &str) -> impl DoubleEndedIterator<Item = &str> {
    source.lines().map(str::trim_start).filter(|line| !line.is_empty() && !line.starts_with("//"))
}

fn as_module(source: &str) -> String {
    lines(source).fold(String::with_capacity(source.len()), |text, line| text + line + "\n")
}

/// The module wrapped in a function: its last two lines, which say where it was loaded from and what it offers, become
/// those of a script with one global.
fn as_classic(source: &str) -> String {
    let mut body: Vec<&str> = lines(source).collect();
    let names = body.pop().unwrap_or_default();
    let home = body.pop().unwrap_or_default();
    let mut text = String::with_capacity(source.len());
    let written = writeln!(
        text,
        "(() => {{\"use strict\";\n{}\n{}\n{}\n}})();",
        body.join("\n"),
        home.replace("import.meta.url", "document.currentScript?.src"),
        names.replace("export {", "globalThis.countersign = Object.freeze({").replace("};", "});"),
    );
    debug_assert!(written.is_ok(), "writing to a String does not fail");
    text
}
