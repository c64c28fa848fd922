//! A signed identity header counts when everything about it holds. Every promise is kept for every producer.

use std::time::Duration;

use countersign::base::clock::{Clock, ManualClock};
use countersign::config::env::{Env, Mistakes};
use countersign::net::outbound::Outbound;
use countersign::session::{Authenticator, Outage, Session};
use countersign::sources::assertion::Assertion;
use countersign::sources::assertion::settings::Settings;
use http::request::Parts;
use http::{HeaderName, HeaderValue, Request, StatusCode};
use serde_json::{Value, json};

use crate::kit::{BEHIND_PROXY, House, START, made, settings, visit};
use crate::logs::Log;
use crate::publisher::{Page, Publisher};
use crate::samples::{Published, SAMPLES, Sample};
use crate::tokens::{TestKey, key_set};

/// One producer, its key, and a source that believes it.
struct Stage {
    sample: &'static Sample,
    publisher: Publisher,
    key: TestKey,
    source: Assertion,
    hands: ManualClock,
}

impl Stage {
    async fn of(sample: &'static Sample) -> Self {
        Self::with(sample, &[]).await
    }

    async fn with(sample: &'static Sample, more: &[(&str, &str)]) -> Self {
        let publisher = Publisher::start().await;
        let kid = object(sample.header)["kid"].as_str().unwrap_or_default().to_owned();
        let key = match sample.published {
            Published::Secret(secret) => TestKey::shared(secret.as_bytes()),
            _ => TestKey::new(sample.alg, &kid),
        };
        publish(&publisher, sample, &key);
        let vars = settings(&[("ASSERTION_CONVENTION", sample.convention)], sample.settings);
        let mut env = Env::new(
            vars.into_iter()
                .chain(more.iter().map(|(name, value)| ((*name).into(), (*value).into())))
                .map(|(name, value): (String, String)| (name, value.replace("{base}", &publisher.url("")))),
        );
        let (clock, hands) = Clock::manual(START);
        let settings = Settings::read(&mut env, &Outbound::default());
        env.finish(&names(), &["ASSERTION_"]).unwrap();
        let source = made(&clock, |with| Assertion::new(settings.unwrap(), with));
        Self { sample, publisher, key, source, hands }
    }

    fn header(&self) -> Value {
        object(self.sample.header)
    }

    fn claims(&self) -> Value {
        object(&self.sample.claims.replace("{base}", &self.publisher.url("")))
    }

    fn sign(&self, header: &Value, claims: &Value) -> String {
        self.sign_with(&self.key, &header.to_string(), &claims.to_string())
    }

    fn sign_with(&self, key: &TestKey, header: &str, claims: &str) -> String {
        if self.sample.padded { key.padded_token_of(header, claims) } else { key.token_of(header, claims) }
    }

    fn good(&self) -> String {
        self.sign(&self.header(), &self.claims())
    }

    /// A request that carries this assertion.
    fn request(&self, assertion: &[u8]) -> Parts {
        let (name, prefix) = self.sample.field;
        let mut request = Request::new(()).into_parts().0;
        let value = HeaderValue::from_bytes(&[prefix.as_bytes(), assertion].concat()).unwrap();
        request.headers.insert(HeaderName::from_static(name), value);
        request
    }

    async fn ask(&self, assertion: &str) -> Result<Option<Session>, Outage> {
        self.source.authenticate(&self.request(assertion.as_bytes())).await.map(Result::ok)
    }

    /// What the operator is told of an answer.
    async fn said(&self, assertion: &str) -> String {
        match self.source.authenticate(&self.request(assertion.as_bytes())).await {
            Ok(Ok(_)) => String::new(),
            Ok(Err(nobody)) => format!("reason={} {nobody}", nobody.reason()),
            Err(outage) => outage.to_string(),
        }
    }

    async fn believes(&self, assertion: &str) -> bool {
        self.ask(assertion).await.unwrap().is_some()
    }

    /// Whether a good assertion is still believed with this done to its header and claims.
    async fn believes_with(&self, change: impl Fn(&mut Value, &mut Value)) -> bool {
        let (mut header, mut claims) = (self.header(), self.claims());
        change(&mut header, &mut claims);
        self.believes(&self.sign(&header, &claims)).await
    }
}

fn publish(publisher: &Publisher, sample: &Sample, key: &TestKey) {
    let certs = publisher.url("/certs");
    match sample.published {
        Published::Secret(_) => return,
        Published::Alone => return publisher.put(&format!("/pem/{}", key.kid), Page::ok(key.pem())),
        Published::Set => {}
        Published::Discovered(path) => {
            let issuer = sample.settings.iter().find(|(name, _)| *name == "ASSERTION_ISSUER").unwrap().1;
            let document = json!({ "issuer": issuer.replace("{base}", &publisher.url("")), "jwks_uri": certs });
            publisher.put(&format!("{path}/.well-known/openid-configuration"), Page::ok(document.to_string()));
        }
    }
    publisher.put("/certs", Page::ok(key_set(&[key])));
}

fn object(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

fn names() -> std::collections::BTreeSet<String> {
    countersign::sources::assertion::KIND.vars.iter().map(|var| var.name.to_owned()).collect()
}

fn remove(object: &mut Value, name: &str) {
    object.as_object_mut().unwrap().remove(name);
}

#[tokio::test]
async fn an_assertion_of_every_producer_is_believed() {
    for sample in SAMPLES {
        let stage = Stage::of(sample).await;
        let session = stage.ask(&stage.good()).await.unwrap().unwrap();
        assert_eq!(session.identity.subject.as_str(), sample.subject, "{}", sample.convention);
        assert_eq!(session.source, "assertion");
        let exp = stage.claims().get("exp").or(stage.header().get("exp")).unwrap().as_u64();
        assert_eq!(session.expires_at.map(|end| end.0), exp, "{}", sample.convention);
        let email = stage.claims().get("email").and_then(Value::as_str).map(str::to_owned);
        assert_eq!(session.identity.email, email);
        assert_eq!(stage.source.convention().name, sample.convention);
    }
}

#[tokio::test]
async fn the_rest_of_the_identity_is_where_the_producer_puts_it() {
    let of = async |convention: &str| {
        let sample = SAMPLES.iter().find(|sample| sample.convention == convention).unwrap();
        let stage = Stage::of(sample).await;
        stage.ask(&stage.good()).await.unwrap().unwrap()
    };
    let alb = of("aws-alb").await.identity;
    assert_eq!(alb.email_verified, Some(true), "Cognito says it in words");
    assert_eq!(of("aws-verified-access").await.identity.groups, ["Engineering", "finance"]);
    let proxy = of("oauth2-proxy-bearer").await;
    assert_eq!(proxy.identity.name.as_deref(), Some("Jane Doe"));
    assert_eq!(proxy.identity.locale.as_deref(), Some("nb"));
    assert_eq!(proxy.identity.groups, ["/staff"]);
    assert_eq!(proxy.authenticated_at.unwrap().0, START.0 - 10);
}

#[tokio::test]
async fn the_operator_may_say_where_the_identity_is() {
    let azure = SAMPLES.iter().find(|sample| sample.convention == "easy-auth-id-token").unwrap();
    let more = [
        ("ASSERTION_SUBJECT", "/sub"),
        ("ASSERTION_EMAIL", "/preferred_username"),
        ("ASSERTION_ATTRIBUTES", "tenant=/tid"),
        ("ASSERTION_EXPIRES", "/nbf"),
    ];
    let stage = Stage::with(azure, &more).await;
    let session = stage.ask(&stage.good()).await.unwrap().unwrap();
    assert_eq!(session.identity.subject.as_str(), "AAAAAAAAAAAAAAAAAAAAAIkzqFVrSaSaFHy782bbtaQ");
    assert_eq!(session.identity.email.as_deref(), Some("jane@example.org"));
    assert_eq!(session.identity.attributes["tenant"], "9188040d-6c67-4c5b-b112-36a304b66dad");
    assert_eq!(session.expires_at.unwrap().0, START.0 - 10, "a session that ends before its assertion ends then");
    let later = Stage::with(azure, &[("ASSERTION_EXPIRES", "/session_end")]).await;
    let mut claims = later.claims();
    claims["session_end"] = json!(START.0 + 1_000_000);
    let session = later.ask(&later.sign(&later.header(), &claims)).await.unwrap().unwrap();
    assert_eq!(session.expires_at.unwrap().0, START.0 + 3890, "and no session outlives its assertion");
}

#[tokio::test]
async fn without_an_assertion_there_is_nobody_and_nobody_is_asked() {
    for sample in SAMPLES {
        let stage = Stage::of(sample).await;
        let empty = Request::new(()).into_parts().0;
        assert!(stage.source.authenticate(&empty).await.unwrap().is_err());
        assert!(!stage.source.decides(&empty), "so another source may know");
        assert_eq!(stage.ask("").await, Ok(None), "an empty field names nobody");
        assert!(stage.source.decides(&stage.request(b"")) && stage.source.decides(&stage.request(b"x")));
        assert_eq!(stage.publisher.count(), 0);
        let guarded = stage.source.guarded();
        assert_eq!(guarded.headers, [HeaderName::from_static(sample.field.0)]);
        assert_eq!(guarded.scalars.is_empty(), !sample.field.1.is_empty());
    }
}

#[tokio::test]
async fn keys_that_cannot_be_had_are_an_outage() {
    for sample in SAMPLES.iter().filter(|sample| !matches!(sample.published, Published::Secret(_))) {
        let stage = Stage::of(sample).await;
        stage.publisher.fail();
        let outage = stage.ask(&stage.good()).await.unwrap_err();
        assert_eq!((outage.source_name, outage.reason), ("assertion", "error_status"), "{}", sample.convention);
        publish(&stage.publisher, sample, &stage.key);
        stage.hands.advance(Duration::from_secs(5));
        assert!(stage.believes(&stage.good()).await, "{}: it ends by itself", sample.convention);
    }
}

#[tokio::test]
async fn keys_can_be_fetched_before_the_first_visitor() {
    for sample in SAMPLES.iter().filter(|sample| sample.published != Published::Alone) {
        let stage = Stage::of(sample).await;
        stage.source.warm().await.unwrap();
        let asked = stage.publisher.count();
        assert!(stage.believes(&stage.good()).await);
        assert_eq!(stage.publisher.count(), asked, "{}", sample.convention);
        stage.publisher.fail();
        if !matches!(sample.published, Published::Secret(_)) {
            let cold = Stage::of(sample).await;
            cold.publisher.fail();
            assert_eq!(cold.source.warm().await.unwrap_err().reason, "error_status");
        }
    }
}

///
#[tokio::test]
async fn every_required_member_is_required() {
    for sample in SAMPLES {
        let stage = Stage::of(sample).await;
        for name in sample.required {
            let believed = stage.believes_with(|header, claims| {
                remove(header, name);
                remove(claims, name);
            });
            assert!(!believed.await, "{} without {name}", sample.convention);
            let nulled = stage.believes_with(|header, claims| {
                for object in [header, claims].into_iter().filter(|object| object.get(name).is_some()) {
                    object[name] = Value::Null;
                }
            });
            assert!(!nulled.await, "{} with {name} null", sample.convention);
        }
        assert!(stage.believes(&stage.good()).await);
    }
}

/// AWS signs some claims into the protected header; nobody else does.
#[tokio::test]
async fn a_claim_in_the_protected_header_is_none_where_the_producer_puts_none_there() {
    for sample in SAMPLES.iter().filter(|sample| sample.published != Published::Alone) {
        let stage = Stage::of(sample).await;
        for name in ["iss", "exp", "aud", "sub"] {
            let believed = stage.believes_with(|header, claims| {
                header[name] = claims[name].clone();
                remove(claims, name);
            });
            let needed = sample.required.contains(&name);
            assert_eq!(believed.await, !needed, "{} with {name} in its header", sample.convention);
        }
    }
}

#[tokio::test]
async fn an_empty_or_unfit_subject_is_nobody() {
    for sample in SAMPLES {
        let stage = Stage::of(sample).await;
        let name = *sample.required.last().unwrap();
        let long = "x".repeat(257);
        for unfit in [
            json!(""),
            json!("   "),
            json!("a\u{0}b"),
            json!("a\nb"),
            json!("\u{202E}b"),
            json!(long),
            json!([]),
            json!(["jane"]),
            json!({}),
            json!(true),
            json!(1.5),
        ] {
            let subject = if name == "user" { json!({ "id": unfit }) } else { unfit.clone() };
            let believed = stage.believes_with(|_, claims| claims[name] = subject.clone());
            assert!(!believed.await, "{} {unfit}", sample.convention);
        }
    }
}

///
#[tokio::test]
async fn an_assertion_for_somebody_else_is_not_for_us() {
    for sample in SAMPLES.iter().filter(|sample| sample.required.contains(&"aud")) {
        let stage = Stage::of(sample).await;
        let ours = stage.claims()["aud"].clone();
        let ours = ours.as_array().map_or(ours.clone(), |list| list[0].clone());
        for good in [ours.clone(), json!([ours])] {
            assert!(
                stage.believes_with(|_, claims| claims["aud"] = good.clone()).await,
                "{} {good}",
                sample.convention
            );
        }
        for bad in [
            json!("them"),
            json!(["them"]),
            json!([]),
            json!([ours, 7]),
            json!([ours, null]),
            json!([[ours]]),
            json!({ "aud": ours }),
            json!(7),
            json!(true),
            json!(format!("{} ", ours.as_str().unwrap())),
            json!(format!("{}x", ours.as_str().unwrap())),
        ] {
            assert!(!stage.believes_with(|_, claims| claims["aud"] = bad.clone()).await, "{} {bad}", sample.convention);
        }
    }
}

///
#[tokio::test]
async fn attacks_on_the_algorithm_fail() {
    for sample in SAMPLES {
        let stage = Stage::of(sample).await;
        for alg in ["none", "None", "nOnE", "NONE", "", "HS256", "HS384", "HS512", "ES512", "PS512", "RS1", "dir"] {
            if alg == sample.alg {
                continue;
            }
            assert!(!stage.believes_with(|header, _| header["alg"] = json!(alg)).await, "{} {alg}", sample.convention);
            let mut header = stage.header();
            header["alg"] = json!(alg);
            let unsigned = stage.sign(&header, &stage.claims());
            let (message, _) = unsigned.rsplit_once('.').unwrap();
            assert!(!stage.believes(&format!("{message}.")).await, "{} unsigned", sample.convention);
            assert!(!stage.believes(message).await, "{} unsigned", sample.convention);
        }
        let kid = stage.key.kid.as_str();
        if !matches!(sample.published, Published::Secret(_)) {
            for secret in [stage.key.pem(), stage.key.pem().trim().to_owned(), stage.key.jwk().to_string()] {
                let mut header = stage.header();
                header["alg"] = json!("HS256");
                let liar = TestKey::shared(secret.as_bytes());
                let forged = stage.sign_with(&liar, &header.to_string(), &stage.claims().to_string());
                assert!(!stage.believes(&forged).await, "{}: the public key as a secret", sample.convention);
            }
        }
        for alg in ["RS256", "ES256", "ES384", "EdDSA", "HS256"] {
            let stranger = TestKey::other(alg, kid);
            for claimed in [alg, sample.alg] {
                let mut header = stage.header();
                header["alg"] = json!(claimed);
                let forged = stage.sign_with(&stranger, &header.to_string(), &stage.claims().to_string());
                assert!(!stage.believes(&forged).await, "{}: {alg} key as {claimed}", sample.convention);
            }
        }
    }
}

///
#[tokio::test]
async fn another_signer_and_a_key_id_that_is_none_cause_no_call() {
    for sample in SAMPLES.iter().filter(|sample| sample.published == Published::Alone) {
        let stage = Stage::of(sample).await;
        let signer = stage.header()["signer"].as_str().unwrap().to_owned();
        let region = signer.split(':').nth(3).unwrap();
        for other in [
            signer.replace(region, "eu-west-1"),
            signer.replace("123456789012", "210987654321"),
            format!("{signer}x"),
            signer[..signer.len() - 1].to_owned(),
            String::new(),
        ] {
            assert!(!stage.believes_with(|header, _| header["signer"] = json!(other)).await, "{other}");
        }
        assert!(!stage.believes_with(|header, _| remove(header, "signer")).await);
        for kid in
            ["../12345678-1234-1234-1234-12345678", "12345678-1234-1234-1234-12345678901?", "@evil.example", "", "x"]
        {
            assert!(!stage.believes_with(|header, _| header["kid"] = json!(kid)).await, "{kid}");
        }
        assert!(!stage.believes_with(|header, _| remove(header, "kid")).await);
        assert_eq!(stage.publisher.count(), 0, "{}", sample.convention);
        assert!(stage.believes(&stage.good()).await);
        assert_eq!(stage.publisher.count(), 1);
    }
}

///
#[tokio::test]
async fn keys_and_addresses_in_the_token_cause_no_call_and_are_no_keys() {
    for sample in SAMPLES {
        let stage = Stage::of(sample).await;
        let attacker = Publisher::start().await;
        let stranger = TestKey::other(if sample.alg == "HS256" { "RS256" } else { sample.alg }, &stage.key.kid);
        attacker.put("/keys", Page::ok(key_set(&[&stranger])));
        for (name, value) in [
            ("jku", json!(attacker.url("/keys"))),
            ("x5u", json!(attacker.url("/keys"))),
            ("jwk", stranger.jwk()),
            ("x5c", json!([attacker.url("/keys")])),
            ("crit", json!(["jku"])),
            ("iss", json!(attacker.url(""))),
        ] {
            let mut header = stage.header();
            header[name] = value;
            let forged = stage.sign_with(&stranger, &header.to_string(), &stage.claims().to_string());
            assert!(!stage.believes(&forged).await, "{} {name}", sample.convention);
        }
        assert!(!stage.believes_with(|header, _| header["crit"] = json!(["exp"])).await, "{}", sample.convention);
        assert!(!stage.believes_with(|header, _| header["zip"] = json!("DEF")).await, "{}", sample.convention);
        assert_eq!(attacker.count(), 0);
        assert!(stage.publisher.count() <= 2, "its own keys, and the document that says where they are");
    }
}

///
#[tokio::test]
async fn an_assertion_that_says_something_twice_says_nothing() {
    for sample in SAMPLES {
        let stage = Stage::of(sample).await;
        let (header, claims) = (stage.header().to_string(), stage.claims().to_string());
        let twice = |text: &str, name: &str| {
            let value = object(text)[name].clone();
            format!("{},{}:{value}}}", text.strip_suffix('}').unwrap(), json!(name))
        };
        for name in stage.header().as_object().unwrap().keys() {
            let forged = stage.sign_with(&stage.key, &twice(&header, name), &claims);
            assert!(!stage.believes(&forged).await, "{} {name}", sample.convention);
        }
        for name in stage.claims().as_object().unwrap().keys() {
            let forged = stage.sign_with(&stage.key, &header, &twice(&claims, name));
            assert!(!stage.believes(&forged).await, "{} {name}", sample.convention);
        }
    }
}

///
#[tokio::test]
async fn a_flood_of_unknown_key_ids_causes_one_call() {
    for sample in SAMPLES.iter().filter(|sample| !matches!(sample.published, Published::Secret(_))) {
        let stage = Stage::of(sample).await;
        assert!(stage.believes(&stage.good()).await);
        stage.hands.advance(Duration::from_secs(30));
        let before = stage.publisher.count();
        let (header, rest) = (stage.header(), stage.good().split_once('.').unwrap().1.to_owned());
        for number in 0..1000 {
            let mut header = header.clone();
            header["kid"] = json!(format!("00000000-0000-0000-0000-{number:012}"));
            let forged = stage.sign_with(&TestKey::shared(b"x"), &header.to_string(), "{}");
            let head = forged.split_once('.').unwrap().0;
            // Nobody, or not looked for: somebody in no case.
            assert!(!matches!(stage.ask(&format!("{head}.{rest}")).await, Ok(Some(_))));
        }
        assert_eq!(stage.publisher.count(), before + 1, "{}", sample.convention);
        assert!(stage.believes(&stage.good()).await, "and the known key goes on working");
    }
}

///
#[tokio::test]
async fn times_hold_for_every_producer() {
    const SKEW: u64 = 30;
    for sample in SAMPLES {
        let stage = Stage::of(sample).await;
        let everywhere = |name: &'static str, at: u64| {
            move |header: &mut Value, claims: &mut Value| {
                if header.get(name).is_some() {
                    header[name] = json!(at);
                }
                claims[name] = json!(at);
            }
        };
        for (name, at, believed) in [
            ("exp", START.0 - SKEW + 1, true),
            ("exp", START.0 - SKEW, false),
            ("nbf", START.0 + SKEW, true),
            ("nbf", START.0 + SKEW + 1, false),
            ("iat", START.0 + SKEW, true),
            ("iat", START.0 + SKEW + 1, false),
        ] {
            let found = stage.believes_with(everywhere(name, at)).await;
            assert_eq!(found, believed, "{} {name} {at}", sample.convention);
        }
        let good = stage.good();
        stage.hands.advance(Duration::from_hours(48));
        publish(&stage.publisher, sample, &stage.key);
        assert!(!stage.believes(&good).await, "{} a day later", sample.convention);
    }
}

#[tokio::test]
async fn googles_assertions_are_young() {
    let google = SAMPLES.iter().find(|sample| sample.convention == "google-iap").unwrap();
    let stage = Stage::of(google).await;
    let long_lived = |age: u64| {
        move |_: &mut Value, claims: &mut Value| {
            claims["iat"] = json!(START.0 - age);
            claims["exp"] = json!(START.0 + 86_400);
        }
    };
    assert!(stage.believes_with(long_lived(630)).await);
    assert!(!stage.believes_with(long_lived(631)).await, "whatever their expiry says");
}

#[tokio::test]
async fn cloudflares_tokens_for_no_application_and_its_service_tokens_are_nobody() {
    let cloudflare = SAMPLES.iter().find(|sample| sample.convention == "cloudflare-access").unwrap();
    let stage = Stage::of(cloudflare).await;
    assert!(!stage.believes_with(|_, claims| claims["type"] = json!("org")).await);
    assert!(
        !stage
            .believes_with(|_, claims| {
                claims["sub"] = json!("");
                claims["common_name"] = json!("e367826f93b8d71185e03fe518aff3b4.access");
            })
            .await
    );
}

///
#[tokio::test]
async fn a_token_of_our_own_is_nobodys_assertion() {
    let house = House::behind_proxy(&[]);
    let own = house.ask(visit("/token", "jane")).await.token();
    for sample in SAMPLES {
        let stage = Stage::of(sample).await;
        assert!(!stage.believes(&own).await, "{}", sample.convention);
        let ours = json!({ "iss": "countersign", "aud": "medchat", "sub": "jane", "exp": START.0 + 300 });
        let signed_alike = stage.sign(&stage.header(), &ours);
        assert!(!stage.believes(&signed_alike).await, "{}: not even signed with the producer's key", sample.convention);
    }
}

/// RT-4.
#[tokio::test]
async fn hostile_input_is_nobody() {
    for sample in SAMPLES {
        let stage = Stage::of(sample).await;
        let good = stage.good();
        let (message, signature) = good.rsplit_once('.').unwrap();
        let filler = "x".repeat(20_000);
        let oversized = {
            let mut claims = stage.claims();
            claims["filler"] = json!(filler);
            stage.sign(&stage.header(), &claims)
        };
        let mut inputs: Vec<Vec<u8>> = [
            ".",
            "..",
            "...",
            "....",
            "a.b.c",
            "null.null.null",
            "e30.e30.e30",
            "e30.e30.",
            "W10.W10.W10",
            "Bearer x",
            "undefined",
            "[object Object]",
            "{}",
            "\u{e9}.\u{e9}.\u{e9}",
            "%00",
            "AAAA.AAAA.AAAA",
            "====.====.====",
        ]
        .map(|text| text.as_bytes().to_vec())
        .into();
        inputs.push(b"\xFF\xFE.\xFF\xFE.\xFF\xFE".to_vec());
        inputs.push(vec![b'.'; 15_000]);
        inputs.push(vec![b'A'; 15_000]);
        inputs.push(oversized.into_bytes());
        inputs.push(format!("{message}.{signature}, {message}.{signature}").into_bytes());
        inputs.push(format!("{message}.{signature}.{signature}").into_bytes());
        inputs.push(format!("{message}.{}", &signature[..signature.len() / 2]).into_bytes());
        inputs.extend((0..good.len()).step_by(7).map(|at| good.as_bytes()[..at].to_vec()));
        for input in inputs {
            let found = stage.source.authenticate(&stage.request(&input)).await;
            assert!(matches!(found, Ok(Err(_))), "{} {:?}", sample.convention, String::from_utf8_lossy(&input));
        }
        let mut several = stage.request(good.as_bytes());
        several.headers.append(HeaderName::from_static(sample.field.0), HeaderValue::try_from(&good).unwrap());
        assert!(stage.source.authenticate(&several).await.unwrap().is_err(), "two assertions are none");
        assert!(stage.source.decides(&several));
        assert!(stage.believes(&good).await);
    }
}

/// A-10, LOG-1.
#[tokio::test]
async fn what_a_token_says_is_never_logged() {
    let (log, _guard) = Log::capture();
    let mut said = String::new();
    for sample in SAMPLES {
        let stage = Stage::of(sample).await;
        let mut tokens = vec![stage.good()];
        for change in 0..6 {
            let (mut header, mut claims) = (stage.header(), stage.claims());
            header["x"] = json!("canary-in-header");
            claims["x"] = json!("canary-in-claims");
            claims["email"] = json!("canary@example.org");
            match change {
                0 => claims["iss"] = json!("canary-issuer"),
                1 => claims["aud"] = json!(["canary-audience"]),
                2 => header["kid"] = json!("canary-kid"),
                3 => header["alg"] = json!("canary-alg"),
                4 => claims["exp"] = json!(1),
                _ => header["signer"] = json!("canary-signer"),
            }
            tokens.push(stage.sign(&header, &claims));
        }
        for token in tokens {
            said += &stage.said(&token).await;
            for part in token.split('.') {
                assert!(!log.text().contains(part), "{}", sample.convention);
            }
        }
    }
    let text = log.text() + &said;
    for reason in ["issuer", "audience", "unknown_key", "algorithm", "expired", "signer"] {
        assert!(text.contains(&format!("reason={reason} ")), "{reason} is said");
    }
    for secret in [
        "canary",
        "jane",
        "7335d417-61da-459d-899c-0a01c76a2f94",
        "oG1HPb5rOyMEeWFxkX3hWkqJ0uTNcVzYdSaLmRiQfBvCtDwXeZ8g7n6j5k4l3p2s",
    ] {
        assert!(!text.contains(secret), "{secret}");
    }
}

/// H-10.
#[tokio::test]
async fn a_failing_assertion_is_not_replaced_by_a_plain_header() {
    let key = TestKey::new("ES256", "a");
    let keys = key_set(&[&key]);
    let changes = [
        ("ASSERTION_CONVENTION", "pomerium"),
        ("ASSERTION_HOST", "chat.example.org"),
        ("ASSERTION_KEYS", keys.as_str()),
    ];
    for order in ["forwarded,assertion", "assertion,forwarded"] {
        let base = settings(&BEHIND_PROXY, &changes);
        let base: Vec<(&str, &str)> = base.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let house = House::of(&settings(&base, &[("SESSION_SOURCES", order)]));
        let claims = json!({ "iss": "chat.example.org", "aud": "chat.example.org", "sub": "assertedjane", "exp": START.0 + 300,
            "name": "Jane Doe", "email": "jane@example.org" });
        let good = key.token(&crate::tokens::header_of(&key), &claims);
        let with = |assertion: &str| visit("/token", "plainjane").header("x-pomerium-jwt-assertion", assertion);
        assert_eq!(house.ask(visit("/token", "plainjane")).await.status, StatusCode::OK, "the plain header is good");
        assert_eq!(house.ask(with(&good)).await.claims()["external_id"], "assertedjane", "and the assertion is better");
        for bad in ["", "x", &good[..good.len() - 1], &good.replace("ey", "fy")] {
            let answer = house.ask(with(bad)).await;
            assert_eq!(
                (answer.status, answer.code()),
                (StatusCode::UNAUTHORIZED, "login_required".to_owned()),
                "{bad}"
            );
        }
        let twice = house.ask(with(&good).header("x-pomerium-jwt-assertion", &good)).await;
        assert_eq!(twice.status, StatusCode::BAD_REQUEST, "H-7");
        let joined = house.ask(with(&format!("{good},{good}"))).await;
        assert_eq!(joined.status, StatusCode::BAD_REQUEST, "H-7");
        let alias = house.ask(with(&good).header("x_pomerium_jwt_assertion", &good)).await;
        assert_eq!(alias.status, StatusCode::BAD_REQUEST, "H-3");
    }
}

fn read(vars: &[(&str, &str)]) -> Result<Assertion, Mistakes> {
    let mut env = Env::new(vars.iter().copied());
    let settings = Settings::read(&mut env, &Outbound::default());
    env.finish(&names(), &["ASSERTION_"])?;
    Ok(made(&Clock::manual(START).0, |with| Assertion::new(settings.unwrap(), with)))
}

fn mistakes(vars: &[(&str, &str)]) -> String {
    read(vars).expect_err("the settings are wrong").to_string()
}

#[test]
fn whatever_a_convention_needs_is_named_at_start() {
    for (convention, needed) in [
        ("cloudflare-access", &["ASSERTION_TEAM", "ASSERTION_AUDIENCE"][..]),
        ("google-iap", &["ASSERTION_AUDIENCE"]),
        ("aws-alb", &["ASSERTION_ISSUER", "ASSERTION_SIGNER", "ASSERTION_CLIENT"]),
        ("aws-verified-access", &["ASSERTION_ISSUER", "ASSERTION_SIGNER"]),
        ("pomerium", &["ASSERTION_HOST"]),
        ("authentik", &["ASSERTION_ISSUER", "ASSERTION_AUDIENCE"]),
        ("easy-auth-id-token", &["ASSERTION_TENANT", "ASSERTION_AUDIENCE"]),
        ("oauth2-proxy-bearer", &["ASSERTION_ISSUER", "ASSERTION_AUDIENCE"]),
        ("custom", &["ASSERTION_HEADER", "ASSERTION_ISSUER", "ASSERTION_AUDIENCE"]),
    ] {
        let said = mistakes(&[("ASSERTION_CONVENTION", convention)]);
        let named: Vec<&str> = said.lines().skip(1).map(|line| line.trim().split(':').next().unwrap()).collect();
        let mut missing = needed.to_vec();
        missing.retain(|name| !named.contains(name));
        assert!(missing.is_empty(), "{convention}: {missing:?} not in {said}");
        assert_eq!(named.len(), needed.len(), "{convention}: {said}");
    }
    assert!(mistakes(&[]).contains("ASSERTION_CONVENTION: is required"));
    assert!(mistakes(&[("ASSERTION_CONVENTION", "cloudflare-acces")]).contains("did you mean"));
}

#[test]
fn settings_that_cannot_be_right_are_named_at_start() {
    let custom = [
        ("ASSERTION_CONVENTION", "custom"),
        ("ASSERTION_HEADER", "x-identity-jwt"),
        ("ASSERTION_ISSUER", "https://login.example.org"),
        ("ASSERTION_AUDIENCE", "chat"),
    ];
    assert!(read(&custom).is_ok());
    let key = TestKey::new("ES256", "a");
    let (pem, set) = (key.pem(), key_set(&[&key]));
    let secret = "oG1HPb5rOyMEeWFxkX3hWkqJ0uTNcVzY";
    for fine in [("ASSERTION_KEYS", pem.as_str()), ("ASSERTION_KEYS", set.as_str()), ("ASSERTION_SECRET", secret)] {
        assert!(read(&[&custom[..], &[fine]].concat()).is_ok(), "{fine:?}");
    }
    for (changes, variable, problem) in [
        (&[("ASSERTION_JWKS_URL", "http://login.example.org/keys")][..], "ASSERTION_JWKS_URL", "https"),
        (&[("ASSERTION_JWKS_URL", "https://169.254.169.254/keys")], "ASSERTION_JWKS_URL", "never called"),
        (&[("ASSERTION_JWKS_URL", "keys")], "ASSERTION_JWKS_URL", "cannot be read"),
        (&[("ASSERTION_ISSUER", "login.example.org")], "ASSERTION_ISSUER", "or set ASSERTION_JWKS_URL"),
        (&[("ASSERTION_ISSUER", "https://login.example.org?x=y")], "ASSERTION_ISSUER", "neither query nor fragment"),
        (&[("ASSERTION_HEADER", "not a header")], "ASSERTION_HEADER", "cannot be read"),
        (&[("ASSERTION_ALGORITHMS", "ES256,none")], "ASSERTION_ALGORITHMS", "there are RS256"),
        (&[("ASSERTION_ALGORITHMS", "HS256")], "ASSERTION_ALGORITHMS", "goes with ASSERTION_SECRET"),
        (
            &[("ASSERTION_SECRET", secret), ("ASSERTION_ALGORITHMS", "HS256,RS256")],
            "ASSERTION_ALGORITHMS",
            "nothing else",
        ),
        (&[("ASSERTION_SECRET", "abcdefgh12345678")], "ASSERTION_SECRET", "shorter than 32 bytes"),
        (&[("ASSERTION_SECRET", secret), ("ASSERTION_KEYS", &set)], "ASSERTION_KEYS", "keep one"),
        (&[("ASSERTION_KEYS", "{\"keys\":[]}")], "ASSERTION_KEYS", "neither a JWK set"),
        (&[("ASSERTION_KEYS", "not a key")], "ASSERTION_KEYS", "neither a JWK set"),
        (&[("ASSERTION_CLOCK_SKEW", "61s")], "ASSERTION_CLOCK_SKEW", "between"),
        (&[("ASSERTION_REQUIRE", "type=app")], "ASSERTION_REQUIRE", "takes /claim=value"),
        (&[("ASSERTION_SUBJECT", "sub")], "ASSERTION_SUBJECT", "JSON pointer"),
        (&[("ASSERTION_TEEM", "acme")], "ASSERTION_TEEM", "is not a setting"),
    ] {
        let said = mistakes(&[&custom[..], changes].concat());
        assert!(said.contains(&format!("{variable}: ")) && said.contains(problem), "{changes:?}: {said}");
        assert!(!said.contains(secret), "{said}");
    }
    let said = mistakes(&[
        ("ASSERTION_CONVENTION", "cloudflare-access"),
        ("ASSERTION_AUDIENCE", "a"),
        ("ASSERTION_TEAM", "acme.cloudflareaccess.com"),
    ]);
    assert!(said.contains("the team's name alone"), "{said}");
    let said = mistakes(&[("ASSERTION_CONVENTION", "pomerium"), ("ASSERTION_HOST", "https://chat.example.org/")]);
    assert!(said.contains("a host name alone"), "{said}");
}

#[test]
fn a_signer_says_where_its_keys_are() {
    let alb = |signer: &str| {
        read(&[
            ("ASSERTION_CONVENTION", "aws-alb"),
            ("ASSERTION_ISSUER", "https://login.example.org"),
            ("ASSERTION_CLIENT", "c"),
            ("ASSERTION_SIGNER", signer),
        ])
        .map(|source| source.keys_origin().to_owned())
        .map_err(|mistakes| mistakes.to_string())
    };
    let arn = |partition: &str, region: &str| {
        format!("arn:{partition}:elasticloadbalancing:{region}:123456789012:loadbalancer/app/web/50dc6c495c0c9188")
    };
    let found = alb(&arn("aws", "eu-north-1")).unwrap();
    assert_eq!(found, "https://public-keys.auth.elb.eu-north-1.amazonaws.com/");
    let found = alb(&arn("aws-us-gov", "us-gov-east-1")).unwrap();
    let gov = "https://s3-us-gov-east-1.amazonaws.com/aws-elb-public-keys-prod-us-gov-east-1/";
    assert_eq!(found, gov);
    let two = format!("{},{}", arn("aws", "eu-north-1"), arn("aws", "eu-north-1").replace("/web/", "/chat/"));
    assert!(alb(&two).is_ok());
    for (wrong, problem) in [
        (arn("aws-cn", "cn-north-1"), "ASSERTION_JWKS_URL: is needed"),
        (arn("aws", ""), "names no region"),
        (arn("aws", "eu-north-1/../x"), "names no region"),
        (format!("{},{}", arn("aws", "eu-north-1"), arn("aws", "eu-west-1")), "several regions"),
        ("arn:aws:ec2:us-east-1:1:verified-access-instance/vai-1".to_owned(), "must look like"),
        (arn("aws", "eu-north-1").replace("loadbalancer/app", "loadbalancer/net"), "must look like"),
        ("50dc6c495c0c9188".to_owned(), "six parts"),
    ] {
        let said = alb(&wrong).unwrap_err();
        assert!(said.contains(problem), "{wrong}: {said}");
    }
}

/// What is known of a producer by heart is not asked of the operator.
#[test]
fn addresses_follow_from_what_the_operator_knows() {
    for (vars, address) in [
        (
            &[("ASSERTION_CONVENTION", "cloudflare-access"), ("ASSERTION_TEAM", "acme"), ("ASSERTION_AUDIENCE", "a")][..],
            "https://acme.cloudflareaccess.com/cdn-cgi/access/certs",
        ),
        (
            &[("ASSERTION_CONVENTION", "google-iap"), ("ASSERTION_AUDIENCE", "a")],
            "https://www.gstatic.com/iap/verify/public_key-jwk",
        ),
        (
            &[("ASSERTION_CONVENTION", "pomerium"), ("ASSERTION_HOST", "chat.example.org")],
            "https://chat.example.org/.well-known/pomerium/jwks.json",
        ),
        (
            &[("ASSERTION_CONVENTION", "easy-auth-id-token"), ("ASSERTION_TENANT", "t-1"), ("ASSERTION_AUDIENCE", "a")],
            "https://login.microsoftonline.com/t-1/v2.0/.well-known/openid-configuration",
        ),
        (
            &[
                ("ASSERTION_CONVENTION", "authentik"),
                ("ASSERTION_ISSUER", "https://a.example/application/o/chat/"),
                ("ASSERTION_AUDIENCE", "a"),
            ],
            "https://a.example/application/o/chat/.well-known/openid-configuration",
        ),
        (
            &[
                ("ASSERTION_CONVENTION", "aws-verified-access"),
                ("ASSERTION_ISSUER", "https://a.example"),
                ("ASSERTION_SIGNER", "arn:aws:ec2:us-east-1:1:verified-access-instance/vai-1"),
            ],
            "https://public-keys.prod.verified-access.us-east-1.amazonaws.com/",
        ),
    ] {
        assert_eq!(read(vars).unwrap().keys_origin(), address);
    }
}
