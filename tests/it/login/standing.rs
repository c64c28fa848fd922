//! What a session stands on, and what its record in the store is worth to others.

use std::collections::HashMap;

use countersign::base::clock::{Clock, ManualClock};
use countersign::login::accounts::store::AccountStore;
use countersign::store::{Store, Tags};
use serde_json::{Value, json};
use tower_sessions::session::Id;

use super::accounts::{PASSWORD, accounts, newcomer, secret, try_password};
use super::browser::{Browser, From};
use super::house::{COOKIE, House, read};
use super::provider::Provider;
use crate::kit::START;

const KEY: &str = "9dSxW2mKq7Lr4VzB8nYc3TfHj6Pg1EaU";
const OTHER_KEY: &str = "Zt5RkQ0wXe9Yv2Nn7Bd4Gh8Jm3Lp6CsA";

struct Shared {
    store: Store,
    clock: Clock,
    hands: ManualClock,
}

/// One store for several houses.
fn shared() -> Shared {
    let (clock, hands) = Clock::manual(START);
    Shared { store: Store::memory(clock.clone()), clock, hands }
}

impl Shared {
    fn house(&self, vars: &[(&str, &str)]) -> House {
        House::over(vars, self.store.clone(), self.clock.clone(), self.hands.clone())
    }

    fn at(&self, provider: &Provider, changes: &[(&str, &str)]) -> House {
        provider.house_over(changes, self.store.clone(), self.clock.clone(), self.hands.clone())
    }

    async fn plant(&self, data: HashMap<String, Value>) -> String {
        let id = self.store.begin(data, START.plus(std::time::Duration::from_hours(1)), &Tags::NONE).await.unwrap();
        format!("{COOKIE}={id}")
    }
}

fn id_of(browser: &Browser) -> Id {
    browser.cookie(COOKIE).unwrap().parse().unwrap()
}

/// S-2: whoever can write to the store can be nobody by it.
#[tokio::test]
async fn a_record_that_was_not_sealed_for_its_id_is_nobody() {
    let (provider, shared) = (Provider::start().await, shared());
    let house = shared.at(&provider, &[]);
    let mut browser = Browser::default();
    provider.log_in(&house, &mut browser, |plan| plan).await.location();
    let (record, _) = shared.store.find(&id_of(&browser)).await.unwrap().unwrap();
    let text = serde_json::to_string(&record).unwrap();
    assert!(!text.contains("Jane") && !text.contains("248289761001"), "nothing can be read there either");

    let plain = json!({
        "subject": "248289761001", "method": "oidc", "ground": "", "authenticated_at": START.0, "started_at": START.0,
        "seen_at": START.0, "ends_at": START.0 + 3600,
    });
    let visit = |value: Value| HashMap::from([("visit".to_owned(), value)]);
    for planted in [visit(plain.clone()), visit(json!(plain.to_string())), HashMap::new(), record.clone()] {
        let cookie = shared.plant(planted).await;
        assert!(house.asks_with(&cookie).await.unwrap().is_none(), "planted, or copied from another's");
    }
    let sealed = record["visit"].as_str().unwrap();
    for at in [0, 9, sealed.len() / 2, sealed.len() - 1] {
        let mut changed = sealed.as_bytes().to_vec();
        changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
        let data = visit(json!(String::from_utf8(changed).unwrap()));
        let end = START.plus(std::time::Duration::from_hours(1));
        assert!(shared.store.replace(&id_of(&browser), data, end).await.unwrap());
        assert_eq!(house.subject(&browser).await, None, "changed at {at}");
    }
}

#[tokio::test]
async fn replicas_of_one_key_share_sessions_and_another_key_opens_none() {
    let (provider, shared) = (Provider::start().await, shared());
    let mut browser = Browser::default();
    let one = shared.at(&provider, &[("SESSION_STORE_KEY", KEY)]);
    provider.log_in(&one, &mut browser, |plan| plan).await.location();
    assert!(shared.at(&provider, &[("SESSION_STORE_KEY", KEY)]).subject(&browser).await.is_some());
    for foreign in [vec![("SESSION_STORE_KEY", OTHER_KEY)], vec![]] {
        assert_eq!(shared.at(&provider, &foreign).subject(&browser).await, None);
    }
}

#[tokio::test]
async fn the_key_is_rotated_step_by_step_without_ending_a_session() {
    let (provider, shared) = (Provider::start().await, shared());
    let steps = [
        vec![("SESSION_STORE_KEY", KEY)],
        vec![("SESSION_STORE_KEY", KEY), ("SESSION_STORE_KEY_NEXT", OTHER_KEY)],
        vec![("SESSION_STORE_KEY", OTHER_KEY), ("SESSION_STORE_KEY_NEXT", KEY)],
        vec![("SESSION_STORE_KEY", OTHER_KEY)],
    ];
    let houses: Vec<House> = steps.iter().map(|step| shared.at(&provider, step)).collect();
    for pair in houses.windows(2).take(2) {
        for (begun, asked) in [(&pair[0], &pair[1]), (&pair[1], &pair[0])] {
            let mut browser = Browser::default();
            provider.log_in(begun, &mut browser, |plan| plan).await.location();
            assert!(asked.subject(&browser).await.is_some(), "replicas are a step apart");
        }
    }
    let mut browser = Browser::default();
    provider.log_in(&houses[2], &mut browser, |plan| plan).await.location();
    assert!(houses[3].subject(&browser).await.is_some());
}

#[test]
fn a_weak_session_key_is_named_at_start() {
    let text = accounts(|_| ());
    let with = |name: &'static str, value: &'static str| {
        read(&[("LOGIN", "accounts"), ("ACCOUNTS", &text), (name, value)]).unwrap_err()
    };
    assert!(with("SESSION_STORE_KEY", "short").contains("SESSION_STORE_KEY: has 5 characters"));
    assert!(
        with("SESSION_STORE_KEY", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa")
            .contains("SESSION_STORE_KEY: is a placeholder")
    );
    assert!(with("SESSION_STORE_KEY_NEXT", KEY).contains("SESSION_STORE_KEY is not set"));
}

#[tokio::test]
async fn a_session_does_not_outlive_its_password() {
    for key in [vec![], vec![("SESSION_STORE_KEY", KEY)]] {
        let shared = shared();
        let text = accounts(|book| book.add(newcomer("otto"), &secret(PASSWORD)).unwrap());
        let with = |text: &str| shared.house(&[&[("LOGIN", "accounts"), ("ACCOUNTS", text)], key.as_slice()].concat());
        let before = with(&text);
        let (mut anna, mut otto) = (Browser::default(), Browser::default());
        try_password(&before, &mut anna, "anna", PASSWORD).await.location();
        try_password(&before, &mut otto, "otto", PASSWORD).await.location();
        let mut book = AccountStore::parse(&text).unwrap();
        book.set_password("anna", &secret("another horse battery staple")).unwrap();
        let after = with(&lines(&book));
        assert_eq!(after.subject(&anna).await, None);
        assert!(after.subject(&otto).await.is_some(), "others stay logged in");
        assert!(
            before.subject(&anna).await.is_some(),
            "a replica that has not read the change yet ends nothing for good"
        );
    }
}

fn lines(book: &AccountStore) -> String {
    let line = |account| serde_json::to_string(account).unwrap();
    book.accounts().iter().map(line).collect::<Vec<_>>().join("\n")
}

#[tokio::test]
async fn a_running_session_has_the_groups_its_account_has_now() {
    let shared = shared();
    let text = accounts(|_| ());
    let with = |changes: Value| {
        let mut account: Value = serde_json::from_str(&text).unwrap();
        account.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
        shared.house(&[("LOGIN", "accounts"), ("ACCOUNTS", &account.to_string())])
    };
    let before = with(json!({ "groups": ["staff", "admins"], "attributes": { "plan": "gold" } }));
    let mut browser = Browser::default();
    try_password(&before, &mut browser, "anna", PASSWORD).await.location();
    let after = with(json!({ "groups": ["staff"], "name": "Anna Klein", "email": "anna@example.org" }));
    let identity = after.asks(&browser).await.unwrap().unwrap().identity;
    assert_eq!(identity.groups, ["staff"]);
    assert_eq!((identity.name.as_deref(), identity.email.as_deref()), (Some("Anna Klein"), Some("anna@example.org")));
    assert!(identity.attributes.is_empty());
    let closed = with(json!({ "disabled": true }));
    assert_eq!(closed.subject(&browser).await, None);
    let renamed = with(json!({ "subject": "another" }));
    assert_eq!(renamed.subject(&browser).await, None, "a session never becomes another subject's");
}

#[tokio::test]
async fn a_session_does_not_outlive_the_provider_it_began_at() {
    let (provider, other, shared) = (Provider::start().await, Provider::start().await, shared());
    let key = ("SESSION_STORE_KEY", KEY);
    let mut browser = Browser::default();
    provider.log_in(&shared.at(&provider, &[key]), &mut browser, |plan| plan).await.location();
    assert!(shared.at(&provider, &[key]).subject(&browser).await.is_some());
    assert_eq!(shared.at(&other, &[key]).subject(&browser).await, None, "another issuer");
    for changed in [("OIDC_CLIENT_ID", "another client"), ("OIDC_SUBJECT", "/employee_number")] {
        assert_eq!(shared.at(&provider, &[key, changed]).subject(&browser).await, None, "{}", changed.0);
    }
    let text = accounts(|book| {
        let same = countersign::login::accounts::store::NewAccount {
            subject: Some("248289761001".to_owned()),
            ..newcomer("otto")
        };
        book.add(same, &secret(PASSWORD)).unwrap();
    });
    let local = shared.house(&[("LOGIN", "accounts"), ("ACCOUNTS", &text), key]);
    assert_eq!(local.subject(&browser).await, None, "another way in, and an account of the same subject");
    assert!(browser.line(From::Own).contains(COOKIE));
}

#[test]
fn two_open_accounts_of_one_subject_are_refused() {
    let text = accounts(|_| ());
    let twin = text.replace("\"Anna\"", "\"Otto\"");
    let problem = AccountStore::parse(&format!("{text}{twin}")).unwrap_err().to_string();
    assert!(problem.starts_with("line 2: there is an account with this subject"), "{problem}");
    let closed = format!("{},\"disabled\":true}}\n", twin.trim_end().trim_end_matches('}'));
    assert!(AccountStore::parse(&format!("{text}{closed}")).is_ok());
}
