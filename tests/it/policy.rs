//! Rules about who may use a widget, and that they are in force.

use http::StatusCode;

use crate::kit::{Answer, BEHIND_PROXY, House, PROOF, START, mistakes, page, settings};

async fn ask(changes: &[(&str, &str)], headers: &[(&str, &str)]) -> Answer {
    let house = House::behind_proxy(changes);
    let request = page("/token")
        .header("x-countersign-proof", PROOF)
        .header("x-forwarded-user", "alice")
        .header("x-forwarded-preferred-username", "Alice");
    house.ask(headers.iter().fold(request, |r, (n, v)| r.header(*n, *v))).await
}

fn forbidden(answer: &Answer) -> bool {
    answer.status == StatusCode::FORBIDDEN && answer.code() == "forbidden"
}

#[tokio::test]
async fn only_members_of_a_required_group_get_a_token() {
    let rule = [("WIDGET_REQUIRED_GROUPS", "staff,patients")];
    assert_eq!(ask(&rule, &[("x-forwarded-groups", "other,patients")]).await.status, StatusCode::OK);
    for groups in ["", "other", "Staff", "staff2", "patients staff"] {
        assert!(forbidden(&ask(&rule, &[("x-forwarded-groups", groups)]).await), "{groups}");
    }
}

#[tokio::test]
async fn an_unverified_address_is_no_verified_address() {
    let rule = [("WIDGET_REQUIRE_VERIFIED_EMAIL", "true"), ("FORWARDED_EMAIL_VERIFIED_HEADER", "X-Verified")];
    let mail = ("x-forwarded-email", "a@example.org");
    assert_eq!(ask(&rule, &[mail, ("x-verified", "true")]).await.status, StatusCode::OK);
    assert!(forbidden(&ask(&rule, &[mail]).await), "not said is not verified");
    assert!(forbidden(&ask(&rule, &[mail, ("x-verified", "false")]).await));
    assert!(forbidden(&ask(&rule, &[mail, ("x-verified", "yes")]).await));
    assert!(forbidden(&ask(&rule, &[("x-verified", "true")]).await), "no address at all");
}

/// AZ-2.
#[tokio::test]
async fn a_domain_rule_compares_the_one_domain_exactly() {
    let rule = [("WIDGET_EMAIL_DOMAINS", "Example.org"), ("FORWARDED_EMAIL_IS_VERIFIED", "true")];
    for good in ["a@example.org", "a@EXAMPLE.ORG"] {
        assert_eq!(ask(&rule, &[("x-forwarded-email", good)]).await.status, StatusCode::OK, "{good}");
    }
    let near = [
        "a@evil.com@example.org",
        "a@example.org@evil.com",
        "a@evilexample.org",
        "a@sub.example.org",
        "a@example.org.evil.com",
        "@example.org",
        "a@",
        "example.org",
        "a@example.org.",
        "a@exa mple.org",
    ];
    for wrong in near {
        assert!(forbidden(&ask(&rule, &[("x-forwarded-email", wrong)]).await), "{wrong}");
    }
}

/// AZ-2.
#[tokio::test]
async fn a_domain_rule_needs_a_verified_address() {
    let rule = [("WIDGET_EMAIL_DOMAINS", "example.org")];
    assert!(forbidden(&ask(&rule, &[("x-forwarded-email", "a@example.org")]).await));
}

#[tokio::test]
async fn a_login_that_is_too_old_or_of_unknown_age_is_refused() {
    let rule = [("WIDGET_MAX_SESSION_AGE", "1h"), ("FORWARDED_AUTH_TIME_HEADER", "X-Auth-Time")];
    let at = |seconds_ago: u64| (START.0 - seconds_ago).to_string();
    assert_eq!(ask(&rule, &[("x-auth-time", &at(3600))]).await.status, StatusCode::OK);
    assert!(forbidden(&ask(&rule, &[("x-auth-time", &at(3601))]).await));
    assert!(forbidden(&ask(&rule, &[]).await));
}

/// AZ-1.
#[test]
fn a_rule_that_cannot_be_meant_does_not_start() {
    for domains in ["*", "*.example.org", "@example.org", "a@example.org", "localhost"] {
        assert!(
            mistakes(&settings(&BEHIND_PROXY, &[("WIDGET_EMAIL_DOMAINS", domains)])).contains("WIDGET_EMAIL_DOMAINS"),
            "{domains}"
        );
    }
    let unknown = mistakes(&settings(&BEHIND_PROXY, &[("WIDGET_REQUIRE_GROUPS", "staff")]));
    assert!(
        unknown.contains("WIDGET_REQUIRE_GROUPS: is not a setting; did you mean WIDGET_REQUIRED_GROUPS?"),
        "{unknown}"
    );
}

#[tokio::test]
async fn a_refused_visitor_is_told_nothing_about_the_rule() {
    let answer = ask(&[("WIDGET_REQUIRED_GROUPS", "the-secret-project")], &[]).await;
    assert!(!answer.text.contains("secret-project") && !answer.text.contains("group"), "{}", answer.text);
}
