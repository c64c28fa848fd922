//! A change of files: read, checked, and in force at once; said what it did; and nothing done that it did not ask for.

use std::fs;
use std::path::Path;

use countersign::app::changes::between;
use countersign::app::config::Settings;
use countersign::app::{App, ReadSettings, reload};
use countersign::base::clock::Clock;
use countersign::cli;
use countersign::config::env::Env;
use countersign::jose::algorithm::Algorithm;
use countersign::jose::signer::generate_pem;
use http::{Request, StatusCode};
use serde_json::Value;

use crate::kit::{BEHIND_PROXY, House, PROOF, SECRET, START, jose, page, read, settings, visit};
use crate::publisher::{Page, Publisher};

const OTHER: &str = "w7Lq2Zs9Xc4Vb6Nm1Kj8Hg5Fd3Sa0Po2";

fn rereading(vars: &[(String, String)]) -> ReadSettings {
    let vars = vars.to_vec();
    Box::new(move || Settings::read(Env::new(vars.clone())))
}

/// A folder with one file per setting, and the settings that name them.
struct Files {
    folder: tempfile::TempDir,
    vars: Vec<(String, String)>,
}

impl Files {
    fn of(base: &[(String, String)], names: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut vars: Vec<(String, String)> = base.to_vec();
        vars.retain(|(name, _)| !names.contains(&name.as_str()));
        for name in names {
            vars.push((format!("{name}_FILE"), folder.path().join(name).display().to_string()));
        }
        Self { folder, vars }
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.folder.path().join(name), text).unwrap();
    }

    fn remove(&self, name: &str) {
        fs::remove_file(self.folder.path().join(name)).unwrap();
    }

    async fn reload(&self, house: &House) -> bool {
        reload(&house.app.state, &rereading(&self.vars)).await.is_some()
    }
}

#[tokio::test]
async fn a_reload_opens_no_audit_log() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("audit.jsonl");
    let vars = settings(&BEHIND_PROXY, &[("AUDIT_LOG", log.to_str().unwrap())]);
    let app = App::new(read(&vars).unwrap(), &Clock::manual(START).0).unwrap();
    fs::remove_file(&log).unwrap();
    assert!(reload(&app.state, &rereading(&vars)).await.is_some());
    assert!(!log.exists(), "the reload has opened the log again");
}

fn with_bearer(audience: &str) -> Vec<(String, String)> {
    settings(
        &BEHIND_PROXY,
        &[
            ("SESSION_SOURCES", "bearer,upstream,forwarded"),
            ("BEARER_ISSUER", "http://127.0.0.1:9"),
            ("BEARER_AUDIENCE", audience),
            ("UPSTREAM_SESSION_URL", "http://127.0.0.1:9/me"),
            ("UPSTREAM_SESSION_COOKIES", "sid"),
        ],
    )
}

#[tokio::test]
async fn a_provider_that_is_down_holds_up_nothing_else() {
    let house = House::of(&with_bearer("chat"));
    let mut changed = with_bearer("other");
    changed.retain(|(name, _)| name != "FORWARDED_PROOF_SECRET");
    changed.push(("FORWARDED_PROOF_SECRET".to_owned(), OTHER.to_owned()));
    assert!(reload(&house.app.state, &rereading(&changed)).await.is_some());
    assert_eq!(token_with(&house, PROOF).await, StatusCode::UNAUTHORIZED, "the leaked secret is out of use");
}

#[test]
fn a_reload_says_of_each_setting_whether_it_took_effect() {
    let reading = |more: &[(&str, &str)]| read(&settings(&BEHIND_PROXY, more)).unwrap().reading;
    let before = reading(&[]);
    assert!(between(&before, &reading(&[])).is_empty());
    let now = reading(&[
        ("FORWARDED_PROOF_SECRET", OTHER),
        ("RATE_LIMIT_VISITOR", "1/m"),
        ("REQUEST_COOKIES_MAX", "64"),
        ("REQUEST_HEADERS_MAX", "64"),
        ("TOKEN_METHODS", "POST"),
    ]);
    let said: Vec<(String, bool)> =
        between(&before, &now).into_iter().map(|change| (change.setting, change.took_effect)).collect();
    let expected = [
        ("FORWARDED_PROOF_SECRET", true),
        ("RATE_LIMIT_VISITOR", false),
        ("REQUEST_COOKIES_MAX", true),
        ("REQUEST_HEADERS_MAX", false),
        ("TOKEN_METHODS", true),
    ];
    assert_eq!(said, expected.map(|(name, took)| (name.to_owned(), took)));
}

async fn token_with(house: &House, proof: &str) -> StatusCode {
    let request = page("/token")
        .header("x-forwarded-user", "alice")
        .header("x-forwarded-email", "a@b.c")
        .header("x-countersign-proof", proof);
    house.ask(request).await.status
}

/// K-2.
#[tokio::test]
async fn a_leaked_proof_is_retired_with_files_alone() {
    let files = Files::of(&settings(&BEHIND_PROXY, &[]), &["FORWARDED_PROOF_SECRET", "FORWARDED_PROOF_SECRET_NEXT"]);
    files.write("FORWARDED_PROOF_SECRET", PROOF);
    let house = House::of(&files.vars);
    let accepted =
        async || (token_with(&house, PROOF).await.is_success(), token_with(&house, OTHER).await.is_success());
    assert_eq!(accepted().await, (true, false), "no next secret is a legal state");
    files.write("FORWARDED_PROOF_SECRET_NEXT", OTHER);
    assert!(files.reload(&house).await);
    assert_eq!(accepted().await, (true, true), "both, while the proxy is switched over");
    files.write("FORWARDED_PROOF_SECRET", OTHER);
    assert!(files.reload(&house).await, "next is in its place already");
    assert_eq!(accepted().await, (false, true), "the leaked one is out of use");
    files.write("FORWARDED_PROOF_SECRET_NEXT", "\n");
    assert!(files.reload(&house).await, "emptied");
    files.remove("FORWARDED_PROOF_SECRET_NEXT");
    assert!(files.reload(&house).await, "removed");
    assert_eq!(accepted().await, (false, true));
    files.write("FORWARDED_PROOF_SECRET", "");
    assert!(!files.reload(&house).await, "but the secret itself must be there");
}

/// K-2.
#[tokio::test]
async fn a_private_key_is_rotated_with_files_alone() {
    const NAMES: [&str; 3] = ["WIDGET_PRIVATE_KEY", "WIDGET_PRIVATE_KEY_NEXT", "WIDGET_PRIVATE_KEY_PREVIOUS"];
    let pem = || generate_pem(Algorithm::named("ES256").unwrap()).unwrap();
    let (first, second) = (pem(), pem());
    let base = [
        ("WIDGET_PRESET", "userinfo"),
        ("WIDGET_AUDIENCE", "chat"),
        ("WIDGET_ALGORITHM", "ES256"),
        ("WIDGET_SECRET", ""),
        ("RATE_LIMIT_VISITOR", "off"),
    ];
    let files = Files::of(&settings(&BEHIND_PROXY, &base), &NAMES);
    files.write(NAMES[0], &first);
    let house = House::of(&files.vars);
    let published = async || {
        let set: Value = house.ask(Request::get("/.well-known/jwks.json")).await.json();
        set["keys"].as_array().unwrap().iter().map(|key| key["kid"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let signing = async || jose(&house.ask(visit("/token", "alice")).await.token())["kid"].as_str().unwrap().to_owned();
    let old = signing().await;
    files.write(NAMES[1], &second);
    assert!(files.reload(&house).await, "the next key is announced");
    assert_eq!((published().await.len(), signing().await), (2, old.clone()));
    files.write(NAMES[2], &first);
    assert!(files.reload(&house).await, "the current one is kept as the previous one");
    files.write(NAMES[0], &second);
    assert!(files.reload(&house).await, "the next one signs");
    let new = signing().await;
    assert!(new != old && published().await.len() == 2, "the old one can still be checked with");
    files.write(NAMES[1], "");
    files.remove(NAMES[2]);
    assert!(files.reload(&house).await, "and is forgotten when its last token has ended");
    assert_eq!((published().await, signing().await), (vec![new.clone()], new));
}

#[test]
fn a_widgets_connector_lives_on_until_a_setting_of_the_widget_changes() {
    let base = [
        ("WIDGET_PRESET", "healthcare-agent"),
        ("WIDGET_SECRET", ""),
        ("WIDGET_APP_SECRET", SECRET),
        ("WIDGET_SUBJECT", "plain"),
        ("WIDGET_WEBCHAT_SECRET", PROOF_LIKE),
    ];
    let before = settings(&BEHIND_PROXY, &base);
    let house = House::of(&before);
    let connector = || house.app.state.snapshot().widgets.get(None).unwrap().connector.clone().unwrap();
    let first = connector();
    let again = |change: (&str, &str)| {
        let changed: Vec<(&str, &str)> = base.into_iter().chain([change]).collect();
        let rereading = rereading(&settings(&BEHIND_PROXY, &changed));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        assert!(runtime.block_on(reload(&house.app.state, &rereading)).is_some());
        std::sync::Arc::ptr_eq(&first, &connector())
    };
    assert!(again(("TOKEN_METHODS", "POST")), "nothing about the widget has changed");
    assert!(!again(("WIDGET_WEBCHAT_SECRET", OTHER)), "another secret is another connector");
}

/// R6.
#[test]
fn a_webchat_secret_is_rotated_with_files_alone() {
    const NAMES: [&str; 2] = ["WIDGET_WEBCHAT_SECRET", "WIDGET_WEBCHAT_SECRET_NEXT"];
    let pseudonym = countersign::base::secret::Encoding::Base64Url.encode(&(0..64).collect::<Vec<u8>>());
    let base = [
        ("WIDGET_PRESET", "healthcare-agent"),
        ("WIDGET_SECRET", ""),
        ("WIDGET_APP_SECRET", SECRET),
        ("PSEUDONYM_KEY", &pseudonym),
    ];
    let files = Files::of(&settings(&BEHIND_PROXY, &base), &NAMES);
    files.write(NAMES[0], PROOF_LIKE);
    for (next, step) in [("", "none"), (OTHER, "the other"), (PROOF_LIKE, "the same, after the switch")] {
        files.write(NAMES[1], next);
        assert!(read(&files.vars).is_ok(), "{step}: {:?}", read(&files.vars).err());
    }
    files.remove(NAMES[1]);
    assert!(read(&files.vars).is_ok());
}

/// Settings beside the keys, the key, and those that stand beside it while it is rotated.
type Rotation<'a> = (&'a [(&'a str, &'a str)], &'a str, &'a [&'a str]);

/// K-2.
#[test]
fn every_other_key_is_rotated_with_files_alone() {
    let key = |from: u8| countersign::base::secret::Encoding::Base64Url.encode(&(from..from + 64).collect::<Vec<u8>>());
    let login = [
        ("SESSION_SOURCES", "login"),
        ("LOGIN", "oidc"),
        ("OIDC_ISSUER", "https://login.example.org"),
        ("OIDC_CLIENT_ID", "chat"),
        ("OIDC_CLIENT_SECRET", "qT5yHn8Rk2Vd7Wm4Zx9Lc3Bp6Fs1Gj0A"),
        ("FORWARDED_CONVENTION", ""),
        ("FORWARDED_PROOF_SECRET", ""),
    ];
    let exchange = [("WIDGET_PRESET", "cometchat"), ("WIDGET_SECRET", "")];
    let (first, second) = (key(0), key(100));
    let cases: [Rotation<'_>; 3] = [
        (&login, "SESSION_STORE_KEY", &["SESSION_STORE_KEY_NEXT", "SESSION_STORE_KEY_PREVIOUS"]),
        (&[("WIDGET_SUBJECT", "pseudonym")], "PSEUDONYM_KEY", &["PSEUDONYM_KEYS_OLD"]),
        (&exchange, "WIDGET_API_KEY", &["WIDGET_API_KEY_NEXT"]),
    ];
    for (base, name, others) in cases {
        let files = Files::of(&settings(&BEHIND_PROXY, base), &[&[name], others].concat());
        let check = |step: &str| {
            let told = read(&files.vars).map(drop).map_err(|mistakes| mistakes.to_string()).err().unwrap_or_default();
            assert!(!others.iter().chain([&name]).any(|other| told.contains(other)), "{name}: {step}: {told}");
        };
        files.write(name, &first);
        check("no other one");
        for other in others {
            for (text, step) in [(&second, "another"), (&first, "the same"), (&second, "another again")] {
                files.write(other, text);
                check(step);
            }
        }
        files.write(name, &second);
        check("the same, the other way round");
        for other in others {
            files.write(other, "");
            check("emptied");
            files.remove(other);
            check("removed");
        }
    }
}

const PROOF_LIKE: &str = "a-webchat-secret-0.kX4vQm8Zt2Lr6Wp0";

#[test]
fn a_missing_file_is_watched_from_the_beginning() {
    let files = Files::of(&settings(&BEHIND_PROXY, &[]), &["FORWARDED_PROOF_SECRET", "FORWARDED_PROOF_SECRET_NEXT"]);
    files.write("FORWARDED_PROOF_SECRET", PROOF);
    let watched = read(&files.vars).unwrap().reading.files;
    assert!(watched.contains(Path::new(&files.folder.path().join("FORWARDED_PROOF_SECRET_NEXT"))));
}

#[tokio::test]
async fn a_half_written_key_file_signs_nothing() {
    let pem = || generate_pem(Algorithm::named("ES256").unwrap()).unwrap();
    let base = [
        ("WIDGET_PRESET", "userinfo"),
        ("WIDGET_AUDIENCE", "chat"),
        ("WIDGET_ALGORITHM", "ES256"),
        ("WIDGET_SECRET", ""),
        ("RATE_LIMIT_VISITOR", "off"),
    ];
    let files = Files::of(&settings(&BEHIND_PROXY, &base), &["WIDGET_PRIVATE_KEY"]);
    files.write("WIDGET_PRIVATE_KEY", &pem());
    let house = House::of(&files.vars);
    let signing = async || jose(&house.ask(visit("/token", "alice")).await.token())["kid"].as_str().unwrap().to_owned();
    let (old, key) = (signing().await, pem());
    for part in [0, 1, key.len() / 2, key.len() - 10] {
        files.write("WIDGET_PRIVATE_KEY", &key[..part]);
        assert!(!files.reload(&house).await, "{part} of {} bytes", key.len());
        assert_eq!(signing().await, old);
    }
    files.write("WIDGET_PRIVATE_KEY", &key);
    assert!(files.reload(&house).await);
    assert_ne!(signing().await, old);
}

#[tokio::test]
async fn a_reload_keeps_what_an_unchanged_source_remembers() {
    let site = Publisher::start().await;
    site.put("/me", Page::ok(r#"{"sub":"u1","name":"Jane"}"#));
    let url = site.url("/me");
    let with = |changes: &[(&str, &str)]| {
        let upstream = [
            ("SESSION_SOURCES", "upstream"),
            ("UPSTREAM_SESSION_URL", url.as_str()),
            ("UPSTREAM_SESSION_COOKIES", "sid"),
            ("UPSTREAM_CACHE", "5s"),
        ];
        settings(&BEHIND_PROXY, &upstream.iter().chain(changes).copied().collect::<Vec<_>>())
    };
    let house = House::of(&with(&[]));
    let asks = async || house.ask(page("/token").header("cookie", "sid=1")).await;
    assert_eq!((asks().await.status, site.count()), (StatusCode::OK, 1));
    assert!(reload(&house.app.state, &rereading(&with(&[("WIDGET_LIFETIME", "1h")]))).await.is_some());
    assert_eq!((asks().await.status, site.count()), (StatusCode::OK, 1), "its verdict is still known");
    assert!(reload(&house.app.state, &rereading(&with(&[("UPSTREAM_NAME", "/nick")]))).await.is_some());
    let answer = asks().await;
    assert_eq!((answer.status, site.count()), (StatusCode::FORBIDDEN, 2), "a verdict under other settings is none");
}

#[tokio::test]
async fn check_creates_no_file_and_opens_no_socket() {
    let (folder, provider) = (tempfile::tempdir().unwrap(), Publisher::start().await);
    let inside = |name: &str| folder.path().join(name).display().to_string();
    let vars = settings(
        &BEHIND_PROXY,
        &[
            ("LISTEN", &format!("unix:{}", inside("http.sock"))),
            ("SESSION_SOURCES", "login,bearer,upstream,forwarded"),
            ("SUBJECT_NAMESPACE", "default"),
            ("LOGIN", "oidc"),
            ("OIDC_ISSUER", &provider.url("")),
            ("OIDC_CLIENT_ID", "chat"),
            ("OIDC_CLIENT_SECRET", OTHER),
            ("SESSION_STORE", &format!("sqlite:{}", inside("state/sessions.db"))),
            ("AUDIT_LOG", &inside("audit.jsonl")),
            ("BEARER_ISSUER", &provider.url("/other")),
            ("BEARER_AUDIENCE", "chat"),
            ("UPSTREAM_SESSION_URL", &provider.url("/me")),
            ("UPSTREAM_SESSION_COOKIES", "sid"),
        ],
    );
    let command = cli::parse(["countersign", "check"].map(Into::into)).unwrap();
    let mut out = Vec::new();
    let exit = cli::run(command, vars, &mut out).await.unwrap();
    assert_eq!(exit, cli::Exit::Well, "{}", String::from_utf8_lossy(&out));
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0, "nothing was made");
    assert_eq!(provider.count(), 0, "nobody was asked");
}
