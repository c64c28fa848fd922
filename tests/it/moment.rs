//! Times as others write them: read alike wherever they come from, or not at all.

use countersign::base::moment::{NotATime, read, read_text};
use http::StatusCode;
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::kit::{House, START, visit};

/// What means this second and no other.
const SPELLINGS: [&str; 12] = [
    "1767225600",
    "1767225600.999",
    "1767225600000",
    "1767225600999",
    "2026-01-01T00:00:00Z",
    "2026-01-01t00:00:00z",
    "2026-01-01 00:00:00Z",
    "2026-01-01T02:00:00.5+02:00",
    "2025-12-31T19:00:00-05:00",
    "Thu, 01 Jan 2026 00:00:00 GMT",
    "Thursday, 01-Jan-26 00:00:00 GMT",
    "Thu Jan  1 00:00:00 2026",
];

/// What is no time that can be told.
const NOT_TIMES: [&str; 14] = [
    "soon",
    "",
    " ",
    "never",
    "-1",
    "+1767225600",
    "1e9",
    "inf",
    "NaN",
    "0x10",
    "2026-01-01",
    "2026-01-01T00:00:00",
    "01/01/2026 00:00",
    "1767225600000000",
];

#[test]
fn every_spelling_of_a_moment_is_that_moment() {
    for text in SPELLINGS {
        assert_eq!(read_text(text), Ok(START), "{text}");
        assert_eq!(read(&json!(text)), Ok(START), "{text}");
    }
    for number in
        [json!(1_767_225_600), json!(1_767_225_600.5), json!(1_767_225_600_000_u64), json!(1_767_225_600_999.25)]
    {
        assert_eq!(read(&number), Ok(START), "{number}");
    }
    assert_eq!(
        read_text("9999-12-31T23:59:59Z").unwrap().0,
        253_402_300_799,
        "an end that some write for none is far away"
    );
}

#[test]
fn what_is_no_time_is_none_and_says_of_what_kind_it_is() {
    for text in NOT_TIMES {
        assert!(read_text(text).is_err(), "{text}");
    }
    for value in [json!(-1), json!(-0.5), json!(1e30), json!(true), json!([]), json!({}), Value::Null] {
        assert!(read(&value).is_err(), "{value}");
    }
    assert_eq!(read_text("2026-01-01T00:00:00"), Err(NotATime::NoZone));
    assert_eq!(read_text("0001-01-01T00:00:00Z"), Err(NotATime::Text), "before there was time");
    assert!(!read_text("jane@example.org").unwrap_err().to_string().contains("jane"), "it never says what it is");
}

/// No session without an end is made of an end that cannot be read, and nobody is told to log in again.
#[tokio::test]
async fn an_end_that_cannot_be_read_is_a_misconfiguration() {
    let house = House::behind_proxy(&[("FORWARDED_EXPIRES_HEADER", "X-Session-Expires")]);
    let ask = |end: &str| house.ask(visit("/token", "alice").header("x-session-expires", end));
    for text in NOT_TIMES.into_iter().filter(|text| !text.trim().is_empty()) {
        let answer = ask(text).await;
        assert_eq!(
            (answer.status, answer.code().as_str()),
            (StatusCode::INTERNAL_SERVER_ERROR, "misconfigured"),
            "{text}"
        );
    }
    let broken = visit("/token", "alice").header("x-session-expires", http::HeaderValue::from_bytes(b"\xFF").unwrap());
    assert_eq!(house.ask(broken).await.code(), "misconfigured");
    let millis = ((START.0 + 60) * 1000).to_string();
    for end in [millis.as_str(), "2026-01-01T00:01:00Z", "Thu, 01 Jan 2026 00:01:00 GMT", "1767225660.7"] {
        assert_eq!(ask(end).await.claims()["exp"], START.0 + 60, "{end}");
    }
    for over in [SPELLINGS[0], SPELLINGS[2], SPELLINGS[4], "0"] {
        assert_eq!(ask(over).await.code(), "login_required", "{over}");
    }
}

#[tokio::test]
async fn a_login_that_is_yet_to_come_is_not_recent() {
    let house = House::behind_proxy(&[("FORWARDED_AUTH_TIME_HEADER", "X-Auth-Time"), ("WIDGET_MAX_SESSION_AGE", "1h")]);
    let ask = |at: String| house.ask(visit("/token", "alice").header("x-auth-time", at));
    assert_eq!(ask((START.0 - 60).to_string()).await.status, StatusCode::OK);
    assert_eq!(ask((START.0 + 20).to_string()).await.status, StatusCode::OK, "clocks differ a little");
    for future in
        [(START.0 + 3600).to_string(), "2030-01-01T00:00:00Z".to_owned(), ((START.0 + 3600) * 1000).to_string()]
    {
        assert_eq!(ask(future.clone()).await.status, StatusCode::FORBIDDEN, "{future}");
    }
    assert_eq!(ask("yesterday".to_owned()).await.code(), "misconfigured");
}

proptest! {
    #[test]
    fn no_text_brings_the_reader_of_times_down(text in ".{0,40}") {
        if let Ok(time) = read_text(&text) {
            prop_assert!(time.0 <= 253_402_300_799);
        }
    }

    #[test]
    fn seconds_and_milliseconds_are_told_apart(seconds in 253_402_301u64..253_402_300_799) {
        prop_assert_eq!(read(&json!(seconds)).unwrap().0, seconds);
        prop_assert_eq!(read(&json!(seconds * 1000 + 7)).unwrap().0, seconds);
    }
}
