//! Conversation tokens: fetched with the host's secret, bound to the visitor, in time, and never half a one.

use std::collections::BTreeSet;
use std::io::Write;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::{Json, Router};
use countersign::connector::endpoint::Endpoint;
use countersign::connector::ticket::Ticket;
use countersign::connector::{Connector, ConnectorFault, Kind, RefreshFault, Rejection, TicketAsk};
use countersign::demo::directline::fault::Fault;
use http::Uri;
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::time::timeout;

use crate::kit::server;
use crate::stage::{JANE, JOE, NOON, SECRET, SECRET_TWO, Stage, TOKEN_LIFE, read};

const BAD_SECRET: ConnectorFault = ConnectorFault::Rejected(Rejection::BadSecret);
const SHORT: (&str, &str) = ("WIDGET_CONNECTOR_DEADLINE", "1s");
const ROTATING: (&str, &str) = ("WIDGET_WEBCHAT_SECRET_NEXT", SECRET_TWO);

fn text(ticket: &Ticket) -> &str {
    ticket.token.expose_secret()
}

fn renewal(ticket: &Ticket) -> &str {
    ticket.renewal.as_deref().unwrap()
}

fn header<'a>(stage: &'a [(String, String)], name: &str) -> Option<&'a str> {
    stage.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
}

/// Long enough for any rest and any silence to be over.
fn wait_out(stage: &Stage) {
    stage.hands.advance(Duration::from_secs(31));
}

/// R3, R4.
#[tokio::test]
async fn a_ticket_is_bound_to_the_visitor_and_nothing_else_is_told() {
    let stage = Stage::set().await;
    let ticket = stage.direct_line(&[]).ticket(&JANE).await.unwrap();
    let heard = stage.double.heard();
    assert_eq!(serde_json::from_slice::<Value>(&heard.body).unwrap(), json!({ "user": { "id": JANE.user_id } }));
    assert_eq!(header(&heard.headers, "content-type"), Some("application/json"));
    let names: BTreeSet<&str> = heard.headers.iter().map(|(name, _)| name.as_str()).collect();
    let expected = ["accept", "content-length", "content-type", "host", "user-agent"];
    assert_eq!(names, BTreeSet::from(expected));
    assert!(!text(&ticket).is_empty() && ticket.conversation_id.is_some() && ticket.renewal.is_some());
}

/// R4.
#[tokio::test]
async fn the_name_and_the_origins_are_told_when_that_is_configured() {
    let stage = Stage::set().await;
    let more =
        [("WIDGET_SEND_USER_NAME", "true"), ("WIDGET_TRUSTED_ORIGINS", "https://www.example.org, https://b.example")];
    let ticket = stage.direct_line(&more).ticket(&JANE).await.unwrap();
    let told = json!({
        "user": { "id": JANE.user_id, "name": "Canary Jane" },
        "trustedOrigins": ["https://www.example.org", "https://b.example"],
    });
    assert_eq!(serde_json::from_slice::<Value>(&stage.double.heard().body).unwrap(), told);
    let origins = stage.double.trusted_origins(ticket.conversation_id.as_deref().unwrap());
    assert_eq!(origins, ["https://www.example.org", "https://b.example"]);
    let nameless = TicketAsk { user_name: None, ..JANE };
    stage.direct_line(&[("WIDGET_SEND_USER_NAME", "true")]).ticket(&nameless).await.unwrap();
    assert_eq!(
        serde_json::from_slice::<Value>(&stage.double.heard().body).unwrap(),
        json!({ "user": { "id": JANE.user_id } })
    );
}

/// R3, R4.
#[tokio::test]
async fn a_call_with_nothing_to_tell_has_no_body_and_no_content_type() {
    let stage = Stage::set().await;
    stage.direct_line(&[("WIDGET_BIND_USER", "false")]).ticket(&JANE).await.unwrap();
    let heard = stage.double.heard();
    assert!(heard.body.is_empty());
    assert_eq!(header(&heard.headers, "content-type"), None);
    assert_eq!(header(&heard.headers, "content-length"), Some("0"));
}

/// R3.
#[tokio::test]
async fn different_visitors_never_share_an_id() {
    let stage = Stage::set().await;
    let usual = stage.direct_line(&[]);
    assert_eq!(usual.user_id("x"), "dl_x");
    assert_eq!(usual.user_id("dl_x"), "dl_dl_x");
    let bare = stage.direct_line(&[("WIDGET_USER_ID_PREFIX", "none"), ("WIDGET_BIND_USER", "false")]);
    assert_eq!(bare.user_id("x"), "x");
}

/// R7.
#[tokio::test]
async fn the_lifetime_is_the_one_the_vendor_says() {
    let stage = Stage::set().await;
    let connector = stage.direct_line(&[]);
    assert_eq!(connector.ticket(&JANE).await.unwrap().expires_in, TOKEN_LIFE);
    stage.double.set_fault(Some(Fault::OnlyToken));
    let unsaid = connector.ticket(&JANE).await.unwrap();
    assert_eq!(unsaid.expires_in, Duration::from_mins(30));
    assert_eq!((unsaid.conversation_id, unsaid.renewal), (None, None));
}

/// R10.
#[tokio::test]
async fn the_page_is_told_where_the_token_is_good() {
    let stage = Stage::set().await;
    let ticket = stage.direct_line(&[]).ticket(&JANE).await.unwrap();
    assert_eq!(ticket.domain, format!("{}/v3/directline", stage.base()));
    assert_eq!(ticket.host, stage.address.to_string());
}

/// R5.
#[tokio::test]
async fn every_fault_has_its_own_word_comes_in_time_and_passes() {
    let throttled = |seconds| ConnectorFault::Throttled { retry_after: Some(Duration::from_secs(seconds)) };
    let cases = [
        (Fault::BadSecret, BAD_SECRET),
        (Fault::Status(403), BAD_SECRET),
        (Fault::RegionNotAllowed, ConnectorFault::Rejected(Rejection::RegionNotAllowed)),
        (Fault::Status(400), ConnectorFault::Rejected(Rejection::Request)),
        (Fault::Status(404), ConnectorFault::Rejected(Rejection::Request)),
        (Fault::Throttled, ConnectorFault::Throttled { retry_after: None }),
        (Fault::ThrottledFor(7), throttled(7)),
        (Fault::ThrottledFor(1_000_000), throttled(3600)),
        (Fault::ThrottledUntil(NOON.plus(Duration::from_secs(9))), throttled(9)),
        (Fault::Status(500), ConnectorFault::Unavailable),
        (Fault::Status(503), ConnectorFault::Unavailable),
        (Fault::HtmlBadGateway, ConnectorFault::Unavailable),
        (Fault::CutOff, ConnectorFault::Unavailable),
        (Fault::HtmlPage, ConnectorFault::Malformed),
        (Fault::TruncatedJson, ConnectorFault::Malformed),
        (Fault::NoToken, ConnectorFault::Malformed),
        (Fault::EmptyToken, ConnectorFault::Malformed),
        (Fault::OtherUser, ConnectorFault::Malformed),
        (Fault::Redirect, ConnectorFault::Malformed),
        (Fault::HugeBody, ConnectorFault::Malformed),
        (Fault::Status(204), ConnectorFault::Malformed),
    ];
    for (fault, expected) in cases {
        let stage = Stage::set().await;
        let connector = stage.direct_line(&[]);
        stage.double.set_fault(Some(fault));
        let result = timeout(Duration::from_secs(5), connector.ticket(&JANE)).await.unwrap();
        assert_eq!(result.unwrap_err(), expected, "{fault:?}");
        assert_eq!(stage.double.counts().elsewhere, 0, "{fault:?}: a redirect was followed");
        stage.double.set_fault(None);
        wait_out(&stage);
        assert!(connector.ticket(&JANE).await.is_ok(), "{fault:?}: no recovery");
    }
}

/// R5, R6: the deadline is the test's own measure.
#[tokio::test]
async fn a_vendor_that_hangs_or_drips_costs_no_more_than_the_deadline() {
    for fault in [Fault::Hang, Fault::SlowBody] {
        let stage = Stage::set().await;
        let connector = stage.direct_line(&[SHORT]);
        stage.double.set_fault(Some(fault));
        let result = timeout(Duration::from_secs(4), connector.ticket(&JANE)).await.unwrap();
        assert_eq!(result.unwrap_err(), ConnectorFault::Deadline, "{fault:?}");
        stage.double.set_fault(None);
        assert!(connector.ticket(&JANE).await.is_ok(), "{fault:?}: no recovery");
    }
}

/// R6, R12.
#[tokio::test]
async fn two_secrets_share_one_deadline() {
    let stage = Stage::set().await;
    let connector = stage.direct_line(&[SHORT, ROTATING]);
    stage.double.set_secrets(&[SECRET, SECRET_TWO]);
    stage.double.set_fault(Some(Fault::LateRefusal(Duration::from_millis(700))));
    assert_eq!(connector.ticket(&JANE).await.unwrap_err(), ConnectorFault::Deadline);
}

/// R5.
#[tokio::test]
async fn a_refused_connection_is_an_outage_and_passes() {
    let stage = Stage::set().await;
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let nowhere = format!("http://{}", closed.local_addr().unwrap());
    let connector = stage.direct_line(&[("WIDGET_DIRECTLINE_ENDPOINT", &nowhere)]);
    drop(closed);
    assert_eq!(connector.ticket(&JANE).await.unwrap_err(), ConnectorFault::Unavailable);
    assert_eq!(connector.ticket(&JANE).await.unwrap_err(), ConnectorFault::Unavailable);
}

/// R6.
#[tokio::test]
async fn a_gateway_error_is_retried_once_and_a_refusal_never() {
    let stage = Stage::set().await;
    let connector = stage.direct_line(&[]);
    for (made, status) in [(2, 502), (4, 503), (6, 504)] {
        stage.double.fail_next(1, Fault::Status(status));
        assert!(connector.ticket(&JANE).await.is_ok());
        assert_eq!(stage.double.counts().generate, made);
    }
    stage.double.set_fault(Some(Fault::HtmlBadGateway));
    assert!(connector.ticket(&JANE).await.is_err());
    assert_eq!(stage.double.counts().generate, 8);
    for fault in [Fault::Status(400), Fault::Status(403), Fault::Throttled, Fault::Status(500)] {
        let before = stage.double.counts().generate;
        stage.double.set_fault(Some(fault));
        assert!(connector.ticket(&JANE).await.is_err());
        assert_eq!(stage.double.counts().generate, before + 1, "{fault:?}");
    }
}

/// R6.
#[tokio::test]
async fn a_server_that_keeps_failing_is_left_alone_for_a_moment() {
    let stage = Stage::set().await;
    let connector = stage.direct_line(&[]);
    stage.double.set_fault(Some(Fault::Status(500)));
    for _ in 0..5 {
        assert_eq!(connector.ticket(&JANE).await.unwrap_err(), ConnectorFault::Unavailable);
    }
    assert!(connector.is_resting());
    let resting = connector.ticket(&JANE).await.unwrap_err();
    assert!(matches!(resting, ConnectorFault::Busy { retry_after } if retry_after <= Duration::from_secs(2)));
    assert_eq!(stage.double.counts().generate, 5);
    stage.double.set_fault(None);
    stage.hands.advance(Duration::from_secs(2));
    assert!(connector.ticket(&JANE).await.is_ok());
    assert!(!connector.is_resting());
}

/// R6.
#[tokio::test]
async fn refused_secrets_are_not_tried_for_ever() {
    let stage = Stage::set().await;
    let connector = stage.direct_line(&[]);
    stage.double.set_fault(Some(Fault::RegionNotAllowed));
    for _ in 0..20 {
        let fault = connector.ticket(&JANE).await.unwrap_err();
        assert_eq!(fault, ConnectorFault::Rejected(Rejection::RegionNotAllowed));
    }
    assert_eq!(stage.double.counts().generate, 5);
    assert!(connector.is_resting());
    stage.double.set_fault(None);
    stage.hands.advance(Duration::from_secs(2));
    assert!(connector.ticket(&JANE).await.is_ok());
}

/// R5.
#[tokio::test]
async fn a_vendor_that_says_when_to_come_back_is_not_asked_before() {
    let stage = Stage::set().await;
    let connector = stage.direct_line(&[]);
    stage.double.fail_next(1, Fault::ThrottledFor(7));
    assert!(connector.ticket(&JANE).await.is_err());
    stage.hands.advance(Duration::from_secs(5));
    let early = connector.ticket(&JANE).await.unwrap_err();
    assert_eq!(early, ConnectorFault::Throttled { retry_after: Some(Duration::from_secs(2)) });
    assert_eq!(stage.double.counts().generate, 1);
    stage.hands.advance(Duration::from_secs(2));
    assert!(connector.ticket(&JANE).await.is_ok());
}

/// R12.
#[tokio::test]
async fn a_rotated_secret_is_noticed_and_remembered() {
    let stage = Stage::set().await;
    let connector = stage.direct_line(&[ROTATING]);
    assert!(connector.ticket(&JANE).await.is_ok());
    stage.double.set_secrets(&[SECRET_TWO]);
    assert!(connector.ticket(&JANE).await.is_ok());
    assert_eq!(stage.double.counts().generate, 3);
    assert!(connector.ticket(&JANE).await.is_ok());
    assert_eq!(stage.double.counts().generate, 4);
    stage.double.set_secrets(&[SECRET]);
    assert!(connector.ticket(&JANE).await.is_ok());
    stage.double.set_secrets(&[]);
    assert_eq!(connector.ticket(&JANE).await.unwrap_err(), BAD_SECRET);
}

/// R12: many visitors at the moment of rotation.
#[tokio::test]
async fn rotation_interrupts_nobody() {
    let stage = Stage::set().await;
    stage.double.set_secrets(&[SECRET_TWO]);
    let connector = stage.direct_line(&[ROTATING]);
    let asked = (0..100).map(|_| connector.ticket(&JANE));
    let tickets = futures_util::future::join_all(asked).await;
    assert!(tickets.iter().all(Result::is_ok));
}

/// R12, R18.
#[tokio::test]
async fn what_cannot_work_stops_the_start() {
    let stage = Stage::set().await;
    let base = stage.base();
    let wrong: [&[(&str, &str)]; 10] = [
        &[("WIDGET_WEBCHAT_SECRET", "")],
        &[("WIDGET_WEBCHAT_SECRET", "short")],
        &[("WIDGET_WEBCHAT_SECRET", "with blanks in the middle of it")],
        &[("WIDGET_WEBCHAT_SECRET", "undefined")],
        &[("WIDGET_DIRECTLINE_ENDPOINT", "https://directline.example.org")],
        &[("WIDGET_CONNECTOR_CONCURRENCY", "0")],
        &[("WIDGET_CONNECTOR_DEADLINE", "0s")],
        &[("WIDGET_CONVERSATION_MAX", "1s")],
        &[("WIDGET_USER_ID_PREFIX", "d l")],
        &[("WIDGET_TRUSTED_ORIGINS", "https://www.example.org/page")],
    ];
    let usual = [("WIDGET_WEBCHAT_SECRET", SECRET), ("WIDGET_DIRECTLINE_ENDPOINT", base.as_str())];
    for more in wrong {
        let mistakes = read(Kind::DirectLine, &usual, more, &stage.clock).unwrap_err();
        assert_eq!(mistakes.0.len(), 1, "{mistakes}");
        assert_eq!(mistakes.0[0].variable, more[0].0);
        assert!(!mistakes.to_string().contains("canary"), "{mistakes}");
    }
    let vendors_names = [("WEBCHAT_SECRET", SECRET), ("DIRECTLINE_ENDPOINT_URI", "europe.directline.botframework.com")];
    let connector = read(Kind::DirectLine, &vendors_names, &[], &stage.clock).unwrap();
    assert_eq!(connector.egress(), ["europe.directline.botframework.com"]);
}

/// R10.
#[test]
fn an_endpoint_may_be_a_host_an_address_or_an_address_with_path() {
    let known = [
        ("directline.botframework.com", "https://directline.botframework.com/v3/directline"),
        ("europe.directline.botframework.com/", "https://europe.directline.botframework.com/v3/directline"),
        ("https://India.DirectLine.botframework.com", "https://india.directline.botframework.com/v3/directline"),
        (" https://webchat.botframework.com/v3/directline/ ", "https://webchat.botframework.com/v3/directline"),
        (
            "unitedstates.webchat.botframework.com/v3/directline",
            "https://unitedstates.webchat.botframework.com/v3/directline",
        ),
        ("webchat.botframework.azure.us", "https://webchat.botframework.azure.us/v3/directline"),
        ("directline.botframework.azure.cn", "https://directline.botframework.azure.cn/v3/directline"),
        ("https://directline.botframework.com:443/", "https://directline.botframework.com/v3/directline"),
        ("http://127.0.0.1:3978", "http://127.0.0.1:3978/v3/directline"),
        ("http://localhost:3978/directline/", "http://localhost:3978/directline"),
    ];
    for (text, domain) in known {
        let endpoint = Endpoint::parse(text, false).unwrap();
        assert_eq!(endpoint.domain(), domain);
        assert_eq!(endpoint.at("tokens/generate").as_str(), format!("{domain}/tokens/generate"));
    }
    let own = Endpoint::parse("https://clinic.azurewebsites.net/.bot/v3/directline", true).unwrap();
    assert_eq!(own.domain(), "https://clinic.azurewebsites.net/.bot/v3/directline");
    assert_eq!(own.host(), "clinic.azurewebsites.net");
}

/// R10: the secret goes wherever the address says.
#[test]
fn the_secret_goes_to_no_host_that_is_not_known_or_named_on_purpose() {
    let unknown = [
        "",
        "directline.botframework.com.evil.example",
        "evildirectline.botframework.com",
        "a.b.directline.botframework.com",
        ".directline.botframework.com",
        "botframework.com",
        "clinic.azurewebsites.net/.bot/v3/directline",
        "https://directline.botframework.com:8443",
        "http://directline.botframework.com",
        "https://user:pw@directline.botframework.com",
        "https://directline.botframework.com/?x=y",
        "https://directline.botframework.com/#x",
        "https://directline.botframework.com@evil.example",
        "directline.botframework.com/v3/conversations",
        "ftp://127.0.0.1",
        "file:///etc/passwd",
    ];
    for text in unknown {
        assert!(Endpoint::parse(text, false).is_err(), "{text}");
    }
    assert!(Endpoint::parse("http://clinic.example", true).is_err(), "plain HTTP leaves the machine");
}

/// R8.
#[tokio::test]
async fn a_visitor_renews_their_own_conversation_as_often_as_they_like() {
    let stage = Stage::set().await;
    let connector = stage.direct_line(&[]);
    let mut ticket = connector.ticket(&JANE).await.unwrap();
    let conversation = ticket.conversation_id.clone();
    for _ in 0..5 {
        stage.hands.advance(Duration::from_mins(45));
        let renewed = connector.refresh(&JANE, renewal(&ticket), &ticket.token).await.unwrap();
        assert_eq!(renewed.conversation_id, conversation);
        assert_ne!(text(&renewed), text(&ticket));
        assert_eq!((renewed.expires_in, &renewed.domain), (TOKEN_LIFE, &ticket.domain));
        ticket = renewed;
    }
}

/// R8.
#[tokio::test]
async fn nobody_renews_a_conversation_that_is_not_theirs() {
    let stage = Stage::set().await;
    let connector = stage.direct_line(&[]);
    let janes = connector.ticket(&JANE).await.unwrap();
    let joes = connector.ticket(&JOE).await.unwrap();
    let elsewhere = TicketAsk { widget: "support", ..JANE };
    let mut altered = renewal(&janes).to_owned();
    altered.replace_range(9..10, if altered.as_bytes()[9] == b'A' { "B" } else { "A" });
    let long = "A".repeat(100_000);
    let attempts = [
        (&JOE, renewal(&janes), &janes.token),
        (&JOE, renewal(&joes), &janes.token),
        (&JANE, renewal(&joes), &janes.token),
        (&JANE, renewal(&janes), &joes.token),
        (&elsewhere, renewal(&janes), &janes.token),
        (&JANE, &altered, &janes.token),
        (&JANE, "", &janes.token),
        (&JANE, "not base64url !", &janes.token),
        (&JANE, &long, &janes.token),
    ];
    for (who, proof, token) in attempts {
        assert_eq!(connector.refresh(who, proof, token).await.unwrap_err(), RefreshFault::Foreign);
    }
    assert_eq!(stage.double.counts().refresh, 0, "no foreign attempt reaches the vendor");
}

/// R8: tokens are opaque by contract, so the answer decides.
#[tokio::test]
async fn a_token_that_turns_out_to_be_of_another_conversation_is_not_handed_on() {
    let stage = Stage::set().await;
    let connector = stage.direct_line(&[]);
    let ticket = connector.ticket(&JANE).await.unwrap();
    stage.double.set_fault(Some(Fault::OtherConversation));
    let result = connector.refresh(&JANE, renewal(&ticket), &ticket.token).await;
    assert_eq!(result.unwrap_err(), RefreshFault::Foreign);
    stage.double.set_fault(Some(Fault::OnlyToken));
    let result = connector.refresh(&JANE, renewal(&ticket), &ticket.token).await;
    assert_eq!(result.unwrap_err(), RefreshFault::Connector(ConnectorFault::Malformed));
    stage.double.set_fault(Some(Fault::OtherUser));
    let result = connector.refresh(&JANE, renewal(&ticket), &ticket.token).await;
    assert_eq!(result.unwrap_err(), RefreshFault::Connector(ConnectorFault::Malformed));
}

/// R8.
#[tokio::test]
async fn a_conversation_that_is_over_must_be_begun_anew() {
    let stage = Stage::set().await;
    let connector = stage.direct_line(&[("WIDGET_CONVERSATION_MAX", "2h")]);
    let ticket = connector.ticket(&JANE).await.unwrap();
    for broken in ["", "not a token\n", "unknown"] {
        let result = connector.refresh(&JANE, renewal(&ticket), &SecretString::from(broken)).await;
        assert_eq!(result.unwrap_err(), RefreshFault::Ended, "{broken}");
    }
    stage.hands.advance(TOKEN_LIFE);
    let expired = connector.refresh(&JANE, renewal(&ticket), &ticket.token).await;
    assert_eq!(expired.unwrap_err(), RefreshFault::Ended);
    assert!(connector.ticket(&JANE).await.is_ok(), "expired tokens say nothing about the secret");
    stage.hands.advance(TOKEN_LIFE);
    let before = stage.double.counts().refresh;
    let old = connector.refresh(&JANE, renewal(&ticket), &ticket.token).await;
    assert_eq!(old.unwrap_err(), RefreshFault::Ended);
    assert_eq!(stage.double.counts().refresh, before, "what is too old is not asked for");
}

/// R8, R12.
#[tokio::test]
async fn replicas_restarts_and_rotation_keep_conversations_renewable() {
    let stage = Stage::set().await;
    let ticket = stage.direct_line(&[]).ticket(&JANE).await.unwrap();
    let replica = stage.direct_line(&[("WIDGET_WEBCHAT_SECRET", SECRET_TWO), ("WIDGET_WEBCHAT_SECRET_NEXT", SECRET)]);
    assert!(replica.refresh(&JANE, renewal(&ticket), &ticket.token).await.is_ok());
    let stranger = stage.direct_line(&[("WIDGET_WEBCHAT_SECRET", SECRET_TWO)]);
    let refused = stranger.refresh(&JANE, renewal(&ticket), &ticket.token).await;
    assert_eq!(refused.unwrap_err(), RefreshFault::Foreign);
}

/// R5, R8.
#[tokio::test]
async fn faults_at_renewal_have_the_same_words() {
    let cases = [
        (Fault::RegionNotAllowed, ConnectorFault::Rejected(Rejection::RegionNotAllowed)),
        (Fault::ThrottledFor(3), ConnectorFault::Throttled { retry_after: Some(Duration::from_secs(3)) }),
        (Fault::HtmlBadGateway, ConnectorFault::Unavailable),
        (Fault::NoToken, ConnectorFault::Malformed),
        (Fault::Hang, ConnectorFault::Deadline),
    ];
    for (fault, expected) in cases {
        let stage = Stage::set().await;
        let connector = stage.direct_line(&[SHORT]);
        let ticket = connector.ticket(&JANE).await.unwrap();
        stage.double.set_fault(Some(fault));
        let result = connector.refresh(&JANE, renewal(&ticket), &ticket.token).await;
        assert_eq!(result.unwrap_err(), RefreshFault::Connector(expected), "{fault:?}");
        stage.double.set_fault(None);
        wait_out(&stage);
        assert!(connector.refresh(&JANE, renewal(&ticket), &ticket.token).await.is_ok(), "{fault:?}: no recovery");
    }
}

/// R6: with 1,000 visitors at once the vendor sees as many calls as are allowed, and every visitor is served.
#[tokio::test]
async fn a_rush_proceeds_at_the_vendors_pace() {
    let stage = Stage::set().await;
    let connector = stage.direct_line(&[("WIDGET_CONNECTOR_DEADLINE", "30s")]);
    stage.double.set_fault(Some(Fault::Delay(Duration::from_millis(100))));
    let asked = (0..1000).map(|_| connector.ticket(&JANE));
    let tickets = futures_util::future::join_all(asked).await;
    assert!(tickets.iter().all(Result::is_ok));
    let counts = stage.double.counts();
    assert_eq!(counts.generate, 1000);
    assert!((49..=64).contains(&counts.most_at_once), "{} at once", counts.most_at_once);
}

/// R6: whoever would wait too long is told so, and that says nothing about the vendor.
#[tokio::test]
async fn a_queue_that_is_too_long_is_our_fault_and_not_the_vendors() {
    let stage = Stage::set().await;
    let connector = stage.direct_line(&[SHORT, ("WIDGET_CONNECTOR_CONCURRENCY", "1")]);
    stage.double.set_fault(Some(Fault::Delay(Duration::from_millis(100))));
    let asked = (0..40).map(|_| connector.ticket(&JANE));
    let outcomes = futures_util::future::join_all(asked).await;
    let busy = outcomes.iter().filter(|o| matches!(o, Err(ConnectorFault::Busy { .. }))).count();
    let served = outcomes.iter().filter(|o| o.is_ok()).count();
    assert!(served >= 1 && busy >= 20 && served + busy >= 39, "{served} were served, {busy} were not");
    assert!(!connector.is_resting());
}

/// R19.
#[tokio::test]
async fn copilot_studio_needs_no_secret_and_its_region_is_asked_for_once() {
    let stage = Stage::set().await;
    let connector = stage.copilot_studio(&[]);
    let first = connector.ticket(&JANE).await.unwrap();
    let second = connector.ticket(&JANE).await.unwrap();
    assert_ne!(first.conversation_id, second.conversation_id);
    assert_eq!(first.domain, format!("{}/v3/directline", stage.base()));
    let counts = stage.double.counts();
    assert_eq!((counts.token_endpoint, counts.regional_settings, counts.generate), (2, 1, 0));
    let renewed = connector.refresh(&JANE, renewal(&first), &first.token).await.unwrap();
    assert_eq!(renewed.conversation_id, first.conversation_id);
    let foreign = connector.refresh(&JOE, renewal(&first), &first.token).await;
    assert_eq!(foreign.unwrap_err(), RefreshFault::Foreign);
}

/// R19.
#[tokio::test]
async fn an_old_region_is_better_than_none_and_no_region_is_an_outage() {
    let stage = Stage::set().await;
    let connector = stage.copilot_studio(&[]);
    stage.double.fail_next(1, Fault::Status(500));
    assert_eq!(connector.ticket(&JANE).await.unwrap_err(), ConnectorFault::Unavailable);
    assert!(connector.ticket(&JANE).await.is_ok());
    stage.hands.advance(Duration::from_hours(2));
    stage.double.fail_next(1, Fault::Status(500));
    assert!(connector.ticket(&JANE).await.is_ok(), "the look-up fails, the token does not");
    assert!(connector.ticket(&JANE).await.is_ok());
    assert_eq!(stage.double.counts().regional_settings, 3, "a failed look-up is not repeated at once");
    stage.hands.advance(Duration::from_mins(1));
    assert!(connector.ticket(&JANE).await.is_ok());
    assert_eq!(stage.double.counts().regional_settings, 4);
}

/// R19: one region for everybody who asks at once.
#[tokio::test]
async fn a_crowd_asks_for_the_region_once() {
    let stage = Stage::set().await;
    let connector = stage.copilot_studio(&[]);
    let tickets = futures_util::future::join_all((0..50).map(|_| connector.ticket(&JANE))).await;
    assert!(tickets.iter().all(Result::is_ok));
    assert_eq!(stage.double.counts().regional_settings, 1);
}

/// R8, R19.
#[tokio::test]
async fn reading_the_configuration_again_ends_no_conversation() {
    let stage = Stage::set().await;
    let ticket = stage.copilot_studio(&[]).ticket(&JANE).await.unwrap();
    let again = stage.copilot_studio(&[]);
    assert!(again.refresh(&JANE, renewal(&ticket), &ticket.token).await.is_ok());
    let replica = stage.copilot_studio(&[("WIDGET_RENEWAL_SECRET", "the same on every replica, and long")]);
    let refused = replica.refresh(&JANE, renewal(&ticket), &ticket.token).await;
    assert_eq!(refused.unwrap_err(), RefreshFault::Foreign);
}

/// R10, R19.
#[tokio::test]
async fn a_region_outside_microsofts_hosts_is_not_believed() {
    let asked = Arc::new(Mutex::new(Vec::new()));
    let remembered = asked.clone();
    let settings = json!({ "channelUrlsById": { "directline": "https://directline.evil.example/" } });
    let vendor = server(Router::new().fallback(async move |uri: Uri| {
        remembered.lock().unwrap().push(uri.to_string());
        Json(settings)
    }))
    .await;
    let stage = Stage::set().await;
    let endpoint = format!("{vendor}/token?api-version=7");
    let connector = stage.copilot_studio(&[("WIDGET_TOKEN_ENDPOINT", &endpoint)]);
    assert_eq!(connector.ticket(&JANE).await.unwrap_err(), ConnectorFault::Malformed);
    assert_eq!(*asked.lock().unwrap(), ["/powervirtualagents/regionalchannelsettings?api-version=7"]);
}

/// R19.
#[tokio::test]
async fn copilot_studio_with_secured_access_takes_a_secret() {
    let stage = Stage::set().await;
    let connector = stage.copilot_studio(&[("WIDGET_WEBCHAT_SECRET", SECRET)]);
    let ticket = connector.ticket(&JANE).await.unwrap();
    assert_eq!(ticket.domain, format!("{}/v3/directline", stage.base()));
    let counts = stage.double.counts();
    assert_eq!((counts.token_endpoint, counts.regional_settings, counts.generate), (0, 1, 1));
    let nowhere = read(Kind::CopilotStudio, &[("WIDGET_WEBCHAT_SECRET", SECRET)], &[], &stage.clock);
    assert_eq!(nowhere.unwrap_err().0[0].variable, "WIDGET_DIRECTLINE_ENDPOINT");
    let nothing = read(Kind::CopilotStudio, &[], &[], &stage.clock);
    assert_eq!(nothing.unwrap_err().0[0].variable, "WIDGET_TOKEN_ENDPOINT");
}

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// R16: every fault at the most talkative level, and no secret, token, person or word of the vendor's in the log.
#[tokio::test]
async fn the_log_tells_the_operator_what_to_do_and_nothing_else() {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_ansi(false)
        .with_writer(move || writer.clone())
        .finish();
    let _guard = crate::logs::listen(subscriber);
    let faults = [
        Fault::BadSecret,
        Fault::RegionNotAllowed,
        Fault::Throttled,
        Fault::Status(500),
        Fault::HtmlBadGateway,
        Fault::HtmlPage,
        Fault::TruncatedJson,
        Fault::OtherUser,
        Fault::CutOff,
        Fault::Redirect,
    ];
    let stage = Stage::set().await;
    let connector = stage.direct_line(&[ROTATING, ("WIDGET_SEND_USER_NAME", "true")]);
    let ticket = connector.ticket(&JANE).await.unwrap();
    for fault in faults {
        stage.double.set_fault(Some(fault));
        assert!(connector.ticket(&JANE).await.is_err());
        assert!(connector.refresh(&JANE, renewal(&ticket), &ticket.token).await.is_err());
        wait_out(&stage);
    }
    let printed = format!("{connector:?} {ticket:?} {JANE:?}");
    let log = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    for told in [
        "RegionNotAllowed",
        "set WIDGET_DIRECTLINE_ENDPOINT",
        "status=429",
        "request_id=",
        "WIDGET_WEBCHAT_SECRET is wrong",
    ] {
        assert!(log.contains(told), "{told} is missing");
    }
    let signature = text(&ticket).rsplit('.').next().unwrap();
    for canary in ["canary", "Canary", signature, "hotel", "double's words", "Bad Gateway"] {
        assert!(!log.contains(canary), "{canary} is in the log");
        assert!(!printed.contains(canary), "{canary} is printed");
    }
}

/// The words for the outside are few and stable.
#[test]
fn every_fault_has_a_stable_reason() {
    let throttled = ConnectorFault::Throttled { retry_after: Some(Duration::from_secs(3)) };
    let busy = ConnectorFault::Busy { retry_after: Duration::from_secs(1) };
    let reasons = [
        (BAD_SECRET, "connector_secret", None),
        (ConnectorFault::Rejected(Rejection::RegionNotAllowed), "connector_region", None),
        (ConnectorFault::Rejected(Rejection::Request), "connector_request", None),
        (throttled, "connector_throttled", Some(3)),
        (busy, "connector_busy", Some(1)),
        (ConnectorFault::Unavailable, "connector_unavailable", None),
        (ConnectorFault::Malformed, "connector_malformed", None),
        (ConnectorFault::Deadline, "connector_deadline", None),
    ];
    for (fault, reason, seconds) in reasons {
        assert_eq!(fault.reason(), reason);
        assert_eq!(fault.retry_after(), seconds.map(Duration::from_secs));
        assert_eq!(RefreshFault::from(fault).reason(), reason);
    }
    assert_eq!(RefreshFault::Ended.reason(), "conversation_ended");
    assert_eq!(RefreshFault::Foreign.reason(), "conversation_foreign");
}

/// The trait is what a widget holds.
#[tokio::test]
async fn a_connector_can_be_shared_between_tasks() {
    let stage = Stage::set().await;
    let connector: Arc<dyn Connector> = stage.direct_line(&[]);
    let task = tokio::spawn(async move { connector.ticket(&JANE).await.map(|_| connector.name()) });
    assert_eq!(task.await.unwrap(), Ok("direct_line"));
}
