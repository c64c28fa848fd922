//! What a login at an identity provider promises: everything that comes back is checked, and whatever is wrong with it,
//! nobody is logged in.

use data_encoding::{BASE64, BASE64URL_NOPAD};
use http::StatusCode;
use serde_json::{Value, json};

use super::browser::{Browser, From};
use super::house::{BASE, COOKIE, House};
use super::provider::{CLIENT, Plan, Provider, SECRET};
use crate::publisher::Page;
use crate::tokens::{TestKey, header_of};

async fn fixture() -> (Provider, House, Browser) {
    let provider = Provider::start().await;
    let house = provider.house(&[]);
    (provider, house, Browser::default())
}

/// Nobody gets in, and the record says why.
async fn refused(reason: &str, bend: impl FnOnce(Plan) -> Plan) {
    let (provider, house, mut browser) = fixture().await;
    let answer = provider.log_in(&house, &mut browser, bend).await;
    assert!(answer.status.is_client_error() || answer.status.is_server_error(), "{reason}: {}", answer.status);
    assert_eq!(browser.cookie(COOKIE), None, "{reason}");
    let events = house.events();
    assert!(events.iter().any(|event| event.ends_with(reason)), "{reason}: {events:?}");
    assert!(browser.names().is_empty(), "a login that failed is over: {:?}", browser.names());
}

#[tokio::test]
async fn a_visitor_logs_in_and_is_who_the_provider_says() {
    let (provider, house, mut browser) = fixture().await;
    let answer = provider.log_in(&house, &mut browser, |plan| plan).await;
    assert_eq!(answer.location(), "/help");
    assert_eq!(house.events(), ["login granted"]);
    let session = house.asks(&browser).await.unwrap().expect("somebody is logged in");
    let identity = &session.identity;
    assert_eq!(identity.subject.as_str(), "248289761001");
    assert_eq!(identity.name.as_deref(), Some("Jane Doe"));
    assert_eq!(identity.email.as_deref(), Some("jane@example.org"));
    assert_eq!(identity.email_verified, Some(true));
    assert_eq!(identity.attributes["acr"], json!("urn:strong"));
    assert_eq!(identity.attributes["amr"], json!(["pwd", "otp"]));
    assert_eq!(session.authenticated_at.unwrap().0, house.clock.now().0 - 60);
    assert_eq!(browser.names(), [COOKIE], "the transaction is gone");
}

/// CK-2, and O-7: no refresh token is asked for.
#[tokio::test]
async fn the_request_binds_the_answer_to_this_browser_and_this_login() {
    let (provider, house, mut browser) = fixture().await;
    let answer = browser.get(&house.router, "/login", From::Elsewhere).await;
    let cookie = answer.cookies()[0];
    for attribute in ["Secure", "HttpOnly", "Path=/", "SameSite=Lax", "Max-Age=600"] {
        assert!(cookie.split("; ").any(|part| part == attribute), "{attribute} in {cookie}");
    }
    assert_eq!(answer.header("referrer-policy"), "no-referrer");
    assert_eq!(answer.header("cache-control"), "no-store");
    let one = provider.begin(&house, &mut browser, "/login").await;
    let two = provider.begin(&house, &mut browser, "/login").await;
    for request in [&one, &two] {
        assert_eq!(request["response_type"], "code");
        assert_eq!(request["client_id"], CLIENT);
        assert_eq!(request["redirect_uri"], format!("{BASE}/login/callback"));
        assert_eq!(request["scope"], "openid profile email");
        assert_eq!(request["code_challenge_method"], "S256");
    }
    for secret in ["state", "nonce", "code_challenge"] {
        assert_eq!(one[secret].as_str().unwrap().len(), 43, "256 random bits");
        assert_ne!(one[secret], two[secret]);
    }
}

#[tokio::test]
async fn the_code_is_exchanged_with_the_proof_key_and_our_secret() {
    let (provider, house, mut browser) = fixture().await;
    let request = provider.begin(&house, &mut browser, "/login").await;
    let back = provider.carry_out(&provider.plan(&request, house.clock.now()));
    browser.get(&house.router, &back, From::Elsewhere).await.location();
    let asked = provider.last_exchange();
    let form: std::collections::BTreeMap<String, String> =
        url::form_urlencoded::parse(asked.body.as_bytes()).into_owned().collect();
    assert_eq!(form["grant_type"], "authorization_code");
    assert_eq!(form["code"], "SplxlOBeZQQYbYS6WxSbIA");
    assert_eq!(form["redirect_uri"], format!("{BASE}/login/callback"));
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, form["code_verifier"].as_bytes());
    assert_eq!(request["code_challenge"], BASE64URL_NOPAD.encode(digest.as_ref()));
    assert!(!form.contains_key("client_secret"), "one way of showing the secret, not two");
    let basic = BASE64.decode(asked.headers["authorization"].strip_prefix("Basic ").unwrap().as_ref()).unwrap();
    assert_eq!(String::from_utf8(basic).unwrap(), "chat+identity%3A1:kX4vQm8Zt2Lr6Wp0%2BJd3%2FHn7%3ABs5%26Yc1%3DGf9A");
}

#[tokio::test]
async fn a_provider_that_takes_the_secret_only_in_the_form_gets_it_there() {
    let provider = Provider::start().await;
    provider.publish(&json!({ "token_endpoint_auth_methods_supported": ["client_secret_post"] }), &[&provider.key]);
    let (house, mut browser) = (provider.house(&[]), Browser::default());
    provider.log_in(&house, &mut browser, |plan| plan).await.location();
    let asked = provider.last_exchange();
    assert!(!asked.headers.contains_key("authorization"));
    let form: Vec<(String, String)> = url::form_urlencoded::parse(asked.body.as_bytes()).into_owned().collect();
    assert!(form.contains(&("client_secret".to_owned(), SECRET.to_owned())));
    assert!(form.contains(&("client_id".to_owned(), CLIENT.to_owned())));
}

#[tokio::test]
async fn an_id_token_of_another_issuer_is_refused() {
    refused("issuer", |plan| plan.claim("iss", json!("https://evil.example"))).await;
    refused("issuer", |plan| plan.without("iss")).await;
}

#[tokio::test]
async fn an_id_token_without_a_subject_is_refused() {
    for sub in [json!(""), json!(" "), json!(null), json!(17), json!("x".repeat(256)), json!("a\u{0}b")] {
        refused("subject", |plan| Plan { userinfo: None, answer: bare(), ..plan.claim("sub", sub) }).await;
    }
    refused("subject", |plan| Plan { userinfo: None, answer: bare(), ..plan.without("sub") }).await;
}

/// A token answer without an access token: there is nobody to ask for userinfo.
fn bare() -> Value {
    json!({ "token_type": "bearer" })
}

/// O-3.
#[tokio::test]
async fn an_id_token_for_somebody_else_is_refused() {
    for aud in [json!("other"), json!([CLIENT, "other"]), json!([]), json!([CLIENT, 1]), json!(null), json!({})] {
        refused("audience", |plan| plan.claim("aud", aud)).await;
    }
    refused("audience", |plan| plan.without("aud")).await;
    refused("client", |plan| plan.claim("azp", json!("other"))).await;
}

#[tokio::test]
async fn an_audience_of_one_in_a_list_is_ours() {
    let (provider, house, mut browser) = fixture().await;
    let bend = |plan: Plan| plan.claim("aud", json!([CLIENT])).claim("azp", json!(CLIENT));
    provider.log_in(&house, &mut browser, bend).await.location();
}

#[tokio::test]
async fn an_id_token_without_times_or_out_of_time_is_refused() {
    let now = crate::kit::START.0;
    refused("time", |plan| plan.without("exp")).await;
    refused("expired", |plan| plan.claim("exp", json!(now - 31))).await;
    refused("early", |plan| plan.claim("iat", json!(now + 31))).await;
    refused("early", |plan| plan.claim("nbf", json!(now + 31))).await;
}

#[tokio::test]
async fn a_nonce_that_is_missing_or_another_logins_is_refused() {
    refused("nonce", |plan| plan.without("nonce")).await;
    refused("nonce", |plan| plan.claim("nonce", json!("another"))).await;
    refused("nonce", |plan| plan.claim("nonce", json!(null))).await;
}

#[tokio::test]
async fn a_bad_signature_is_refused() {
    refused("signature", |plan| Plan { key: Some(TestKey::other("RS256", "one")), ..plan }).await;
    refused("malformed", |plan| Plan { token: Some("x.y".to_owned()), ..plan }).await;
}

#[tokio::test]
async fn alg_none_is_refused() {
    for alg in ["none", "None", "nOnE", ""] {
        refused("algorithm", |plan| {
            let header = BASE64URL_NOPAD.encode(json!({ "alg": alg, "typ": "JWT" }).to_string().as_ref());
            let claims = BASE64URL_NOPAD.encode(plan.claims.to_string().as_ref());
            Plan { token: Some(format!("{header}.{claims}.AA")), ..plan }
        })
        .await;
    }
}

#[tokio::test]
async fn a_token_signed_with_the_client_secret_is_refused() {
    refused("algorithm", |plan| {
        let key = TestKey::shared(SECRET.as_bytes());
        Plan { header: header_of(&key), key: Some(key), ..plan }
    })
    .await;
}

#[tokio::test]
async fn a_missing_key_id_is_fine_with_one_key_and_refused_with_many() {
    let (provider, house, mut browser) = fixture().await;
    let nameless = |plan: Plan| Plan { header: json!({ "alg": "RS256" }), ..plan };
    provider.log_in(&house, &mut browser, nameless).await.location();
    provider.publish(&json!({}), &[&provider.key, &TestKey::other("RS256", "two")]);
    let (house, mut browser) = (provider.house(&[]), Browser::default());
    assert_eq!(provider.log_in(&house, &mut browser, nameless).await.status, StatusCode::BAD_GATEWAY);
    assert_eq!(house.events(), ["login refused ambiguous_key"]);
}

#[tokio::test]
async fn a_provider_that_rotates_its_keys_keeps_its_visitors() {
    let (provider, house, mut browser) = fixture().await;
    provider.log_in(&house, &mut browser, |plan| plan).await.location();
    let fresh = TestKey::new("ES256", "two");
    provider.publish(&json!({}), &[&provider.key, &fresh]);
    house.hands.advance(std::time::Duration::from_mins(1));
    let bend = |plan: Plan| Plan { header: header_of(&fresh), key: Some(fresh), ..plan };
    provider.log_in(&house, &mut Browser::default(), bend).await.location();
}

/// AD FS sends the time of the login as text; where nobody asked for it, no shape of it keeps anybody out.
#[tokio::test]
async fn an_optional_time_keeps_nobody_out() {
    let now = fixture().await.1.clock.now().0;
    for told in
        [json!("2025-12-31T23:59:00.123Z"), json!("yesterday"), json!({}), json!(now + 3600), json!(-1), json!(true)]
    {
        let (provider, house, mut browser) = fixture().await;
        provider.log_in(&house, &mut browser, |plan| plan.claim("auth_time", told.clone())).await.location();
        let since = house.asks(&browser).await.unwrap().unwrap().authenticated_at.unwrap().0;
        assert_eq!(
            since,
            if told.as_str().is_some_and(|text| text.starts_with("2025")) { now - 60 } else { now },
            "{told}"
        );
    }
    let provider = Provider::start().await;
    let (house, mut browser) = (provider.house(&[("OIDC_MAX_AGE", "5m")]), Browser::default());
    let bend = |plan: Plan| plan.claim("auth_time", json!("2025-12-31T23:59:00Z"));
    provider.log_in(&house, &mut browser, bend).await.location();
    let (house, mut browser) = (provider.house(&[("OIDC_AUTH_TIME", "none")]), Browser::default());
    provider.log_in(&house, &mut browser, |plan| plan.claim("auth_time", json!("soon"))).await.location();
    let both = provider.issuer();
    let vars = [
        ("LOGIN", "oidc"),
        ("OIDC_ISSUER", both.as_str()),
        ("OIDC_CLIENT_ID", CLIENT),
        ("OIDC_CLIENT_SECRET", SECRET),
        ("OIDC_AUTH_TIME", "none"),
        ("OIDC_MAX_AGE", "5m"),
    ];
    assert!(super::house::read(&vars).unwrap_err().contains("OIDC_AUTH_TIME: cannot be none with OIDC_MAX_AGE"));
}

#[tokio::test]
async fn an_id_token_may_name_audiences_that_are_trusted() {
    let provider = Provider::start().await;
    let house = provider.house(&[("OIDC_TRUSTED_AUDIENCES", "https://api.example.org")]);
    let bend = |plan: Plan| plan.claim("aud", json!([CLIENT, "https://api.example.org"])).claim("azp", json!(CLIENT));
    let mut browser = Browser::default();
    provider.log_in(&house, &mut browser, bend).await.location();
    refused("audience", bend).await;
}

#[tokio::test]
async fn userinfo_is_taken_signed_and_under_any_media_type() {
    let members = json!({ "sub": "248289761001", "name": "Jane Doe" });
    for media in ["application/json", "text/plain", "application/userinfo+json", "text/html; charset=utf-8"] {
        let (provider, house, mut browser) = fixture().await;
        let page = Page::ok(members.to_string()).with("content-type", media);
        provider.log_in(&house, &mut browser, |plan| Plan { userinfo: Some(page), ..plan }).await.location();
        assert_eq!(house.asks(&browser).await.unwrap().unwrap().identity.name.as_deref(), Some("Jane Doe"), "{media}");
    }
    let (provider, house, mut browser) = fixture().await;
    let mut signed = members.clone();
    signed["iss"] = json!(provider.issuer());
    signed["aud"] = json!(CLIENT);
    let jwt = |key: &TestKey, said: &Value| {
        Page::ok(key.token(&header_of(key), said)).with("content-type", "application/jwt")
    };
    let page = jwt(&provider.key, &signed);
    provider.log_in(&house, &mut browser, |plan| Plan { userinfo: Some(page), ..plan }).await.location();
    assert_eq!(house.asks(&browser).await.unwrap().unwrap().identity.name.as_deref(), Some("Jane Doe"));
    let forged = jwt(&TestKey::other("RS256", "one"), &signed);
    let (_, house, mut browser) = (0, provider.house(&[]), Browser::default());
    provider.log_in(&house, &mut browser, |plan| Plan { userinfo: Some(forged), ..plan }).await;
    assert_eq!(browser.cookie(COOKIE), None, "signed by somebody else");
    signed["aud"] = json!("another client");
    let foreign = jwt(&provider.key, &signed);
    provider.log_in(&house, &mut browser, |plan| Plan { userinfo: Some(foreign), ..plan }).await;
    assert_eq!(browser.cookie(COOKIE), None, "for somebody else");
}

#[tokio::test]
async fn userinfo_of_somebody_else_is_refused() {
    for sub in [json!("somebody else"), json!(null), json!(248_289_761_001_u64)] {
        refused("userinfo_subject", |plan| {
            let page = Page::ok(json!({ "sub": sub, "name": "Mallory" }).to_string());
            Plan { userinfo: Some(page.with("content-type", "application/json")), ..plan }
        })
        .await;
    }
    let json_page = |text: &str| Some(Page::ok(text).with("content-type", "application/json"));
    refused("userinfo_subject", |plan| Plan { userinfo: json_page("{}"), ..plan }).await;
    refused("userinfo_unreadable", |plan| Plan { userinfo: json_page("[]"), ..plan }).await;
    let twice = r#"{"sub":"248289761001","sub":"248289761001"}"#;
    refused("userinfo_unreadable", |plan| Plan { userinfo: json_page(twice), ..plan }).await;
    refused("userinfo_not_json", |plan| Plan { userinfo: Some(Page::ok("eyJ")), ..plan }).await;
    refused("userinfo_refused", |plan| Plan { userinfo: Some(Page::status(401)), ..plan }).await;
}

#[tokio::test]
async fn userinfo_adds_to_the_id_token_and_never_overrules_it() {
    let (provider, house, mut browser) = fixture().await;
    let page = json!({ "sub": "248289761001", "name": "Mallory", "email": "jane@example.org", "acr": "urn:forged", "amr": ["forged"], "exp": 1 });
    let bend = |plan: Plan| {
        let userinfo = Some(Page::ok(page.to_string()).with("content-type", "application/json; charset=utf-8"));
        Plan { userinfo, ..plan.claim("name", json!("Jane")).without("acr") }
    };
    provider.log_in(&house, &mut browser, bend).await.location();
    let identity = house.asks(&browser).await.unwrap().unwrap().identity;
    assert_eq!(identity.name.as_deref(), Some("Jane"));
    assert_eq!(identity.email.as_deref(), Some("jane@example.org"));
    assert_eq!(identity.attributes.get("acr"), None, "how strong the login was, only the signed token says");
}

#[tokio::test]
async fn a_provider_that_cannot_be_asked_is_an_outage_and_never_a_refusal() {
    for page in [Page::status(500), Page::status(503), Page::status(429)] {
        let (provider, house, mut browser) = fixture().await;
        let answer = provider.log_in(&house, &mut browser, |plan| Plan { token_page: Some(page), ..plan }).await;
        assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(answer.header("retry-after"), "5");
        assert_eq!(house.events(), ["login unavailable provider_error"]);
    }
    let (provider, house, mut browser) = fixture().await;
    let bend = |plan: Plan| Plan { userinfo: Some(Page::status(502)), ..plan };
    let answer = provider.log_in(&house, &mut browser, bend).await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE, "half an identity is none");
    provider.publisher.fail();
    let house = provider.house(&[]);
    let answer = browser.get(&house.router, "/login", From::Own).await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
}

#[tokio::test]
async fn a_refused_client_is_the_operators_business_and_a_refused_code_the_visitors() {
    for (status, error, what) in [
        (400, "invalid_grant", "login refused code_refused"),
        (400, "invalid_client", "login unavailable client_refused"),
        (401, "invalid_client", "login unavailable client_refused"),
        (401, "", "login unavailable client_refused"),
    ] {
        let (provider, house, mut browser) = fixture().await;
        let mut page = Page::ok(json!({ "error": error, "error_description": "canary" }).to_string());
        page = page.answering(status);
        let answer = provider.log_in(&house, &mut browser, |plan| Plan { token_page: Some(page), ..plan }).await;
        assert_eq!(house.events(), [what], "{status} {error}");
        assert!(!answer.text.contains("canary"));
    }
}

#[tokio::test]
async fn a_token_answer_that_is_none_is_refused() {
    let answers = [
        (json!({ "token_type": "mac" }), "token_type"),
        (json!({ "token_type": 1 }), "token_type"),
        (json!({ "token_type": "Bearer", "id_token": "" }), "no_id_token"),
        (json!({ "token_type": "Bearer", "id_token": 7 }), "no_id_token"),
    ];
    for (answer, reason) in answers {
        refused(reason, |plan| Plan { answer, ..plan }).await;
    }
    for text in ["", "<html>", "[]", "{\"token_type\":\"Bearer\",\"token_type\":\"Bearer\"}"] {
        refused("token_answer_unreadable", |plan| Plan { token_page: Some(Page::ok(text)), ..plan }).await;
    }
}

/// O-2.
#[tokio::test]
async fn an_answer_of_another_provider_is_refused_before_its_code_is_used() {
    for issuer in ["https://evil.example", ""] {
        let (provider, house, mut browser) = fixture().await;
        let answer = provider.log_in(&house, &mut browser, |plan| plan.saying("iss", issuer)).await;
        assert_eq!(answer.status, StatusCode::BAD_GATEWAY);
        assert_eq!(house.events(), ["login refused answer_issuer"]);
        assert!(!provider.publisher.asked().iter().any(|asked| asked.line.starts_with("POST")), "no code was sent");
    }
}

#[tokio::test]
async fn a_provider_that_never_promised_to_name_itself_need_not() {
    let provider = Provider::start().await;
    provider.publish(&json!({ "authorization_response_iss_parameter_supported": false }), &[&provider.key]);
    let house = provider.house(&[]);
    provider.log_in(&house, &mut Browser::default(), |plan| plan.saying("iss", "")).await.location();
    let answer =
        provider.log_in(&house, &mut Browser::default(), |plan| plan.saying("iss", "https://evil.example")).await;
    assert_eq!(answer.status, StatusCode::BAD_GATEWAY, "if it does, it must be right");
}

#[tokio::test]
async fn a_visitor_who_changes_their_mind_is_told_so_in_our_words() {
    let (provider, house, mut browser) = fixture().await;
    let bend = |plan: Plan| {
        let plan = plan.saying("code", "").saying("error", "access_denied");
        plan.saying("error_description", "<script>canary</script>")
    };
    let answer = provider.log_in(&house, &mut browser, bend).await;
    assert_eq!(answer.status, StatusCode::FORBIDDEN);
    assert!(!answer.text.contains("canary"));
    assert_eq!(house.events(), ["login refused access_denied"]);
}

#[tokio::test]
async fn a_login_that_must_be_recent_is_recent() {
    let provider = Provider::start().await;
    let house = provider.house(&[("OIDC_MAX_AGE", "5m")]);
    let now = house.clock.now().0;
    let mut browser = Browser::default();
    assert_eq!(provider.begin(&house, &mut browser, "/login").await["max_age"], "300");
    let cases =
        [(json!(now - 330), true), (json!(now - 331), false), (json!(now + 31), false), (json!("yesterday"), false)];
    for (auth_time, accepted) in cases {
        let answer = provider.log_in(&house, &mut browser, |plan| plan.claim("auth_time", auth_time.clone())).await;
        assert_eq!(answer.status == StatusCode::SEE_OTHER, accepted, "{auth_time}");
    }
    let answer = provider.log_in(&house, &mut browser, |plan| plan.without("auth_time")).await;
    assert_eq!(answer.status, StatusCode::BAD_GATEWAY, "a provider that ignores max_age is not believed");
}

#[tokio::test]
async fn a_login_that_must_be_strong_is_strong() {
    let provider = Provider::start().await;
    let house = provider.house(&[("OIDC_ACR_VALUES", "urn:strong urn:stronger"), ("OIDC_AMR_VALUES", "otp hwk")]);
    let mut browser = Browser::default();
    assert_eq!(provider.begin(&house, &mut browser, "/login").await["acr_values"], "urn:strong urn:stronger");
    provider.log_in(&house, &mut browser, |plan| plan).await.location();
    house.events();
    let weak: [(&str, Value); 5] = [
        ("acr", json!("urn:weak")),
        ("acr", json!(null)),
        ("amr", json!(["pwd"])),
        ("amr", json!([])),
        ("amr", json!(3)),
    ];
    for (claim, value) in weak {
        let answer = provider.log_in(&house, &mut browser, |plan| plan.claim(claim, value)).await;
        assert_eq!(answer.status, StatusCode::BAD_GATEWAY);
        assert_eq!(house.events(), [format!("login refused {claim}")]);
    }
}

#[tokio::test]
async fn an_answer_that_says_a_thing_twice_is_refused() {
    let (provider, house, mut browser) = fixture().await;
    let request = provider.begin(&house, &mut browser, "/login").await;
    let back = provider.carry_out(&provider.plan(&request, house.clock.now()));
    for extra in ["code=x", "state=x", "iss=x"] {
        let answer = browser.get(&house.router, &format!("{back}&{extra}"), From::Elsewhere).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{extra}");
    }
    let head = http::Request::head(&back).body(axum::body::Body::empty()).unwrap();
    assert_eq!(browser.send(&house.router, head, From::Elsewhere).await.status, StatusCode::METHOD_NOT_ALLOWED);
    browser.get(&house.router, &back, From::Elsewhere).await.location();
}

/// S-5.
#[tokio::test]
async fn no_page_and_no_record_holds_a_token_or_a_code() {
    let (provider, house, mut browser) = fixture().await;
    let request = provider.begin(&house, &mut browser, "/login?popup=1").await;
    let back = provider.carry_out(&provider.plan(&request, house.clock.now()));
    let answer = browser.get(&house.router, &back, From::Elsewhere).await;
    let next = answer.location().to_owned();
    let page = browser.get(&house.router, &next, From::Own).await;
    for text in [answer.text.as_str(), &next, &page.text] {
        for secret in ["SplxlOBeZQQYbYS6WxSbIA", "at-1", "eyJ", request["state"].as_str().unwrap()] {
            assert!(!text.contains(secret), "{secret} in {text}");
        }
    }
}

#[test]
fn settings_that_cannot_work_are_named_at_start() {
    let base = [
        ("LOGIN", "oidc"),
        ("OIDC_ISSUER", "https://id.example.org"),
        ("OIDC_CLIENT_ID", "c"),
        ("OIDC_CLIENT_SECRET", SECRET),
    ];
    let wrong = [
        ("OIDC_ISSUER", "http://id.example.org", "OIDC_ISSUER"),
        ("OIDC_ISSUER", "https://169.254.169.254/", "OIDC_ISSUER"),
        ("OIDC_ISSUER", "https://id.example.org/?x", "OIDC_ISSUER"),
        ("OIDC_ISSUER", "", "OIDC_ISSUER: is required"),
        ("OIDC_CLIENT_SECRET", "changeme", "OIDC_CLIENT_SECRET"),
        ("OIDC_CLIENT_SECRET", "", "OIDC_CLIENT_SECRET: is required"),
        ("OIDC_SCOPES", "profile", "OIDC_SCOPES"),
        ("OIDC_ALGORITHMS", "RS256,HS256", "OIDC_ALGORITHMS"),
        ("OIDC_ALGORITHMS", "none", "OIDC_ALGORITHMS"),
        ("OIDC_TOKEN_AUTH", "header", "OIDC_TOKEN_AUTH"),
        ("OIDC_PROMPT", "none", "OIDC_PROMPT"),
        ("LOGIN_RETURN_TO", "https://evil.example", "LOGIN_RETURN_TO"),
        ("LOGOUT_RETURN_TO", "//evil.example", "LOGOUT_RETURN_TO"),
        ("LOGIN_COOKIE", "session", "LOGIN_COOKIE"),
        ("LOGIN_SESSION_IDLE", "13h", "LOGIN_SESSION_IDLE"),
        ("LOGIN_SESSION_ABSOLUTE", "1m", "LOGIN_SESSION_ABSOLUTE"),
    ];
    assert!(super::house::read(&base).is_ok());
    for (name, value, named) in wrong {
        let mut vars: Vec<(&str, &str)> = base.iter().filter(|(n, _)| *n != name).copied().collect();
        vars.extend((!value.is_empty()).then_some((name, value)));
        let mistakes = super::house::read(&vars).expect_err(name);
        assert!(mistakes.contains(named), "{name}={value}: {mistakes}");
    }
}
