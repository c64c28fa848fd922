//! The exchange connector: what a vendor's server is asked, what of its answer is believed, and what is kept.

use std::time::Duration;

use countersign::base::clock::{Clock, ManualClock, UnixTime};
use countersign::connector::exchange::answer::Exchanged;
use countersign::connector::exchange::format::ExchangeFormat;
use countersign::connector::exchange::{Exchange, Request, Requests};
use countersign::connector::{ConnectorFault, Rejection};
use countersign::net::outbound::{Limits, Outbound};
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};

use crate::kit::START;
use crate::publisher::{Page, Publisher};

const FIRST: &str = "first-api-key-0123456789";
const SECOND: &str = "second-api-key-0123456789";

struct Stand {
    vendor: Publisher,
    exchange: Exchange,
    hands: ManualClock,
}

impl Stand {
    async fn of(format: &Value) -> Self {
        let vendor = Publisher::start().await;
        let (clock, hands) = Clock::manual(START);
        let origin = vendor.url("/").parse().unwrap();
        let limits = Limits { deadline: Duration::from_secs(5), ..Limits::DEFAULT };
        let keys = vec![FIRST.into(), SECOND.into()];
        let format = ExchangeFormat::parse(&format.to_string()).unwrap();
        let exchange = Exchange::new(format, &origin, keys, &Outbound::default(), limits, &clock).unwrap();
        Self { vendor, exchange, hands }
    }

    fn requests(&self, body: &str) -> Requests {
        let request =
            |path: &str| Request { url: self.vendor.url(path).parse().unwrap(), body: body.to_owned().into() };
        Requests { first: Some(request("/users")), call: request("/token") }
    }

    async fn token(&self, visitor: &str) -> Result<Exchanged, ConnectorFault> {
        self.exchange.token(visitor, &self.requests(&format!(r#"{{"user":"{visitor}"}}"#))).await
    }

    fn says(&self, answer: &Value) {
        self.vendor.put("/token", Page::ok(answer.to_string()));
    }
}

fn format(changes: &Value) -> Value {
    let mut format = json!({
        "headers": { "Authorization": "Bearer {secret}", "X-Beta": "one" },
        "call": { "url": "https://api.example.com/token", "json": { "user": "{{ subject }}" } },
        "answer": { "token": "/data/token" }
    });
    for (name, value) in changes.as_object().unwrap() {
        format[name] = value.clone();
    }
    format
}

#[tokio::test]
async fn the_vendor_is_asked_with_the_key_and_what_was_filled() {
    let stand = Stand::of(&format(&json!({}))).await;
    stand.says(&json!({ "data": { "token": "t1" } }));
    let given = stand.token("u1").await.unwrap();
    assert_eq!(given.token.expose_secret(), "t1");
    let asked = stand.vendor.asked();
    assert_eq!(asked.len(), 1);
    assert_eq!(asked[0].line, "POST /token HTTP/1.1");
    assert_eq!(asked[0].headers["authorization"], format!("Bearer {FIRST}"));
    assert_eq!(asked[0].headers["x-beta"], "one");
    assert_eq!(asked[0].headers["content-type"], "application/json");
    assert_eq!(asked[0].body, r#"{"user":"u1"}"#);
    assert!(
        !format!("{given:?} {:?} {:?}", stand.exchange, stand.requests("t1")).contains("t1"),
        "and nothing prints it"
    );
}

#[tokio::test]
async fn a_tokens_end_is_read_in_every_unit_vendors_use() {
    let ends = [
        (json!({ "token": "/t", "expires_in": "/e" }), json!(900)),
        (json!({ "token": "/t", "expires_in": "/e" }), json!("900")),
        (json!({ "token": "/t", "expires_at": "/e" }), json!(START.0 + 900)),
        (json!({ "token": "/t", "expires_at_ms": "/e" }), json!((START.0 + 900) * 1000)),
    ];
    for (answer, end) in ends {
        let stand = Stand::of(&format(&json!({ "answer": answer }))).await;
        stand.says(&json!({ "t": "x", "e": end }));
        assert_eq!(stand.token("u").await.unwrap().expires_at, Some(UnixTime(START.0 + 900)), "{answer}");
    }
}

#[tokio::test]
async fn an_answer_without_a_usable_token_is_a_fault() {
    let stand = Stand::of(&format(&json!({ "answer": { "token": "/t", "expires_at": "/e" } }))).await;
    let over = json!({ "t": "x", "e": START.0 });
    let odd = [
        json!({}),
        json!({ "t": "" }),
        json!({ "t": 7 }),
        json!({ "t": "a b" }),
        json!([]),
        over,
        json!({ "t": "x", "e": "soon" }),
    ];
    for answer in odd {
        stand.says(&answer);
        assert_eq!(stand.token("u").await.unwrap_err(), ConnectorFault::Malformed, "{answer}");
    }
    stand.vendor.put("/token", Page::ok("<html>"));
    assert_eq!(stand.token("u").await.unwrap_err(), ConnectorFault::Malformed);
    stand.vendor.put("/token", Page::ok("{}").answering(302).with("location", "https://elsewhere.example"));
    assert_eq!(stand.token("u").await.unwrap_err(), ConnectorFault::Malformed, "and nobody is sent elsewhere");
}

#[tokio::test]
async fn the_second_key_is_used_when_the_first_is_refused() {
    let stand = Stand::of(&format(&json!({}))).await;
    stand.vendor.put("/token", Page::status(401));
    let refused = stand.token("u").await.unwrap_err();
    assert_eq!(refused, ConnectorFault::Rejected(Rejection::BadSecret));
    let keys: Vec<String> = stand.vendor.asked().iter().map(|asked| asked.headers["authorization"].clone()).collect();
    assert_eq!(keys, [format!("Bearer {FIRST}"), format!("Bearer {SECOND}")]);
}

#[tokio::test]
async fn refused_keys_are_left_alone_for_a_while() {
    let stand = Stand::of(&format(&json!({}))).await;
    stand.vendor.put("/token", Page::status(403));
    for _ in 0..5 {
        stand.token("u").await.unwrap_err();
    }
    let asked = stand.vendor.count();
    assert_eq!(stand.token("u").await.unwrap_err(), ConnectorFault::Rejected(Rejection::BadSecret));
    assert_eq!(stand.vendor.count(), asked, "nobody was asked");
    assert!(stand.exchange.is_resting());
}

#[tokio::test]
async fn a_kept_token_serves_its_own_visitor_only_and_only_while_it_lives() {
    let stand = Stand::of(&format(&json!({ "cache": true, "answer": { "token": "/t", "expires_in": "/e" } }))).await;
    stand.says(&json!({ "t": "one", "e": 3600 }));
    let of = async |visitor| stand.token(visitor).await.unwrap().token.expose_secret().to_owned();
    assert_eq!((of("u1").await, of("u1").await), ("one".to_owned(), "one".to_owned()));
    assert_eq!(stand.vendor.count(), 1);
    stand.says(&json!({ "t": "two", "e": 3600 }));
    assert_eq!(of("u2").await, "two", "another visitor has another token");
    assert_eq!(of("u1").await, "one");
    stand.hands.advance(Duration::from_mins(56));
    assert_eq!(of("u1").await, "two", "shortly before its end a token is replaced");
}

#[tokio::test]
async fn a_token_of_unknown_end_and_one_that_is_good_once_are_never_kept() {
    for changes in [json!({ "cache": true }), json!({ "answer": { "token": "/data/token", "expires_in": "/e" } })] {
        let stand = Stand::of(&format(&changes)).await;
        stand.says(&json!({ "data": { "token": "t" }, "e": 3600 }));
        stand.token("u").await.unwrap();
        stand.token("u").await.unwrap();
        assert_eq!(stand.vendor.count(), 2, "{changes}");
    }
}

#[tokio::test]
async fn the_vendors_user_is_made_first_and_once() {
    let first = json!({ "url": "https://api.example.com/users", "json": {}, "accept": [400] });
    let stand = Stand::of(&format(&json!({ "first": first }))).await;
    stand.says(&json!({ "data": { "token": "t" } }));
    stand.vendor.put("/users", Page::status(400));
    stand.token("u").await.unwrap();
    stand.token("u").await.unwrap();
    let lines: Vec<String> = stand.vendor.asked().into_iter().map(|asked| asked.line).collect();
    assert_eq!(lines, ["POST /users HTTP/1.1", "POST /token HTTP/1.1", "POST /token HTTP/1.1"]);
    stand.vendor.put("/token", Page::status(404));
    stand.token("u").await.unwrap_err();
    stand.says(&json!({ "data": { "token": "t" } }));
    stand.token("u").await.unwrap();
    assert_eq!(stand.vendor.asked()[4].line, "POST /users HTTP/1.1", "and again once the vendor has forgotten");
}

#[tokio::test]
async fn no_token_is_asked_for_when_the_user_cannot_be_made() {
    let stand = Stand::of(&format(&json!({ "first": { "url": "https://api.example.com/users", "json": {} } }))).await;
    stand.vendor.put("/users", Page::status(400));
    assert_eq!(stand.token("u").await.unwrap_err(), ConnectorFault::Rejected(Rejection::Request));
    assert_eq!(stand.vendor.count(), 1);
}

#[tokio::test]
async fn an_answer_is_passed_on_as_it_came() {
    let stand = Stand::of(&format(&json!({ "answer": { "token": "/token", "unchanged": true } }))).await;
    stand.vendor.put("/token", Page::ok(" {\"token\" : \"t\" , \"b\":1}"));
    assert_eq!(stand.token("u").await.unwrap().whole.unwrap().expose_secret(), " {\"token\" : \"t\" , \"b\":1}");
}

#[tokio::test]
async fn faults_of_the_vendor_are_told_apart() {
    let stand = Stand::of(&format(&json!({}))).await;
    let faults = [
        (Page::status(429).with("retry-after", "0"), ConnectorFault::Throttled { retry_after: Some(Duration::ZERO) }),
        (Page::status(400), ConnectorFault::Rejected(Rejection::Request)),
        (Page::status(500), ConnectorFault::Unavailable),
    ];
    for (page, fault) in faults {
        stand.vendor.put("/token", page);
        assert_eq!(stand.token("u").await.unwrap_err(), fault);
    }
}

#[tokio::test]
async fn a_visitors_tokens_are_ended_at_the_vendor() {
    let revoke = json!({ "method": "DELETE", "url": "https://api.example.com/users/u" });
    let stand = Stand::of(&format(&json!({ "revoke": revoke }))).await;
    stand.vendor.put("/users/u", Page::status(204));
    let request = Request { url: stand.vendor.url("/users/u").parse().unwrap(), body: bytes::Bytes::new() };
    stand.exchange.revoke(&request).await.unwrap();
    assert_eq!(stand.vendor.asked()[0].line, "DELETE /users/u HTTP/1.1");
}

#[test]
fn every_mistake_in_a_format_is_named() {
    let wrong = json!({
        "headers": { "A B": "{secret}", "C": "{secret}" },
        "call": { "method": "PATCH", "url": "x", "json": {}, "form": {}, "accept": [500] },
        "answer": { "token": "token", "expires_in": "/a", "expires_at": "/b" }
    });
    let problems = ExchangeFormat::parse(&wrong.to_string()).unwrap_err().join("\n");
    for word in [
        "exactly one header",
        "`headers.A B`",
        "GET, POST, PUT or DELETE",
        "not both",
        "400 to 499",
        "JSON pointer",
        "more than once",
    ] {
        assert!(problems.contains(word), "{word} in {problems}");
    }
    let kept = json!({ "cache": true, "revoke": { "url": "x" } });
    let problems = ExchangeFormat::parse(&format(&kept).to_string()).unwrap_err().join("\n");
    assert!(problems.contains("given out after it was ended"), "{problems}");
    let get = json!({ "method": "GET", "url": "x", "json": {} });
    let problems = ExchangeFormat::parse(&format(&json!({ "call": get })).to_string()).unwrap_err().join("\n");
    assert!(problems.contains("no body"));
}
