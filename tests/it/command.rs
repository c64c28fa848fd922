//! What the commands print: for people, for scripts, and for nobody who should not see it.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use countersign::cli::Exit;
use countersign::cli::paint::Terminal;
use serde_json::Value;

use crate::deeds::{AUDIT_KEY, run};
use crate::kit::{BEHIND_PROXY, House, SECRET, settings, visit};

fn write(folder: &Path, name: &str, text: &str) -> String {
    let path = folder.join(name);
    fs::write(&path, text).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    path.to_str().unwrap().to_owned()
}

async fn json(line: &[&str], vars: Vec<(String, String)>) -> Value {
    let (out, ended) = run(line, vars).await;
    ended.unwrap();
    serde_json::from_str(&out).unwrap_or_else(|_| panic!("JSON: {out}"))
}

fn setting<'a>(checked: &'a Value, name: &str) -> &'a Value {
    checked["settings"].as_array().unwrap().iter().find(|one| one["name"] == name).unwrap()
}

#[tokio::test]
async fn a_value_is_labelled_with_the_file_and_line_it_stands_on() {
    let folder = tempfile::tempdir().unwrap();
    let secret = write(folder.path(), "medchat", SECRET);
    let text = format!("# a comment\nWIDGET_SECRET_FILE={secret}\nWIDGET_SUBJECT='hex'\nSESSION_SOURCES=upstream\n");
    let env_file = write(folder.path(), ".env", &text);
    let vars = || settings(&BEHIND_PROXY, &[("WIDGET_SECRET", "")]);
    let checked = json(&["check", "--json", "--env-file", &env_file], vars()).await;
    assert_eq!(checked["good"], true);
    let subject = setting(&checked, "WIDGET_SUBJECT");
    assert_eq!((&subject["origin"], &subject["line"]), (&Value::from("env_file"), &Value::from(3)), "{subject}");
    assert_eq!(setting(&checked, "SESSION_SOURCES")["origin"], "environment", "the environment wins");
    assert_eq!(setting(&checked, "WIDGET_SECRET")["file"], Value::from(secret.as_str()));
    let (table, _) = run(&["check", "--env-file", &env_file], vars()).await;
    assert!(table.contains(&format!("hex  ({env_file} line 3)")), "{table}");
    assert!(table.contains(&format!("(file {secret})")) && !table.contains('\u{1b}'), "{table}");
}

#[tokio::test]
async fn a_mistake_and_a_warning_name_the_file_and_line_they_stand_on() {
    let folder = tempfile::tempdir().unwrap();
    let env_file = write(folder.path(), ".env", "\nWIDGET_LIFETIME=5x\nCLOCK_SKEW=7\nWIDGET_CLAIMS_FILE=nowhere\n");
    let line = ["check", "--env-file", &env_file];
    let problem = run(&line, settings(&BEHIND_PROXY, &[])).await.1.unwrap_err().to_string();
    assert!(problem.contains(&format!("WIDGET_LIFETIME ({env_file} line 2): takes a whole number")), "{problem}");
    assert!(problem.contains(&format!("WIDGET_CLAIMS_FILE ({env_file} line 4): ")), "{problem}");
    let (told, _) = run(&["check", "--json", "--env-file", &env_file], settings(&BEHIND_PROXY, &[])).await;
    let told: Value = serde_json::from_str(&told).unwrap();
    let lines: Vec<&Value> = told["mistakes"].as_array().unwrap().iter().map(|one| &one["line"]).collect();
    assert!(lines.len() == 2 && lines.contains(&&Value::from(2)) && lines.contains(&&Value::from(4)), "{told}");
    let mended = write(folder.path(), "mended", "\n\nCLOCK_SKEW=7\n");
    let (out, _) = run(&["check", "--quiet", "--env-file", &mended], settings(&BEHIND_PROXY, &[])).await;
    assert_eq!(out, format!("Warning: CLOCK_SKEW ({mended} line 3): has no unit and is read as 7s; write the unit\n"));
}

#[tokio::test]
async fn a_script_is_told_every_mistake_as_json() {
    let vars = settings(&BEHIND_PROXY, &[("WIDGET_PRESET", "medchatt"), ("LOG_FORMAT", "xml")]);
    let (out, ended) = run(&["check", "--json"], vars).await;
    assert_eq!(ended.unwrap(), Exit::Wrong);
    let checked: Value = serde_json::from_str(&out).unwrap();
    assert_eq!((&checked["good"], checked["mistakes"].as_array().unwrap().len()), (&Value::from(false), 2), "{out}");
    assert!(checked["mistakes"][0]["setting"].is_string());
}

#[tokio::test]
async fn a_quiet_check_still_warns() {
    let (out, _) = run(&["check", "--quiet"], settings(&BEHIND_PROXY, &[])).await;
    assert_eq!(out, "");
    let (out, _) = run(&["check", "--quiet"], settings(&BEHIND_PROXY, &[("ADMIN_LISTEN", "0.0.0.0:9090")])).await;
    assert!(out.starts_with("Warning: ADMIN_LISTEN: "), "{out}");
}

#[tokio::test]
async fn one_secret_has_one_fingerprint_wherever_it_is_named() {
    let pem = countersign::jose::signer::generate_pem(countersign::jose::algorithm::Algorithm::named("ES256").unwrap());
    let pair = [("WIDGET_SECRET", ""), ("WIDGET_PRESET", "userinfo"), ("WIDGET_PRIVATE_KEY", pem.as_deref().unwrap())];
    let audience = [("WIDGET_AUDIENCE", "chat"), ("WIDGET_ALGORITHM", "es256")];
    let of_pair: Vec<(&str, &str)> = pair.iter().chain(&audience).copied().collect();
    for (changes, name) in [(Vec::new(), "WIDGET_SECRET"), (of_pair, "WIDGET_PRIVATE_KEY")] {
        let checked = json(&["check", "--json"], settings(&BEHIND_PROXY, &changes)).await;
        let key = checked["widgets"][0]["key"].as_str().unwrap();
        assert_eq!(setting(&checked, name)["value"], format!("fingerprint {key}"));
    }
}

#[tokio::test]
async fn verify_shows_what_a_token_says_and_everything_that_does_not_hold() {
    let custom = [
        ("WIDGET_PRESET", "custom"),
        ("WIDGET_CLAIMS", "{}"),
        ("WIDGET_ALGORITHM", "hs256"),
        ("WIDGET_STAMPED", "iat,exp"),
        ("WIDGET_ISSUER", "clinic"),
        ("WIDGET_AUDIENCE", "chat"),
    ];
    let vars = || settings(&BEHIND_PROXY, &custom);
    let token = House::of(&vars()).ask(visit("/token", "alice")).await.token();
    let (out, ended) = run(&["verify", &token], vars()).await;
    assert_eq!(ended.unwrap(), Exit::Failed);
    assert!(out.contains("By its own words: Made"), "nobody stands behind it: {out}");
    assert!(out.contains("exp has passed: ") && out.contains("\"alg\":\"HS256\"") && out.contains("ended "), "{out}");
    assert!(!out.contains("names another issuer") && !out.contains("the signature does not hold"), "{out}");
    let elsewhere = settings(&vars_of(&vars()), &[("WIDGET_ISSUER", "other"), ("WIDGET_AUDIENCE", "mail")]);
    let (out, ended) = run(&["verify", "--json", &token], elsewhere).await;
    assert_eq!(ended.unwrap(), Exit::Failed);
    let said: Value = serde_json::from_str(&out).unwrap();
    assert_eq!((&said["holds"], &said["claims"]["sub"]), (&Value::from(false), &Value::from("alice")), "{out}");
    let faults = said["faults"].to_string();
    for what in [r#"\"clinic\", expected is \"other\""#, r#"expected is [\"mail\"]"#, "exp has passed"] {
        assert!(faults.contains(what), "{what}: {faults}");
    }
    let (out, _) = run(&["verify", "nonsense"], vars()).await;
    assert!(out.contains("not in compact serialization"), "{out}");
}

fn vars_of(vars: &[(String, String)]) -> Vec<(&str, &str)> {
    vars.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect()
}

#[tokio::test]
async fn a_key_is_written_for_its_owner_and_its_public_half_printed() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    for algorithm in ["es256", "RS256", "EdDSA"] {
        let file = at(algorithm);
        let line = ["keygen", "--algorithm", algorithm, "--out", &file, "--public"];
        let (public, ended) = run(&line, Vec::new()).await;
        ended.unwrap();
        assert!(public.starts_with("-----BEGIN PUBLIC KEY-----\n"), "{public}");
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        assert!(fs::read_to_string(&file).unwrap().starts_with("-----BEGIN PRIVATE KEY-----\n"));
        assert!(run(&line, Vec::new()).await.1.is_err(), "nothing is written over");
    }
    let file = at("secret");
    let (out, ended) = run(&["keygen", "--out", &file, "--public"], Vec::new()).await;
    assert!(ended.unwrap_err().to_string().contains("no public half") && out.is_empty() && !Path::new(&file).exists());
}

/// What Salesforce's own key utility writes, member for member.
#[tokio::test]
async fn a_key_is_shown_as_a_jwk_with_a_certificate_of_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("key.pem").to_str().unwrap().to_owned();
    let (made, ended) = run(&["keygen", "--algorithm", "RS256", "--out", &file, "--jwk"], Vec::new()).await;
    ended.unwrap();
    let line = ["keygen", "--algorithm", "RS256", "--of", &file, "--jwk", "--kid", "key-1"];
    let (shown, ended) = run(&line, Vec::new()).await;
    ended.unwrap();
    let (made, shown): (Value, Value) = (serde_json::from_str(&made).unwrap(), serde_json::from_str(&shown).unwrap());
    assert_eq!((&made["n"], &shown["kid"]), (&shown["n"], &Value::from("key-1")));
    let mut members: Vec<&String> = shown.as_object().unwrap().keys().collect();
    members.sort();
    assert_eq!(members, ["alg", "e", "kid", "kty", "n", "use", "x5c"]);
    let certificate = data_encoding::BASE64.decode(shown["x5c"][0].as_str().unwrap().as_ref()).unwrap();
    let modulus = data_encoding::BASE64URL_NOPAD.decode(shown["n"].as_str().unwrap().as_ref()).unwrap();
    assert!(certificate.windows(modulus.len()).any(|part| part == modulus), "it is about this key");
    let (out, ended) = run(&["keygen", "--algorithm", "ES256", "--of", &file, "--jwk"], Vec::new()).await;
    let problem = ended.unwrap_err().to_string();
    assert!(problem.contains("--algorithm") && out.is_empty(), "{problem}");
    let bare = ["countersign", "keygen", "--of", &file];
    assert!(countersign::cli::parse(bare.map(Into::into)).is_err(), "a private key is not printed");
}

#[tokio::test]
async fn a_health_check_says_what_it_tried() {
    let taken = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = taken.local_addr().unwrap().to_string();
    drop(taken);
    let (out, ended) = run(&["health", "--admin", &address], Vec::new()).await;
    assert_eq!(ended.unwrap(), Exit::Failed);
    assert!(out.starts_with(&format!("not ready: {address} could not be asked: ")), "{out}");
}

#[test]
fn colour_is_for_terminals_that_want_it() {
    let vars = |pairs: &[(&str, &str)]| settings(pairs, &[]);
    let (person, pipe) = (Terminal { input: true, output: true }, Terminal::default());
    assert!(person.paint(&vars(&[("TERM", "xterm")])).good("ready").contains('\u{1b}'));
    for plain in [person.paint(&vars(&[("NO_COLOR", "1")])), person.paint(&vars(&[("TERM", "dumb")])), pipe.paint(&[])]
    {
        assert_eq!(plain.good("ready"), "ready");
    }
    let rows = [vec!["a".to_owned(), "bb".to_owned(), String::new()], vec!["ccc".to_owned(), "d".to_owned()]];
    assert_eq!(pipe.paint(&[]).table(&rows), "  a    bb\n  ccc  d\n");
}

#[test]
fn whoever_has_read_enough_ends_a_command_quietly() {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_countersign"));
    let ended = command.arg("presets").env_clear().stdout(writer).output().unwrap();
    assert!(ended.status.success() && ended.stderr.is_empty(), "{}", String::from_utf8_lossy(&ended.stderr));
}

const AGENT: [(&str, &str); 5] = [
    ("WIDGET_PRESET", "healthcare-agent"),
    ("WIDGET_SECRET", ""),
    ("APP_SECRET", "an-app-secret-9Gf3Hn7Bs5Yc1kX4vQm8Zt2L"),
    ("WEBCHAT_SECRET", "a-webchat-secret.5Yc1kX4vQm8"),
    ("DIRECTLINE_ENDPOINT_URI", "europe.directline.botframework.com"),
];

#[tokio::test]
async fn a_preview_shows_what_the_token_will_carry_and_where_that_comes_from() {
    let plain = [("WIDGET_SUBJECT", "hex"), ("PSEUDONYM_KEY", "")];
    let changes: Vec<(&str, &str)> = AGENT.iter().chain(&plain).copied().collect();
    let shown = json(&["preview", "--json"], settings(&BEHIND_PROXY, &changes)).await;
    assert_eq!(shown["claims"]["directLineURI"], "europe.directline.botframework.com", "{shown}");
    let vars = || {
        let template = r#"{"name": {"$claim": "{{ name }}", "required": true}, "kind": "patient"}"#;
        settings(&BEHIND_PROXY, &[("WIDGET_CLAIMS", template)])
    };
    let (out, ended) = run(&["preview"], vars()).await;
    ended.unwrap();
    assert!(out.contains("\"Jane Doe\"") && out.contains("--name was not given and is required"), "{out}");
    for (claim, from) in [("name", "{{ name }}"), ("kind", "written in the template"), ("exp", "the clock")] {
        let line = out.lines().find(|line| line.trim_start().starts_with(&format!("{claim} "))).unwrap();
        assert!(line.contains(from), "{line}");
    }
    let (out, _) = run(&["preview", "--name", "Zoe"], vars()).await;
    assert!(out.contains("\"Zoe\"") && !out.contains("sample"), "{out}");
}

#[test]
fn a_claim_that_no_session_can_fill_is_pointed_out() {
    let warned = |changes: &[(&str, &str)]| {
        let config = crate::kit::read(&settings(&BEHIND_PROXY, changes)).unwrap();
        config.reading.warnings.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
    };
    let claims =
        ("WIDGET_CLAIMS", r#"{"plan": "{{ attributes.plan | lower }}", "ward": "{{ attributes.ward or name }}"}"#);
    let said = warned(&[claims]);
    assert!(said.contains("WIDGET_CLAIMS: reads attributes.plan, which no session source provides"), "{said}");
    let said = warned(&[claims, ("FORWARDED_ATTRIBUTES", "plan=X-Plan")]);
    assert!(!said.contains("attributes.plan") && said.contains("attributes.ward"), "{said}");
}

#[tokio::test]
async fn the_accounts_file_is_the_configurations_own() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let text =
        format!("ACCOUNTS_FILE={}\nAUDIT_LOG={}\nAUDIT_KEY={AUDIT_KEY}\n", at("people.jsonl"), at("audit.jsonl"));
    let env_file = write(folder.path(), ".env", &text);
    let add = ["accounts", "add", "anna", "--generate", "--reason", "a test", "--env-file", &env_file];
    let (password, ended) = run(&add, Vec::new()).await;
    ended.unwrap();
    assert!(Path::new(&at("people.jsonl")).exists() && password.trim().len() == 20, "{password}");
    let before = fs::read_to_string(at("people.jsonl")).unwrap();
    let (out, ended) = run(&add, Vec::new()).await;
    assert!(ended.is_err());
    assert_eq!((out.as_str(), fs::read_to_string(at("people.jsonl")).unwrap()), ("", before));
    let other = ["accounts", "password", "nobody", "--generate", "--reason", "a test", "--env-file", &env_file];
    let (out, ended) = run(&other, Vec::new()).await;
    assert!(ended.is_err() && out.is_empty());
}

#[tokio::test]
async fn check_says_whether_sessions_can_be_kept_and_accounts_fit_the_widget() {
    let folder = tempfile::tempdir().unwrap();
    let accounts = folder.path().join("people.jsonl");
    let audit = folder.path().join("audit.jsonl");
    let file = accounts.to_str().unwrap().to_owned();
    let log = [("AUDIT_LOG", audit.to_str().unwrap()), ("AUDIT_KEY", AUDIT_KEY)];
    for (name, subject) in [("anna", &[][..]), ("otto", &["--subject", "u_otto"])] {
        let line = [
            &["accounts", "add", name, "--name", "Somebody", "--generate", "--file", &file, "--reason", "a test"],
            subject,
        ]
        .concat();
        run(&line, settings(&log, &[])).await.1.unwrap();
    }
    let kept = format!("sqlite:{}/state/sessions.db", folder.path().display());
    let blocked = format!("sqlite:{file}/sessions.db");
    let login = |store: &str| {
        let changes = [
            ("SESSION_SOURCES", "login"),
            ("LOGIN", "accounts"),
            ("ACCOUNTS_FILE", file.as_str()),
            ("SESSION_STORE", store),
            ("FORWARDED_CONVENTION", ""),
            ("FORWARDED_PROOF_SECRET", ""),
        ];
        settings(&BEHIND_PROXY, &changes)
    };
    let (out, ended) = run(&["check"], login(&kept)).await;
    ended.unwrap();
    assert!(out.contains(&kept), "the path is shown in clear: {out}");
    assert!(out.contains("ACCOUNTS: 1 of 2 open accounts would get no token of widget `medchat`"), "{out}");
    assert!(!out.contains("cannot be kept") && !folder.path().join("state").exists(), "nothing is made: {out}");
    let (out, _) = run(&["check"], login(&blocked)).await;
    assert!(out.contains("cannot be kept by this user") && out.contains("people.jsonl is not a folder"), "{out}");
}

#[tokio::test]
async fn every_header_that_vouches_for_somebody_is_named_for_the_proxy_to_take_away() {
    let own = [
        ("FORWARDED_PROOF_HEADER", "X-Door"),
        ("FORWARDED_NAME_HEADER", "none"),
        ("FORWARDED_ATTRIBUTES", "plan=X-Plan"),
    ];
    let (out, ended) = run(&["settings", "--strip-headers"], settings(&BEHIND_PROXY, &own)).await;
    assert_eq!(ended.unwrap(), Exit::Well);
    let names: Vec<&str> = out.lines().collect();
    for name in ["x-door", "x-plan", "x-forwarded-user", "remote-user", "oidc_claim_sub", "x-goog-iap-jwt-assertion"] {
        assert!(names.contains(&name), "{name}: {out}");
    }
    assert!(!names.contains(&"none") && !names.contains(&"authorization") && names.is_sorted(), "{out}");
}
