//! `countersign init`: what it writes is a configuration that works.

use std::fs;
use std::io::Cursor;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use countersign::base::clock::Clock;
use countersign::cli::paint::{Paint, Terminal};
use countersign::cli::{CliContext, Exit, Variables, init};
use countersign::widget::presets;

use crate::deeds::run;

const ORIGIN: [&str; 2] = ["--origin", "https://www.example.org"];

async fn made(dir: &Path, line: &[&str]) -> (String, anyhow::Result<Exit>) {
    run(&[&["init", "--dir", dir.to_str().unwrap()], &ORIGIN[..], line].concat(), Vec::new()).await
}

fn files(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { found.extend(files(&path)) } else { found.push(path) }
    }
    found
}

#[tokio::test]
async fn every_vendors_configuration_is_good_as_it_is_written() {
    for profile in presets::ALL {
        let dir = tempfile::tempdir().unwrap();
        let line = ["--proxy", "nginx", "--source", "forwarded", "--widget", profile.name];
        let (out, ended) = made(dir.path(), &line).await;
        let ended = ended.unwrap_or_else(|problem| panic!("{}: {problem:#}\n{out}", profile.name));
        assert_eq!(ended, Exit::Well);
        assert!(out.contains("The configuration is good.") && out.contains("In the page:"), "{out}");
        let ours = profile.algorithms.first().is_some_and(|name| !name.starts_with("HS"));
        assert!(ours || out.contains("a stand-in was made; the real one is from"), "{out}");
    }
}

#[tokio::test]
async fn every_source_goes_with_every_proxy() {
    for proxy in ["nginx", "apache", "caddy", "haproxy", "other"] {
        for source in ["forwarded", "upstream", "bearer", "oidc", "accounts"] {
            let dir = tempfile::tempdir().unwrap();
            let line = ["--proxy", proxy, "--source", source, "--widget", "medchat", "--mount", "/chat/"];
            let (out, ended) = made(dir.path(), &line).await;
            let ended = ended.unwrap_or_else(|problem| panic!("{proxy}, {source}: {problem:#}\n{out}"));
            assert_eq!(ended, Exit::Well, "{out}");
            assert_eq!(out.contains("The configuration is good."), source != "accounts", "{out}");
            for path in files(dir.path()) {
                let text = fs::read_to_string(&path).unwrap();
                let braces = ["{listen}", "{proof}", "{dir}", "{origin}", "{mount}"];
                assert!(
                    braces.iter().chain(&["/chat-identity"]).all(|left| !text.contains(left)),
                    "{}",
                    path.display()
                );
                let secret = fs::read_to_string(dir.path().join("proof")).unwrap_or_else(|_| "nothing".to_owned());
                let private = text.contains(secret.trim()) || path.parent() == Some(dir.path());
                let mode = fs::metadata(&path).unwrap().permissions().mode() & 0o777;
                assert_eq!(mode, if private { 0o600 } else { 0o644 }, "{}", path.display());
            }
        }
    }
}

#[tokio::test]
async fn local_accounts_are_one_step_away() {
    let dir = tempfile::tempdir().unwrap();
    let (out, _) = made(dir.path(), &["--proxy", "other", "--source", "accounts", "--widget", "medchat"]).await;
    let env_file = dir.path().join(".env");
    assert!(out.contains("countersign accounts add jane"), "{out}");
    let file = ["--env-file", env_file.to_str().unwrap()];
    let add = ["accounts", "add", "jane", "--name", "Jane Doe", "--generate", "--reason", "the first account"];
    run(&[&add[..], &file].concat(), Vec::new()).await.1.unwrap();
    let (out, ended) = run(&[&["check", "--quiet"], &file[..]].concat(), Vec::new()).await;
    assert_eq!((out.as_str(), ended.unwrap()), ("", Exit::Well));
}

#[tokio::test]
async fn what_a_login_must_answer_and_what_the_page_does_is_said() {
    let cases: [(&str, &str, &[&str]); 6] = [
        ("nginx", "forwarded", &["It answers GET /oauth2/auth with 2xx and X-Auth-Request-User"]),
        ("apache", "forwarded", &["the OIDC... settings of mod_auth_openidc"]),
        ("caddy", "forwarded", &["COUNTERSIGN_LOGIN in"]),
        ("haproxy", "forwarded", &["X-Countersign-Proof \"${COUNTERSIGN_PROOF}\""]),
        ("nginx", "upstream", &["UPSTREAM_SUBJECT in .env: where in that JSON the visitor's id stands"]),
        (
            "nginx",
            "accounts",
            &["fetch('/chat-identity/token')", "The login is at /chat-identity/login", "source.login()"],
        ),
    ];
    for (proxy, source, known) in cases {
        let dir = tempfile::tempdir().unwrap();
        let (out, _) = made(dir.path(), &["--proxy", proxy, "--source", source, "--widget", "medchat"]).await;
        for known in known {
            assert!(out.contains(known), "{known} is missing in {out}");
        }
        let all: String = files(dir.path()).iter().map(|path| fs::read_to_string(path).unwrap()).collect();
        assert!(!all.contains("countersign/by-cookie."), "the snippet names itself as it is included");
        assert!(all.contains("letters and digits only, so ids are written in hex"), "{all}");
    }
}

#[tokio::test]
async fn several_widgets_are_set_up_at_once() {
    for profile in presets::ALL.iter().filter(|profile| profile.name != "medchat") {
        let dir = tempfile::tempdir().unwrap();
        let widgets = format!("medchat,{}", profile.name);
        let (out, ended) = made(dir.path(), &["--proxy", "nginx", "--source", "upstream", "--widget", &widgets]).await;
        let ended = ended.unwrap_or_else(|problem| panic!("{widgets}: {problem:#}\n{out}"));
        assert_eq!(ended, Exit::Well);
        let env = fs::read_to_string(dir.path().join(".env")).unwrap();
        assert!(env.contains(&format!("WIDGETS={widgets}\n")) && env.contains("WIDGET_MEDCHAT_SECRET_FILE="), "{env}");
        let code = out.split(&format!("In the page, for {}:", profile.name)).nth(1).unwrap();
        assert!(!code.contains("'/chat-identity/token'"), "{code}");
    }
    let dir = tempfile::tempdir().unwrap();
    let two = ["--proxy", "other", "--source", "bearer", "--widget", "medchat, intercom"];
    made(dir.path(), &two).await.1.unwrap();
    let env_file = dir.path().join(".env");
    let preview = ["preview", "--env-file", env_file.to_str().unwrap(), "--widget", "intercom"];
    let (out, _) = run(&preview, Vec::new()).await;
    assert!(out.contains("'/chat-identity/token/intercom'") && out.contains("(--widget NAME): medchat"), "{out}");
    let dir = tempfile::tempdir().unwrap();
    let agents = ["--proxy", "other", "--source", "upstream", "--widget", "healthcare-agent,copilot-studio"];
    made(dir.path(), &agents).await.1.unwrap();
    let names: Vec<String> =
        files(dir.path()).iter().map(|path| path.file_name().unwrap().to_str().unwrap().to_owned()).collect();
    assert!(names.contains(&"healthcare-agent-webchat".to_owned()), "each has a secret of its own: {names:?}");
    let twice = ["--proxy", "other", "--source", "upstream", "--widget", "medchat,medchat"];
    assert!(made(dir.path(), &twice).await.1.unwrap_err().to_string().contains("names medchat twice"));
}

#[tokio::test]
async fn presets_show_names_every_setting_that_init_writes_for_a_vendor() {
    for profile in presets::ALL {
        let dir = tempfile::tempdir().unwrap();
        made(dir.path(), &["--proxy", "other", "--source", "bearer", "--widget", profile.name]).await.1.unwrap();
        let env = fs::read_to_string(dir.path().join(".env")).unwrap();
        let (shown, _) = run(&["presets", "show", profile.name], Vec::new()).await;
        for line in env.lines().filter(|line| line.starts_with("WIDGET_") || line.starts_with("PSEUDONYM")) {
            let name = line.split('=').next().unwrap();
            assert!(shown.contains(&format!("   {name}=")), "{}: {name} is missing in {shown}", profile.name);
        }
    }
}

#[tokio::test]
async fn nothing_is_written_over_and_a_secret_never() {
    let dir = tempfile::tempdir().unwrap();
    let line = ["--proxy", "nginx", "--source", "forwarded", "--widget", "medchat"];
    made(dir.path(), &line).await.1.unwrap();
    let proof = fs::read_to_string(dir.path().join("proof")).unwrap();
    fs::write(dir.path().join("medchat"), "dGhlLXZlbmRvcnMtcmVhbC1zZWNyZXQtb2YtNDAtYnl0ZXM\n").unwrap();
    fs::write(dir.path().join(".env"), "MINE=1\n").unwrap();
    let refused = made(dir.path(), &line).await.1.unwrap_err().to_string();
    assert!(refused.contains("nothing was written") && refused.contains("/.env"), "{refused}");
    assert_eq!(fs::read_to_string(dir.path().join(".env")).unwrap(), "MINE=1\n");
    made(dir.path(), &[&line[..], &["--force", "--set", "WIDGET_SUBJECT=plain"]].concat()).await.1.unwrap();
    let env = fs::read_to_string(dir.path().join(".env")).unwrap();
    assert!(env.contains("WIDGET_SUBJECT=plain\n") && !env.contains("MINE") && !env.contains("=hex"), "{env}");
    assert_eq!(fs::read_to_string(dir.path().join("proof")).unwrap(), proof);
    assert!(fs::read_to_string(dir.path().join("medchat")).unwrap().starts_with("dGhl"));
    assert!(fs::read_to_string(dir.path().join("nginx/countersign/proof.conf")).unwrap().contains(proof.trim()));
}

#[tokio::test]
async fn what_is_said_wrongly_or_not_at_all_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let cases: [(&[&str], &str); 4] = [
        (&["--source", "forwarded", "--widget", "medchat"], "say --proxy"),
        (&["--proxy", "ngnix", "--source", "forwarded", "--widget", "medchat"], "did you mean nginx?"),
        (&["--proxy", "nginx", "--source", "forwarded", "--widget", "medchatt"], "did you mean medchat?"),
        (
            &["--proxy", "nginx", "--source", "forwarded", "--widget", "medchat", "--mount", "chat"],
            "--mount takes a path",
        ),
    ];
    for (line, sentence) in cases {
        let problem = made(dir.path(), line).await.1.unwrap_err().to_string();
        assert!(problem.contains(sentence), "{problem}");
        assert!(files(dir.path()).is_empty());
    }
}

#[test]
fn at_a_terminal_it_asks_by_name_or_number_until_it_is_told() {
    #[derive(clap::Parser)]
    struct Line {
        #[command(flatten)]
        args: init::InitArgs,
    }
    let dir = tempfile::tempdir().unwrap();
    let line = <Line as clap::Parser>::try_parse_from(["init", "--dir", dir.path().to_str().unwrap()]).unwrap();
    let mut answers = Cursor::new("https://www.example.org\n9\nupstream\n3\nmedchat\n");
    let mut out = Vec::new();
    let mut context = CliContext {
        vars: Variables::default(),
        terminal: Terminal::default(),
        paint: Paint::default(),
        clock: Clock::system(),
        out: &mut out,
    };
    assert_eq!(init::run_with(&line.args, Some(&mut answers), &mut context).unwrap(), Exit::Well);
    let out = String::from_utf8(out).unwrap();
    assert!(out.contains("How is the visitor known?\n  1  forwarded") && out.contains("One of these"), "{out}");
    assert!(dir.path().join("caddy/countersign/countersign.caddy").exists());
}
