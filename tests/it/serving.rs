//! The service as a whole: when visitors may be sent to it.

use axum::body::Body;
use countersign::app::{Listeners, ReadSettings};
use countersign::config::env::Mistakes;
use countersign::http::admin::Admin;
use countersign::http::listen::Listener;
use http::{Request, StatusCode};
use serde_json::json;
use tokio::net::TcpListener;
use tokio::sync::oneshot;

use crate::kit::House;
use crate::publisher::{Page, Publisher};
use crate::tokens::{TestKey, key_set};

async fn readiness(admin: &Admin) -> StatusCode {
    admin.handle(Request::get("/ready").body(Body::empty()).unwrap()).await.status()
}

/// Facts section 4.3: readiness waits for the first success, and is not taken back by an outage.
#[tokio::test]
async fn visitors_are_sent_here_once_the_identity_providers_keys_are() {
    let provider = Publisher::start().await;
    let issuer = provider.url("/realm");
    let document = json!({ "issuer": issuer, "jwks_uri": provider.url("/keys") }).to_string();
    provider.put("/realm/.well-known/openid-configuration", Page::ok(document));
    provider.put("/keys", Page::ok(key_set(&[&TestKey::new("ES256", "a")])));
    provider.close();
    let app = House::behind_proxy(&[
        ("SESSION_SOURCES", "bearer"),
        ("FORWARDED_CONVENTION", ""),
        ("FORWARDED_PROOF_SECRET", ""),
        ("BEARER_ISSUER", &issuer),
        ("BEARER_AUDIENCE", "https://chat.example.org"),
    ])
    .app;
    let admin = app.admin.clone();
    let listeners = Listeners { public: Listener::Tcp(TcpListener::bind("127.0.0.1:0").await.unwrap()), admin: None };
    let reread: ReadSettings = Box::new(|| Err(Mistakes(Vec::new())));
    let (stop, stopped) = oneshot::channel::<()>();
    let served = tokio::spawn(app.serve(listeners, reread, async { drop(stopped.await) }));

    provider.has_been_asked(1).await;
    assert_eq!(readiness(&admin).await, StatusCode::SERVICE_UNAVAILABLE, "its keys are not here yet");
    provider.open();
    while readiness(&admin).await != StatusCode::OK {
        tokio::task::yield_now().await;
    }
    provider.fail();
    assert_eq!(readiness(&admin).await, StatusCode::OK, "a probe asks nobody");
    drop(stop);
    served.await.unwrap().unwrap();
    assert_eq!(readiness(&admin).await, StatusCode::SERVICE_UNAVAILABLE, "it has stopped");
}

/// A service that runs, on a port of its own; dropping the sender stops it.
fn served(app: countersign::app::App, reread: ReadSettings) -> (oneshot::Sender<()>, tokio::task::JoinHandle<()>) {
    let (stop, stopped) = oneshot::channel::<()>();
    let served = tokio::spawn(async move {
        let public = Listener::Tcp(TcpListener::bind("127.0.0.1:0").await.unwrap());
        app.serve(Listeners { public, admin: None }, reread, async { drop(stopped.await) }).await.unwrap();
    });
    (stop, served)
}

async fn until(condition: impl Fn() -> bool) {
    while !condition() {
        tokio::task::yield_now().await;
    }
}

fn hang_up() {
    let pid = std::process::id().to_string();
    assert!(std::process::Command::new("kill").args(["-HUP", &pid]).status().unwrap().success());
}

#[tokio::test]
async fn sighup_reloads_and_ends_nobody() {
    let app = House::behind_proxy(&[]).app;
    let state = app.state.clone();
    let asked = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let count = asked.clone();
    let reread: ReadSettings = Box::new(move || {
        count.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        Err(Mistakes(Vec::new()))
    });
    let (stop, served) = served(app, reread);
    until(|| state.metrics.render().contains("countersign_task_heartbeat_seconds{task=\"chores\"}")).await;
    hang_up();
    until(|| asked.load(std::sync::atomic::Ordering::SeqCst) == 1).await;
    drop(stop);
    served.await.unwrap();
}

#[tokio::test]
async fn a_background_task_that_panics_begins_anew_and_is_counted() {
    let app = House::behind_proxy(&[]).app;
    let state = app.state.clone();
    let (stop, served) = served(app, Box::new(|| panic!("a fault of ours")));
    until(|| state.metrics.render().contains("countersign_task_heartbeat_seconds{task=\"chores\"}")).await;
    hang_up();
    until(|| state.metrics.render().contains("countersign_task_restarts_total{task=\"chores\"} 1")).await;
    drop(stop);
    served.await.unwrap();
}
