//! Local accounts: who knows the password gets in, who guesses waits, and nobody learns which names exist.

use std::time::Duration;

use countersign::base::clock::Clock;
use countersign::cli;
use countersign::login::accounts::file::{change, edit};
use countersign::login::accounts::store::{AccountStore, AccountStoreError, NewAccount};
use countersign::login::accounts::throttle::LoginThrottle;
use http::{Request, StatusCode};
use secrecy::SecretString;

use super::browser::{Answer, Browser, From, encoded, form};
use super::house::{COOKIE, House};

pub const PASSWORD: &str = "correct horse battery staple";

pub fn secret(text: &str) -> SecretString {
    SecretString::from(text)
}

pub fn newcomer(username: &str) -> NewAccount {
    NewAccount { username: username.to_owned(), name: Some("Anna Berg".to_owned()), ..NewAccount::default() }
}

/// The text of a file with these accounts.
pub fn accounts(change: impl FnOnce(&mut AccountStore)) -> String {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("accounts.jsonl");
    edit(&path, |book| {
        book.add(newcomer("Anna"), &secret(PASSWORD))?;
        change(book);
        Ok(())
    })
    .unwrap();
    std::fs::read_to_string(&path).unwrap()
}

fn house() -> House {
    House::of(&[("LOGIN", "accounts"), ("ACCOUNTS", &accounts(|_| ()))])
}

pub async fn try_password(house: &House, browser: &mut Browser, username: &str, password: &str) -> Answer {
    let page = browser.get(&house.router, "/login?return_to=/help", From::Own).await;
    let fields = [("state", page.field("state")), ("username", username.to_owned()), ("password", password.to_owned())];
    let fields: Vec<(&str, &str)> = fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
    browser.post(&house.router, "/login/password", &fields).await
}

#[tokio::test]
async fn who_knows_the_password_is_logged_in() {
    let house = house();
    let mut browser = Browser::default();
    for name in ["Anna", "anna", " ANNA "] {
        let answer = try_password(&house, &mut browser, name, PASSWORD).await;
        assert_eq!(answer.location(), "/help");
        assert!(house.subject(&browser).await.unwrap().starts_with('u'));
        assert_eq!(browser.names(), [COOKIE], "the transaction is gone");
    }
    let identity = house.asks(&browser).await.unwrap().unwrap().identity;
    assert_eq!(identity.name.as_deref(), Some("Anna Berg"));
}

#[tokio::test]
async fn a_wrong_password_and_an_unknown_name_get_the_same_answer() {
    let house = house();
    let wrong = try_password(&house, &mut Browser::default(), "anna", "not the password").await;
    let unknown = try_password(&house, &mut Browser::default(), "otto", "not the password").await;
    assert_eq!(wrong.status, StatusCode::FORBIDDEN);
    assert_eq!(wrong.status, unknown.status);
    let plain = |answer: &Answer, name: &str| {
        answer.text.replace(&answer.field("state"), "STATE").replace(&format!("value=\"{name}\""), "value=\"NAME\"")
    };
    assert_eq!(plain(&wrong, "anna"), plain(&unknown, "otto"));
    let names = |answer: &Answer| answer.headers.keys().map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!(names(&wrong), names(&unknown));
    assert_eq!(house.events(), ["login refused wrong_password"; 2]);
}

#[test]
fn an_unknown_name_costs_as_much_as_a_known_one() {
    let text = accounts(|_| ());
    let book = AccountStore::parse(&text).unwrap();
    assert_eq!(book.cost("anna"), (19456, 2));
    assert_eq!(book.cost("otto"), book.cost("anna"));
    let dearer =
        text.replace("Anna", "Zoe").replace("\"subject\":\"u", "\"subject\":\"v").replace("m=19456", "m=65536");
    let mixed = AccountStore::parse(&format!("{text}{dearer}")).unwrap();
    assert_eq!(mixed.cost("otto"), (65536, 2), "as much as the dearest there is");
}

#[tokio::test]
async fn who_guesses_waits_longer_each_time_and_the_right_password_is_not_looked_at() {
    let house = house();
    let mut browser = Browser::default();
    for _ in 0..5 {
        assert_eq!(try_password(&house, &mut browser, "anna", "guess").await.status, StatusCode::FORBIDDEN);
    }
    let mut waits = Vec::new();
    for _ in 0..8 {
        let refused = try_password(&house, &mut browser, "anna", PASSWORD).await;
        assert_eq!(refused.status, StatusCode::TOO_MANY_REQUESTS, "even the right one");
        let wait: u64 = refused.header("retry-after").parse().unwrap();
        waits.push(wait);
        house.hands.advance(Duration::from_secs(wait));
        assert_eq!(try_password(&house, &mut browser, "anna", "guess").await.status, StatusCode::FORBIDDEN);
    }
    assert_eq!(waits, [15, 30, 60, 120, 240, 480, 900, 900]);
    house.hands.advance(Duration::from_mins(15));
    try_password(&house, &mut browser, "anna", PASSWORD).await.location();
    assert_eq!(
        try_password(&house, &mut browser, "anna", "typo").await.status,
        StatusCode::FORBIDDEN,
        "and all is forgiven"
    );
}

#[tokio::test]
async fn waiting_tells_nothing_about_which_names_exist() {
    let house = house();
    let mut statuses = Vec::new();
    for name in ["anna", "otto"] {
        let mut seen = Vec::new();
        for _ in 0..7 {
            let answer = try_password(&house, &mut Browser::default(), name, "guess").await;
            seen.push((answer.status, answer.header("retry-after").to_owned()));
        }
        statuses.push(seen);
    }
    assert_eq!(statuses[0], statuses[1]);
}

#[tokio::test]
async fn somebody_elses_guessing_does_not_keep_the_person_out() {
    let house = house();
    let mut guesser = Browser::at([203, 0, 113, 9]);
    for _ in 0..12 {
        try_password(&house, &mut guesser, "anna", "guess").await;
    }
    try_password(&house, &mut Browser::default(), "anna", PASSWORD).await.location();
}

#[tokio::test]
async fn a_thousand_guesses_at_once_are_a_thousand_guesses() {
    let house = std::sync::Arc::new(house());
    let mut tries = Vec::new();
    for _ in 0..40 {
        let house = house.clone();
        tries.push(tokio::spawn(
            async move { try_password(&house, &mut Browser::default(), "anna", "guess").await.status },
        ));
    }
    let mut looked_at = 0;
    for one in tries {
        looked_at += u32::from(one.await.unwrap() == StatusCode::FORBIDDEN);
    }
    assert_eq!(looked_at, 5);
}

#[tokio::test]
async fn one_password_on_many_names_is_guessing_too() {
    let house = house();
    let mut browser = Browser::default();
    let mut refused = 0;
    for n in 0..103 {
        let answer = try_password(&house, &mut browser, &format!("name{n}"), "Spring2026!").await;
        refused += u32::from(answer.status == StatusCode::TOO_MANY_REQUESTS);
    }
    assert_eq!(refused, 3);
}

/// A proxy on this machine that nobody has named is everybody's address: one visitor's guesses must not shut all others out.
#[tokio::test]
async fn guesses_through_an_unnamed_proxy_are_held_against_names_only() {
    let house = house();
    let mut browser = Browser::at([127, 0, 0, 1]);
    for n in 0..103 {
        let answer = try_password(&house, &mut browser, &format!("name{n}"), "Spring2026!").await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN);
    }
    try_password(&house, &mut browser, "anna", PASSWORD).await.location();
}

#[tokio::test]
async fn the_form_counts_only_in_the_browser_it_was_shown_in() {
    let house = house();
    let (mut one, mut other) = (Browser::default(), Browser::default());
    let state = one.get(&house.router, "/login", From::Own).await.field("state");
    let fields = [("state", state.as_str()), ("username", "anna"), ("password", PASSWORD)];
    let answer = other.post(&house.router, "/login/password", &fields).await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST);
    assert_eq!(other.cookie(COOKIE), None);
    one.post(&house.router, "/login/password", &fields).await.location();
}

/// Login CSRF: another site's page logs somebody in as somebody else.
#[tokio::test]
async fn a_form_of_another_site_logs_nobody_in() {
    let house = house();
    let mut browser = Browser::default();
    let state = browser.get(&house.router, "/login", From::Own).await.field("state");
    let fields = [("state", state.as_str()), ("username", "anna"), ("password", PASSWORD)];
    let senders: [&[(&str, &str)]; 7] = [
        &[("sec-fetch-site", "cross-site"), ("origin", "https://evil.example")],
        &[("sec-fetch-site", "same-site"), ("origin", "https://app.example.org")],
        &[("sec-fetch-site", "none")],
        &[("origin", "https://www.example.org.evil.example")],
        &[("origin", "null")],
        &[],
        &[("sec-fetch-site", "same-origin"), ("sec-fetch-site", "cross-site")],
    ];
    for sender in senders {
        let mut request = form("/login/password", &fields);
        for (name, value) in sender {
            request = request.header(*name, *value);
        }
        let answer = browser.send(&house.router, request.body(encoded(&fields)).unwrap(), From::Own).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{sender:?}");
        assert_eq!(browser.cookie(COOKIE), None, "{sender:?}");
    }
    let old_browser = form("/login/password", &fields).header("origin", "https://www.example.org");
    browser.send(&house.router, old_browser.body(encoded(&fields)).unwrap(), From::Own).await.location();
}

#[tokio::test]
async fn a_form_works_once_and_for_ten_minutes() {
    let house = house();
    let mut browser = Browser::default();
    let state = browser.get(&house.router, "/login", From::Own).await.field("state");
    let fields = [("state", state.as_str()), ("username", "anna"), ("password", PASSWORD)];
    let mut late = browser.clone();
    let mut again = browser.clone();
    browser.post(&house.router, "/login/password", &fields).await.location();
    assert_eq!(again.post(&house.router, "/login/password", &fields).await.status, StatusCode::BAD_REQUEST);
    assert_eq!(house.events().last().unwrap(), "login refused replayed");
    house.hands.advance(Duration::from_mins(10));
    assert_eq!(late.post(&house.router, "/login/password", &fields).await.status, StatusCode::BAD_REQUEST);
}

/// The address in this attribute of the page.
fn address(page: &Answer, attribute: &str) -> String {
    let start = page.text.split(&format!("{attribute}=\"/chat-identity/login")).nth(1).unwrap();
    format!("/login{}", start.split('"').next().unwrap().replace("&amp;", "&"))
}

#[tokio::test]
async fn a_login_that_has_to_begin_anew_still_leads_where_it_was_going() {
    let house = House::of(&[("LOGIN", "accounts"), ("ACCOUNTS", &accounts(|_| ()))]);
    let asked = [
        ("/login?return_to=/help", "/help"),
        ("/login?popup=1&origin=https://app.example.org", "/chat-identity/login/done?"),
    ];
    for (path, end) in asked {
        let mut browser = Browser::default();
        let page = browser.get(&house.router, path, From::Own).await;
        let fields =
            [("state", page.field("state")), ("username", "anna".to_owned()), ("password", PASSWORD.to_owned())];
        let fields: Vec<(&str, &str)> = fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
        house.hands.advance(Duration::from_mins(10));
        let late = browser.post(&house.router, &address(&page, "action"), &fields).await;
        assert_eq!(late.status, StatusCode::BAD_REQUEST);
        let page = browser.get(&house.router, &address(&late, "a href"), From::Own).await;
        let state = page.field("state");
        let fields = [("state", state.as_str()), fields[1], fields[2]];
        let answer = browser.post(&house.router, &address(&page, "action"), &fields).await;
        assert!(answer.location().starts_with(end), "{}", answer.location());
    }
}

#[tokio::test]
async fn what_a_login_was_asked_for_cannot_become_part_of_its_page() {
    let house = house();
    let hostile = url::form_urlencoded::byte_serialize(br#""><script>alert('x')</script>&"#).collect::<String>();
    let path = format!("/login?return_to={hostile}&popup={hostile}&origin={hostile}&more={hostile}");
    let page = Browser::default().get(&house.router, &path, From::Elsewhere).await;
    assert!(!page.text.contains("<script>") && !page.text.contains("more="), "{}", page.text);
}

#[tokio::test]
async fn what_is_typed_cannot_become_part_of_the_page() {
    let house = house();
    let name = r#""><script>alert('x')</script>&"#;
    let answer = try_password(&house, &mut Browser::default(), name, "guess").await;
    assert!(!answer.text.contains("<script>"), "{}", answer.text);
    assert!(answer.text.contains("&quot;&gt;&lt;script&gt;"));
}

#[tokio::test]
async fn the_login_page_is_plain_and_accessible_and_nobody_can_frame_it() {
    let house = house();
    let page = Browser::default().get(&house.router, "/login", From::Elsewhere).await;
    let policy = page.header("content-security-policy");
    for rule in ["default-src 'none'", "form-action 'self'", "frame-ancestors 'none'", "base-uri 'none'"] {
        assert!(policy.contains(rule), "{policy}");
    }
    let inline = |text: &str| text.contains("<script>") || text.contains("style=") || text.contains("onclick=");
    assert!(!policy.contains("unsafe") && !inline(&page.text));
    for part in [
        "lang=\"en\"",
        "<label for=\"username\">",
        "<label for=\"password\">",
        "<h1>",
        "<main>",
        "autocomplete=\"username\"",
        "autocomplete=\"current-password\"",
        "name=\"viewport\"",
    ] {
        assert!(page.text.contains(part), "{part}");
    }
    assert_eq!(page.header("referrer-policy"), "same-origin", "a form behind no-referrer says `Origin: null`");
    assert_eq!(page.header("cache-control"), "no-store");
    let wrong = try_password(&house, &mut Browser::default(), "anna", "guess").await;
    assert!(wrong.text.contains("role=\"alert\"") && wrong.text.contains("aria-describedby=\"problem\""));
    for (path, kind) in
        [("/login/style.css", "text/css; charset=utf-8"), ("/chat-identity/login/style.css", "text/css; charset=utf-8")]
    {
        let file = Browser::default().get(&house.router, path, From::Own).await;
        assert_eq!(file.header("content-type"), kind);
    }
}

#[tokio::test]
async fn a_form_that_is_not_ours_is_refused() {
    let house = house();
    let mut browser = Browser::default();
    let state = browser.get(&house.router, "/login", From::Own).await.field("state");
    let long = "x".repeat(30_000);
    let wrong: [&[(&str, &str)]; 5] = [
        &[],
        &[("state", &state), ("username", "anna")],
        &[("state", &state), ("username", "anna"), ("password", PASSWORD), ("password", PASSWORD)],
        &[("state", &state), ("state", &state), ("username", "anna"), ("password", PASSWORD)],
        &[("state", &state), ("username", &long), ("password", PASSWORD)],
    ];
    for fields in wrong {
        let answer = browser.post(&house.router, "/login/password", fields).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST);
    }
    let json = Request::post("/login/password").header("content-type", "application/json");
    let json = json.header("sec-fetch-site", "same-origin").body("{}".into()).unwrap();
    assert_eq!(browser.send(&house.router, json, From::Own).await.status, StatusCode::BAD_REQUEST);
    let (empty, endless) = (String::new(), "x".repeat(1025));
    for password in [&empty, &endless] {
        let answer = try_password(&house, &mut browser, "anna", password).await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN, "never asked about");
    }
}

#[test]
fn an_account_that_is_closed_is_closed() {
    let book = AccountStore::parse(&accounts(|book| book.set_disabled("ANNA", true).unwrap())).unwrap();
    assert!(book.check("anna", &secret(PASSWORD)).is_none());
}

#[test]
fn a_changed_password_is_the_only_one() {
    let book =
        AccountStore::parse(&accounts(|book| book.set_password("anna", &secret("another long password")).unwrap()))
            .unwrap();
    assert!(book.check("anna", &secret(PASSWORD)).is_none());
    assert!(book.check("anna", &secret("another long password")).is_some());
}

#[test]
fn a_password_is_the_same_however_its_letters_were_composed() {
    let book =
        AccountStore::parse(&accounts(|book| book.add(newcomer("zoe"), &secret("caf\u{e9} with some milk")).unwrap()))
            .unwrap();
    assert!(book.check("zoe", &secret("cafe\u{301} with some milk")).is_some());
}

#[test]
fn a_name_that_is_given_away_does_not_inherit_the_first_ones_subject() {
    let mut book = AccountStore::parse(&accounts(|_| ())).unwrap();
    let first = book.accounts()[0].subject.clone();
    book.remove("anna").unwrap();
    assert_eq!(book.remove("anna"), Err(AccountStoreError::Unknown));
    book.add(newcomer("anna"), &secret(PASSWORD)).unwrap();
    assert_ne!(book.accounts()[0].subject, first);
}

#[test]
fn a_poor_password_is_refused_when_it_is_set() {
    let mut book = AccountStore::default();
    for password in
        ["short", "elevenchars", "aaaaaaaaaaaaaaaa", "password changeme", "anna anna anna", &"x".repeat(2000)]
    {
        let refused = book.add(newcomer("anna"), &secret(password));
        assert!(matches!(refused, Err(AccountStoreError::Password(_))), "{password}");
    }
    assert!(matches!(book.add(newcomer(" "), &secret(PASSWORD)), Err(AccountStoreError::Unfit(_))));
    book.add(newcomer("anna"), &secret(PASSWORD)).unwrap();
    assert_eq!(book.add(newcomer("ANNA"), &secret(PASSWORD)), Err(AccountStoreError::Taken));
}

#[test]
fn the_file_is_its_owners_and_is_replaced_as_a_whole() {
    use std::os::unix::fs::PermissionsExt as _;
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("accounts.jsonl");
    edit(&path, |book| book.add(newcomer("anna"), &secret(PASSWORD))).unwrap();
    edit(&path, |book| book.add(newcomer("otto"), &secret(PASSWORD))).unwrap();
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(std::fs::read_dir(place.path()).unwrap().count(), 1, "nothing is left beside it");
    let text = std::fs::read_to_string(&path).unwrap();
    assert_eq!(text.lines().count(), 2);
    assert!(!text.contains(PASSWORD) && text.contains("$argon2id$v=19$m=19456,t=2,p=1$"));
    assert_eq!(AccountStore::load(&path).unwrap().accounts().len(), 2);
}

/// Or the service could not read what shuts somebody out.
#[test]
fn whoever_could_read_the_file_can_read_it_after_a_change() {
    use std::os::unix::fs::PermissionsExt as _;
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("accounts.jsonl");
    edit(&path, |book| book.add(newcomer("anna"), &secret(PASSWORD))).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
    change(&path, |book| book.set_disabled("anna", true)).unwrap();
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o640);
}

#[test]
fn of_two_changes_at_once_neither_is_lost() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("accounts.jsonl");
    let names: Vec<String> = (0..6).map(|n| format!("visitor{n}")).collect();
    std::thread::scope(|scope| {
        for name in &names {
            let path = &path;
            scope.spawn(move || edit(path, |book| book.add(newcomer(name), &secret(PASSWORD))).unwrap());
        }
    });
    assert_eq!(AccountStore::load(&path).unwrap().accounts().len(), names.len());
}

#[test]
fn a_file_that_would_be_too_large_to_read_is_not_written() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("accounts.jsonl");
    edit(&path, |book| book.add(newcomer("anna"), &secret(PASSWORD))).unwrap();
    let many = (0..40).map(|n| format!("{n:03}{}", "x".repeat(250))).collect::<Vec<_>>();
    let crowd: Vec<Vec<String>> = vec![many; 30];
    let mut full = false;
    for (n, groups) in crowd.into_iter().enumerate() {
        let newcomer = NewAccount { groups, ..newcomer(&format!("visitor{n}")) };
        if let Err(problem) = edit(&path, |book| book.add(newcomer, &secret(PASSWORD))) {
            assert!(problem.to_string().contains("larger"), "{problem}");
            full = true;
            break;
        }
    }
    assert!(full, "the file has no end");
    assert!(change(&path, |book| book.set_disabled("anna", true)).is_ok(), "and what is there can still be changed");
}

/// RL-1: one address is a whole building, and its typing errors are forgotten.
#[test]
fn what_a_building_mistypes_in_days_keeps_nobody_out() {
    let (clock, hands) = Clock::manual(crate::kit::START);
    let patience = LoginThrottle::new(clock);
    let address = Some("203.0.113.9".parse().unwrap());
    for n in 0..1000 {
        assert!(patience.admit(&format!("visitor{n}"), address).is_ok(), "after {n} minutes");
        hands.advance(Duration::from_mins(1));
    }
    let refused = (0..200).filter(|n| patience.admit(&format!("guess{n}"), address).is_err()).count();
    assert!(refused >= 100, "two hundred names within a moment are guessing: {refused}");
}

#[test]
fn a_line_that_is_no_account_is_named_by_its_number_and_not_quoted() {
    let good = accounts(|_| ());
    let hash = |text: &str| good.replace("$argon2id$", text);
    let wrong = [
        ("{", "column"),
        ("[]", "column"),
        (r#"{"username":"x","canary":1}"#, "column"),
        (&hash("$argon2i$"), "argon2id"),
        (&hash("$2b$12$"), "argon2id"),
        (&good.replace("m=19456", "m=4194304"), "argon2id"),
        (&good.replace("\"subject\":\"u", "\"subject\":\"\\u0000"), "subject"),
        (&good, "already"),
    ];
    for (line, what) in wrong {
        let problem = AccountStore::parse(&format!("{good}\n{line}")).unwrap_err().to_string();
        assert!(problem.starts_with("line 3: ") && problem.contains(what), "{problem}");
        assert!(!problem.contains("canary") && !problem.contains("argon2i$"), "{problem}");
    }
}

#[tokio::test]
async fn a_change_of_the_file_takes_effect_and_forgives_nothing() {
    let house = house();
    let mut browser = Browser::default();
    for _ in 0..5 {
        try_password(&house, &mut browser, "anna", "guess").await;
    }
    let text = accounts(|book| book.add(newcomer("otto"), &secret(PASSWORD)).unwrap());
    let settings = super::house::read(&[("LOGIN", "accounts"), ("ACCOUNTS", &text)]).unwrap();
    house.replace(settings);
    try_password(&house, &mut browser, "otto", PASSWORD).await.location();
    let answer = try_password(&house, &mut browser, "anna", PASSWORD).await;
    assert_eq!(answer.status, StatusCode::TOO_MANY_REQUESTS);
}

async fn command(line: &[&str]) -> anyhow::Result<String> {
    let line = [&["countersign"], line, &["--reason", "a test"]].concat();
    let file = line.iter().skip_while(|word| **word != "--file").nth(1).unwrap();
    let vars = [("AUDIT_LOG", format!("{file}.audit")), ("AUDIT_KEY", crate::deeds::AUDIT_KEY.to_owned())];
    let vars = vars.map(|(name, value)| (name.to_owned(), value)).to_vec();
    let mut out = Vec::new();
    cli::run(cli::parse(line.iter().copied().map(Into::into))?, vars, &mut out).await?;
    Ok(String::from_utf8(out)?)
}

#[tokio::test]
async fn the_command_line_keeps_the_accounts() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("accounts.jsonl");
    let file = path.to_str().unwrap();
    assert!(command(&["accounts", "disable", "anna", "--file", file]).await.is_err(), "a mistyped path begins no file");
    assert!(!path.exists());
    let add = ["accounts", "add", "anna", "--name", "Anna", "--group", "nurses", "--generate", "--file", file];
    let password = command(&add).await.unwrap();
    let identity =
        AccountStore::load(&path).unwrap().check("anna", &secret(password.trim())).expect("it is the password");
    assert_eq!((identity.name.as_deref(), identity.groups.len()), (Some("Anna"), 1));
    assert_eq!(command(&add).await.unwrap_err().to_string(), "there is an account of this name already");
    let next = command(&["accounts", "password", "ANNA", "--generate", "--file", file]).await.unwrap();
    assert!(AccountStore::load(&path).unwrap().check("anna", &secret(password.trim())).is_none());
    assert!(AccountStore::load(&path).unwrap().check("anna", &secret(next.trim())).is_some());
    command(&["accounts", "disable", "anna", "--file", file]).await.unwrap();
    let list = command(&["accounts", "list", "--file", file]).await.unwrap();
    let row: Vec<&str> = list.lines().nth(1).unwrap().split_whitespace().collect();
    assert_eq!(row[..4], ["anna", "Anna", "closed", "nurses"], "{list}");
    assert!(row[4].bytes().all(|b| b.is_ascii_alphanumeric()), "{list}");
    let json = command(&["accounts", "list", "--json", "--file", file]).await.unwrap();
    assert!(json.contains("\"state\": \"closed\"") && !json.contains("argon2"), "{json}");
    command(&["accounts", "enable", "anna", "--file", file]).await.unwrap();
    command(&["accounts", "remove", "anna", "--file", file]).await.unwrap();
    assert_eq!(AccountStore::load(&path).unwrap().accounts().len(), 0);
}

#[tokio::test]
async fn a_name_is_counted_once_however_it_is_spelt() {
    const SPELLINGS: [&str; 6] = ["Zo\u{eb}", "Zoe\u{308}", "ZO\u{cb}", "ZOE\u{308}", " zo\u{eb} ", "\tzoe\u{308}"];
    let text = accounts(|book| book.add(newcomer("Zo\u{eb}"), &secret(PASSWORD)).unwrap());
    let house = House::of(&[("LOGIN", "accounts"), ("ACCOUNTS", &text)]);
    for spelling in SPELLINGS {
        try_password(&house, &mut Browser::default(), spelling, PASSWORD).await.location();
    }
    let mut refused = 0;
    for spelling in SPELLINGS.iter().cycle().take(12) {
        let answer = try_password(&house, &mut Browser::default(), spelling, "guess").await;
        refused += usize::from(answer.status == StatusCode::TOO_MANY_REQUESTS);
    }
    assert_eq!(refused, 7, "five are free, whichever way the name is written");
}

#[test]
fn the_form_of_a_names_form_is_itself() {
    use countersign::login::accounts::name::canonical;
    for name in
        ["Anna", "\u{130}stanbul", "\u{3a3}\u{391}\u{3a3}", "STRASSE", "Zoe\u{308}", "\u{1fb3}\u{345}", "\u{212b}"]
    {
        let once = canonical(name).unwrap();
        assert_eq!(canonical(&once).unwrap(), once, "{name}");
    }
}
