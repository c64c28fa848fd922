//! `countersign doctor` behind a proxy that is right, and behind one that does one thing wrong.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use countersign::base::clock::Clock;
use countersign::cli::Exit;
use countersign::net::peer::Peer;
use http::header::{CACHE_CONTROL, DATE, LOCATION, ORIGIN};
use http::{HeaderValue, Request, Response, StatusCode};
use serde_json::Value;

use crate::deeds::run;
use crate::kit::{BEHIND_PROXY, House, PROOF, START, server, settings};

/// What the proxy does wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wrong {
    Nothing,
    HandsOnIdentity,
    HandsOnSpellings,
    NamesNobody,
    NoProof,
    OtherProof,
    NoFetchMetadata,
    OwnCors,
    BelievesAddresses,
    Redirects,
    OtherPath,
    NotOurs,
    Cached,
    Yesterday,
}

const IDENTITY: [&str; 4] =
    ["x-forwarded-user", "x-forwarded-preferred-username", "x-forwarded-email", "x-forwarded-groups"];

/// What arrives behind the proxy.
fn handed_on(wrong: Wrong, mut request: Request<Body>) -> Request<Body> {
    let session =
        request.headers().get("cookie").and_then(|c| c.to_str().ok()?.strip_prefix("session=").map(str::to_owned));
    let (mut head, body) = std::mem::take(&mut request).into_parts();
    let names: Vec<_> = head.headers.keys().cloned().collect();
    for name in names {
        let text = name.as_str();
        let spelt = text.contains('_');
        let guarded = countersign::sources::forwarded::convention::conventional_headers()
            .chain(["x-countersign-proof"])
            .any(|known| known == text.replace('_', "-"));
        let kept = match wrong {
            Wrong::HandsOnIdentity => !spelt,
            Wrong::HandsOnSpellings => spelt,
            _ => false,
        };
        let dropped = guarded && !kept
            || wrong == Wrong::NoFetchMetadata && (text.starts_with("sec-fetch") || name == ORIGIN)
            || text == "x-forwarded-for" && wrong != Wrong::BelievesAddresses;
        if dropped {
            head.headers.remove(&name);
        }
    }
    let mut set = |name: &'static str, value: &str| head.headers.insert(name, HeaderValue::from_str(value).unwrap());
    if let Some(session) = session.filter(|session| session == "jane") {
        set(IDENTITY[0], &session);
        set(IDENTITY[1], "Jane Doe");
    } else if wrong == Wrong::NamesNobody {
        set(IDENTITY[0], "guest");
    }
    match wrong {
        Wrong::NoProof => {}
        Wrong::OtherProof => drop(set("x-countersign-proof", "another-proof-9753-another-proof-9753")),
        _ => drop(set("x-countersign-proof", PROOF)),
    }
    if wrong == Wrong::OtherPath {
        head.uri = head.uri.path().replace("/chat-identity", "/chat").parse().unwrap();
    }
    head.extensions.insert(Peer::Tcp([127, 0, 0, 1].into()));
    Request::from_parts(head, body)
}

fn answered(wrong: Wrong, mut response: Response<Body>) -> Response<Body> {
    let headers = response.headers_mut();
    let set = match wrong {
        Wrong::OwnCors => Some((http::header::ACCESS_CONTROL_ALLOW_ORIGIN, "*")),
        Wrong::Cached => Some((CACHE_CONTROL, "public, max-age=60")),
        Wrong::Yesterday => Some((DATE, "Wed, 25 Nov 2020 12:00:00 GMT")),
        _ => None,
    };
    if let Some((name, value)) = set {
        if wrong == Wrong::Cached {
            headers.remove(&name);
        }
        headers.append(name, HeaderValue::from_static(value));
    }
    response
}

async fn proxied(wrong: Wrong, house: Arc<House>) -> String {
    server(Router::new().fallback(async move |request: Request<Body>| {
        if wrong == Wrong::NotOurs {
            return Response::new(Body::from("<html>the site</html>"));
        }
        if wrong == Wrong::Redirects && !request.headers().contains_key("cookie") {
            let redirect = Response::builder().status(StatusCode::FOUND).header(LOCATION, "/sign-in");
            return redirect.body(Body::empty()).unwrap();
        }
        answered(wrong, house.app.service.handle(handed_on(wrong, request)).await)
    }))
    .await
}

/// What the doctor finds, and how it ends.
async fn examined(wrong: Wrong, more: &[(&str, &str)], line: &[&str]) -> (Vec<Value>, Exit) {
    let base: Vec<(&str, &str)> = BEHIND_PROXY
        .iter()
        .copied()
        .chain([("TRUSTED_PROXIES", "127.0.0.1"), ("ALLOWED_ORIGINS", "https://app.example.org")])
        .collect();
    let vars = settings(&base, more);
    let hands = Clock::manual(START).1;
    let house = Arc::new(House::by(&vars, &Clock::system(), hands));
    let proxy = proxied(wrong, house.clone()).await;
    let admin = house.clone();
    let admin = server(Router::new().fallback(async move |request| admin.app.admin.handle(request).await)).await;
    let url = format!("{proxy}/chat-identity");
    let line = [&["doctor", url.as_str(), "--json"], line].concat();
    let vars: Vec<(&str, &str)> = vars.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let (out, ended) = run(&line, settings(&vars, &[("ADMIN_LISTEN", &admin["http://".len()..])])).await;
    let said: Value = serde_json::from_str(&out).unwrap_or_else(|_| panic!("{out} {ended:?}"));
    (said["findings"].as_array().unwrap().clone(), ended.unwrap())
}

fn of<'a>(findings: &'a [Value], verdict: &str) -> Vec<&'a str> {
    findings.iter().filter(|finding| finding["verdict"] == verdict).map(|f| f["check"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn a_deployment_that_is_right_is_found_to_be() {
    let (findings, ended) = examined(Wrong::Nothing, &[], &["--cookie", "session=jane"]).await;
    assert_eq!((of(&findings, "bad"), of(&findings, "unknown"), ended), (vec![], vec![], Exit::Well), "{findings:#?}");
    let looked_at = [
        "path",
        "inspection",
        "reached",
        "clock",
        "cache",
        "proof",
        "address",
        "stripped",
        "stripped_spellings",
        "foreign_page",
        "cors_foreign",
        "cors",
        "token",
    ];
    assert_eq!(of(&findings, "good"), looked_at);
}

#[tokio::test]
async fn what_a_proxy_does_wrong_is_named_with_what_to_change() {
    let cases = [
        (Wrong::HandsOnIdentity, vec!["stripped"], "x-forwarded-user"),
        (Wrong::NamesNobody, vec!["stripped", "stripped_spellings"], "x-forwarded-user"),
        (Wrong::NoProof, vec!["proof"], "does not arrive"),
        (Wrong::OtherProof, vec!["proof"], "another value"),
        (Wrong::NoFetchMetadata, vec!["reached"], "Sec-Fetch-Site or Origin does not arrive"),
        (Wrong::OwnCors, vec!["cors_foreign", "cors"], "Access-Control-Allow-Origin"),
        (Wrong::BelievesAddresses, vec!["address"], "203.0.113.77"),
        (Wrong::Redirects, vec!["reached"], "/sign-in"),
        (Wrong::OtherPath, vec!["reached"], "a path that it does not know"),
        (Wrong::NotOurs, vec!["reached"], "not countersign's"),
        (Wrong::Cached, vec!["cache"], "public"),
        (Wrong::Yesterday, vec!["clock"], "apart"),
    ];
    for (wrong, checks, told) in cases {
        let (findings, ended) = examined(wrong, &[], &[]).await;
        let bad: Vec<&Value> = findings.iter().filter(|finding| finding["verdict"] == "bad").collect();
        let named: Vec<&str> = bad.iter().map(|finding| finding["check"].as_str().unwrap()).collect();
        let mut unique = named.clone();
        unique.dedup();
        assert_eq!(unique, checks, "{wrong:?}: {findings:#?}");
        assert!(bad[0]["told"].as_str().unwrap().contains(told), "{wrong:?}: {bad:#?}");
        assert!(!bad[0]["advice"].as_str().unwrap().is_empty());
        assert_eq!(ended, Exit::Failed);
    }
}

#[tokio::test]
async fn spellings_that_arrive_are_refused_and_so_no_fault() {
    let (findings, ended) = examined(Wrong::HandsOnSpellings, &[], &[]).await;
    let found = findings.iter().find(|finding| finding["check"] == "stripped_spellings").unwrap();
    assert!(found["told"].as_str().unwrap().contains("x_forwarded_user"), "{found}");
    assert_eq!((&found["verdict"], ended), (&Value::from("good"), Exit::Well));
}

#[tokio::test]
async fn a_path_or_a_proxy_that_the_settings_do_not_name_is_found() {
    let (findings, _) = examined(Wrong::Nothing, &[("TRUSTED_PROXIES", "10.0.3.7")], &[]).await;
    assert_eq!(of(&findings, "bad"), ["address"], "{findings:#?}");
    let (findings, _) = examined(Wrong::Nothing, &[("PUBLIC_URL", "https://www.example.org/chat")], &[]).await;
    assert!(of(&findings, "bad").starts_with(&["path"]), "{findings:#?}");
}

#[tokio::test]
async fn without_the_operations_listener_it_says_what_it_cannot_see() {
    let vars = settings(&BEHIND_PROXY, &[("ADMIN_LISTEN", "off")]);
    let house = Arc::new(House::by(&vars, &Clock::system(), Clock::manual(START).1));
    let url = format!("{}/chat-identity", proxied(Wrong::HandsOnIdentity, house).await);
    let (out, ended) = run(&["doctor", &url], vars).await;
    assert_eq!(ended.unwrap(), Exit::Well);
    assert!(
        out.contains("?       inspection: what arrives behind the proxy cannot be seen: ADMIN_LISTEN is off"),
        "{out}"
    );
    assert!(out.contains("?       stripped: what arrives cannot be seen"), "{out}");
}

#[tokio::test]
async fn whoever_has_no_inspection_is_told_nothing() {
    let house = House::behind_proxy(&[]);
    let plain = house.ask(crate::kit::page("/session")).await;
    let named = house.ask(crate::kit::page("/session").header("x-countersign-inspection", "guess.plain")).await;
    assert_eq!((plain.status, &plain.text), (named.status, &named.text));
    let admin = async |method: &str, path: &str, origin: Option<&str>| {
        let mut request = Request::builder().method(method).uri(path).header("host", "127.0.0.1:9090");
        if let Some(origin) = origin {
            request = request.header("origin", origin);
        }
        house.app.admin.handle(request.body(Body::empty()).unwrap()).await.status()
    };
    assert_eq!(admin("POST", "/inspections", Some("https://evil.example")).await, StatusCode::MISDIRECTED_REQUEST);
    assert_eq!(admin("GET", "/inspections/guess", None).await, StatusCode::NOT_FOUND);
    assert_eq!(admin("POST", "/inspections", None).await, StatusCode::OK);
    assert_eq!(admin("GET", "/inspections/guess", None).await, StatusCode::NOT_FOUND);
}
