//! A browser, as far as logins go: it keeps cookies by the rules, and sends them by the rules.

use std::collections::BTreeMap;

use axum::Router;
use axum::body::{Body, to_bytes};
use countersign::net::peer::Peer;
use http::{HeaderMap, Request, StatusCode};
use tower::ServiceExt as _;

/// Where a request comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum From {
    /// A link or form of our own origin.
    Own,
    /// A link or redirect of another site.
    Elsewhere,
}

#[derive(Debug, Clone)]
struct Cookie {
    value: String,
    strict: bool,
}

/// Somebody's browser.
#[derive(Clone, Default)]
pub struct Browser {
    jar: BTreeMap<String, Cookie>,
    address: Option<[u8; 4]>,
    languages: Option<String>,
}

/// An answer, read to its end.
#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub text: String,
}

impl Answer {
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |v| v.to_str().unwrap())
    }

    pub fn location(&self) -> &str {
        assert_eq!(self.status, StatusCode::SEE_OTHER, "{}", self.text);
        self.header("location")
    }

    pub fn cookies(&self) -> Vec<&str> {
        self.headers.get_all("set-cookie").iter().map(|v| v.to_str().unwrap()).collect()
    }

    /// The value of a hidden field.
    pub fn field(&self, name: &str) -> String {
        let start = format!("name=\"{name}\" value=\"");
        let at = self.text.find(&start).unwrap_or_else(|| panic!("a field {name} in {}", self.text));
        self.text[at + start.len()..].split('"').next().unwrap().to_owned()
    }
}

impl Browser {
    pub fn cookie(&self, name: &str) -> Option<&str> {
        self.jar.get(name).map(|cookie| cookie.value.as_str())
    }

    pub fn names(&self) -> Vec<&str> {
        self.jar.keys().map(String::as_str).collect()
    }

    pub fn plant(&mut self, name: &str, value: &str) {
        self.jar.insert(name.to_owned(), Cookie { value: value.to_owned(), strict: false });
    }

    /// Somebody at this address.
    pub fn at(address: [u8; 4]) -> Self {
        Self { address: Some(address), ..Self::default() }
    }

    /// Somebody who reads these languages.
    pub fn speaking(languages: &str) -> Self {
        Self { languages: Some(languages.to_owned()), ..Self::default() }
    }

    /// The `Cookie` header it would send.
    pub fn line(&self, from: From) -> String {
        let sent = self.jar.iter().filter(|(_, cookie)| from == From::Own || !cookie.strict);
        sent.map(|(name, cookie)| format!("{name}={}", cookie.value)).collect::<Vec<_>>().join("; ")
    }

    /// A browser refuses a `__Host-` cookie, and the removal of one, unless every attribute is right.
    fn keep(&mut self, line: &str) {
        let mut parts = line.split("; ");
        let (name, value) = parts.next().unwrap().split_once('=').unwrap();
        let attributes: Vec<&str> = parts.collect();
        let has = |wanted: &str| attributes.contains(&wanted);
        let is_right = name.starts_with("__Host-") && has("Secure") && has("HttpOnly") && has("Path=/");
        assert!(is_right && !line.contains("Domain"), "a browser refuses {line}");
        if has("Max-Age=0") {
            self.jar.remove(name);
        } else {
            let cookie = Cookie { value: value.to_owned(), strict: has("SameSite=Strict") };
            self.jar.insert(name.to_owned(), cookie);
        }
    }

    pub async fn send(&mut self, router: &Router, mut request: Request<Body>, from: From) -> Answer {
        let line = self.line(from);
        if !line.is_empty() {
            request.headers_mut().insert("cookie", line.parse().unwrap());
        }
        if let Some(languages) = &self.languages {
            request.headers_mut().insert("accept-language", languages.parse().unwrap());
        }
        request.extensions_mut().insert(Peer::Tcp(self.address.unwrap_or([198, 51, 100, 7]).into()));
        let (head, body) = router.clone().oneshot(request).await.unwrap().into_parts();
        let bytes = to_bytes(body, 1024 * 1024).await.unwrap();
        let answer =
            Answer { status: head.status, headers: head.headers, text: String::from_utf8(bytes.into()).unwrap() };
        for line in answer.cookies() {
            self.keep(line);
        }
        answer
    }

    /// The same at a whole service.
    pub async fn visit(&mut self, house: &crate::kit::House, request: http::request::Builder, body: &str) -> Answer {
        let line = self.line(From::Own);
        let request = if line.is_empty() { request } else { request.header("cookie", line) };
        let answer = house.send(request.body(Body::from(body.to_owned())).unwrap()).await;
        let answer = Answer { status: answer.status, headers: answer.headers, text: answer.text };
        for line in answer.cookies() {
            self.keep(line);
        }
        answer
    }

    /// Follows a link.
    pub async fn get(&mut self, router: &Router, path: &str, from: From) -> Answer {
        let site = if from == From::Own { "same-origin" } else { "cross-site" };
        let request = Request::get(path).header("sec-fetch-site", site).header("sec-fetch-mode", "navigate");
        self.send(router, request.body(Body::empty()).unwrap(), from).await
    }

    /// Sends a form of our own page.
    pub async fn post(&mut self, router: &Router, path: &str, fields: &[(&str, &str)]) -> Answer {
        let request = form(path, fields).header("sec-fetch-site", "same-origin").header("sec-fetch-mode", "navigate");
        self.send(router, request.body(encoded(fields)).unwrap(), From::Own).await
    }
}

pub fn form(path: &str, _fields: &[(&str, &str)]) -> http::request::Builder {
    Request::post(path).header("content-type", "application/x-www-form-urlencoded")
}

pub fn encoded(fields: &[(&str, &str)]) -> Body {
    Body::from(url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish())
}
