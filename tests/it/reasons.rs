//! Why nobody is logged in: told to the operator case by case, and to the page never.

use data_encoding::{BASE64, HEXLOWER};
use http::StatusCode;
use http::request::Builder;
use serde_json::{Value, json};

use crate::kit::{BEHIND_PROXY, House, PROOF, mistakes, page, read, settings, visit};

async fn reason(house: &House, request: Builder) -> String {
    let answer = house.ask(request).await;
    assert_eq!(answer.code(), "login_required", "{}", answer.text);
    assert_eq!(answer.json().as_object().unwrap().len(), 4, "the page learns nothing of why: {}", answer.text);
    let metrics = house.app.state.metrics.render();
    let line = metrics.lines().find(|line| line.contains("login_required") && line.ends_with(" 1")).unwrap();
    line.split("reason=\"").nth(1).unwrap().split('"').next().unwrap().to_owned()
}

#[tokio::test]
async fn each_reason_for_nobody_has_its_own_word() {
    let proven = || page("/token").header("x-countersign-proof", PROOF);
    let cases = [
        ("no_session", proven()),
        ("proof_missing", page("/token").header("x-forwarded-user", "alice")),
        ("proof_wrong", page("/token").header("x-forwarded-user", "alice").header("x-countersign-proof", "wrong")),
        ("identity_unreadable", proven().header("x-forwarded-user", "a".repeat(257))),
        ("no_session", proven().header("x-forwarded-user", "")),
    ];
    for (word, request) in cases {
        assert_eq!(reason(&House::behind_proxy(&[]), request).await, word);
    }
    let elsewhere = House::behind_proxy(&[("TRUSTED_PROXIES", "10.0.3.7")]);
    assert_eq!(reason(&elsewhere, visit("/token", "alice")).await, "proof_peer");
}

#[tokio::test]
async fn the_reason_is_in_the_record() {
    let house = House::behind_proxy(&[]);
    house.ask(page("/token").header("x-forwarded-user", "alice")).await;
    let text = house.records.text(&house.app);
    assert!(text.contains("proof_missing") && !text.contains("alice"), "{text}");
}

#[tokio::test]
async fn a_time_in_a_header_that_is_none_names_its_setting_and_is_no_logout() {
    for setting in ["FORWARDED_EXPIRES_HEADER", "FORWARDED_AUTH_TIME_HEADER"] {
        let house = House::behind_proxy(&[(setting, "X-Time")]);
        let answer = house.ask(visit("/token", "alice").header("x-time", "tomorrow")).await;
        assert_eq!((answer.status, answer.code().as_str()), (StatusCode::INTERNAL_SERVER_ERROR, "misconfigured"));
        assert_eq!(house.ask(visit("/token", "alice")).await.status, StatusCode::OK);
    }
}

async fn claim(house: &House, request: Builder, name: &str) -> Value {
    house.ask(request).await.claims()[name].clone()
}

fn named(name: &[u8]) -> Builder {
    page("/token")
        .header("x-countersign-proof", PROOF)
        .header("x-forwarded-user", "u1")
        .header("x-forwarded-email", "a@b.c")
        .header("x-forwarded-preferred-username", http::HeaderValue::from_bytes(name).unwrap())
}

#[tokio::test]
async fn a_name_for_people_is_made_fit_and_never_lost() {
    let house = House::behind_proxy(&[]);
    let long = "\u{e9}".repeat(300);
    let cases = [
        ("\u{202b}Dana\u{202c} \u{200f}Levi", "Dana Levi".to_owned()),
        ("Anna\tBerg", "Anna Berg".to_owned()),
        ("  Anna \u{a0} Berg ", "Anna Berg".to_owned()),
        (long.as_str(), "\u{e9}".repeat(200)),
    ];
    for (sent, shown) in cases {
        assert_eq!(claim(&house, named(sent.as_bytes()), "name").await, shown, "{sent:?}");
    }
    assert_eq!(claim(&house, named("\u{202b}\u{202c}".as_bytes()), "name").await, "a@b.c", "nothing is left");
}

#[tokio::test]
async fn each_header_can_be_encoded_in_its_own_way() {
    let house = House::behind_proxy(&[("FORWARDED_ENCODING", "none,name=rfc2047")]);
    let cases: [(&str, &str); 6] = [
        ("=?UTF-8?B?Wm/Dqw==?=", "Zo\u{eb}"),
        ("=?utf-8?Q?Zo=C3=AB_Berg?=", "Zo\u{eb} Berg"),
        ("=?ISO-8859-1?Q?Zo=EB?=", "Zo\u{eb}"),
        ("=?utf-8?B?Wm8=?= =?utf-8?B?w6s=?=", "Zo\u{eb}"),
        ("Zoe 100%", "Zoe 100%"),
        ("=?utf-8?X?broken?=", "a@b.c"),
    ];
    for (sent, shown) in cases {
        assert_eq!(claim(&house, named(sent.as_bytes()), "name").await, shown, "{sent}");
    }
    let base64 = House::behind_proxy(&[("FORWARDED_ENCODING", "name=base64")]);
    for sent in
        [BASE64.encode("Zo\u{eb}??>".as_ref()), BASE64.encode("Zo\u{eb}??>".as_ref()).trim_end_matches('=').to_owned()]
    {
        assert_eq!(claim(&base64, named(sent.as_bytes()), "name").await, "Zo\u{eb}??>");
    }
    for wrong in ["rot13", "nam=percent", "name=rot13"] {
        let text = mistakes(&settings(&BEHIND_PROXY, &[("FORWARDED_ENCODING", wrong)]));
        assert!(text.contains("FORWARDED_ENCODING"), "{text}");
    }
}

#[tokio::test]
async fn distinguished_names_stay_whole_or_are_refused() {
    const DN: &str = "CN=Chat_Staff,OU=Groups,DC=hospital,DC=test";
    let with = |separator: &str| {
        House::behind_proxy(&[("FORWARDED_GROUPS_SEPARATOR", separator), ("WIDGET_CLAIMS", r#"{"g":"{{ groups }}"}"#)])
    };
    let sending = |groups: &str| visit("/token", "alice").header("x-forwarded-groups", groups);
    let comma = with("");
    let answer = comma.ask(sending(DN)).await;
    assert_eq!(answer.code(), "misconfigured", "anybody in OU=Groups would be in the group of that name");
    assert_eq!(claim(&comma, sending("staff, a=b ,nurses"), "g").await, json!(["staff", "a=b", "nurses"]));
    let array = json!([DN, "CN=B,OU=Groups"]);
    assert_eq!(claim(&comma, sending(&array.to_string()), "g").await, array);
    for separator in ["|", ";", "||"] {
        let house = with(separator);
        assert_eq!(claim(&house, sending(&format!("{DN}{separator}CN=B,OU=Groups")), "g").await, array, "{separator}");
    }
}

#[tokio::test]
async fn easy_auth_is_read_in_the_shapes_that_azure_sends() {
    let house = House::behind_proxy(&[
        ("FORWARDED_CONVENTION", "easy-auth"),
        ("FORWARDED_PROOF_SECRET", ""),
        ("WEBSITE_AUTH_ENABLED", "True"),
        ("WIDGET_SUBJECT", "hex"),
        ("WIDGET_CLAIMS", r#"{"name":"{{ name }}","g":"{{ groups }}"}"#),
    ]);
    let sending = |principal: &Value| {
        page("/token").header("x-ms-client-principal", BASE64.encode(principal.to_string().as_ref()))
    };
    let site = json!({
        "identityProvider": "aad", "userId": "d75b260a64504067bfc5b2905e3b8182", "userDetails": "ada@example.org",
        "userRoles": ["anonymous", "authenticated", "staff"],
    });
    let claims = house.ask(sending(&site)).await.claims();
    assert_eq!(claims["external_id"], HEXLOWER.encode("d75b260a64504067bfc5b2905e3b8182".as_ref()));
    assert_eq!((&claims["name"], &claims["g"]), (&json!("ada@example.org"), &json!(["staff"])));
    let both = json!({
        "identityProvider": "aad", "userId": "d75b", "userDetails": "ada", "userRoles": ["anonymous"],
        "claims": [{ "typ": "tid", "val": "t" }, { "typ": "oid", "val": "o" }, { "typ": "name", "val": "Ada" }],
    });
    assert_eq!(house.ask(sending(&both)).await.claims()["external_id"], HEXLOWER.encode("t.o".as_ref()));
    let nobody = json!({ "identityProvider": null, "userId": null, "userDetails": null, "userRoles": ["anonymous"] });
    assert_eq!(house.ask(sending(&nobody)).await.code(), "login_required");
    let odd = BASE64.encode(b"{\"userId\":\"d75b\",\"ignored\":\"\xff\"}");
    let odd = page("/token").header("x-ms-client-principal", odd);
    assert_eq!(house.ask(odd).await.code(), "login_required", "no JSON to whoever reads all of it");
    let unproven = [("FORWARDED_CONVENTION", "easy-auth"), ("FORWARDED_PROOF_SECRET", "")];
    let text = mistakes(&settings(&BEHIND_PROXY, &unproven));
    assert!(text.contains("easy-auth-id-token") && text.contains("Container Apps"), "{text}");
    assert!(!text.contains("LISTEN=unix"), "there is no such thing there: {text}");
}

#[test]
fn two_login_systems_are_not_silently_one() {
    let two = [
        ("SESSION_SOURCES", "forwarded,upstream"),
        ("UPSTREAM_SESSION_URL", "https://www.example.org/me"),
        ("UPSTREAM_SESSION_COOKIES", "sid"),
    ];
    let warned = |more: &[(&str, &str)]| {
        let config = read(&settings(&BEHIND_PROXY, &[&two, more].concat())).unwrap();
        config.reading.warnings.iter().any(|warning| warning.variable == "SUBJECT_NAMESPACE")
    };
    assert!(warned(&[]));
    let named = ("SUBJECT_NAMESPACE", "forwarded=sso,upstream=shop");
    let key = countersign::base::secret::Encoding::Base64Url.encode(&(0..64).collect::<Vec<u8>>());
    assert!(!warned(&[named, ("WIDGET_SUBJECT", "pseudonym"), ("PSEUDONYM_KEY", &key)]));
    for form in ["plain", "hex"] {
        assert!(warned(&[named, ("WIDGET_SUBJECT", form)]), "names that {form} ids do not hold tell nobody apart");
        assert!(!warned(&[("SUBJECT_NAMESPACE", "forwarded=one,upstream=one,one"), ("WIDGET_SUBJECT", form)]));
    }
    assert!(!warned(&[("SUBJECT_NAMESPACE", "one")]), "whoever says that they are one is believed");
    assert!(!warned(&[("SESSION_CROSS_CHECK", "true")]), "they must agree");
    let one = read(&settings(&BEHIND_PROXY, &[])).unwrap();
    assert!(one.reading.warnings.iter().all(|warning| warning.variable != "SUBJECT_NAMESPACE"));
}
