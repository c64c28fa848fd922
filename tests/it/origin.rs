//! Which pages may ask, and how their answers are shared.

use axum::body::Body;
use countersign::net::origin::{Origin, host};
use http::header::HOST;
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode};

use crate::kit::{BEHIND_PROXY, House, PROOF, mistakes, settings, visit};

const APP: &str = "https://app.example.org";

/// A logged-in visitor's request with nothing said about the page.
fn bare(method: Method) -> http::request::Builder {
    Request::builder()
        .method(method)
        .uri("/token")
        .header("x-countersign-proof", PROOF)
        .header("x-forwarded-user", "alice")
        .header("x-forwarded-email", "a@b.c")
}

async fn code(house: &House, request: http::request::Builder) -> String {
    let answer = house.ask(request).await;
    if answer.status == StatusCode::OK {
        "ok".to_owned()
    } else {
        format!("{} {}", answer.status.as_u16(), answer.code())
    }
}

fn site(value: &str) -> http::request::Builder {
    bare(Method::GET).header("sec-fetch-site", value).header("sec-fetch-mode", "cors").header("sec-fetch-dest", "empty")
}

const REFUSED: &str = "403 origin_refused";

/// B-3, CORS off.
#[tokio::test]
async fn only_our_own_origin_may_ask_when_no_other_is_listed() {
    let house = House::behind_proxy(&[]);
    assert_eq!(code(&house, site("same-origin")).await, "ok");
    for value in ["same-site", "cross-site"] {
        assert_eq!(code(&house, site(value)).await, REFUSED, "{value} without Origin");
        assert_eq!(code(&house, site(value).header("origin", APP)).await, REFUSED, "{value}");
    }
    assert_eq!(code(&house, site("none")).await, REFUSED, "an address that was typed or opened");
    assert_eq!(code(&house, site("unheard-of")).await, REFUSED, "an unknown value counts as absent");
}

/// B-3, CORS on.
#[tokio::test]
async fn a_listed_origin_may_ask_from_the_same_site_and_from_another_only_when_that_is_on() {
    let house = House::behind_proxy(&[("ALLOWED_ORIGINS", APP)]);
    assert_eq!(code(&house, site("same-site").header("origin", APP)).await, "ok");
    assert_eq!(code(&house, site("same-site")).await, REFUSED, "no Origin to compare");
    assert_eq!(code(&house, site("cross-site").header("origin", APP)).await, REFUSED);
    let house = House::behind_proxy(&[("ALLOWED_ORIGINS", APP), ("ALLOW_CROSS_SITE", "true")]);
    assert_eq!(code(&house, site("cross-site").header("origin", APP)).await, "ok");
    assert_eq!(code(&house, site("cross-site").header("origin", "https://evil.example")).await, REFUSED);
}

/// B-4.
#[tokio::test]
async fn only_script_may_ask_and_never_a_navigation_an_image_or_a_frame() {
    let house = House::behind_proxy(&[]);
    let of = |mode: &str, dest: &str| {
        bare(Method::GET)
            .header("sec-fetch-site", "same-origin")
            .header("sec-fetch-mode", mode)
            .header("sec-fetch-dest", dest)
    };
    assert_eq!(code(&house, of("cors", "empty")).await, "ok");
    assert_eq!(code(&house, of("same-origin", "empty")).await, "ok");
    for (mode, dest) in [
        ("navigate", "document"),
        ("navigate", "iframe"),
        ("no-cors", "image"),
        ("no-cors", "script"),
        ("no-cors", "empty"),
        ("websocket", "websocket"),
        ("cors", "font"),
    ] {
        assert_eq!(code(&house, of(mode, dest)).await, REFUSED, "{mode} {dest}");
    }
}

/// B-5.
#[tokio::test]
async fn a_browser_without_fetch_metadata_is_judged_by_its_exact_origin() {
    let house = House::behind_proxy(&[("ALLOWED_ORIGINS", APP)]);
    assert_eq!(code(&house, bare(Method::POST).header("origin", "https://www.example.org")).await, "ok");
    assert_eq!(code(&house, bare(Method::POST).header("origin", APP)).await, "ok");
    assert_eq!(code(&house, bare(Method::POST)).await, REFUSED, "neither one nor the other: fail safe");
}

/// B-6, CORS-2.
#[tokio::test]
async fn an_origin_is_compared_to_the_letter() {
    let house = House::behind_proxy(&[("ALLOWED_ORIGINS", APP)]);
    let near = [
        "null",
        "http://app.example.org",
        "https://app.example.org:8443",
        "https://APP.example.org",
        "https://app.example.org.",
        "https://app.example.org.evil.com",
        "https://evilapp.example.org",
        "https://app.example.org/",
        "https://example.org",
        "https://www.example.org.evil.com",
        "https://www.example.org:443",
        "https://app.example.org https://app.example.org",
        "",
    ];
    for origin in near {
        assert_eq!(code(&house, bare(Method::POST).header("origin", origin)).await, REFUSED, "{origin}");
        assert_eq!(code(&house, site("same-site").header("origin", origin)).await, REFUSED, "same-site {origin}");
    }
    let twice = bare(Method::POST).header("origin", APP).header("origin", APP);
    assert_eq!(code(&house, twice).await, REFUSED, "two origins are no browser's doing");
}

#[test]
fn an_origin_that_is_a_pattern_or_has_a_path_is_a_mistake() {
    for wrong in
        ["*", "https://*.example.org", "https://app.example.org/path", "app.example.org", "ftp://example.org", "null"]
    {
        let text = mistakes(&settings(&BEHIND_PROXY, &[("ALLOWED_ORIGINS", wrong)]));
        assert!(text.contains("ALLOWED_ORIGINS"), "{wrong}: {text}");
    }
}

/// CORS-1.
#[tokio::test]
async fn answers_are_shared_with_a_listed_origin_only_and_errors_too() {
    let house = House::behind_proxy(&[("ALLOWED_ORIGINS", APP)]);
    let granted = house.ask(site("same-site").header("origin", APP)).await;
    assert_eq!(granted.header("access-control-allow-origin"), APP);
    assert_eq!(granted.header("access-control-allow-credentials"), "true");
    assert_eq!(granted.header("cross-origin-resource-policy"), "same-site");
    let nobody = Request::get("/token").header("sec-fetch-site", "same-site").header("origin", APP);
    let nobody = house.ask(nobody).await;
    assert_eq!(nobody.code(), "login_required");
    assert_eq!(nobody.header("access-control-allow-origin"), APP, "a page must be able to read why");
    let stranger = house.ask(site("same-site").header("origin", "https://evil.example")).await;
    assert_eq!(stranger.header("access-control-allow-origin"), "");
    let own = house.ask(site("same-origin")).await;
    assert_eq!(own.header("access-control-allow-origin"), "", "CORS is off for our own origin");
    assert_eq!(own.header("cross-origin-resource-policy"), "same-origin");
}

/// CORS-1.
#[tokio::test]
async fn a_preflight_needs_no_login_and_says_only_what_is_allowed() {
    let house = House::behind_proxy(&[("ALLOWED_ORIGINS", APP)]);
    let ask = |origin: &str| {
        Request::options("/token").header("origin", origin).header("access-control-request-method", "POST")
    };
    let answer = house.ask(ask(APP)).await;
    assert_eq!(answer.status, StatusCode::NO_CONTENT);
    assert_eq!(answer.header("access-control-allow-origin"), APP);
    assert_eq!(answer.header("access-control-allow-methods"), "GET, POST, OPTIONS");
    assert_eq!(answer.header("access-control-max-age"), "600");
    assert!(!answer.header("access-control-allow-headers").contains('*'));
    assert!(answer.header("vary").contains("Origin"));
    let stranger = house.ask(ask("https://evil.example")).await;
    assert_eq!(stranger.code(), "origin_refused");
    assert_eq!(stranger.header("access-control-allow-origin"), "");
}

/// CORS-1.
#[tokio::test]
async fn a_listed_page_may_send_what_it_must_send_and_no_more() {
    let allowed = async |changes: &[(&str, &str)]| {
        let house = House::behind_proxy(&[&[("ALLOWED_ORIGINS", APP)], changes].concat());
        let ask = Request::options("/token").header("origin", APP).header("access-control-request-method", "POST");
        house.ask(ask).await.header("access-control-allow-headers").to_owned()
    };
    assert_eq!(allowed(&[]).await, "Accept, Content-Type, X-Requested-By, X-Request-Id");
    let named = allowed(&[("TOKEN_REQUIRE_HEADER", "X-Acme: chat")]).await;
    assert!(named.ends_with(", x-acme"), "{named}");
    let bearer = [
        ("SESSION_SOURCES", "forwarded,bearer"),
        ("BEARER_ISSUER", "https://login.example.org"),
        ("BEARER_AUDIENCE", "https://chat.example.org"),
    ];
    assert!(allowed(&bearer).await.ends_with(", authorization"), "an access token is the page's to send");
}

#[tokio::test]
async fn a_widget_may_list_its_own_origins() {
    let house =
        House::behind_proxy(&[("ALLOWED_ORIGINS", APP), ("WIDGET_ALLOWED_ORIGINS", "https://shop.example.org")]);
    assert_eq!(code(&house, site("same-site").header("origin", "https://shop.example.org")).await, "ok");
    assert_eq!(code(&house, site("same-site").header("origin", APP)).await, REFUSED);
}

/// B-1 as `TOKEN_METHODS`.
#[tokio::test]
async fn get_can_be_switched_off_and_other_methods_never_work() {
    let house = House::behind_proxy(&[]);
    for method in [Method::PUT, Method::DELETE, Method::PATCH, Method::HEAD] {
        let answer = house.ask(visit("/token", "alice").method(method.clone())).await;
        assert_eq!(answer.status, StatusCode::METHOD_NOT_ALLOWED, "{method}");
    }
    let house = House::behind_proxy(&[("TOKEN_METHODS", "POST")]);
    let answer = house.ask(visit("/token", "alice")).await;
    assert_eq!((answer.status, answer.header("allow")), (StatusCode::METHOD_NOT_ALLOWED, "POST, OPTIONS"));
    assert_eq!(house.ask(visit("/token", "alice").method(Method::POST)).await.status, StatusCode::OK);
}

/// B-1.
#[tokio::test]
async fn a_body_another_sites_form_could_send_is_refused() {
    let house = House::behind_proxy(&[]);
    let post = |media: &str| visit("/token", "alice").method(Method::POST).header("content-type", media);
    for media in [
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "text/plain",
        "text/plain;charset=UTF-8",
    ] {
        let answer = house.send(post(media).body(Body::from("a=b")).unwrap()).await;
        assert_eq!(answer.status, StatusCode::UNSUPPORTED_MEDIA_TYPE, "{media}");
    }
    for media in ["application/json", "Application/JSON; charset=utf-8"] {
        assert_eq!(house.send(post(media).body(Body::from("{}")).unwrap()).await.status, StatusCode::OK, "{media}");
    }
    let large = post("application/json").header("content-length", "100000");
    assert_eq!(house.ask(large).await.status, StatusCode::PAYLOAD_TOO_LARGE);
}

/// B-2 as `TOKEN_REQUIRE_HEADER`.
#[tokio::test]
async fn a_required_header_is_required_with_its_value() {
    let house = House::behind_proxy(&[("TOKEN_REQUIRE_HEADER", "X-Requested-By: countersign")]);
    assert_eq!(code(&house, visit("/token", "alice")).await, REFUSED);
    assert_eq!(code(&house, visit("/token", "alice").header("x-requested-by", "other")).await, REFUSED);
    assert_eq!(code(&house, visit("/token", "alice").header("x-requested-by", "countersign")).await, "ok");
    let house = House::behind_proxy(&[("TOKEN_REQUIRE_HEADER", "X-Anything")]);
    assert_eq!(code(&house, visit("/token", "alice").header("x-anything", "1")).await, "ok");
}

/// B-5: browsers before Fetch Metadata send nothing but a `Referer` with a page's own GET, and so does Chromium on `http://`.
#[tokio::test]
async fn a_browser_that_names_its_page_by_referer_alone_is_served_on_every_route() {
    let house = House::behind_proxy(&[("ALLOWED_ORIGINS", "https://app.example.org")]);
    let ask = |path: &str, referers: &[&str]| {
        let request = Request::get(path).header("x-countersign-proof", PROOF).header("x-forwarded-user", "alice");
        let request = request.header("x-forwarded-email", "a@b.c");
        referers.iter().fold(request, |request, referer| request.header("referer", *referer))
    };
    let served: [&[&str]; 3] = [
        &["https://www.example.org/"],
        &["https://www.example.org/help/page?a=https://evil.example/#x"],
        &["https://app.example.org/"],
    ];
    let refused: [&[&str]; 15] = [
        &[],
        &[""],
        &["null"],
        &["about:blank"],
        &["/help"],
        &["https://evil.example/"],
        &["https://evil.example/https://www.example.org/"],
        &["https://www.example.org.evil.example/"],
        &["https://www.example.org@evil.example/"],
        &["https://user@www.example.org/"],
        &["https://www.example.org:8443/"],
        &["http://www.example.org/"],
        &["https://www.example.orgx/"],
        &["https://www.example.org/ a"],
        &["https://www.example.org/", "https://www.example.org/"],
    ];
    for path in ["/token", "/session"] {
        for referers in served {
            assert_eq!(house.ask(ask(path, referers)).await.status, StatusCode::OK, "{path} {referers:?}");
        }
        for referers in refused {
            assert_eq!(house.ask(ask(path, referers)).await.code(), "origin_refused", "{path} {referers:?}");
        }
        let own = ["https://www.example.org/"];
        for (name, value) in [
            ("sec-fetch-site", "cross-site"),
            ("sec-fetch-site", "none"),
            ("sec-fetch-site", "odd"),
            ("sec-fetch-mode", "cors"),
            ("origin", "https://evil.example"),
            ("origin", "null"),
        ] {
            let answer = house.ask(ask(path, &own).header(name, value)).await;
            assert_eq!(answer.code(), "origin_refused", "{path}: a Referer outweighs no {name}: {value}");
        }
    }
}

/// B-6: the shells of apps for iOS and desktops have origins of their own scheme.
#[tokio::test]
async fn an_apps_own_origin_can_be_listed_and_nothing_that_looks_like_one() {
    let listed = "Capacitor://LocalHost,ionic://localhost,tauri://localhost/,app://example.org";
    let house = House::behind_proxy(&[("ALLOWED_ORIGINS", listed)]);
    for origin in ["capacitor://localhost", "ionic://localhost", "tauri://localhost", "app://example.org"] {
        let answer = house.ask(bare(Method::GET).header("origin", origin)).await;
        assert_eq!((answer.status, answer.header("access-control-allow-origin")), (StatusCode::OK, origin));
    }
    for origin in ["capacitor://localhost", "tauri://localhost"] {
        let answer = house.ask(site("cross-site").header("origin", origin)).await;
        assert_eq!(answer.header("access-control-allow-origin"), origin, "an app is of another site than everything");
        assert_eq!(answer.status, StatusCode::OK);
        let ask = Request::options("/token").header("origin", origin).header("access-control-request-method", "POST");
        let answer = house.ask(ask).await;
        assert_eq!((answer.status, answer.header("access-control-allow-origin")), (StatusCode::NO_CONTENT, origin));
    }
    for origin in
        ["capacitor://localhost.evil", "capacitor://localhost:1", "http://localhost", "app://example.or", "null"]
    {
        assert_eq!(house.ask(bare(Method::GET).header("origin", origin)).await.code(), "origin_refused", "{origin}");
    }
    for wrong in [
        "file:///",
        "file://host",
        "javascript://x",
        "data://x",
        "app://",
        "app://a/b",
        "app://u@h",
        "app://*",
        "1app://x",
    ] {
        let told = mistakes(&settings(&BEHIND_PROXY, &[("ALLOWED_ORIGINS", wrong)]));
        assert!(told.contains("ALLOWED_ORIGINS"), "{wrong}: {told}");
    }
}

#[test]
fn an_origin_is_scheme_host_and_port_and_nothing_else() {
    for (text, origin) in [
        ("https://www.example.org", "https://www.example.org"),
        ("https://WWW.Example.org:443/", "https://www.example.org"),
        ("http://localhost:8080", "http://localhost:8080"),
        ("Capacitor://Localhost", "capacitor://localhost"),
    ] {
        assert_eq!(text.parse::<Origin>().unwrap().to_string(), origin);
    }
    for text in [
        "https://www.example.org/chat",
        "https://www.example.org/?a",
        "https://www.example.org/#a",
        "https://jane@www.example.org",
        "https://:secret@www.example.org",
        "https://*.example.org",
        "www.example.org",
        "null",
    ] {
        assert!(text.parse::<Origin>().unwrap_err().contains("is not an origin"), "{text}");
    }
}

#[test]
fn a_request_is_for_one_host_or_for_none_that_is_told() {
    let sent_to = |hosts: &[&'static str]| {
        let lines = hosts.iter().map(|host| (HOST, HeaderValue::from_static(host)));
        host(&lines.fold(HeaderMap::new(), |mut all, (name, value)| {
            all.append(name, value);
            all
        }))
        .map(str::to_owned)
    };
    assert_eq!(sent_to(&["www.example.org"]).as_deref(), Some("www.example.org"));
    assert_eq!(sent_to(&["www.example.org", "www.example.org"]), None);
    assert_eq!(sent_to(&[]), None);
}
