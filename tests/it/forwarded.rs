//! Identity headers count only when they demonstrably came from the proxy, and in one spelling only.

use std::time::Duration;

use axum::body::Body;
use countersign::base::clock::UnixTime;
use countersign::net::peer::Peer;
use data_encoding::{BASE64, HEXLOWER};
use http::{HeaderName, HeaderValue, Method, Request, StatusCode};
use proptest::prelude::*;

use crate::kit::{Answer, BEHIND_PROXY, House, PROOF, mistakes, page, read, settings, visit};

fn with(request: http::request::Builder, name: &str, value: &[u8]) -> Request<Body> {
    let mut request = request.body(Body::empty()).unwrap();
    let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
    request.headers_mut().append(name, HeaderValue::from_bytes(value).unwrap());
    request
}

fn refused(answer: &Answer) -> (StatusCode, String) {
    (answer.status, answer.code())
}

fn ambiguous() -> (StatusCode, String) {
    (StatusCode::BAD_REQUEST, "bad_request".to_owned())
}

fn logged_out() -> (StatusCode, String) {
    (StatusCode::UNAUTHORIZED, "login_required".to_owned())
}

/// H-1.
#[test]
fn plain_headers_without_proof_of_origin_do_not_start() {
    let without = settings(&BEHIND_PROXY, &[("FORWARDED_PROOF_SECRET", "")]);
    assert!(mistakes(&without).contains("FORWARDED_PROOF_SECRET: is required"));
    let cidr = settings(&BEHIND_PROXY, &[("FORWARDED_PROOF_SECRET", ""), ("TRUSTED_PROXIES", "10.0.0.0/8")]);
    assert!(mistakes(&cidr).contains("FORWARDED_PROOF_SECRET: is required"), "an address list is never proof enough");
    let unsafe_alone =
        settings(&BEHIND_PROXY, &[("FORWARDED_PROOF_SECRET", ""), ("FORWARDED_UNSAFE_CIDR_ONLY", "true")]);
    assert!(mistakes(&unsafe_alone).contains("FORWARDED_PROOF_SECRET"), "an empty address list never means everybody");
    let everybody = settings(&BEHIND_PROXY, &[("TRUSTED_PROXIES", "0.0.0.0/0")]);
    assert!(mistakes(&everybody).contains("TRUSTED_PROXIES"));
    let short = settings(&BEHIND_PROXY, &[("FORWARDED_PROOF_SECRET", "too-short-1a2b")]);
    assert!(mistakes(&short).contains("at least 32"));
}

/// H-1.
#[test]
fn each_safe_combination_starts() {
    read(&settings(&BEHIND_PROXY, &[])).unwrap();
    read(&settings(&BEHIND_PROXY, &[("FORWARDED_PROOF_SECRET", ""), ("LISTEN", "unix:/tmp/never-bound.sock")]))
        .unwrap();
    let explicit =
        [("FORWARDED_PROOF_SECRET", ""), ("FORWARDED_UNSAFE_CIDR_ONLY", "true"), ("TRUSTED_PROXIES", "10.1.2.3")];
    let config = read(&settings(&BEHIND_PROXY, &explicit)).unwrap();
    assert!(config.reading.warnings.iter().any(|w| w.variable == "FORWARDED_UNSAFE_CIDR_ONLY"), "and is warned about");
}

/// H-2.
#[tokio::test]
async fn a_missing_or_empty_identity_is_nobody_and_never_a_default() {
    let house = House::behind_proxy(&[]);
    let proven = || page("/token").header("x-countersign-proof", PROOF);
    assert_eq!(refused(&house.ask(proven()).await), logged_out());
    for empty in ["", " ", "   "] {
        assert_eq!(refused(&house.ask(proven().header("x-forwarded-user", empty)).await), logged_out(), "{empty:?}");
    }
    let commas = house.ask(proven().header("x-forwarded-user", ",,")).await;
    assert_eq!(refused(&commas), ambiguous(), "a list where one value belongs");
}

#[tokio::test]
async fn headers_without_the_proof_are_nobody() {
    let house = House::behind_proxy(&[]);
    let without = page("/token").header("x-forwarded-user", "alice").header("x-forwarded-email", "a@example.org");
    assert_eq!(refused(&house.ask(without).await), logged_out());
    let close = &PROOF[..PROOF.len() - 1];
    for wrong in ["", "wrong", close] {
        let request = page("/token").header("x-forwarded-user", "alice").header("x-countersign-proof", wrong);
        assert_eq!(refused(&house.ask(request).await), logged_out(), "{wrong:?}");
    }
}

/// H-9.
#[tokio::test]
async fn two_proof_secrets_are_accepted_while_one_is_being_replaced() {
    let next = "nX7cV1bM5qW9eR3tY6uI0oP2aS4dF8gH";
    let house = House::behind_proxy(&[("FORWARDED_PROOF_SECRET_NEXT", next)]);
    for secret in [PROOF, next] {
        let request = page("/token").header("x-forwarded-user", "alice").header("x-forwarded-email", "a@b.c");
        assert_eq!(house.ask(request.header("x-countersign-proof", secret)).await.status, StatusCode::OK);
    }
}

#[tokio::test]
async fn the_proxys_address_is_an_additional_condition() {
    let house = House::behind_proxy(&[("TRUSTED_PROXIES", "10.0.3.7, 10.0.4.0/24")]);
    let from = |address: [u8; 4]| {
        let mut request = visit("/token", "alice").body(Body::empty()).unwrap();
        request.extensions_mut().insert(Peer::Tcp(address.into()));
        request
    };
    assert_eq!(house.send(from([10, 0, 3, 7])).await.status, StatusCode::OK);
    assert_eq!(house.send(from([10, 0, 4, 200])).await.status, StatusCode::OK);
    assert_eq!(refused(&house.send(from([10, 0, 3, 8])).await), logged_out(), "the proof alone does not do then");
}

#[tokio::test]
async fn a_unix_socket_is_proof_and_tcp_is_not() {
    let house = House::behind_proxy(&[("FORWARDED_PROOF_SECRET", ""), ("LISTEN", "unix:/tmp/never-bound.sock")]);
    let from = |peer: Peer| {
        let request = page("/token").header("x-forwarded-user", "alice").header("x-forwarded-email", "a@b.c");
        let mut request = request.body(Body::empty()).unwrap();
        request.extensions_mut().insert(peer);
        request
    };
    assert_eq!(house.send(from(Peer::Unix)).await.status, StatusCode::OK);
    assert_eq!(refused(&house.send(from(Peer::Tcp([127, 0, 0, 1].into()))).await), logged_out());
}

/// The listener lets nobody in who shows no certificate; a request that came in another way is nobody's all the same.
#[tokio::test]
async fn only_who_has_shown_a_certificate_is_the_proxy() {
    let (cert, key) = (include_str!("data/tls/cert.pem"), include_str!("data/tls/key.pem"));
    let house = |more: &[(&str, &str)]| {
        let tls = [("FORWARDED_PROOF_SECRET", ""), ("TLS_CERT", cert), ("TLS_KEY", key), ("TLS_CLIENT_CA", cert)];
        House::behind_proxy(&[&tls, more].concat())
    };
    let from = |peer: Peer| {
        let request = page("/token").header("x-forwarded-user", "alice").header("x-forwarded-email", "a@b.c");
        let mut request = request.body(Body::empty()).unwrap();
        request.extensions_mut().insert(peer);
        request
    };
    let address = [192, 0, 2, 7].into();
    let anywhere = house(&[]);
    assert_eq!(anywhere.send(from(Peer::Certified(address))).await.status, StatusCode::OK);
    assert_eq!(refused(&anywhere.send(from(Peer::Tcp(address))).await), logged_out());
    let elsewhere = house(&[("TRUSTED_PROXIES", "10.0.0.0/8")]);
    assert_eq!(refused(&elsewhere.send(from(Peer::Certified(address))).await), logged_out(), "both must hold");
}

#[tokio::test]
async fn when_a_certificate_ends_is_known_and_said_in_time() {
    let (cert, key) = (include_str!("data/tls/cert.pem"), include_str!("data/tls/key.pem"));
    let house = House::behind_proxy(&[("TLS_CERT", cert), ("TLS_KEY", key)]);
    let tls = house.app.state.snapshot().tls.clone().unwrap();
    let said = |days_before: u64| {
        let now = UnixTime(4_949_336_016).minus(Duration::from_hours(24 * days_before));
        tls.ending(now).map(|(setting, problem)| format!("{setting} {problem}")).collect::<Vec<_>>()
    };
    assert_eq!(said(15), [""; 0]);
    let ends = "TLS_CERT holds a certificate that ends on 2126-11-02T23:33:36Z: put its successor into the file before";
    assert_eq!(said(13), [ends]);
    assert!(said(0)[0].contains("that ended on"), "{:?}", said(0));
    let metrics = house.app.state.metrics.render();
    let series = "countersign_certificate_not_after_timestamp_seconds{setting=\"TLS_CERT\"} 4949336016";
    assert!(metrics.contains(series), "{metrics}");
}

/// H-3.
#[tokio::test]
async fn another_spelling_of_an_identity_header_is_refused_with_and_without_the_genuine_one() {
    let house = House::behind_proxy(&[]);
    for alias in
        ["x_forwarded_user", "x.forwarded.user", "X_Forwarded-User", "x-forwarded_email", "X.Countersign-Proof"]
    {
        let genuine = with(visit("/token", "alice"), alias, b"mallory");
        assert_eq!(refused(&house.send(genuine).await), ambiguous(), "{alias} beside the genuine one");
        let alone = with(page("/token"), alias, b"mallory");
        assert_eq!(refused(&house.send(alone).await), ambiguous(), "{alias} alone");
    }
}

/// H-3: configured names that fold themselves.
#[tokio::test]
async fn a_name_with_underscores_guards_its_plain_spelling_too() {
    let house = House::behind_proxy(&[("FORWARDED_CONVENTION", "mod-auth-openidc")]);
    let proven = || page("/token").header("x-countersign-proof", PROOF);
    let good = proven().header("OIDC_CLAIM_sub", "alice").header("OIDC_CLAIM_name", "Alice");
    assert_eq!(house.ask(good).await.status, StatusCode::OK);
    let alias = proven().header("OIDC_CLAIM_sub", "alice").header("oidc-claim-sub", "mallory");
    assert_eq!(refused(&house.ask(alias).await), ambiguous());
}

proptest! {
    /// H-3.
    #[test]
    fn no_mixture_of_separators_and_cases_slips_past(seps in proptest::collection::vec(0usize..3, 2), upper in any::<u32>()) {
        let letters = ["x", "forwarded", "user"];
        let mut name = String::new();
        for (i, part) in letters.iter().enumerate() {
            if i > 0 {
                name.push(['-', '_', '.'][seps[i - 1]]);
            }
            name.extend(part.chars().enumerate().map(|(j, c)| if upper >> ((i * 9 + j) % 32) & 1 == 1 { c.to_ascii_uppercase() } else { c }));
        }
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let answer = runtime.block_on(async {
            let house = House::behind_proxy(&[]);
            house.send(with(page("/token").header("x-countersign-proof", PROOF).header("x-forwarded-email", "a@b.c"), &name, b"mallory")).await
        });
        let genuine = name.eq_ignore_ascii_case("x-forwarded-user");
        prop_assert_eq!(answer.status, if genuine { StatusCode::OK } else { StatusCode::BAD_REQUEST });
    }
}

/// H-4.
#[tokio::test]
async fn an_identity_header_announced_as_a_trailer_is_refused() {
    let house = House::behind_proxy(&[]);
    for list in ["X-Forwarded-User", "Expires, x_forwarded_user", " x-countersign-proof "] {
        assert_eq!(refused(&house.ask(visit("/token", "alice").header("trailer", list)).await), ambiguous(), "{list}");
    }
    assert_eq!(house.ask(visit("/token", "alice").header("trailer", "Expires")).await.status, StatusCode::OK);
}

/// H-5.
#[tokio::test]
async fn an_identity_header_made_hop_by_hop_is_refused() {
    let house = House::behind_proxy(&[]);
    for list in ["X-Forwarded-User", "close, X-Countersign-Proof", "keep-alive,x.forwarded.email"] {
        assert_eq!(
            refused(&house.ask(visit("/token", "alice").header("connection", list)).await),
            ambiguous(),
            "{list}"
        );
    }
    assert_eq!(
        house.ask(visit("/token", "alice").header("connection", "keep-alive, Upgrade")).await.status,
        StatusCode::OK
    );
}

/// H-7.
#[tokio::test]
async fn a_second_instance_or_a_joined_value_is_refused() {
    let house = House::behind_proxy(&[]);
    let second = visit("/token", "alice").header("x-forwarded-user", "mallory");
    assert_eq!(refused(&house.ask(second).await), ambiguous());
    let same = visit("/token", "alice").header("x-forwarded-user", "alice");
    assert_eq!(refused(&house.ask(same).await), ambiguous(), "even when both agree");
    assert_eq!(refused(&house.ask(visit("/token", "alice, mallory")).await), ambiguous());
    let two_proofs = visit("/token", "alice").header("x-countersign-proof", PROOF);
    assert_eq!(refused(&house.ask(two_proofs).await), ambiguous());
}

#[tokio::test]
async fn a_distinguished_name_may_hold_commas_when_that_is_declared() {
    let changes = [("FORWARDED_SUBJECT_MAY_HOLD_COMMA", "true"), ("WIDGET_SUBJECT", "hex")];
    let house = House::behind_proxy(&changes);
    assert_eq!(house.ask(visit("/token", "CN=Alice,OU=Staff")).await.status, StatusCode::OK);
}

/// H-8.
#[tokio::test]
async fn the_rules_hold_on_every_route_and_method() {
    let house = House::behind_proxy(&[]);
    for path in ["/token", "/token/medchat", "/.well-known/jwks.json", "/nothing-here", "/chat-identity/token"] {
        for method in [Method::GET, Method::POST, Method::OPTIONS, Method::HEAD, Method::DELETE] {
            let request = with(page(path).method(method.clone()), "x_forwarded_user", b"mallory");
            assert_eq!(house.send(request).await.status, StatusCode::BAD_REQUEST, "{method} {path}");
        }
    }
}

/// RT-2.
#[tokio::test]
async fn a_user_agent_opens_nothing() {
    let house = House::behind_proxy(&[]);
    for agent in ["GoogleHC/1.0", "kube-probe/1.30", "ELB-HealthChecker/2.0", "Envoy/HC"] {
        assert_eq!(refused(&house.ask(page("/token").header("user-agent", agent)).await), logged_out(), "{agent}");
    }
}

#[tokio::test]
async fn every_convention_reads_its_producers_headers() {
    let table: [(&str, &[(&str, &str)]); 6] = [
        (
            "oauth2-proxy",
            &[("x-forwarded-user", "u1"), ("x-forwarded-email", "a@b.c"), ("x-forwarded-groups", "g1,g2")],
        ),
        (
            "oauth2-proxy-auth-request",
            &[("x-auth-request-user", "u1"), ("x-auth-request-email", "a@b.c"), ("x-auth-request-groups", "g1,g2")],
        ),
        ("authelia", &[("remote-user", "u1"), ("remote-email", "a@b.c"), ("remote-groups", "g1,g2")]),
        ("authentik", &[("x-authentik-uid", "u1"), ("x-authentik-email", "a@b.c"), ("x-authentik-groups", "g1|g2")]),
        (
            "mod-auth-openidc",
            &[("oidc_claim_sub", "u1"), ("oidc_claim_email", "a@b.c"), ("oidc_claim_groups", "g1,g2")],
        ),
        ("custom", &[("x-id", "u1"), ("x-mail", "a@b.c"), ("x-roles", "g1,g2")]),
    ];
    for (convention, headers) in table {
        let custom = [
            ("FORWARDED_SUBJECT_HEADER", "X-Id"),
            ("FORWARDED_EMAIL_HEADER", "X-Mail"),
            ("FORWARDED_GROUPS_HEADER", "X-Roles"),
        ];
        let mut changes =
            vec![("FORWARDED_CONVENTION", convention), ("WIDGET_CLAIMS", r#"{"m":"{{ email }}","g":"{{ groups }}"}"#)];
        changes.extend(if convention == "custom" { custom.to_vec() } else { Vec::new() });
        let house = House::behind_proxy(&changes);
        let proven = page("/token").header("x-countersign-proof", PROOF);
        let request = headers.iter().fold(proven, |request, (name, value)| request.header(*name, *value));
        let claims = house.ask(request).await.claims();
        assert_eq!(claims["external_id"], "u1", "{convention}");
        assert_eq!(claims["m"], "a@b.c", "{convention}");
        assert_eq!(claims["g"], serde_json::json!(["g1", "g2"]), "{convention}");
    }
}

fn principal(claims: &serde_json::Value) -> String {
    let document = serde_json::json!({ "auth_typ": "aad", "claims": claims, "name_typ": "name", "role_typ": "roles" });
    BASE64.encode(document.to_string().as_ref())
}

#[tokio::test]
async fn easy_auth_identifies_by_tenant_and_object_and_only_on_its_platform() {
    let off = settings(&BEHIND_PROXY, &[("FORWARDED_CONVENTION", "easy-auth"), ("FORWARDED_PROOF_SECRET", "")]);
    assert!(mistakes(&off).contains("FORWARDED_PROOF_SECRET"), "base64 is not authentication");
    let house = House::behind_proxy(&[
        ("FORWARDED_CONVENTION", "easy-auth"),
        ("FORWARDED_PROOF_SECRET", ""),
        ("WEBSITE_AUTH_ENABLED", "True"),
        ("WIDGET_SUBJECT", "hex"),
    ]);
    let claims = serde_json::json!([
        { "typ": "tid", "val": "tenant-1" }, { "typ": "oid", "val": "object-9" }, { "typ": "name", "val": "Ada" },
        { "typ": "groups", "val": "g1" }, { "typ": "groups", "val": "g2" },
    ]);
    let answer = house.ask(page("/token").header("x-ms-client-principal", principal(&claims))).await.claims();
    assert_eq!(answer["external_id"], HEXLOWER.encode("tenant-1.object-9".as_ref()));
    assert_eq!(answer["name"], "Ada");
    let twice =
        serde_json::json!([{ "typ": "tid", "val": "t" }, { "typ": "oid", "val": "a" }, { "typ": "oid", "val": "b" }]);
    let answer = house.ask(page("/token").header("x-ms-client-principal", principal(&twice))).await;
    assert_eq!(refused(&answer), logged_out(), "a claim that says two things says nothing");
    for garbage in ["!!!", "eyJ", ""] {
        assert_eq!(refused(&house.ask(page("/token").header("x-ms-client-principal", garbage)).await), logged_out());
    }
}

/// H-7. Only SP and HTAB are space in a header: who could choose `\u{2000}alice` for a name must not become `alice`.
#[tokio::test]
async fn a_space_of_unicode_makes_nobody_somebody_else() {
    let house = House::behind_proxy(&[("WIDGET_REQUIRED_GROUPS", "staff")]);
    let ask = |subject: String, groups: String| {
        let request = with(visit_without_subject(), "x-forwarded-user", subject.as_bytes());
        let (mut head, body) = request.into_parts();
        head.headers.insert("x-forwarded-groups", HeaderValue::from_bytes(groups.as_bytes()).unwrap());
        house.send(Request::from_parts(head, body))
    };
    assert_eq!(ask("alice".to_owned(), "staff".to_owned()).await.claims()["external_id"], "alice");
    for space in ['\u{85}', '\u{A0}', '\u{2000}', '\u{2003}', '\u{3000}'] {
        for subject in [format!("{space}alice"), format!("alice{space}"), space.to_string()] {
            assert_eq!(refused(&ask(subject, "staff".to_owned()).await), logged_out(), "{space:?}");
        }
        let other = ask("alice".to_owned(), format!("{space}staff")).await;
        assert_eq!(other.status, StatusCode::FORBIDDEN, "another group: {space:?}");
    }
}

fn visit_without_subject() -> http::request::Builder {
    page("/token").header("x-countersign-proof", PROOF).header("x-forwarded-preferred-username", "Alice")
}

/// Facts section 4.5.
#[tokio::test]
async fn values_are_decoded_as_configured_and_damaged_ones_are_nobody() {
    let name = |house: House, value: &'static [u8]| async move {
        let mut request = page("/token")
            .header("x-countersign-proof", PROOF)
            .header("x-forwarded-user", "u1")
            .body(Body::empty())
            .unwrap();
        request.headers_mut().insert("x-forwarded-preferred-username", HeaderValue::from_bytes(value).unwrap());
        request.headers_mut().insert("x-forwarded-email", HeaderValue::from_static("a@b.c"));
        house.send(request).await.claims()["name"].as_str().unwrap().to_owned()
    };
    assert_eq!(name(House::behind_proxy(&[]), "Zoë".as_bytes()).await, "Zoë");
    assert_eq!(
        name(House::behind_proxy(&[]), b"Zo\xeb").await,
        "a@b.c",
        "not UTF-8: no name, so the address stands in"
    );
    assert_eq!(name(House::behind_proxy(&[("FORWARDED_CHARSET", "latin1")]), b"Zo\xeb").await, "Zoë");
    assert_eq!(name(House::behind_proxy(&[]), "e\u{301}va".as_bytes()).await, "éva", "NFC");
    assert_eq!(name(House::behind_proxy(&[]), "a\u{202e}b".as_bytes()).await, "ab", "no bidirectional overrides");
    let percent = House::behind_proxy(&[("FORWARDED_ENCODING", "percent")]);
    let request = page("/token")
        .header("x-countersign-proof", PROOF)
        .header("x-forwarded-user", "u1")
        .header("x-forwarded-preferred-username", "Zo%C3%AB%20B");
    assert_eq!(percent.ask(request).await.claims()["name"], "Zoë B");
    let broken = page("/token").header("x-countersign-proof", PROOF).header("x-forwarded-user", "u%2");
    assert_eq!(refused(&percent.ask(broken).await), logged_out());
}

#[tokio::test]
async fn an_oversized_subject_is_nobody_and_never_cut() {
    let house = House::behind_proxy(&[("WIDGET_SUBJECT", "hex")]);
    assert_eq!(refused(&house.ask(visit("/token", &"a".repeat(257))).await), logged_out());
}
