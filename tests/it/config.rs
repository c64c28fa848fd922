//! A wrong configuration does not start, and one start names everything that is wrong with it.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use countersign::config::dotenv::parse_dotenv;
use countersign::config::duration::{parse_duration, show_duration};
use countersign::config::env::Env;
use proptest::prelude::*;

use crate::kit::{BEHIND_PROXY, SECRET, mistakes, read, settings};

#[test]
fn one_start_names_every_mistake() {
    let wrong = settings(
        &BEHIND_PROXY,
        &[
            ("WIDGET_SECRET", "c2hvcnQ"),
            ("WIDGET_LIFETIME", "soon"),
            ("FORWARDED_CONVENTION", "oauth2-proxi"),
            ("CLOCK_SKEW", "10m"),
            ("ALLOWED_ORIGINS", "*"),
            ("WIDGET_SUBJCT", "hex"),
            ("LISTEN", "8080"),
        ],
    );
    let text = mistakes(&wrong);
    for part in [
        "WIDGET_SECRET: decodes to 5 bytes; HS256 needs at least 32",
        "WIDGET_LIFETIME: takes a whole number",
        "did you mean oauth2-proxy?",
        "CLOCK_SKEW: must be between",
        "ALLOWED_ORIGINS: ",
        "WIDGET_SUBJCT: is not a setting; did you mean WIDGET_SUBJECT?",
        "LISTEN: ",
    ] {
        assert!(text.contains(part), "{part} is not in\n{text}");
    }
    assert!(text.starts_with("the configuration has 7 mistakes"), "{text}");
}

#[test]
fn an_unknown_variable_under_our_names_is_a_mistake_and_others_are_none_of_our_business() {
    for name in [
        "WIDGET_SECRT",
        "SESSION_SORCES",
        "FORWARDED_CONVENTIONS",
        "TOKEN_METHOD",
        "UPSTREAM_URL",
        "AUDIT_LOGS",
        "PUBLIC_URLS",
    ] {
        let text = mistakes(&settings(&BEHIND_PROXY, &[(name, "x")]));
        assert!(text.contains(&format!("{name}: is not a setting")), "{text}");
    }
    let foreign = [
        ("PATH", "/bin"),
        ("SESSION_MANAGER", "local/x"),
        ("WIDGET_SERVICE_HOST", "10.0.0.1"),
        ("TOKEN_PORT_80_TCP_ADDR", "10.0.0.1"),
        ("HOME", "/"),
    ];
    read(&settings(&BEHIND_PROXY, &foreign)).unwrap();
}

#[test]
fn a_widgets_variable_without_its_name_is_named_when_there_are_several() {
    let text = mistakes(&settings(
        &BEHIND_PROXY,
        &[
            ("WIDGETS", "support"),
            ("WIDGET_SUPPORT_PRESET", "medchat"),
            ("WIDGET_SUPPORT_SECRET", "b3RoZXItc2VjcmV0LW9mLTMyLWJ5dGVzLWFuZC1tb3Jl"),
        ],
    ));
    assert!(
        text.contains("WIDGET_PRESET: is not a setting") && text.contains("WIDGET_SECRET: is not a setting"),
        "{text}"
    );
}

#[test]
fn a_setting_that_has_no_effect_is_pointed_out() {
    let config = read(&settings(&BEHIND_PROXY, &[("UPSTREAM_SESSION_URL", "https://www.example.org/me")])).unwrap();
    assert!(config.reading.warnings.iter().any(|w| w.variable == "UPSTREAM_SESSION_URL"));
}

#[test]
fn a_widget_name_that_is_no_route_is_a_mistake() {
    for names in ["Support", "a b", "-a", "a/b", "ä", "a,a"] {
        assert!(mistakes(&settings(&BEHIND_PROXY, &[("WIDGETS", names)])).contains("WIDGETS: "), "{names}");
    }
}

/// T-7: HS256 needs 256 bits, and so on up.
#[test]
fn a_secret_weaker_than_its_algorithm_does_not_start() {
    for (algorithm, least) in [("HS256", 32), ("HS384", 48), ("HS512", 64)] {
        let of = |length: usize| {
            let secret: String = (0..length).map(|i| char::from(b'0' + u8::try_from(i * 7 % 75).unwrap())).collect();
            settings(
                &BEHIND_PROXY,
                &[
                    ("WIDGET_PRESET", "userinfo"),
                    ("WIDGET_AUDIENCE", "a"),
                    ("WIDGET_ALGORITHM", algorithm),
                    ("WIDGET_SECRET", &secret),
                ],
            )
        };
        assert!(mistakes(&of(least - 1)).contains("RFC 7518"), "{algorithm}");
        read(&of(least)).unwrap();
    }
}

/// T-7.
#[test]
fn a_vendor_that_issues_shorter_secrets_can_be_served_knowingly() {
    let weak =
        settings(&BEHIND_PROXY, &[("WIDGET_SECRET", "c2hvcnQtYnV0LXZlbmRvcg"), ("WIDGET_ALLOW_WEAK_SECRET", "true")]);
    let config = read(&weak).unwrap();
    assert!(config.reading.warnings.iter().any(|w| w.problem.contains("weaker than")));
}

/// T-7.
#[test]
fn a_placeholder_is_no_secret() {
    let placeholders = [
        "changeme-changeme-changeme-changeme",
        "your-secret-your-secret-your-secret",
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
        "<secret from the vendor's console page>",
        "abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyz-replace-me",
        "undefined",
    ];
    for placeholder in placeholders {
        let text = mistakes(&settings(
            &BEHIND_PROXY,
            &[("WIDGET_PRESET", "userinfo"), ("WIDGET_AUDIENCE", "a"), ("WIDGET_SECRET", placeholder)],
        ));
        assert!(text.contains("WIDGET_SECRET: is a placeholder"), "{placeholder}: {text}");
    }
}

/// T-7.
#[test]
fn no_two_settings_share_a_secret() {
    let same = settings(&BEHIND_PROXY, &[("AUDIT_KEY", crate::kit::PROOF)]);
    assert!(mistakes(&same).contains("has the same value as FORWARDED_PROOF_SECRET"));
    let crossed = settings(&BEHIND_PROXY, &[("FORWARDED_PROOF_SECRET", SECRET)]);
    assert!(mistakes(&crossed).contains("has the same value as"));
}

/// T-7.
#[test]
fn an_empty_secret_is_a_missing_secret() {
    let mut vars = settings(&BEHIND_PROXY, &[("WIDGET_SECRET", "")]);
    vars.push(("WIDGET_SECRET".to_owned(), String::new()));
    assert!(mistakes(&vars).contains("WIDGET_SECRET: is required"));
}

#[test]
fn a_secret_in_another_encoding_than_the_vendors_is_named() {
    let text = mistakes(&settings(
        &BEHIND_PROXY,
        &[("WIDGET_SECRET", "not base64url, surely, but long enough to be a secret")],
    ));
    assert!(text.contains("WIDGET_SECRET: the value is not base64url"), "{text}");
    assert!(!text.contains("surely"), "and not shown");
}

/// K-1.
#[test]
fn a_secret_may_come_from_a_file_and_its_last_newline_does_not_count() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("secret");
    for end in ["", "\n", "\r\n"] {
        fs::write(&path, format!("{SECRET}{end}")).unwrap();
        let vars = settings(&BEHIND_PROXY, &[("WIDGET_SECRET", ""), ("WIDGET_SECRET_FILE", path.to_str().unwrap())]);
        let config = read(&vars).unwrap();
        let from_env = read(&settings(&BEHIND_PROXY, &[])).unwrap();
        assert_eq!(config.widgets[0].mechanism.fingerprint(), from_env.widgets[0].mechanism.fingerprint(), "{end:?}");
    }
}

/// K-1.
#[test]
fn a_value_and_a_file_for_one_setting_is_a_mistake() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("secret");
    fs::write(&path, SECRET).unwrap();
    let text = mistakes(&settings(&BEHIND_PROXY, &[("WIDGET_SECRET_FILE", path.to_str().unwrap())]));
    assert!(text.contains("WIDGET_SECRET: is given twice, here and as WIDGET_SECRET_FILE"), "{text}");
}

#[test]
fn one_setting_under_two_names_is_a_mistake_only_when_they_differ() {
    let both = [("https_proxy", "http://proxy.internal:3128"), ("HTTPS_PROXY", "http://proxy.internal:3128")];
    assert!(read(&settings(&BEHIND_PROXY, &both)).is_ok());
    let text = mistakes(&settings(&BEHIND_PROXY, &[both[0], ("HTTPS_PROXY", "http://other.internal:3128")]));
    assert!(text.contains("HTTPS_PROXY: is given twice, here and as https_proxy"), "{text}");
}

/// K-1.
#[test]
fn a_file_that_cannot_be_used_is_named_with_its_path() {
    let folder = tempfile::tempdir().unwrap();
    let empty = folder.path().join("empty");
    fs::write(&empty, "\n").unwrap();
    let large = folder.path().join("large");
    fs::write(&large, vec![b'x'; 300 * 1024]).unwrap();
    for (path, word) in [
        (folder.path().join("missing"), "not found"),
        (empty, "empty"),
        (large, "larger"),
        (folder.path().to_owned(), ""),
    ] {
        let text = mistakes(&settings(
            &BEHIND_PROXY,
            &[("WIDGET_SECRET", ""), ("WIDGET_SECRET_FILE", path.to_str().unwrap())],
        ));
        assert!(text.contains("WIDGET_SECRET_FILE: names a file that cannot be used") && text.contains(word), "{text}");
    }
}

/// K-1.
#[cfg(unix)]
#[test]
fn a_secret_that_everybody_on_the_machine_can_read_is_pointed_out() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("secret");
    fs::write(&path, SECRET).unwrap();
    let warned = |mode: u32| {
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        let vars = settings(&BEHIND_PROXY, &[("WIDGET_SECRET", ""), ("WIDGET_SECRET_FILE", path.to_str().unwrap())]);
        read(&vars).unwrap().reading.warnings.iter().any(|w| w.problem.contains("every user"))
    };
    assert!(warned(0o644));
    assert!(!warned(0o640));
}

#[test]
fn what_takes_effect_is_shown_with_secrets_as_fingerprints() {
    let config = read(&settings(&BEHIND_PROXY, &[])).unwrap();
    let table = countersign::config::env::effective_table(&config.reading.effective);
    assert!(table.contains("WIDGET_PRESET") && table.contains("medchat"));
    assert!(table.contains("fingerprint ") && !table.contains(SECRET), "{table}");
}

#[test]
fn a_template_typo_is_named_with_its_path_and_the_nearest_variable() {
    let of = |template: &str| mistakes(&settings(&BEHIND_PROXY, &[("WIDGET_CLAIMS", template)]));
    assert!(
        of(r#"{"a": {"b": "{{ emial }}"}}"#).contains("at `a.b`: there is no variable `emial`; did you mean `email`?")
    );
    assert!(of(r#"{"a": "Dear {{ name }}"}"#).contains("literal or exactly one {{ expression }}"));
    assert!(of(r#"{"a": "{{ name | shout }}"}"#).contains("at `a`"));
    assert!(of(r#"{"a": {"$claim": "{{ name }}", "requird": true}}"#).contains("requird"));
    assert!(of("[1]").contains("not a JSON object"));
    assert!(of("{").contains("is not JSON"));
}

#[test]
fn an_environment_file_is_read_to_the_letter() {
    let text = "\n# comment\nA=1\nexport B = two words \nC='it''s'\n";
    assert!(parse_dotenv(text).is_err(), "text after a closing quote is not guessed at");
    let text = "A=1\nexport B = two words \nC='a $dollar and a # hash'\nD=\"line\\nbreak \\\"q\\\"\"  # why\nE=\nF=p$w0rd#1\nG='multi\nline'\n";
    let pairs = parse_dotenv(text).unwrap();
    let expected = [
        ("A", "1"),
        ("B", "two words"),
        ("C", "a $dollar and a # hash"),
        ("D", "line\nbreak \"q\""),
        ("E", ""),
        ("F", "p$w0rd#1"),
        ("G", "multi\nline"),
    ];
    let pairs: Vec<(&str, &str)> = pairs.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
    assert_eq!(pairs, expected);
}

#[test]
fn an_ambiguous_line_of_an_environment_file_is_named_and_never_cut() {
    for (text, line) in
        [("A=1\nB=secret #1\n", 2), ("no equals\n", 1), ("\n\n1A=x\n", 3), ("A='open\nB=2\n", 1), ("A=\"\\q\"\n", 1)]
    {
        assert_eq!(parse_dotenv(text).unwrap_err().line, line, "{text:?}");
    }
}

#[test]
fn a_list_can_hold_items_with_commas() {
    let groups = |text: &str| read(&settings(&BEHIND_PROXY, &[("WIDGET_REQUIRED_GROUPS", text)]));
    let names = ["CN=Chat_Staff,OU=Groups,DC=hospital,DC=test", "CN=Doctors,OU=Groups,DC=hospital,DC=test"];
    let json = format!("[\"{}\", \"{}\"]", names[0], names[1]);
    assert_eq!(groups(&json).unwrap().widgets[0].policy.groups, names);
    assert_eq!(groups(&names.join("\n")).unwrap().widgets[0].policy.groups, names);
    assert_eq!(groups("patients, staff").unwrap().widgets[0].policy.groups, ["patients", "staff"]);
    assert_eq!(groups("CN=Chat_Staff").unwrap().widgets[0].policy.groups, ["CN=Chat_Staff"]);
    for wrong in [names[0], "staff,OU=Groups", "cn = x, dc = y"] {
        let text = groups(wrong).unwrap_err().to_string();
        assert!(text.contains("WIDGET_REQUIRED_GROUPS: ") && text.contains("JSON array"), "{wrong}: {text}");
    }
    assert!(groups("[1, 2]").unwrap_err().to_string().contains("is not one of texts"));
}

#[test]
fn a_secret_is_taken_as_editors_and_manifests_leave_it_or_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("secret");
    let of = |bytes: &[u8]| {
        fs::write(&path, bytes).unwrap();
        read(&settings(&BEHIND_PROXY, &[("WIDGET_SECRET", ""), ("WIDGET_SECRET_FILE", path.to_str().unwrap())]))
    };
    let fingerprint = of(SECRET.as_bytes()).unwrap().widgets[0].keyring().unwrap().fingerprint.clone();
    for (before, after) in [("\u{FEFF}", ""), ("", "\n\n"), ("\n", "\r\n\r\n"), ("", "\n \t\n"), ("\u{FEFF}\r\n", "\n")]
    {
        let config = of(format!("{before}{SECRET}{after}").as_bytes()).unwrap();
        assert_eq!(config.widgets[0].keyring().unwrap().fingerprint, fingerprint, "{before:?} {after:?}");
    }
    let wide: Vec<u8> = [0xFF, 0xFE].into_iter().chain(SECRET.bytes().flat_map(|byte| [byte, 0])).collect();
    for (bytes, word) in [
        (format!("{SECRET} ").into_bytes(), "space or a tab"),
        (format!("\t{SECRET}").into_bytes(), "space or a tab"),
        (format!("{SECRET}\n{SECRET}").into_bytes(), "more than one line"),
        (format!("{SECRET}\u{200B}").into_bytes(), "invisible character"),
        (format!("{SECRET}\u{A0}").into_bytes(), "invisible character"),
        (format!("\"{SECRET}\"").into_bytes(), "in quotes"),
        (wide, "UTF-16"),
        (vec![0xC3, 0x28], "not UTF-8"),
    ] {
        let text = of(&bytes).unwrap_err().to_string();
        assert!(text.contains("WIDGET_SECRET") && text.contains(word), "{word}: {text}");
        assert!(!text.contains(SECRET), "and not shown");
    }
}

#[test]
fn base64_in_the_other_alphabet_is_said_with_the_setting_that_changes_it() {
    let standard = "++++////c29tZS1tZWRjaGF0LXNlY3JldC1vZi0zMi1ieXRl";
    let vars = [
        ("WIDGETS", "clinic"),
        ("WIDGET_PRESET", ""),
        ("WIDGET_SECRET", ""),
        ("WIDGET_CLINIC_PRESET", "medchat"),
        ("WIDGET_CLINIC_SECRET", standard),
    ];
    let text = mistakes(&settings(&BEHIND_PROXY, &vars));
    assert!(text.contains("WIDGET_CLINIC_SECRET: the value is not base64url; it is base64"), "{text}");
    assert!(text.contains("set WIDGET_CLINIC_SECRET_ENCODING=base64"), "{text}");
}

fn warned(changes: &[(&str, &str)], name: &str, word: &str) -> bool {
    let warnings = read(&settings(&BEHIND_PROXY, changes)).unwrap().reading.warnings;
    warnings.iter().any(|warning| warning.variable == name && warning.problem.contains(word))
}

#[test]
fn what_works_and_is_hardly_meant_is_pointed_out() {
    assert!(warned(&[("PUBLIC_URL", "")], "PUBLIC_URL", "is not set"));
    assert!(warned(&[("PUBLIC_URL", ""), ("PUBLIC_URI", "https://x.org")], "PUBLIC_URI", "did you mean PUBLIC_URL?"));
    assert!(warned(&[("PUBLIC_URL", "http://www.example.org/chat")], "PUBLIC_URL", "plain http"));
    assert!(!warned(&[("PUBLIC_URL", "http://127.0.0.1:8080")], "PUBLIC_URL", ""));
    assert!(warned(&[("ALLOWED_ORIGINS", "http://app.example.org")], "ALLOWED_ORIGINS", "plain http"));
    assert!(warned(&[("ADMIN_LISTEN", "0.0.0.0:9090")], "ADMIN_LISTEN", "every address"));
    assert!(warned(&[("WIDGET_LIFETIME", "120")], "WIDGET_LIFETIME", "read as 2m"));
    assert!(!warned(&[("WIDGET_LIFETIME", "2m")], "WIDGET_LIFETIME", "unit"));
    let mut vars = settings(&BEHIND_PROXY, &[]);
    vars.push(("WIDGET_AUDIENCE".to_owned(), String::new()));
    let warnings = read(&vars).unwrap().reading.warnings;
    assert!(warnings.iter().any(|w| w.variable == "WIDGET_AUDIENCE" && w.problem.contains("set to nothing")));
}

#[test]
fn names_of_other_programs_never_stop_the_start() {
    for name in ["SESSION_SECRET", "SESSION_DRIVER", "ADMIN_PASSWORD", "TOKEN_KEY", "LOGIN_URL", "STORE_NAME_PREFIX_X"]
    {
        assert!(warned(&[(name, "x")], name, "is not a setting"), "{name}");
    }
    let links = ["WIDGET_PORT", "UPSTREAM_SERVICE_HOST", "SESSION_STORE_PORT_6379_TCP", "AUDIT_SERVICE_PORT"];
    let vars: Vec<(&str, &str)> = links.iter().map(|name| (*name, "tcp://10.0.0.1:80")).collect();
    read(&settings(&BEHIND_PROXY, &vars)).unwrap();
}

proptest! {
    #[test]
    fn no_environment_file_brings_the_reader_down(text in ".{0,200}") {
        let _ = parse_dotenv(&text);
    }

    #[test]
    fn a_quoted_value_survives_the_environment_file(value in "[^'\u{0}]{0,60}") {
        let pairs = parse_dotenv(&format!("NAME='{value}'\n")).unwrap();
        prop_assert_eq!(&pairs[0].1, &value);
    }

    #[test]
    fn a_span_of_time_is_read_as_it_is_shown(millis in 0u64..10_000_000_000) {
        let span = std::time::Duration::from_millis(millis);
        prop_assert_eq!(parse_duration(&show_duration(span)), Some(span));
    }

    #[test]
    fn no_settings_bring_the_reader_down(values in proptest::collection::vec(".{0,30}", 12)) {
        let names = ["WIDGET_PRESET", "WIDGET_SECRET", "WIDGET_CLAIMS", "SESSION_SOURCES", "PUBLIC_URL", "LISTEN", "ALLOWED_ORIGINS", "TRUSTED_PROXIES", "WIDGET_LIFETIME", "FORWARDED_CONVENTION", "WIDGETS", "UPSTREAM_SESSION_URL"];
        let vars: Vec<(String, String)> = names.iter().map(|n| (*n).to_owned()).zip(values).collect();
        let _ = countersign::app::config::Settings::read(Env::new(vars));
    }
}

/// AZ-1.
#[tokio::test]
async fn a_group_that_is_a_distinguished_name_is_compared_whole() {
    let staff = "CN=Chat_Staff,OU=Groups,DC=hospital,DC=test";
    let required = format!("[\"{staff}\"]");
    for separator in [";", "|", " ; "] {
        let house = crate::kit::House::behind_proxy(&[
            ("WIDGET_REQUIRED_GROUPS", &required),
            ("FORWARDED_GROUPS_SEPARATOR", separator),
        ]);
        let status = async |group: &str| {
            let groups = format!("CN=Everybody,OU=Groups,DC=hospital,DC=test{separator}{group}");
            house.ask(crate::kit::visit("/token", "alice").header("x-forwarded-groups", groups)).await.status
        };
        assert_eq!(status(staff).await, http::StatusCode::OK, "{separator}");
        let others = "CN=Cleaning,OU=Groups,DC=hospital,DC=test";
        assert_eq!(status(others).await, http::StatusCode::FORBIDDEN, "{separator}");
    }
}

#[test]
fn a_file_that_everybody_can_read_is_warned_about_where_it_holds_a_secret() {
    let place = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = place.path().join(name);
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let (secret, url) = (file("secret", SECRET), file("url", "https://www.example.org/chat"));
    let files = [("WIDGET_SECRET_FILE", secret.as_str()), ("PUBLIC_URL_FILE", url.as_str())];
    let changes = [&[("WIDGET_SECRET", ""), ("PUBLIC_URL", "")][..], &files].concat();
    let read = countersign::app::config::Settings::read(Env::new(settings(&BEHIND_PROXY, &changes))).unwrap();
    let warned = read.reading.warnings.iter().filter(|warning| warning.problem.contains("every user of this machine"));
    assert_eq!(warned.map(|warning| warning.variable.as_str()).collect::<Vec<_>>(), ["WIDGET_SECRET_FILE"]);
}
