//! Keys that are files are rotated a step at a time, and no step leaves a configuration that would not start.

use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use countersign::app::config::{SECTIONS, Settings};
use countersign::config::env::Env;
use countersign::widget::mechanism::Mechanism;
use data_encoding::HEXLOWER;
use serde_json::Value;

use crate::deeds::{AUDIT_KEY, run};
use crate::kit::{BEHIND_PROXY, PROOF, SECRET, settings};

/// A folder of keys, and the settings that name them.
struct Keys {
    place: tempfile::TempDir,
    vars: Vec<(String, String)>,
}

impl Keys {
    fn new(names: &[(&str, &str)], others: &[(&str, &str)]) -> Self {
        let place = tempfile::tempdir().unwrap();
        let path = |name: &str| place.path().join(name).to_str().unwrap().to_owned();
        let files: Vec<(String, String)> =
            names.iter().map(|(setting, name)| (format!("{setting}_FILE"), path(name))).collect();
        let log = path("audit.jsonl");
        let mut changes = vec![("AUDIT_LOG", log.as_str()), ("AUDIT_KEY", AUDIT_KEY)];
        changes.extend(names.iter().map(|(setting, _)| (*setting, "")));
        changes.extend(files.iter().map(|(name, path)| (name.as_str(), path.as_str())));
        changes.extend(others);
        let vars = settings(&BEHIND_PROXY, &changes);
        Self { place, vars }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.place.path().join(name)
    }

    fn text(&self, name: &str) -> Option<String> {
        fs::read_to_string(self.path(name)).ok()
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).unwrap();
        fs::set_permissions(self.path(name), fs::Permissions::from_mode(0o640)).unwrap();
    }

    async fn rotate(&self, line: &[&str]) -> Result<String, String> {
        let line = [&["keys", "rotate", "--reason", "every year"], line].concat();
        let (out, ended) = run(&line, self.vars.clone()).await;
        ended.map(|_| out).map_err(|problem| problem.to_string())
    }

    /// The records that this has left, as deed and outcome.
    fn records(&self) -> Vec<(String, String)> {
        let text = self.text("audit.jsonl").unwrap();
        let lines = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        lines.map(|line| (line["audit"].as_str().unwrap().into(), line["outcome"].as_str().unwrap().into())).collect()
    }

    fn published(&self) -> usize {
        let settings = Settings::read(Env::new(self.vars.clone())).unwrap();
        match &settings.widgets[0].mechanism {
            Mechanism::Token(keys) => keys.published().len(),
            _ => 0,
        }
    }
}

fn age(path: &Path) {
    let long_ago = SystemTime::UNIX_EPOCH + Duration::from_hours(24);
    File::options().write(true).open(path).unwrap().set_modified(long_ago).unwrap();
}

const PAIR: [(&str, &str); 3] = [
    ("WIDGET_PRIVATE_KEY", "key"),
    ("WIDGET_PRIVATE_KEY_NEXT", "key.next"),
    ("WIDGET_PRIVATE_KEY_PREVIOUS", "key.previous"),
];
const SIGNED: [(&str, &str); 4] = [
    ("WIDGET_PRESET", "userinfo"),
    ("WIDGET_SECRET", ""),
    ("WIDGET_AUDIENCE", "https://chat.example.com"),
    ("WIDGET_ALGORITHM", "ES256"),
];

async fn key_pair(others: &[(&str, &str)]) -> Keys {
    let keys = Keys::new(&PAIR, &[&SIGNED[..], others].concat());
    let (pem, ended) = run(&["keygen", "--algorithm", "ES256"], Vec::new()).await;
    ended.unwrap();
    keys.write("key", &pem);
    keys
}

#[tokio::test]
async fn a_key_is_published_before_it_signs_and_until_its_last_token_has_ended() {
    let keys = key_pair(&[]).await;
    let first = keys.text("key");
    assert!(keys.rotate(&["WIDGET_PRIVATE_KEY"]).await.unwrap().contains("is published from now on"));
    let second = keys.text("key.next");
    assert_eq!((keys.text("key"), keys.published()), (first.clone(), 2));
    assert_eq!(fs::metadata(keys.path("key.next")).unwrap().permissions().mode() & 0o777, 0o640, "as the other is");
    assert!(keys.rotate(&["WIDGET_PRIVATE_KEY"]).await.unwrap_err().contains("too early"));
    assert_eq!((keys.text("key"), keys.text("key.next")), (first.clone(), second.clone()));

    age(&keys.path("key.next"));
    assert!(keys.rotate(&["WIDGET_PRIVATE_KEY"]).await.unwrap().contains("signs from now on"));
    assert_eq!((keys.text("key"), keys.text("key.previous"), keys.text("key.next")), (second.clone(), first, None));
    assert_eq!(keys.published(), 2);
    assert!(keys.rotate(&["WIDGET_PRIVATE_KEY"]).await.unwrap_err().contains("too early"));

    age(&keys.path("key"));
    assert!(keys.rotate(&["WIDGET_PRIVATE_KEY"]).await.unwrap().contains("the rotation is over"));
    assert_eq!((keys.text("key"), keys.text("key.previous"), keys.published()), (second, None, 1));
    let expected = ["key_begin", "key_switch", "key_end"].map(|what| (what.to_owned(), "asked".to_owned()));
    assert_eq!(keys.records(), expected);
}

#[tokio::test]
async fn the_only_secret_a_vendor_knows_changes_at_the_moment_that_is_named() {
    let names = [("WIDGET_SECRET", "secret"), ("WIDGET_SECRET_NEXT", "next"), ("WIDGET_SECRET_NEXT_AT", "next-at")];
    let keys = Keys::new(&names, &[]);
    keys.write("secret", SECRET);
    assert!(keys.rotate(&["WIDGET_SECRET"]).await.unwrap_err().contains("--at"));
    keys.rotate(&["WIDGET_SECRET", "--at", "2999-01-01T03:00:00Z"]).await.unwrap();
    assert_eq!(keys.text("next-at").as_deref(), Some("2999-01-01T03:00:00Z\n"));
    let next = keys.text("next");
    assert!(keys.rotate(&["WIDGET_SECRET"]).await.unwrap_err().contains("2999-01-01"));
    keys.write("next-at", "2001-01-01T03:00:00Z");
    keys.rotate(&["WIDGET_SECRET"]).await.unwrap();
    assert_eq!((keys.text("secret"), keys.text("next"), keys.text("next-at")), (next, None, None));
}

#[tokio::test]
async fn a_proxy_gets_its_next_secret_while_the_one_in_force_counts() {
    let names = [("FORWARDED_PROOF_SECRET", "proof"), ("FORWARDED_PROOF_SECRET_NEXT", "proof.next")];
    let keys = Keys::new(&names, &[]);
    keys.write("proof", PROOF);
    keys.rotate(&["FORWARDED_PROOF_SECRET"]).await.unwrap();
    assert_eq!(keys.text("proof").as_deref(), Some(PROOF));
    let next = keys.text("proof.next");
    keys.rotate(&["FORWARDED_PROOF_SECRET"]).await.unwrap();
    assert_eq!((keys.text("proof"), keys.text("proof.next")), (next, None));
}

#[tokio::test]
async fn a_step_after_which_the_settings_would_be_wrong_is_taken_back() {
    let names = [("WIDGET_SECRET", "secret"), ("WIDGET_SECRET_NEXT", "next"), ("WIDGET_SECRET_NEXT_AT", "next-at")];
    let keys = Keys::new(&names, &[("WIDGET_SECRET_ENCODING", "hex")]);
    let secret = HEXLOWER.encode(&(0..64_u8).map(|at| at.wrapping_mul(37)).collect::<Vec<u8>>());
    keys.write("secret", &secret);
    let line = ["WIDGET_SECRET", "--at", "2999-01-01T03:00:00Z", "--encoding", "base64url"];
    let problem = keys.rotate(&line).await.unwrap_err();
    assert!(problem.contains("WIDGET_SECRET_NEXT"), "{problem}");
    assert_eq!((keys.text("secret"), keys.text("next"), keys.text("next-at")), (Some(secret), None, None));
    let expected = ["asked", "failed"].map(|outcome| ("key_begin".to_owned(), outcome.to_owned()));
    assert_eq!(keys.records(), expected);
}

#[tokio::test]
async fn a_key_that_is_named_by_hand_is_rotated_by_hand() {
    let keys = key_pair(&[("WIDGET_KEY_ID", "one-id-for-all")]).await;
    let problem = keys.rotate(&["WIDGET_PRIVATE_KEY"]).await.unwrap_err();
    assert!(problem.contains("WIDGET_KEY_ID is set"), "{problem}");
    assert_eq!(keys.text("key.next"), None);
}

#[tokio::test]
async fn what_a_rotation_lacks_is_said_before_anything_is_done() {
    let keys = Keys::new(&PAIR[..1], &SIGNED);
    let (pem, _) = run(&["keygen", "--algorithm", "ES256"], Vec::new()).await;
    keys.write("key", &pem);
    let problem = keys.rotate(&["WIDGET_PRIVATE_KEY"]).await.unwrap_err();
    for name in ["next", "previous"] {
        let setting = format!("WIDGET_PRIVATE_KEY_{}_FILE", name.to_ascii_uppercase());
        assert!(problem.contains(&format!("\n  {setting}={}.{name}", keys.path("key").display())), "{problem}");
    }
    assert!(keys.rotate(&["FORWARDED_PROOF_SECRET"]).await.unwrap_err().contains("FORWARDED_PROOF_SECRET_FILE"));
    assert!(keys.rotate(&["PUBLIC_URL"]).await.unwrap_err().contains("is no key that is rotated by files"));
    assert_eq!(keys.text("audit.jsonl"), None);
}

#[tokio::test]
async fn every_secret_that_has_a_next_one_can_be_rotated_by_this_command() {
    let keys = Keys::new(&[], &[]);
    let vars = SECTIONS.iter().flat_map(|section| section.vars).filter(|var| var.secret);
    let names = vars.filter_map(|var| var.name.strip_suffix("_NEXT"));
    let mut seen = 0;
    for name in names {
        let problem = keys.rotate(&[name]).await.unwrap_err();
        assert!(problem.contains(&format!("{name}_FILE is not set")), "{name}: {problem}");
        seen += 1;
    }
    assert!(seen >= 8, "{seen}");
}
