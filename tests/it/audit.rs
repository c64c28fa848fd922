//! The audit log cannot be blinded: not by a flood, not by a slow sink, not by a dead one.

use std::collections::BTreeSet;
use std::io::Write;
use std::os::unix::fs::PermissionsExt as _;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use countersign::app::App;
use countersign::app::config::Settings;
use countersign::base::clock::Clock;
use countersign::config::env::Env;
use countersign::observe::audit::settings::AuditSettings;
use countersign::observe::audit::subject::SubjectKey;
use countersign::observe::audit::{Audit, Record};
use futures_util::FutureExt as _;
use futures_util::future::join_all;
use http::StatusCode;
use serde_json::Value;

use crate::kit::{BEHIND_PROXY, House, Records, START, mistakes, settings, visit};

/// A sink that takes nothing until it is opened, and fails while it is told to.
struct Stuck {
    opened: Receiver<bool>,
    open: bool,
    kept: Records,
}

impl Write for Stuck {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        while !self.open {
            self.open = self.opened.recv().map_err(|_| std::io::ErrorKind::BrokenPipe)?;
            if !self.open {
                return Err(std::io::ErrorKind::StorageFull.into());
            }
        }
        self.kept.write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// A service whose audit log is stuck; `true` opens it, `false` fails one write.
fn stuck(required: bool) -> (House, Sender<bool>) {
    let (open, opened) = channel();
    let (clock, hands) = Clock::manual(START);
    let records = Records::default();
    let mut config = Settings::read(Env::new(settings(&BEHIND_PROXY, &[]))).unwrap();
    config.audit = AuditSettings::to(Some(Box::new(Stuck { opened, open: false, kept: records.clone() })));
    config.audit.required = required;
    (House { app: App::new(config, &clock).unwrap(), hands, records }, open)
}

fn lines(house: &House) -> Vec<Value> {
    house.records.text(&house.app).lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn refusal() -> Record<'static> {
    Record {
        request_id: "r",
        outcome: "login_required",
        reason: "no_session",
        widget: "medchat",
        source: "",
        subject: None,
        token_id: "",
        token_hash: "",
        key_id: "",
        expires_at: 0,
        client: Some([203, 0, 113, 7].into()),
        took: Duration::ZERO,
    }
}

fn grant() -> Record<'static> {
    Record { outcome: "issued", reason: "", ..refusal() }
}

#[tokio::test]
async fn no_flood_of_refusals_keeps_a_grant_out_of_the_log() {
    let (house, open) = stuck(false);
    for _ in 0..100_000 {
        house.app.state.audit.record(&refusal());
    }
    for _ in 0..30 {
        assert_eq!(house.ask(visit("/token", "alice")).await.status, StatusCode::OK);
    }
    house.app.state.audit.record(&Record { client: Some([127, 0, 0, 1].into()), ..refusal() });
    open.send(true).unwrap();
    let lines = lines(&house);
    let issued = lines.iter().filter(|line| line["outcome"] == "issued").count();
    assert_eq!(issued, 30);
    let refused: Vec<&Value> = lines.iter().filter(|line| line["outcome"] == "login_required").collect();
    let count: u64 = refused.iter().map(|line| line["sum"].as_u64().unwrap_or(1)).sum();
    assert_eq!(count, 100_001, "every refusal is counted");
    assert!(refused.len() < 1000, "and a flood is a sum: {}", refused.len());
    let sum = refused.iter().find(|line| line["sum"].is_u64()).unwrap();
    assert_eq!(sum["clients"], serde_json::json!(["203.0.113.7", "127.0.0.1"]));
    assert_eq!(house.app.state.audit.lost(), 0);
    assert!(house.app.state.metrics.render().contains("countersign_audit_records_summed_total 99501"));
}

#[tokio::test]
async fn a_flood_of_one_kind_hides_no_refusal_of_another() {
    let house = House::behind_proxy(&[]);
    for _ in 0..100_000 {
        house.app.state.audit.record(&refusal());
    }
    house.app.state.audit.record(&Record { outcome: "forbidden", reason: "group", ..refusal() });
    assert_eq!(lines(&house).iter().filter(|line| line["outcome"] == "forbidden").count(), 1);
}

#[tokio::test]
async fn nothing_is_granted_while_grants_cannot_be_recorded() {
    let (house, open) = stuck(false);
    for _ in 0..16 * 1024 {
        house.app.state.audit.record(&grant());
    }
    let audit = house.app.state.audit.clone();
    let mut room = Box::pin(audit.room());
    assert!(room.as_mut().now_or_never().is_none(), "it waits for its place");
    open.send(true).unwrap();
    assert_eq!(room.await, Ok(()));
    assert_eq!(lines(&house).len(), 16 * 1024, "and none is lost");
}

#[tokio::test]
async fn a_required_record_that_is_not_written_is_a_503() {
    let (house, open) = stuck(true);
    open.send(false).unwrap();
    let refused = house.ask(visit("/token", "alice")).await;
    assert_eq!((refused.status, refused.code().as_str()), (StatusCode::SERVICE_UNAVAILABLE, "audit_unavailable"));
    assert!(!refused.header("retry-after").is_empty() && !refused.text.contains("ey"), "{}", refused.text);
    let refused = house.ask(visit("/token", "alice")).await;
    assert_eq!(refused.code(), "audit_unavailable", "and so is the next, at once");
    open.send(true).unwrap();
    house.app.state.audit.reopen();
    house.app.state.audit.flush();
    house.ask(visit("/token", "alice")).await.token();
    let count = |outcome: &str| lines(&house).iter().filter(|line| line["outcome"] == outcome).count();
    assert_eq!((count("audit_unavailable"), count("issued")), (2, 1), "what was withheld was not issued");
}

/// A sink that says how many lines each write brings.
struct Counting(Sender<usize>);

impl Write for Counting {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let lines = bytes.split(|byte| *byte == b'\n').count() - 1;
        self.0.send(lines).map_err(|_| std::io::ErrorKind::BrokenPipe)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// A log in which every grant must be, and how many lines each write of it brings.
fn counted() -> (Audit, Receiver<usize>) {
    let (brings, brought) = channel();
    let mut settings = AuditSettings::to(Some(Box::new(Counting(brings))));
    settings.required = true;
    (Audit::start(&settings, Clock::manual(START).0).unwrap(), brought)
}

#[tokio::test]
async fn grants_that_are_ready_together_are_written_together() {
    let (audit, brought) = counted();
    let record = grant();
    let all = join_all((0..64).map(|_| audit.recorded(&record))).await;
    assert!(all.iter().all(Result::is_ok));
    // The writer may come by while they gather; it does not come for each.
    let writes: Vec<usize> = brought.try_iter().collect();
    assert!(writes.iter().sum::<usize>() == 64 && writes.len() <= 8, "{writes:?}");
}

#[tokio::test]
async fn whoever_hangs_up_leaves_nobody_waiting() {
    let (audit, brought) = counted();
    let record = grant();
    let mut first = audit.recorded(&record).boxed();
    assert!(first.as_mut().now_or_never().is_none(), "it lets others come");
    let mut second = audit.recorded(&record).boxed();
    assert!(second.as_mut().now_or_never().is_none());
    drop(first);
    assert_eq!(second.await, Ok(()));
    // Where the writer had come by before, a third record says that the first did not leave.
    let lines: usize = brought.try_iter().sum();
    assert!([1, 3].contains(&lines), "what did not leave is not written, or taken back: {lines}");
}

#[tokio::test]
async fn what_a_sink_did_not_take_is_offered_again() {
    let (house, open) = stuck(false);
    open.send(false).unwrap();
    house.ask(visit("/token", "alice")).await.token();
    open.send(true).unwrap();
    house.app.state.audit.reopen();
    assert_eq!(lines(&house).len(), 1);
}

fn file_log(path: &std::path::Path) -> Audit {
    let mut env = Env::new([("AUDIT_LOG", path.to_str().unwrap())]);
    let settings = AuditSettings::read(&mut env);
    env.finish(&BTreeSet::new(), &[]).unwrap();
    Audit::start(&settings, Clock::system()).unwrap()
}

#[test]
fn the_file_is_for_its_owner_and_group_alone_and_is_opened_anew_on_request() {
    let place = tempfile::tempdir().unwrap();
    let (path, moved) = (place.path().join("audit.jsonl"), place.path().join("audit.jsonl.1"));
    std::fs::write(&path, "").unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o666)).unwrap();
    let audit = file_log(&path);
    let mode = || std::fs::metadata(&path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(), 0o640);
    audit.record(&grant());
    audit.flush();
    std::fs::rename(&path, &moved).unwrap();
    audit.reopen();
    audit.record(&grant());
    audit.flush();
    assert_eq!(mode() & !0o640, 0);
    assert_eq!(std::fs::read_to_string(&moved).unwrap().lines().count(), 1);
    assert_eq!(std::fs::read_to_string(&path).unwrap().lines().count(), 2, "the first names the last of the old file");
}

#[test]
fn checking_a_configuration_makes_no_audit_file() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("audit.jsonl");
    crate::kit::read(&settings(&BEHIND_PROXY, &[("AUDIT_LOG", path.to_str().unwrap())])).unwrap();
    assert!(!path.exists());
    let nowhere = place.path().join("nowhere/audit.jsonl");
    let text = mistakes(&settings(&BEHIND_PROXY, &[("AUDIT_LOG", nowhere.to_str().unwrap())]));
    assert!(text.contains("AUDIT_LOG") && text.contains("cannot be opened for appending"), "{text}");
}

/// `printf %s alice | openssl dgst -sha256 -hmac an-audit-key-that-two-replicas-share-9753`
#[test]
fn a_subject_hash_is_an_hmac_that_the_keys_holder_can_make_too() {
    let key = secrecy::SecretSlice::from(b"an-audit-key-that-two-replicas-share-9753".to_vec());
    assert_eq!(SubjectKey::new(&key).hash("alice"), "6a20cf1fab45a023");
}

#[test]
fn records_that_outlive_the_process_want_a_key_that_does_too() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("audit.jsonl");
    let warned = |changes: &[(&str, &str)]| {
        let config = crate::kit::read(&settings(&BEHIND_PROXY, changes)).unwrap();
        config.reading.warnings.iter().any(|warning| warning.variable == "AUDIT_KEY")
    };
    let log = ("AUDIT_LOG", path.to_str().unwrap());
    assert!(warned(&[log]));
    assert!(!warned(&[log, ("AUDIT_KEY", crate::deeds::AUDIT_KEY)]));
    assert!(!warned(&[("AUDIT_LOG", "stdout")]));
}

#[test]
fn a_weak_audit_key_is_refused() {
    let text = mistakes(&settings(&BEHIND_PROXY, &[("AUDIT_KEY", "kX4vQm8Zt2Lr6Wp0Jd3Hn7Bs5Yc1Gf9")]));
    assert!(text.contains("AUDIT_KEY: is shorter than 32 bytes"), "{text}");
    let text = mistakes(&settings(&BEHIND_PROXY, &[("AUDIT_REQUIRED", "true")]));
    assert!(text.contains("AUDIT_REQUIRED: needs a log"), "{text}");
}
