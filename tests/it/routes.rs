//! Where paths lead: each to one place or to none, whatever aliases and mounts there are.

use countersign::app::config::Settings;
use countersign::app::{ReadSettings, reload};
use countersign::config::env::Env;
use http::{Method, Request, StatusCode};

use crate::kit::{BEHIND_PROXY, House, PROOF, SECRET, mistakes, page, read, settings, visit};

/// Two widgets, `support` and `clinic`, with these changes.
fn two_widgets(changes: &[(&str, &str)]) -> Vec<(String, String)> {
    let two = [
        ("WIDGETS", "support,clinic"),
        ("WIDGET_PRESET", ""),
        ("WIDGET_SECRET", ""),
        ("WIDGET_SUPPORT_PRESET", "medchat"),
        ("WIDGET_SUPPORT_SECRET", SECRET),
        ("WIDGET_CLINIC_PRESET", "userinfo"),
        ("WIDGET_CLINIC_SECRET", "a-text-secret-of-more-than-32-characters"),
        ("WIDGET_CLINIC_AUDIENCE", "https://chat.example.com"),
    ];
    let all: Vec<(&str, &str)> = two.into_iter().chain(changes.iter().copied()).collect();
    settings(&BEHIND_PROXY, &all)
}

/// Whose token a path hands out: `support`, `clinic`, or the status.
async fn whose(house: &House, path: &str) -> String {
    let answer = house.ask(visit(path, "alice")).await;
    if answer.status != StatusCode::OK {
        return answer.status.as_u16().to_string();
    }
    let claims = if answer.text.starts_with('{') { answer.claims() } else { crate::kit::payload(&answer.text) };
    if claims.contains_key("external_id") { "support".to_owned() } else { "clinic".to_owned() }
}

#[tokio::test]
async fn an_alias_is_exact_and_never_stands_for_a_path_that_ends_like_it() {
    let house = House::of(&two_widgets(&[("TOKEN_ALIASES", "/bot=support,/clinic/bot=clinic")]));
    let expected = [
        ("/bot", "support"),
        ("/clinic/bot", "clinic"),
        ("/chat-identity/bot", "support"),
        ("/chat-identity/clinic/bot", "clinic"),
        ("/other/bot", "404"),
        ("/bot/bot", "404"),
        ("/token/bot", "404"),
    ];
    for (path, widget) in expected {
        assert_eq!(whose(&house, path).await, widget, "{path}");
    }
}

#[tokio::test]
async fn an_alias_named_like_a_widget_leaves_that_widgets_route_alone() {
    let house = House::of(&two_widgets(&[("TOKEN_ALIASES", "/support=clinic,/clinic=support")]));
    for (path, widget) in
        [("/token/support", "support"), ("/token/clinic", "clinic"), ("/support", "clinic"), ("/clinic", "support")]
    {
        assert_eq!(whose(&house, path).await, widget, "{path}");
    }
}

#[tokio::test]
async fn a_reload_moves_every_route_at_once_and_a_removed_alias_hands_out_nothing() {
    let house = House::of(&two_widgets(&[("TOKEN_ALIASES", "/old=clinic,/both=clinic")]));
    assert_eq!(whose(&house, "/old").await, "clinic");
    let changed = two_widgets(&[("TOKEN_ALIASES", "/new=clinic,/both=support"), ("TOKEN_METHODS", "POST")]);
    let reread: ReadSettings = Box::new(move || Settings::read(Env::new(changed.clone())));
    assert!(reload(&house.app.state, &reread).await.is_some());
    let post = |path: &str| visit(path, "alice").method(Method::POST);
    assert_eq!(house.ask(post("/old")).await.status, StatusCode::NOT_FOUND);
    assert_eq!(house.ask(post("/new")).await.status, StatusCode::OK);
    assert!(crate::kit::payload(&house.ask(post("/both")).await.text).contains_key("external_id"));
    assert_eq!(house.ask(visit("/new", "alice")).await.status, StatusCode::METHOD_NOT_ALLOWED);
}

#[tokio::test]
async fn a_widget_that_is_gone_after_a_reload_has_no_route() {
    let house = House::of(&two_widgets(&[]));
    assert_eq!(whose(&house, "/token/clinic").await, "clinic");
    let one = settings(&BEHIND_PROXY, &[]);
    let reread: ReadSettings = Box::new(move || Settings::read(Env::new(one.clone())));
    assert!(reload(&house.app.state, &reread).await.is_some());
    assert_eq!(whose(&house, "/token/clinic").await, "404");
    assert_eq!(whose(&house, "/token").await, "support");
}

#[test]
fn two_routes_that_want_one_path_do_not_start() {
    let wrong = [
        (vec![("TOKEN_ALIASES", "/bot=support,/bot=clinic")], "TOKEN_ALIASES: `/bot` would be"),
        (
            vec![("TOKEN_ALIASES", "/bot=support,/chat-identity/bot=clinic")],
            "TOKEN_ALIASES: `/chat-identity/bot` would be",
        ),
        (vec![("TOKEN_ALIASES", "/chat-identity/token=clinic")], "TOKEN_ALIASES: `/chat-identity/token` would be"),
        (vec![("TOKEN_ALIASES", "/bot=nobody")], "TOKEN_ALIASES: there is no widget `nobody`"),
        (vec![("TOKEN_ALIASES", "/token/clinic=clinic")], "is not a free path"),
        (vec![("TOKEN_ALIASES", "/a/../b=clinic")], "is not a free path"),
        (vec![("TOKEN_ALIASES", "/{widget}=clinic")], "is not a free path"),
    ];
    for (changes, sentence) in wrong {
        let told = mistakes(&two_widgets(&changes));
        assert!(told.contains(sentence), "{changes:?}: {told}");
    }
}

#[test]
fn a_conflict_names_both_who_want_the_path() {
    let told = mistakes(&two_widgets(&[("TOKEN_ALIASES", "/bot=support,/bot=clinic")]));
    let both = "would be the bare token of the widget `support` and the bare token of the widget `clinic`";
    assert!(told.contains(both), "{told}");
    let told = mistakes(&two_widgets(&[("TOKEN_ALIASES", "/chat-identity/session=clinic")]));
    assert!(told.contains("would be the session's address and the bare token of the widget `clinic`"), "{told}");
}

#[tokio::test]
async fn an_alias_that_is_said_twice_is_one_alias() {
    let house = House::of(&two_widgets(&[("TOKEN_ALIASES", "/bot=clinic,/bot=clinic")]));
    assert_eq!(whose(&house, "/bot").await, "clinic");
}

#[test]
fn an_unknown_path_that_ends_like_one_of_ours_tells_under_which_mount_we_are_looked_for() {
    let house = House::of(&two_widgets(&[("TOKEN_ALIASES", "/bot=support")]));
    let snapshot = house.app.state.snapshot();
    let long = format!("/{}", "m".repeat(63));
    for (path, mount) in [
        ("/id/token", Some("/id")),
        ("/a/b/session", Some("/a/b")),
        ("/~a/b-c_d.e/bot", Some("/~a/b-c_d.e")),
        ("/id/token/support", Some("/id")),
        ("/token/id", None),
        ("/id/tokens", None),
        ("/idtoken", None),
        ("/", None),
        ("", None),
        ("/a b/token", None),
        ("/a%0Ab/token", None),
        ("/\u{e4}/token", None),
        (&format!("{long}/token"), Some(long.as_str())),
        (&format!("{long}m/token"), None),
    ] {
        assert_eq!(snapshot.routes.foreign_mount(path), mount, "{path}");
    }
}

#[tokio::test]
async fn a_mount_that_is_named_like_a_route_works_like_any_other() {
    for mount in ["/token", "/x/token", "/session", "/a/b/c", "/login/refresh"] {
        let house = House::of(&two_widgets(&[("PUBLIC_URL", &format!("https://www.example.org{mount}/"))]));
        let at = |path: &str| format!("{mount}{path}");
        assert_eq!(whose(&house, &at("/token")).await, "support", "{mount}");
        assert_eq!(whose(&house, &at("/token/clinic")).await, "clinic", "{mount}");
        assert_eq!(house.ask(visit(&at("/session"), "alice")).await.json()["logged_in"], true, "{mount}");
        assert_eq!(house.ask(Request::get(at("/countersign.js"))).await.status, StatusCode::OK, "{mount}");
        assert_eq!(whose(&house, "/token").await, "support", "{mount}");
    }
}

#[test]
fn a_mount_that_somebody_tidies_on_the_way_does_not_start() {
    for path in [
        "/a/../b",
        "/./a",
        "/a//b",
        "//a",
        "/{widget}",
        "/a%2fb",
        "/a b",
        "/%7Ea",
        "/a;b",
        "/..",
        "/a/.",
        "/ä",
        "/a\\b",
    ] {
        let told = mistakes(&two_widgets(&[("PUBLIC_URL", &format!("https://www.example.org{path}"))]));
        assert!(told.contains("PUBLIC_URL: "), "{path}: {told}");
    }
    for path in ["", "/", "/a", "/a/", "/~a/b-c_d.e/f"] {
        assert!(read(&two_widgets(&[("PUBLIC_URL", &format!("https://www.example.org{path}"))])).is_ok(), "{path}");
    }
}

#[tokio::test]
async fn every_route_says_which_methods_it_takes() {
    let house = House::of(&two_widgets(&[]));
    let routes = [
        ("/token", "GET, POST, OPTIONS"),
        ("/token/clinic", "GET, POST, OPTIONS"),
        ("/session", "GET, OPTIONS"),
        ("/.well-known/jwks.json", "GET, HEAD"),
        ("/countersign.js", "GET, HEAD"),
    ];
    for (path, methods) in routes {
        for method in ["GET", "HEAD", "POST", "OPTIONS", "PUT", "DELETE", "PATCH", "TRACE", "PROPFIND"] {
            let answer = house.ask(visit(path, "alice").method(method)).await;
            let taken = methods.split(", ").any(|known| known == method);
            assert_eq!(answer.status == StatusCode::METHOD_NOT_ALLOWED, !taken, "{method} {path}");
            if !taken {
                assert_eq!(answer.header("allow"), methods, "{method} {path}");
            }
        }
    }
}

#[tokio::test]
async fn what_comes_to_no_handler_is_counted() {
    let house = House::of(&two_widgets(&[]));
    house.ask(page("/nothing")).await;
    house.ask(page("/token/").header("x-forwarded-user", "eve")).await;
    house.ask(visit("/token/clinic", "alice").method(Method::PUT)).await;
    house.ask(visit("/token", "alice").header("x_forwarded_user", "eve")).await;
    let text = house.app.state.metrics.render();
    let counted = |widget: &str, code: &str, reason: &str| {
        let line = format!(r#"tokens_refused_total{{widget="{widget}",code="{code}",reason="{reason}"}} "#);
        text.split(&line).nth(1).map_or(0, |rest| rest.lines().next().unwrap().parse::<u64>().unwrap())
    };
    assert_eq!(counted("", "not_found", "route"), 2, "{text}");
    assert_eq!(counted("clinic", "method_not_allowed", "method"), 1, "{text}");
    assert_eq!(counted("support", "bad_request", "header_alias"), 1, "{text}");
}

/// A request that waits for the visitor's session, until the visitor hangs up.
#[tokio::test]
async fn a_visitor_who_hangs_up_is_counted_and_written_down() {
    let endpoint = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/me", endpoint.local_addr().unwrap());
    let house = House::behind_proxy(&[
        ("SESSION_SOURCES", "upstream"),
        ("FORWARDED_CONVENTION", ""),
        ("FORWARDED_PROOF_SECRET", ""),
        ("UPSTREAM_SESSION_URL", &url),
        ("UPSTREAM_SESSION_COOKIES", "sid"),
    ]);
    {
        let mut asked = std::pin::pin!(house.ask(page("/token").header("cookie", "sid=1")));
        tokio::select! {
            _ = &mut asked => panic!("nobody answers"),
            _ = endpoint.accept() => assert_eq!(house.app.state.metrics.in_flight.get(), 1),
        }
    }
    assert_eq!(house.app.state.metrics.in_flight.get(), 0, "nobody is waiting any more");
    assert!(house.app.state.metrics.render().contains(r#"code="hung_up",reason="client_closed"} 1"#));
    let text = house.records.text(&house.app);
    assert!(text.contains(r#""outcome":"hung_up""#), "{text}");
    assert!(!text.contains(PROOF));
}
