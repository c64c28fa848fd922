//! The login's pages: whose they look like, and which language they speak.

use countersign::login::brand::{Colour, Link};
use countersign::login::texts::Catalogue;

use super::accounts::{PASSWORD, accounts, try_password};
use super::browser::{Answer, Browser, From};
use super::house::House;

fn house(changes: &[(&str, &str)]) -> House {
    let accounts = accounts(|_| ());
    let all: Vec<(&str, &str)> =
        [("LOGIN", "accounts"), ("ACCOUNTS", accounts.as_str())].into_iter().chain(changes.iter().copied()).collect();
    House::of(&all)
}

async fn page(house: &House, languages: &str) -> Answer {
    Browser::speaking(languages).get(&house.router, "/login", From::Own).await
}

#[test]
fn every_language_has_every_text_and_no_other() {
    let catalogue = Catalogue::new(None).unwrap();
    let english: Vec<&String> = catalogue.choose("en").all().keys().collect();
    assert!(english.len() > 20);
    for language in catalogue.languages() {
        let texts = catalogue.choose(language);
        assert_eq!(texts.language, language);
        assert_eq!(texts.all().keys().collect::<Vec<_>>(), english, "{language}");
        assert!(texts.all().values().all(|text| !text.as_str().unwrap().trim().is_empty()), "{language}");
        assert_eq!(texts.direction(), if language == "ar" { "rtl" } else { "ltr" });
    }
    assert_eq!(catalogue.languages().count(), 11);
}

#[test]
fn the_language_that_a_visitor_reads_best_is_spoken() {
    let catalogue = Catalogue::new(None).unwrap();
    for (accepted, spoken) in [
        ("", "en"),
        ("de", "de"),
        ("DE-at", "de"),
        ("de-CH-1996, en;q=0.9", "de"),
        ("fi, sv;q=0.5, de;q=0.7", "de"),
        ("fi;q=1.0, en;q=0.1", "en"),
        ("fr;q=0, de;q=0.001", "de"),
        ("fr ; q=0.8 , it", "it"),
        ("zh-Hant-TW, *;q=0.1", "en"),
        ("de;q=2, fr;q=0.5", "fr"),
        ("de;level=1, fr;q=0.5", "fr"),
        ("*", "en"),
        ("d\u{e9}, x_y, ,;q=1, pl", "pl"),
        ("ar-EG,ar;q=0.9,en;q=0.8", "ar"),
    ] {
        assert_eq!(catalogue.choose(accepted).language, spoken, "{accepted}");
    }
}

#[test]
fn an_operators_texts_change_a_language_or_add_a_whole_one() {
    let english: serde_json::Value = serde_json::from_str(include_str!("../../../src/login/texts/en.json")).unwrap();
    let own = serde_json::json!({ "en": { "log_in": "Sign in" }, "pt-BR": english });
    let catalogue = Catalogue::new(Some(&own.to_string())).unwrap();
    assert_eq!(catalogue.choose("en").get("log_in"), "Sign in");
    assert_eq!(catalogue.choose("en").get("log_out"), "Log out");
    assert_eq!(catalogue.choose("pt-BR").language, "pt-BR");
    assert_eq!(catalogue.choose("pt").language, "pt");
    for (own, sentence) in [
        ("[]", "takes a JSON object"),
        ("{\"en\": \"x\"}", "must hold an object"),
        ("{\"en\": {\"login\": \"x\"}}", "there is no text `login`"),
        ("{\"en\": {\"log_in\": \" \"}}", "must be a text"),
        ("{\"en\": {\"log_in\": 1}}", "must be a text"),
        ("{\"fi\": {\"log_in\": \"Kirjaudu\"}}", "fi is not built in and lacks title"),
        ("{\"de_DE\": {}}", "is no language tag"),
    ] {
        let problem = Catalogue::new(Some(own)).unwrap_err();
        assert!(problem.contains(sentence), "{own}: {problem}");
    }
}

#[tokio::test]
async fn a_page_is_in_the_visitors_language_and_says_so() {
    let house = house(&[("LOGIN_LANGUAGE", "fr")]);
    for (asked, language, direction, button) in [
        ("de-DE,de;q=0.9", "de", "ltr", "Anmelden"),
        ("ar", "ar", "rtl", "تسجيل الدخول"),
        ("fi", "fr", "ltr", "Se connecter"),
    ] {
        let page = page(&house, asked).await;
        assert_eq!((page.header("content-language"), page.header("vary")), (language, "Accept-Language"));
        let html = format!("<html lang=\"{language}\" dir=\"{direction}\">");
        assert!(page.text.contains(&html), "{}", page.text);
        assert!(page.text.contains(&format!("<button type=\"submit\">{button}</button>")), "{}", page.text);
    }
    let wrong = try_password(&house, &mut Browser::speaking("de"), "anna", "guess").await;
    assert!(wrong.text.contains("Benutzername oder Passwort ist nicht richtig. Bitte"), "{}", wrong.text);
    let right = try_password(&house, &mut Browser::speaking("de"), "anna", PASSWORD).await;
    assert_eq!(right.location(), "/help");
}

#[tokio::test]
async fn a_heading_of_the_operators_own_is_the_same_in_every_language() {
    let house = house(&[("LOGIN_TITLE", "Log in to Example Hospital")]);
    assert!(page(&house, "de").await.text.contains("<h1>Log in to Example Hospital</h1>"));
}

#[tokio::test]
async fn a_page_carries_the_organisations_name_logo_and_links_and_loads_nothing_else() {
    let house = house(&[
        ("LOGIN_BRAND_NAME", "St. <Mary>"),
        ("LOGIN_BRAND_LOGO", "https://cdn.example.org/logo.svg"),
        ("LOGIN_HELP_URL", "/help?topic=chat"),
        ("LOGIN_PRIVACY_URL", "https://www.example.org/privacy"),
        ("LOGIN_FORGOT_PASSWORD_URL", "mailto:help@example.org"),
    ]);
    let page = page(&house, "en").await;
    for part in [
        "<img src=\"https://cdn.example.org/logo.svg\" alt=\"St. &lt;Mary&gt;\">",
        "<a href=\"/help?topic=chat\" target=\"_blank\" rel=\"noopener\">Help</a>",
        "<a href=\"https://www.example.org/privacy\" target=\"_blank\" rel=\"noopener\">Privacy</a>",
        "<a href=\"mailto:help@example.org\">Forgot your password?</a>",
    ] {
        assert!(page.text.contains(part), "{part}: {}", page.text);
    }
    assert_eq!(
        page.header("content-security-policy"),
        "default-src 'none'; style-src 'self'; script-src 'self'; img-src https://cdn.example.org; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    );
}

#[tokio::test]
async fn a_page_without_a_brand_names_none() {
    let page = page(&house(&[]), "en").await;
    assert!(!page.text.contains("<header>") && !page.text.contains("<footer>") && !page.text.contains("<img"));
    assert!(!page.header("content-security-policy").contains("img-src"));
}

#[tokio::test]
async fn whatever_colour_an_organisation_has_its_pages_stay_readable() {
    for (colour, ink) in
        [("#ffdd00", "#000000"), ("#005eb8", "#ffffff"), ("#777777", "#000000"), ("#000000", "#ffffff")]
    {
        let house = house(&[("LOGIN_BRAND_COLOUR", colour)]);
        let style = Browser::default().get(&house.router, "/login/style.css", From::Own).await.text;
        assert!(style.contains(&format!("--accent: {colour}; --on-accent: {ink};")), "{style}");
        let links: Vec<&str> = style.rsplit("--link: ").take(2).filter_map(|rest| rest.get(..7)).collect();
        for (link, ground) in links.iter().zip(["#131316", "#ffffff"]) {
            assert!(contrast(link, ground) >= 4.5, "{colour}: {link} on {ground}");
        }
        assert!(contrast(colour, ink) >= 4.5, "{colour}: {ink}");
    }
}

/// As a designer's tool reckons it.
fn contrast(one: &str, other: &str) -> f64 {
    let light = |colour: &str| {
        let part = |at: usize| f64::from(u8::from_str_radix(&colour[at..at + 2], 16).unwrap()) / 255.0;
        let linear = |c: f64| if c <= 0.040_45 { c / 12.92 } else { ((c + 0.055) / 1.055).powf(2.4) };
        0.2126 * linear(part(1)) + 0.7152 * linear(part(3)) + 0.0722 * linear(part(5)) + 0.05
    };
    let (one, other) = (light(one), light(other));
    one.max(other) / one.min(other)
}

#[test]
fn a_look_that_cannot_be_meant_does_not_start() {
    for colour in ["red", "#fff", "#12345g", "123456", "#1234567", "#123456;}"] {
        assert!(colour.parse::<Colour>().is_err(), "{colour}");
    }
    for link in [
        "javascript:alert(1)",
        "//evil.example",
        "http://www.example.org/",
        "help",
        "/a\"b",
        "data:text/html,x",
        "/\\x",
        "",
    ] {
        assert!(link.parse::<Link>().is_err(), "{link}");
    }
    for link in
        ["/help", "https://www.example.org/x?y#z", "mailto:a@example.org", "tel:+49301234", "http://127.0.0.1:1/x"]
    {
        assert!(link.parse::<Link>().is_ok(), "{link}");
    }
    let told = super::house::read(&[
        ("LOGIN", "accounts"),
        ("ACCOUNTS", &accounts(|_| ())),
        ("LOGIN_LANGUAGE", "fi"),
        ("LOGIN_BRAND_COLOUR", "blue"),
    ])
    .unwrap_err();
    assert!(told.contains("LOGIN_BRAND_COLOUR") && told.contains("#rrggbb"), "{told}");
}
