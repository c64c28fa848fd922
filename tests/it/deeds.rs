//! What is done by hand with keys and identities leaves a record that lasts, or is not done.

use std::path::Path;

use countersign::cli;
use data_encoding::BASE64URL_NOPAD;
use serde_json::Value;

use crate::kit::{BEHIND_PROXY, settings};

pub const AUDIT_KEY: &str = "an-audit-key-that-two-replicas-share-9753";

pub async fn run(line: &[&str], vars: Vec<(String, String)>) -> (String, anyhow::Result<cli::Exit>) {
    let args = std::iter::once("countersign").chain(line.iter().copied()).map(Into::into);
    let mut out = Vec::new();
    let ended = cli::run(cli::parse(args).unwrap(), vars, &mut out).await;
    (String::from_utf8(out).unwrap(), ended)
}

fn vars(log: &str, key: &str) -> Vec<(String, String)> {
    let pseudonym = BASE64URL_NOPAD.encode((0..64_u8).map(|i| i.wrapping_mul(37)).collect::<Vec<u8>>().as_ref());
    settings(&BEHIND_PROXY, &[("AUDIT_LOG", log), ("AUDIT_KEY", key), ("PSEUDONYM_KEY", &pseudonym)])
}

const MINT: [&str; 6] = ["mint", "--yes-really-mint", "--subject", "alice", "--name", "Jane Doe"];
const PSEUDONYM: [&str; 3] = ["pseudonym", "--subject", "alice"];
const WHY: [&str; 2] = ["--reason", "ticket \"4711\""];

fn records(log: &Path) -> Vec<Value> {
    std::fs::read_to_string(log).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[tokio::test]
async fn every_deed_of_an_operator_says_who_for_whom_and_why() {
    let place = tempfile::tempdir().unwrap();
    let (log, accounts) = (place.path().join("audit.jsonl"), place.path().join("accounts.jsonl"));
    let vars = || vars(log.to_str().unwrap(), AUDIT_KEY);
    run(&[&MINT[..], &WHY].concat(), vars()).await.1.unwrap();
    let (id, ended) = run(&[&PSEUDONYM[..], &WHY].concat(), vars()).await;
    ended.unwrap();
    let (shown, ended) = run(&[&["unmask", id.trim()][..], &WHY].concat(), vars()).await;
    ended.unwrap();
    assert!(shown.contains("alice"));
    let add = ["accounts", "--file", accounts.to_str().unwrap(), "add", "alice", "--generate"];
    run(&[&add[..], &WHY].concat(), vars()).await.1.unwrap();
    run(&[&add[..], &WHY].concat(), vars()).await.1.unwrap_err();
    let records = records(&log);
    let deeds: Vec<(&str, &str)> =
        records.iter().map(|r| (r["audit"].as_str().unwrap(), r["outcome"].as_str().unwrap())).collect();
    let expected = ["mint", "pseudonym", "unmask", "accounts_add", "accounts_add"].map(|what| (what, "asked"));
    assert_eq!(deeds, [&expected[..], &[("accounts_add", "failed")]].concat());
    for record in &records {
        assert_eq!(record["reason"], "ticket \"4711\"");
        assert_eq!(record["subject"], "6a20cf1fab45a023", "{record}");
        assert!(record["operator"].as_str().unwrap().chars().next().unwrap().is_ascii_digit(), "{record}");
        assert!(!record.to_string().contains("alice"));
    }
    assert_eq!((&records[1]["id"], &records[2]["id"]), (&Value::from(id.trim()), &Value::from(id.trim())));
}

#[tokio::test]
async fn a_deed_that_leaves_no_record_is_not_done() {
    let place = tempfile::tempdir().unwrap();
    let log = place.path().join("audit.jsonl");
    let log = log.to_str().unwrap();
    let cases = [
        (vars("off", AUDIT_KEY), &WHY[..], "AUDIT_LOG must name a file"),
        (vars("stdout", AUDIT_KEY), &WHY, "AUDIT_LOG must name a file"),
        (vars(log, ""), &WHY, "AUDIT_KEY must be set"),
        (vars(log, AUDIT_KEY), &[], "--reason"),
        (vars("/dev/full", AUDIT_KEY), &WHY, "nothing was done"),
    ];
    for (vars, why, sentence) in cases {
        let accounts = place.path().join("accounts.jsonl");
        let add = ["accounts", "--file", accounts.to_str().unwrap(), "add", "alice", "--generate"];
        for line in [&MINT[..], &PSEUDONYM, &add] {
            let (out, ended) = run(&[line, why].concat(), vars.clone()).await;
            let problem = ended.expect_err(sentence).to_string();
            assert!(problem.contains(sentence), "{problem}");
            assert_eq!(out, "", "{line:?} {sentence}");
            assert!(!accounts.exists());
        }
    }
}
