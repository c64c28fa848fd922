//! The double of Direct Line: as faithful as its clients can tell. What is promised here is what the facts about the real
//! service say, so that a test against the double says something about the service.

use std::time::Duration;

use data_encoding::BASE64URL_NOPAD;
use futures_util::{SinkExt as _, StreamExt as _};
use http::{Method, StatusCode};
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{WebSocketStream, client_async};

use crate::stage::{APP_SECRET, NOON, SECRET, SECRET_TWO, Stage, TOKEN_LIFE, json};

const GENERATE: &str = "/v3/directline/tokens/generate";
const REFRESH: &str = "/v3/directline/tokens/refresh";
const START: &str = "/v3/directline/conversations";

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap()
}

/// A token bound to this id.
async fn token_for(stage: &Stage, id: &str) -> Value {
    let body = json!({ "User": { "Id": id } });
    let reply = stage.call(Method::POST, GENERATE, Some(SECRET), Some(body)).await;
    assert_eq!(reply.status, StatusCode::OK);
    json(&reply)
}

async fn post(stage: &Stage, granted: &Value, activity: Value) -> String {
    let path = format!("{START}/{}/activities", text(granted, "conversationId"));
    let reply = stage.call(Method::POST, &path, Some(text(granted, "token")), Some(activity)).await;
    assert_eq!(reply.status, StatusCode::OK);
    text(&json(&reply), "id").to_owned()
}

/// What the agent said last.
fn answer(stage: &Stage, granted: &Value) -> String {
    let said = stage.double.said(text(granted, "conversationId"));
    text(said.iter().rfind(|activity| activity["from"]["id"] == "agent").unwrap(), "text").to_owned()
}

#[expect(clippy::disallowed_types, reason = "the agent must believe what another library signed")]
fn proof(claims: &Value, secret: &str) -> String {
    let key = jsonwebtoken::EncodingKey::from_secret(secret.as_bytes());
    jsonwebtoken::encode(&jsonwebtoken::Header::default(), claims, &key).unwrap()
}

fn open_with(proof: &str) -> Value {
    json!({ "type": "invoke", "name": "InitConversation", "locale": "en", "value": { "jsonWebToken": proof } })
}

#[tokio::test]
async fn a_token_costs_a_secret() {
    let stage = Stage::set().await;
    for (bearer, status) in [(None, 401), (Some(SECRET_TWO), 403), (Some(SECRET), 200)] {
        let reply = stage.call(Method::POST, GENERATE, bearer, None).await;
        assert_eq!(reply.status, status);
    }
    let granted = token_for(&stage, "dl_jane").await;
    let reply = stage.call(Method::POST, GENERATE, Some(text(&granted, "token")), None).await;
    assert_eq!(reply.status, StatusCode::FORBIDDEN, "a token buys no token of another conversation");
}

#[tokio::test]
async fn a_token_reads_like_the_services_own() {
    let stage = Stage::set().await;
    let granted = token_for(&stage, "dl_jane").await;
    assert_eq!(granted["expires_in"], TOKEN_LIFE.as_secs());
    let parts: Vec<&str> = text(&granted, "token").split('.').collect();
    let read = |part: &str| serde_json::from_slice::<Value>(&BASE64URL_NOPAD.decode(part.as_ref()).unwrap()).unwrap();
    assert_eq!(read(parts[0])["alg"], "RS256");
    let claims = read(parts[1]);
    assert_eq!((&claims["user"], &claims["conv"]), (&json!("dl_jane"), &granted["conversationId"]));
    assert_eq!((&claims["nbf"], &claims["exp"]), (&json!(NOON.0), &json!(NOON.plus(TOKEN_LIFE).0)));
    let unbound = json(&stage.call(Method::POST, GENERATE, Some(SECRET), None).await);
    let claims = read(text(&unbound, "token").split('.').nth(1).unwrap());
    assert_eq!(claims.get("user"), None);
}

#[tokio::test]
async fn a_token_is_renewed_until_it_ends_and_never_after() {
    let stage = Stage::set().await;
    let first = token_for(&stage, "dl_jane").await;
    stage.hands.advance(TOKEN_LIFE.saturating_sub(Duration::from_secs(1)));
    let second = json(&stage.call(Method::POST, REFRESH, Some(text(&first, "token")), None).await);
    assert_ne!(second["token"], first["token"]);
    assert_eq!(second["conversationId"], first["conversationId"]);
    stage.hands.advance(Duration::from_secs(1));
    let late = stage.call(Method::POST, REFRESH, Some(text(&first, "token")), None).await;
    assert_eq!((late.status, &json(&late)["error"]["code"]), (StatusCode::FORBIDDEN, &json!("TokenExpired")));
    let again = stage.call(Method::POST, REFRESH, Some(text(&second, "token")), None).await;
    assert_eq!(again.status, StatusCode::OK);
}

#[tokio::test]
async fn starting_is_created_and_starting_again_is_ok() {
    let stage = Stage::set().await;
    let granted = token_for(&stage, "dl_jane").await;
    let token = text(&granted, "token");
    let first = stage.call(Method::POST, START, Some(token), None).await;
    assert_eq!(first.status, StatusCode::CREATED);
    assert!(text(&json(&first), "streamUrl").starts_with("ws://"));
    assert_eq!(stage.call(Method::POST, START, Some(token), None).await.status, StatusCode::OK);
    let path = format!("{START}/{}?watermark=0", text(&granted, "conversationId"));
    let resumed = stage.call(Method::GET, &path, Some(token), None).await;
    assert_eq!(json(&resumed)["conversationId"], granted["conversationId"]);
}

#[tokio::test]
async fn the_bound_id_speaks_whatever_the_page_calls_itself() {
    let stage = Stage::set().await;
    let granted = token_for(&stage, "dl_jane").await;
    let activity = json!({ "type": "message", "text": "hi", "from": { "id": "dl_victim", "name": "Jane" } });
    let id = post(&stage, &granted, activity).await;
    let said = stage.double.said(text(&granted, "conversationId"));
    assert_eq!(said[0]["from"], json!({ "id": "dl_jane", "name": "Jane" }));
    assert_eq!(said[0]["id"], id);
    assert_eq!((&said[1]["text"], &said[1]["replyToId"]), (&json!("You said: hi"), &json!(id)));
}

#[tokio::test]
async fn a_conversation_is_open_to_its_own_token_only() {
    let stage = Stage::set().await;
    let (janes, joes) = (token_for(&stage, "dl_jane").await, token_for(&stage, "dl_joe").await);
    let path = format!("{START}/{}/activities", text(&janes, "conversationId"));
    let reply = stage.call(Method::GET, &path, Some(text(&joes, "token")), None).await;
    assert_eq!(reply.status, StatusCode::FORBIDDEN);
    assert_eq!(stage.call(Method::GET, &path, None, None).await.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn reading_goes_on_where_it_ended() {
    let stage = Stage::set().await;
    let granted = token_for(&stage, "dl_jane").await;
    post(&stage, &granted, json!({ "type": "message", "text": "one" })).await;
    let path = format!("{START}/{}/activities", text(&granted, "conversationId"));
    let token = Some(text(&granted, "token"));
    let all = json(&stage.call(Method::GET, &path, token, None).await);
    assert_eq!((all["activities"].as_array().unwrap().len(), &all["watermark"]), (2, &json!("2")));
    let later = json(&stage.call(Method::GET, &format!("{path}?watermark=2"), token, None).await);
    assert_eq!(later, json!({ "activities": [], "watermark": "2" }));
    let beyond = json(&stage.call(Method::GET, &format!("{path}?watermark=9"), token, None).await);
    assert_eq!(beyond["activities"], json!([]));
}

#[tokio::test]
async fn browsers_of_any_origin_may_call_as_the_client_does() {
    let stage = Stage::set().await;
    let reply = stage.call(Method::OPTIONS, START, None, None).await;
    assert_eq!(reply.status, StatusCode::NO_CONTENT);
    let allowed = reply.headers["access-control-allow-headers"].to_str().unwrap();
    assert_eq!(allowed, "authorization, content-type, x-ms-bot-agent, x-requested-with");
    let refused = stage.call(Method::POST, START, None, None).await;
    assert_eq!(refused.headers["access-control-allow-origin"], "*", "errors too, or the page cannot read them");
    assert!(refused.headers.contains_key("x-ms-request-id"));
}

/// Over the address that the start of the conversation answers.
async fn listen(stage: &Stage, granted: &Value) -> WebSocketStream<TcpStream> {
    let started = json(&stage.call(Method::POST, START, Some(text(granted, "token")), None).await);
    let socket = TcpStream::connect(stage.address).await.unwrap();
    client_async(text(&started, "streamUrl"), socket).await.unwrap().0
}

async fn next(socket: &mut WebSocketStream<TcpStream>) -> Value {
    loop {
        if let Message::Text(frame) = socket.next().await.unwrap().unwrap() {
            return serde_json::from_str(&frame).unwrap();
        }
    }
}

#[tokio::test]
async fn a_socket_replays_history_and_then_tells_what_is_new() {
    let stage = Stage::set().await;
    let granted = token_for(&stage, "dl_jane").await;
    post(&stage, &granted, json!({ "type": "message", "text": "before" })).await;
    let mut socket = listen(&stage, &granted).await;
    let history = next(&mut socket).await;
    assert_eq!((&history["activities"][0]["text"], &history["watermark"]), (&json!("before"), &json!("2")));
    post(&stage, &granted, json!({ "type": "message", "text": "after" })).await;
    let news = next(&mut socket).await;
    assert_eq!(news["activities"].as_array().unwrap().len(), 2);
    assert_eq!((&news["activities"][0]["text"], &news["watermark"]), (&json!("after"), &json!("4")));
    socket.close(None).await.unwrap();
}

#[tokio::test]
async fn a_socket_opens_with_the_conversations_own_token_only() {
    let stage = Stage::set().await;
    let (janes, joes) = (token_for(&stage, "dl_jane").await, token_for(&stage, "dl_joe").await);
    let id = text(&janes, "conversationId");
    for token in [text(&joes, "token"), "none"] {
        let address = format!("ws://{}{START}/{id}/stream?watermark=-&t={token}", stage.address);
        let socket = TcpStream::connect(stage.address).await.unwrap();
        assert!(client_async(address, socket).await.is_err());
    }
    let mut socket = listen(&stage, &janes).await;
    socket.send(Message::text("a client that talks on the socket is not heard")).await.unwrap();
    post(&stage, &janes, json!({ "type": "message", "text": "hi" })).await;
    assert_eq!(next(&mut socket).await["activities"][0]["text"], "hi");
}

/// The way pages open a conversation now, and the way they did before 2020.
#[tokio::test]
async fn the_agent_greets_whom_the_proof_names() {
    let stage = Stage::set().await;
    let claims = json!({ "userId": "dl_jane", "userName": "Jane O\u{2019}Neill \u{2764}", "exp": NOON.0 + 60 });
    let proof = proof(&claims, APP_SECRET);
    let greeting = "Hello, Jane O\u{2019}Neill \u{2764}! Your identity is verified.";
    for opening in
        [open_with(&proof), json!({ "type": "event", "name": "InitAuthenticatedConversation", "value": proof })]
    {
        let granted = token_for(&stage, "dl_jane").await;
        post(&stage, &granted, opening).await;
        assert_eq!(answer(&stage, &granted), greeting);
        post(&stage, &granted, json!({ "type": "message", "text": "hi" })).await;
        assert_eq!(answer(&stage, &granted), "You said, Jane O\u{2019}Neill \u{2764}: hi");
    }
}

#[tokio::test]
async fn the_agent_believes_no_proof_that_is_forged_over_or_anothers() {
    let stage = Stage::set().await;
    let claims = json!({ "userId": "dl_jane", "exp": NOON.0 + 60 });
    let with = |name: &str, value: Value| {
        let mut claims = claims.clone();
        claims[name] = value;
        claims
    };
    let genuine = proof(&claims, APP_SECRET);
    let unsigned = format!("eyJhbGciOiJub25lIn0.{}.", genuine.split('.').nth(1).unwrap());
    let doubted = [
        (proof(&claims, "another-secret-of-more-than-32-characters"), "the proof is not genuine"),
        (unsigned, "the proof is not genuine"),
        (String::new(), "the proof is not genuine"),
        (proof(&with("exp", json!(NOON.0)), APP_SECRET), "the proof has ended"),
        (proof(&with("userId", json!("")), APP_SECRET), "the proof names nobody"),
        (proof(&with("userId", json!("dl_joe")), APP_SECRET), "the proof is another visitor's"),
    ];
    let granted = token_for(&stage, "dl_jane").await;
    for (proof, problem) in doubted {
        post(&stage, &granted, open_with(&proof)).await;
        assert_eq!(answer(&stage, &granted), format!("I cannot tell who you are: {problem}."));
    }
    post(&stage, &granted, json!({ "type": "invoke", "name": "InitConversation" })).await;
    assert_eq!(answer(&stage, &granted), "I cannot tell who you are: there is no proof.");
    post(&stage, &granted, open_with(&genuine)).await;
    assert_eq!(answer(&stage, &granted), "Hello, dl_jane! Your identity is verified.");
}

#[tokio::test]
async fn a_copilot_is_greeted_without_proof() {
    let stage = Stage::set().await;
    let path = "/powervirtualagents/botsbyschema/cr1_clinic/directline/token?api-version=7";
    let granted = json(&stage.call(Method::GET, path, None, None).await);
    post(&stage, &granted, json!({ "type": "event", "name": "startConversation" })).await;
    assert_eq!(answer(&stage, &granted), "Hello! How can I help?");
}

#[tokio::test]
async fn the_double_listens_to_nobody_outside_this_machine() {
    let stage = Stage::set().await;
    let listener = TcpListener::bind("0.0.0.0:0").await.unwrap();
    let refused = stage.double.serve(listener, std::future::pending()).await;
    assert_eq!(refused.unwrap_err().kind(), std::io::ErrorKind::InvalidInput);
}
