//! The audit log is evidence: what is missing, changed, moved or torn is found, over files, writers and crashes.

use std::path::{Path, PathBuf};
use std::time::Duration;

use countersign::base::clock::Clock;
use countersign::cli::Exit;
use countersign::config::env::Env;
use countersign::observe::audit::settings::AuditSettings;
use countersign::observe::audit::{Audit, Record};
use serde_json::Value;

use crate::deeds::{AUDIT_KEY, run};
use crate::kit::{BEHIND_PROXY, START, mistakes, settings};

fn log_at(path: &Path, more: &[(&str, &str)], clock: &Clock) -> Audit {
    let own = [("AUDIT_LOG", path.to_str().unwrap()), ("AUDIT_KEY", AUDIT_KEY), ("REPLICA_ID", "replica-1")];
    let mut env = Env::new(own.into_iter().chain(more.iter().copied()));
    Audit::start(&AuditSettings::read(&mut env), clock.clone()).unwrap()
}

fn write(audit: &Audit, id: &str) {
    audit.record(&Record {
        request_id: id,
        outcome: "issued",
        reason: "",
        widget: "medchat",
        source: "forwarded",
        subject: None,
        token_id: id,
        token_hash: "",
        key_id: "k1",
        expires_at: 1,
        client: None,
        took: Duration::ZERO,
    });
    audit.flush();
}

/// A log of five records.
fn five(place: &Path) -> PathBuf {
    let path = place.join("audit.jsonl");
    let audit = log_at(&path, &[], &Clock::system());
    for id in ["one", "two", "three", "four", "five"] {
        write(&audit, id);
    }
    path
}

async fn verify(files: &[&Path], key: &str) -> (Exit, String) {
    let files: Vec<&str> = files.iter().map(|file| file.to_str().unwrap()).collect();
    let vars = [("AUDIT_KEY".to_owned(), key.to_owned())].into_iter().filter(|_| !key.is_empty()).collect();
    let (text, ended) = run(&[&["audit", "verify"][..], &files].concat(), vars).await;
    (ended.unwrap(), text)
}

#[tokio::test]
async fn a_log_that_nobody_touched_verifies_and_says_where_it_ends() {
    let place = tempfile::tempdir().unwrap();
    let path = five(place.path());
    let (exit, text) = verify(&[&path], AUDIT_KEY).await;
    assert_eq!(exit, Exit::Well, "{text}");
    assert!(text.contains("The chain holds: 5 records."), "{text}");
    let last: Value = serde_json::from_str(std::fs::read_to_string(&path).unwrap().lines().last().unwrap()).unwrap();
    assert_eq!((&last["seq"], &last["replica"], &last["kid"]), (&5.into(), &"replica-1".into(), &"k1".into()));
    assert!(text.contains(last["hash"].as_str().unwrap()));
}

#[tokio::test]
async fn a_line_that_is_missing_changed_moved_doubled_or_torn_is_found_and_named() {
    let place = tempfile::tempdir().unwrap();
    let path = five(place.path());
    let text = std::fs::read_to_string(&path).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    let join = |at: &[usize]| at.iter().flat_map(|at| [lines[*at], "\n"]).collect::<String>();
    let cases = [
        ("the first taken out", join(&[1, 2, 3, 4]), "line 1: the 1 lines before it are missing"),
        ("one taken out", join(&[0, 1, 3, 4]), "line 3: does not follow the line before it"),
        ("two exchanged", join(&[0, 2, 1, 3, 4]), "line 2: does not follow"),
        ("one repeated", join(&[0, 1, 1, 2, 3, 4]), "line 3: does not follow"),
        ("one changed", text.replacen("\"two\"", "\"2wo\"", 1), "line 2: was changed"),
        ("a foreign one", text.replacen("}\n", "}\n{\"audit\":\"token\"}\n", 1), "line 2: has no hash"),
        ("the end torn", text[..text.len() - 10].to_owned(), "line 5: is torn"),
        ("one torn and glued", text.replacen("\"}\n", "", 1), "line 1: is torn or no record"),
    ];
    for (what, altered, problem) in cases {
        std::fs::write(&path, altered).unwrap();
        let (exit, text) = verify(&[&path], AUDIT_KEY).await;
        assert_eq!(exit, Exit::Failed, "{what}");
        assert!(text.contains(problem), "{what}: {text}");
    }
}

#[tokio::test]
async fn who_does_not_hold_the_key_makes_no_chain_that_verifies() {
    let place = tempfile::tempdir().unwrap();
    let path = five(place.path());
    let (exit, text) = verify(&[&path], "another-audit-key-of-another-service-1").await;
    assert!(exit == Exit::Failed && text.contains("under another AUDIT_KEY"), "{text}");
    assert_eq!(verify(&[&path], "").await.0, Exit::Failed);
}

#[tokio::test]
async fn the_chain_goes_on_over_restarts_and_what_a_crash_tore_is_cut_off_and_recorded() {
    let place = tempfile::tempdir().unwrap();
    let path = five(place.path());
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, format!("{text}{{\"audit\":\"tok")).unwrap();
    write(&log_at(&path, &[], &Clock::system()), "six");
    let (exit, text) = verify(&[&path], AUDIT_KEY).await;
    assert!(exit == Exit::Well && text.contains("7 records"), "{text}");
    assert!(text.contains("line 6: 13 bytes of a torn line were cut off here"), "{text}");
}

#[tokio::test]
async fn several_writers_of_one_file_write_one_chain() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("audit.jsonl");
    let (service, command) = (log_at(&path, &[], &Clock::system()), log_at(&path, &[], &Clock::system()));
    for (audit, id) in [(&service, "a"), (&command, "b"), (&service, "c"), (&command, "d")] {
        write(audit, id);
    }
    let (exit, text) = verify(&[&path], AUDIT_KEY).await;
    assert!(exit == Exit::Well && text.contains("4 records") && text.contains("last record  4 "), "{text}");
}

fn files(place: &Path) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = std::fs::read_dir(place).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

#[tokio::test]
async fn the_chain_goes_on_from_file_to_file_by_size_by_age_and_by_hand() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("audit.jsonl");
    let (clock, hands) = Clock::manual(START);
    let audit = log_at(&path, &[("AUDIT_ROTATE_SIZE", "1k"), ("AUDIT_ROTATE_EVERY", "1h")], &clock);
    for id in ["one", "two", "three", "four"] {
        write(&audit, id);
    }
    assert_eq!(files(place.path()).len(), 2, "by size");
    hands.advance(Duration::from_hours(1));
    write(&audit, "five");
    assert_eq!(files(place.path()).len(), 3, "by age");
    std::fs::rename(&path, place.path().join("audit.jsonl.moved")).unwrap();
    audit.reopen();
    write(&audit, "six");
    let all = files(place.path());
    assert_eq!(all.len(), 4, "by hand");
    let (exit, text) = verify(&all.iter().map(PathBuf::as_path).collect::<Vec<_>>(), AUDIT_KEY).await;
    assert!(exit == Exit::Well && text.contains("9 records"), "{text}");
    let alone = verify(&[&path], AUDIT_KEY).await.1;
    assert!(alone.contains("continues an older file"), "{alone}");
    let (exit, text) = verify(&[&all[1], &all[3]], AUDIT_KEY).await;
    assert_eq!(exit, Exit::Failed, "a whole file is missing: {text}");
    let first = std::fs::read_to_string(&path).unwrap();
    assert!(first.starts_with(r#"{"audit":"file""#), "{first}");
}

#[tokio::test]
async fn lines_that_were_cut_off_while_the_service_runs_are_missed() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("audit.jsonl");
    let audit = log_at(&path, &[], &Clock::system());
    write(&audit, "one");
    let short = std::fs::read_to_string(&path).unwrap();
    write(&audit, "two");
    std::fs::write(&path, short).unwrap();
    write(&audit, "three");
    let (exit, text) = verify(&[&path], AUDIT_KEY).await;
    assert!(
        exit == Exit::Failed && text.contains("line 2: does not follow") && text.contains("numbers 2 to 2"),
        "{text}"
    );
}

#[tokio::test]
async fn a_persons_records_are_found_by_whoever_holds_the_key() {
    let place = tempfile::tempdir().unwrap();
    let log = place.path().join("audit.jsonl");
    let vars = || settings(&BEHIND_PROXY, &[("AUDIT_LOG", log.to_str().unwrap()), ("AUDIT_KEY", AUDIT_KEY)]);
    for subject in ["alice", "bob"] {
        let mint = ["mint", "--yes-really-mint", "--subject", subject, "--name", "X Y", "--reason", "a test"];
        run(&mint, vars()).await.1.unwrap();
    }
    assert_eq!(run(&["audit", "subject-hash", "alice"], vars()).await.0.trim(), "6a20cf1fab45a023");
    let show = |since: &'static str, json: &'static [&'static str]| {
        let line = [&["audit", "show", "--subject", "alice", "--since", since][..], json].concat();
        let vars = vars();
        async move { run(&line, vars).await }
    };
    let (text, ended) = show("1h", &["--json"]).await;
    ended.unwrap();
    let record: Value = serde_json::from_str(text.trim()).unwrap();
    assert_eq!((&record["audit"], &record["subject"]), (&"mint".into(), &"6a20cf1fab45a023".into()));
    assert!(show("2020-01-01", &[]).await.0.contains("audit=mint  outcome=asked"));
    assert_eq!(show("2999-01-01T00:00:00Z", &[]).await.0, "");
    assert!(show("yesterday", &[]).await.1.unwrap_err().to_string().contains("is no time"));
    let unkeyed = settings(&BEHIND_PROXY, &[("AUDIT_LOG", log.to_str().unwrap())]);
    let refused = run(&["audit", "subject-hash", "alice"], unkeyed).await.1.unwrap_err().to_string();
    assert!(refused.contains("AUDIT_KEY is not set"), "{refused}");
}

#[test]
fn rotation_and_replica_are_checked() {
    for (name, value) in [("AUDIT_ROTATE_SIZE", "big"), ("AUDIT_ROTATE_EVERY", "often"), ("REPLICA_ID", "a b")] {
        let text = mistakes(&settings(&BEHIND_PROXY, &[(name, value)]));
        assert!(text.contains(name), "{text}");
    }
}
