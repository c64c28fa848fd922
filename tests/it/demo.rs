//! The demo: the whole flow on one machine.

use std::collections::BTreeMap;

use countersign::base::clock::Clock;
use countersign::demo::{Addresses, Demo, DemoError, Options};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

struct Running {
    at: Addresses,
    stop: Option<oneshot::Sender<()>>,
    ended: JoinHandle<()>,
}

impl Running {
    async fn start() -> Self {
        let options = Options { widget: "medchat".to_owned(), port: Some(0), web_chat: None };
        let demo = Demo::start(&options, &Clock::system()).await.unwrap();
        let at = demo.at.clone();
        let (stop, stopped) = oneshot::channel::<()>();
        let ended = tokio::spawn(demo.run(async move {
            let _ = stopped.await;
        }));
        Self { at, stop: Some(stop), ended }
    }

    /// A request as a page of the clinic's sends it.
    async fn page(&self, method: &str, path: &str, cookie: &str, body: &str) -> Reply {
        let headers = [
            ("origin", self.at.clinic.as_str()),
            ("sec-fetch-site", "same-origin"),
            ("sec-fetch-mode", "cors"),
            ("sec-fetch-dest", "empty"),
            ("cookie", cookie),
            ("content-type", "application/x-www-form-urlencoded"),
        ];
        let fits = |(name, value): &&(&str, &str)| !value.is_empty() && (*name != "content-type" || !body.is_empty());
        send(&self.at.clinic, method, path, &headers.iter().filter(fits).copied().collect::<Vec<_>>(), body).await
    }

    async fn sign_in(&self, login: &str, password: &str) -> String {
        let reply = self.page("POST", "/login", "", &format!("login={login}&password={password}")).await;
        assert_eq!(reply.status, 303, "{}", reply.body);
        reply.header("set-cookie").split(';').next().unwrap().to_owned()
    }

    async fn token(&self, widget: &str, cookie: &str) -> String {
        let reply = self.page("GET", &format!("/chat-identity/token/{widget}"), cookie, "").await;
        reply.json()["token"].as_str().unwrap().to_owned()
    }

    async fn vendor(&self, body: &Value) -> (u16, Value) {
        let headers = [("origin", self.at.clinic.as_str()), ("content-type", "application/json")];
        let reply = send(&self.at.widget_server, "POST", "/api", &headers, &body.to_string()).await;
        (reply.status, reply.json())
    }

    /// Begins the conversation of a ticket, shows the proof there, and hears what the agent says.
    async fn introduce(&self, ticket: &Value, proof: &Value) -> String {
        let bearer = format!("Bearer {}", ticket["connectorToken"].as_str().unwrap());
        let headers = [("authorization", bearer.as_str()), ("content-type", "application/json")];
        let base = "/v3/directline/conversations";
        assert!(ticket["domain"].as_str().unwrap().starts_with(&self.at.direct_line));
        let begun = send(&self.at.direct_line, "POST", base, &headers, "{}").await.json();
        let activities = format!("{base}/{}/activities", begun["conversationId"].as_str().unwrap());
        let opening = json!({ "type": "invoke", "name": "InitConversation", "value": { "jsonWebToken": proof } });
        send(&self.at.direct_line, "POST", &activities, &headers, &opening.to_string()).await;
        let said = send(&self.at.direct_line, "GET", &activities, &headers, "").await.json();
        said["activities"][1]["text"].as_str().unwrap().to_owned()
    }

    async fn identify(&self, widget: &str, token: &str) -> (u16, Value) {
        self.vendor(&json!({ "do": "identify", "widget": widget, "token": token })).await
    }
}

struct Reply {
    status: u16,
    headers: BTreeMap<String, String>,
    body: String,
}

impl Reply {
    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }

    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|_| panic!("JSON, got {} {}", self.status, self.body))
    }
}

async fn send(origin: &str, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Reply {
    let authority = origin.trim_start_matches("http://");
    send_to(authority, authority, method, path, headers, body).await
}

async fn send_to(address: &str, host: &str, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Reply {
    let mut stream = TcpStream::connect(address.replace("localhost", "127.0.0.1")).await.unwrap();
    let lines: Vec<String> = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    let lines = lines.concat();
    let length = body.len();
    let text = format!(
        "{method} {path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\ncontent-length: {length}\r\n{lines}\r\n{body}"
    );
    stream.write_all(text.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    let answer = String::from_utf8(answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    let headers = head.lines().skip(1).filter_map(|line| line.split_once(": "));
    let headers = headers.map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned())).collect();
    Reply { status, headers, body: body.to_owned() }
}

#[tokio::test]
async fn the_clinics_login_becomes_a_name_that_the_vendor_believes() {
    let demo = Running::start().await;
    let cookie = demo.sign_in("maya", "harbour-light").await;
    for widget in ["medchat", "userinfo"] {
        let token = demo.token(widget, &cookie).await;
        let (status, answer) = demo.identify(widget, &token).await;
        assert_eq!(status, 200, "{answer}");
        assert_eq!(answer["visitor"], json!({ "id": "P20417", "name": "Maya Lindgren" }));
    }
}

#[tokio::test]
async fn the_healthcare_agent_believes_its_patient_and_no_thief() {
    let demo = Running::start().await;
    let cookie = demo.sign_in("zoe", "tall-ship").await;
    let own = demo.page("POST", "/chat-identity/token/healthcare-agent", &cookie, "").await.json();
    let stolen = &own["token"];
    assert_eq!(demo.introduce(&own, stolen).await, "Hello, Zoë Okafor! Your identity is verified.");
    let thief = demo.page("POST", "/demo/thief/healthcare-agent", &cookie, "").await.json();
    assert_eq!(demo.introduce(&thief, stolen).await, "I cannot tell who you are: the proof is another visitor's.");
    assert_ne!(own["userId"], thief["userId"]);
}

#[tokio::test]
async fn without_the_clinics_login_there_is_no_token() {
    let demo = Running::start().await;
    let reply = demo.page("GET", "/chat-identity/token", "", "").await;
    assert_eq!((reply.status, reply.json()["code"].as_str()), (401, Some("login_required")));
    let wrong = demo.page("POST", "/login", "", "login=maya&password=tall-ship").await;
    assert_eq!(wrong.status, 401);
    assert!(wrong.header("set-cookie").is_empty());
    let cookie = demo.sign_in("zoe", "tall-ship").await;
    demo.page("POST", "/logout", &cookie, "").await;
    assert_eq!(
        demo.page("GET", "/chat-identity/token", &cookie, "").await.status,
        401,
        "the old cookie is worth nothing"
    );
}

impl Running {
    async fn answer(&self, widget: &str, cookie: &str) -> Value {
        let query = if widget == "pusher" { "?socket_id=12.34" } else { "" };
        self.page("POST", &format!("/chat-identity/token/{widget}{query}"), cookie, "").await.json()
    }

    /// What the vendor's server says to what a page's call handed over.
    async fn meet(&self, widget: &str, given: &Value) -> (u16, Value) {
        let headers = [("origin", self.at.clinic.as_str()), ("content-type", "application/json")];
        let path = format!("/vendors/{widget}");
        let reply = send(&self.at.widget_server, "POST", &path, &headers, &given.to_string()).await;
        (reply.status, reply.json())
    }
}

/// What the page's call of each vendor of the gallery hands over, of the answer.
fn handed(widget: &str, answer: &Value) -> Value {
    match widget {
        "intercom" => json!({ "intercom_user_jwt": answer["token"] }),
        "talkjs" => json!({ "token": answer["token"], "me": "P31188" }),
        "pusher" => json!({ "socket_id": "12.34", "auth": answer["auth"], "user_data": answer["user_data"] }),
        "hubspot" => json!({ "identificationEmail": answer["email"], "identificationToken": answer["token"] }),
        "sendbird" => json!({ "user_id": answer["userId"], "token": answer["token"] }),
        _ => answer.clone(),
    }
}

#[tokio::test]
async fn every_vendor_of_the_gallery_believes_who_is_signed_in_and_nobody_else() {
    let demo = Running::start().await;
    let cookie = demo.sign_in("zoe", "tall-ship").await;
    let own = ["P31188", "zoe@example.net"];
    for vendor in &countersign::demo::vendors::VENDORS {
        let given = handed(vendor.name, &demo.answer(vendor.name, &cookie).await);
        let (status, answer) = demo.meet(vendor.name, &given).await;
        assert_eq!(status, 200, "{} {answer}", vendor.name);
        assert!(own.contains(&answer["visitor"]["id"].as_str().unwrap()), "{} {answer}", vendor.name);
        let lie = given.to_string().replace("P31188", "P20417").replace("zoe@example.net", "maya.lindgren@example.org");
        let lie: Value = serde_json::from_str(&lie).unwrap();
        if lie != given {
            assert_eq!(demo.meet(vendor.name, &lie).await.0, 401, "{} believed a lie", vendor.name);
        }
        for (name, value) in given.as_object().unwrap() {
            let mut spoilt = given.clone();
            spoilt[name] = format!("{}x", value.as_str().unwrap_or_default()).into();
            let signed = ["token", "auth", "signature", "identifier_hash", "identificationToken", "intercom_user_jwt"];
            if signed.contains(&name.as_str()) {
                assert_eq!(demo.meet(vendor.name, &spoilt).await.0, 401, "{} took any {name}", vendor.name);
            }
        }
        assert_eq!(demo.meet(vendor.name, &json!({})).await.1["code"], "incomplete", "{}", vendor.name);
    }
    assert_eq!(demo.meet("acme", &json!({})).await.1["code"], "unknown_widget");
}

#[tokio::test]
async fn a_vendors_server_gives_tokens_to_its_customer_only() {
    let demo = Running::start().await;
    for path in ["/v2/identify-user", "/v3/users/P20417/token", "/v3/users", "/visitor-identification/v3/tokens/create"]
    {
        for credential in ["", "Bearer ", "Bearer guessed"] {
            let headers = [("authorization", credential), ("api-token", "guessed")];
            let body = json!({ "userId": "P20417", "email": "maya.lindgren@example.org" }).to_string();
            assert_eq!(send(&demo.at.widget_server, "POST", path, &headers, &body).await.status, 401, "{path}");
        }
    }
    assert_eq!(send(&demo.at.widget_server, "POST", "/v3/users/a/b/token", &[], "{}").await.status, 404);
}

#[tokio::test]
async fn without_a_login_no_vendor_of_the_gallery_gets_anything() {
    let demo = Running::start().await;
    for vendor in &countersign::demo::vendors::VENDORS {
        assert_eq!(demo.answer(vendor.name, "").await["code"], "login_required", "{}", vendor.name);
    }
}

#[tokio::test]
async fn the_demo_page_needs_no_other_host() {
    let demo = Running::start().await;
    let here = ["http://127.0.0.1:", "http://localhost:", "ws://127.0.0.1:"];
    for (site, path) in
        [(&demo.at.clinic, "/"), (&demo.at.clinic, "/vendors"), (&demo.at.stranger, "/"), (&demo.at.console, "/")]
    {
        let page = send(site, "GET", path, &[], "").await;
        assert_eq!(page.status, 200, "{site}");
        let policy = page.header("content-security-policy").to_owned();
        assert!(
            policy.contains("default-src 'none'") && !policy.contains("unsafe") && !policy.contains('*'),
            "{policy}"
        );
        for word in policy.split([' ', ';']).filter(|word| word.contains(':')) {
            assert!(here.iter().any(|own| word.starts_with(own)), "{word} in {policy}");
        }
        for loaded in
            page.body.split("src=\"").skip(1).chain(page.body.split("<link rel=\"stylesheet\" href=\"").skip(1))
        {
            assert!(loaded.starts_with('/') && !loaded.starts_with("//"), "{site} loads {}", &loaded[..40]);
        }
    }
}

#[tokio::test]
async fn every_file_the_page_names_is_there() {
    let demo = Running::start().await;
    for (site, start) in
        [(&demo.at.clinic, "/"), (&demo.at.clinic, "/vendors"), (&demo.at.stranger, "/"), (&demo.at.console, "/")]
    {
        let page = send(site, "GET", start, &[], "").await.body;
        let named = page.split("src=\"").skip(1).chain(page.split("<link rel=\"stylesheet\" href=\"").skip(1));
        for path in named.map(|rest| rest.split('"').next().unwrap()) {
            assert_eq!(send(site, "GET", path, &[], "").await.status, 200, "{site}{path}");
        }
    }
    for path in [
        "/demo/kit.js",
        "/demo/standins.js",
        "/demo/scenes.js",
        "/demo/attacks.js",
        "/chat-identity/countersign.js",
        "/demo/snippet/medchat.js",
    ] {
        assert_eq!(send(&demo.at.clinic, "GET", path, &[], "").await.status, 200, "{path}");
    }
}

#[tokio::test]
async fn forged_tokens_are_refused_by_the_widget_server() {
    let demo = Running::start().await;
    let cookie = demo.sign_in("maya", "harbour-light").await;
    let token = demo.token("medchat", &cookie).await;
    let [header, payload, signature] = token.split('.').collect::<Vec<_>>().try_into().unwrap();
    let none = "eyJhbGciOiJub25lIn0";
    let other = "eyJuYW1lIjoiWm9lIiwiZXh0ZXJuYWxfaWQiOiJQMzExODgiLCJleHAiOjQxMDI0NDQ4MDB9";
    for (forged, code) in [
        (format!("{header}.{other}.{signature}"), "signature"),
        (format!("{header}.{payload}.{}", "A".repeat(43)), "signature"),
        (format!("{none}.{payload}."), "algorithm"),
        (format!("{none}.{payload}.{signature}"), "algorithm"),
        ("not a token".to_owned(), "malformed"),
        (String::new(), "malformed"),
    ] {
        let (status, answer) = demo.identify("medchat", &forged).await;
        assert_eq!((status, answer["code"].as_str()), (401, Some(code)), "{forged}");
    }
    let userinfo = demo.token("userinfo", &cookie).await;
    assert_eq!(demo.identify("medchat", &userinfo).await.1["code"], "algorithm", "another widget's token");
}

#[tokio::test]
async fn a_stolen_token_is_worth_nothing_after_its_time_or_its_one_use() {
    let demo = Running::start().await;
    let cookie = demo.sign_in("maya", "harbour-light").await;
    let token = demo.token("userinfo", &cookie).await;
    assert_eq!(demo.identify("userinfo", &token).await.0, 200);
    assert_eq!(demo.identify("userinfo", &token).await.1["code"], "spent");
    let token = demo.token("medchat", &cookie).await;
    let late = json!({ "do": "identify", "widget": "medchat", "token": token, "after_expiry": true });
    assert_eq!(demo.vendor(&late).await.1["code"], "expired");
}

#[tokio::test]
async fn the_conversation_a_token_was_used_in_may_show_it_again() {
    let demo = Running::start().await;
    let cookie = demo.sign_in("maya", "harbour-light").await;
    let token = demo.token("userinfo", &cookie).await;
    let first = demo.identify("userinfo", &token).await.1;
    let again =
        json!({ "do": "identify", "widget": "userinfo", "token": token, "conversation": first["conversation"] });
    assert_eq!(demo.vendor(&again).await.0, 200);
}

#[tokio::test]
async fn plain_http_is_refused_in_both_places() {
    let demo = Running::start().await;
    let cookie = demo.sign_in("maya", "harbour-light").await;
    let result = demo.page("POST", "/demo/plain-http", &cookie, "").await.json();
    assert_eq!((result["status"].as_u64(), result["code"].as_str()), (Some(403), Some("origin_refused")), "{result}");
    assert!(result["start"].as_str().unwrap().contains("UPSTREAM_SESSION_URL: is plain HTTP"), "{result}");
}

#[tokio::test]
async fn another_site_gets_neither_the_token_nor_the_widget() {
    let demo = Running::start().await;
    let cookie = demo.sign_in("maya", "harbour-light").await;
    let origin = demo.at.stranger.clone();
    for mode in ["cors", "no-cors", "navigate"] {
        let headers = [
            ("origin", origin.as_str()),
            ("sec-fetch-site", "cross-site"),
            ("sec-fetch-mode", mode),
            ("cookie", &cookie),
        ];
        let reply = send(&demo.at.clinic, "GET", "/chat-identity/token", &headers, "").await;
        assert_eq!((reply.status, reply.json()["code"].as_str()), (403, Some("origin_refused")), "{mode}");
        assert!(reply.header("access-control-allow-origin").is_empty());
    }
    for method in ["OPTIONS", "POST"] {
        let reply = send(&demo.at.widget_server, method, "/api", &[("origin", &origin)], "{}").await;
        assert_eq!((reply.status, reply.json()["code"].as_str()), (403, Some("origin")));
        assert!(reply.header("access-control-allow-origin").is_empty());
    }
    for path in ["/login", "/logout", "/demo/plain-http", "/demo/thief/healthcare-agent"] {
        let headers = [("origin", origin.as_str()), ("sec-fetch-site", "cross-site"), ("cookie", &cookie)];
        let body = if path == "/login" { "login=maya&password=harbour-light" } else { "" };
        let headers = [&headers[..], &[("content-type", "application/x-www-form-urlencoded")]].concat();
        assert_eq!(send(&demo.at.clinic, "POST", path, &headers, body).await.status, 403, "{path}");
    }
}

#[tokio::test]
async fn the_demo_answers_under_its_own_names_only() {
    let demo = Running::start().await;
    for origin in [&demo.at.clinic, &demo.at.widget_server, &demo.at.stranger, &demo.at.console] {
        let address = origin.trim_start_matches("http://");
        let reply = send_to(address, "evil.example", "GET", "/", &[], "").await;
        assert!(matches!(reply.status, 404 | 421), "{origin} answered {}", reply.status);
    }
}

#[tokio::test]
async fn the_live_view_holds_no_token_and_no_secret() {
    let demo = Running::start().await;
    let cookie = demo.sign_in("maya", "harbour-light").await;
    let token = demo.token("medchat", &cookie).await;
    demo.identify("medchat", &token).await;
    let mut stream = TcpStream::connect(demo.at.clinic.trim_start_matches("http://")).await.unwrap();
    let host = demo.at.clinic.trim_start_matches("http://");
    stream.write_all(format!("GET /demo/events HTTP/1.1\r\nhost: {host}\r\n\r\n").as_bytes()).await.unwrap();
    let mut seen = String::new();
    let told = ["Maya Lindgren signed in", "Signed a medchat token", "Believes that this is Maya Lindgren"];
    while !told.iter().all(|line| seen.contains(line)) {
        let mut buffer = [0; 4096];
        let n = stream.read(&mut buffer).await.unwrap();
        assert!(n > 0, "the stream ended: {seen}");
        seen.push_str(&String::from_utf8_lossy(&buffer[..n]));
    }
    assert!(!seen.contains(&token) && !seen.contains(token.rsplit('.').next().unwrap()));
    assert!(!seen.contains(cookie.split('=').nth(1).unwrap()), "nor the session");
}

#[tokio::test]
async fn an_open_live_view_does_not_hold_up_the_end() {
    let mut demo = Running::start().await;
    let host = demo.at.clinic.trim_start_matches("http://").to_owned();
    let mut stream = TcpStream::connect(&host).await.unwrap();
    stream.write_all(format!("GET /demo/events HTTP/1.1\r\nhost: {host}\r\n\r\n").as_bytes()).await.unwrap();
    let mut buffer = [0; 64];
    let _ = stream.read(&mut buffer).await.unwrap();
    demo.stop.take().unwrap().send(()).unwrap();
    tokio::time::timeout(std::time::Duration::from_secs(2), demo.ended).await.unwrap().unwrap();
    assert!(TcpStream::connect(&host).await.is_err(), "the port is free again");
}

#[tokio::test]
async fn a_port_that_is_taken_is_said_to_be() {
    let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = taken.local_addr().unwrap().port();
    let options = Options { widget: "medchat".to_owned(), port: Some(port), web_chat: None };
    let problem = Demo::start(&options, &Clock::system()).await.unwrap_err();
    assert!(matches!(problem, DemoError::Port(p, _) if p == port), "{problem}");
    let options = Options { widget: "nobody".to_owned(), port: Some(0), web_chat: None };
    let problem = Demo::start(&options, &Clock::system()).await.unwrap_err().to_string();
    assert!(problem.contains("there are medchat, userinfo"), "{problem}");
}

#[tokio::test]
async fn the_demos_clocks_are_put_forward_together_and_an_ended_token_is_explained_each_time() {
    let demo = Running::start().await;
    let cookie = demo.sign_in("maya", "harbour-light").await;
    let token = demo.token("medchat", &cookie).await;
    let (_, known) = demo.identify("medchat", &token).await;
    assert_eq!(demo.page("POST", "/demo/forward", &cookie, "seconds=121").await.status, 204);
    assert_eq!(demo.identify("medchat", &token).await.1["code"], "expired");
    for question in ["Who am I?", "And now?"] {
        let said = json!({ "do": "say", "conversation": known["conversation"], "text": question });
        let (_, answer) = demo.vendor(&said).await;
        let reply = answer["reply"].as_str().unwrap();
        assert!(reply.contains(question) && reply.contains("expired"), "{reply}");
        assert_eq!((&answer["lapsed"], &answer["verified_as"]), (&json!(true), &Value::Null));
    }
    let fresh = demo.token("medchat", &cookie).await;
    assert_eq!(demo.identify("medchat", &fresh).await.0, 200, "countersign's clock went along");
    let page = demo.page("GET", "/", &cookie, "").await.body;
    assert!(page.contains(r#"data-ahead="121000""#), "a page that is opened later knows it too");
    let far = demo.page("POST", "/demo/forward", &cookie, "seconds=99999999999").await;
    assert_eq!(far.status, 204);
    assert_eq!(demo.page("GET", "/api/session", &cookie, "").await.status, 200, "no further than ten minutes at once");
    let foreign = [("origin", demo.at.stranger.as_str()), ("content-type", "application/x-www-form-urlencoded")];
    assert_eq!(send(&demo.at.clinic, "POST", "/demo/forward", &foreign, "seconds=9").await.status, 403);
}

#[tokio::test]
async fn the_address_that_a_conversation_names_says_what_it_is() {
    let demo = Running::start().await;
    let page = send(&demo.at.direct_line, "GET", "/", &[], "").await;
    assert_eq!(page.status, 200);
    assert!(page.header("content-type").starts_with("text/html"));
    assert!(page.body.contains("double of Direct Line"), "{}", page.body);
}

#[tokio::test]
async fn countersigns_own_login_is_one_of_the_scenes() {
    let demo = Running::start().await;
    let nobody = demo.page("GET", "/chat-identity/session", "", "").await.json();
    assert_eq!(nobody["login_url"], format!("{}/chat-identity/login", demo.at.clinic));
    let page = demo.page("GET", "/chat-identity/login?popup=1", "", "").await;
    assert!(page.body.contains("<title>Log in · Harbour Clinic</title>"), "{}", page.body);
}
