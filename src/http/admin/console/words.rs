//! Times, spans and reasons as people say them.

use std::borrow::Cow;
use std::time::Duration;

/// How long ago, roughly.
pub(super) fn ago(span: Duration) -> String {
    let seconds = span.as_secs();
    let (count, unit) = match seconds {
        0..60 => return "less than a minute".to_owned(),
        60..3600 => (seconds / 60, "minute"),
        3600..86_400 => (seconds / 3600, "hour"),
        _ => (seconds / 86_400, "day"),
    };
    format!("{count} {unit}{}", if count == 1 { "" } else { "s" })
}

/// Microseconds, as milliseconds where there are some.
pub(super) fn in_ms(micros: u64) -> String {
    if micros < 1000 {
        return format!("{micros} µs");
    }
    format!("{}.{} ms", micros / 1000, micros % 1000 / 100)
}

/// Reasons whose word alone leaves something to guess.
const REASONS: [(&str, &str); 42] = [
    ("anonymous_answer", "the endpoint’s answer names nobody"),
    ("audit_log", "the audit log takes no records"),
    ("bad_cookie", "a cookie that was not made here"),
    ("body", "body too large"),
    ("claims", "a claim that the vendor requires is missing or does not fit"),
    ("client_closed", "the browser hung up before the answer"),
    ("connector_busy", "too many calls to the vendor at once"),
    ("connector_deadline", "the vendor did not answer in time"),
    ("connector_malformed", "the vendor’s answer cannot be read"),
    ("connector_region", "the bot belongs to another region’s endpoint"),
    ("connector_request", "the vendor does not accept the call"),
    ("connector_secret", "the vendor does not accept the secret"),
    ("connector_throttled", "the vendor asks for fewer calls"),
    ("connector_unavailable", "the vendor cannot be reached"),
    ("content_type", "body that is not JSON"),
    ("cookie_duplicate", "the session cookie is there twice"),
    ("credential_missing", "no secret shown for the endpoint"),
    ("credential_wrong", "another secret than the endpoint’s"),
    ("cross_site", "a page of another site, and ALLOW_CROSS_SITE is off"),
    ("email_domain", "e-mail domain not allowed"),
    ("email_unverified", "e-mail not verified"),
    ("endpoint_said_no", "the endpoint said no"),
    ("group", "in none of the required groups"),
    ("method", "another method than the route takes"),
    ("navigation", "the address was opened, not fetched by a page"),
    ("no_header", "the header of TOKEN_REQUIRE_HEADER is missing"),
    ("no_origin", "nothing says which page asks"),
    ("no_session", "no identity header"),
    ("no_subject", "no subject in the answer"),
    ("not_fetch", "asked by an image, script, frame or form"),
    ("not_listed", "the page’s origin is not listed"),
    ("null_origin", "a page without an origin (null)"),
    ("proof_missing", "no proof that the proxy wrote the headers"),
    ("proof_peer", "headers from who is not in TRUSTED_PROXIES"),
    ("proof_wrong", "proof mismatch"),
    ("revoked", "revoked, and not logged in anew"),
    ("route", "no such route"),
    ("session_age", "logged in too long ago"),
    ("session_expired", "expired"),
    ("unknown_session", "no such session: ended, or never was"),
    ("used", "a token that counts once, used before"),
    ("visitor", "this visitor asked too often"),
];

/// A reason in words. One that speaks for itself is only freed of its underscores.
pub(super) fn reason(word: &str) -> Cow<'_, str> {
    match REASONS.iter().find(|(known, _)| *known == word) {
        Some((_, words)) => Cow::Borrowed(words),
        None => Cow::Owned(word.replace('_', " ")),
    }
}

/// What an operator does about a refusal, by the code of the answer.
const REMEDIES: [(&str, &str); 13] = [
    (
        "login_required",
        "If the visitor is logged in on the site, compare what this says with what the browser and the proxy send: the cookie’s name, path, domain and SameSite; the proxy’s identity headers and proof. countersign doctor tries it.",
    ),
    (
        "forbidden",
        "The visitor is logged in and does not meet the widget’s rules. Change the account, or the rules (WIDGET_REQUIRED_GROUPS, WIDGET_EMAIL_DOMAINS, WIDGET_REQUIRE_VERIFIED_EMAIL, WIDGET_MAX_SESSION_AGE).",
    ),
    (
        "identity_incomplete",
        "Give the account what the vendor requires, or change the claim template; the preview below shows what it makes of a visitor.",
    ),
    ("origin_refused", "List the page’s origin in ALLOWED_ORIGINS if it is yours, and let it ask with fetch()."),
    ("rate_limited", "The page should keep its token and wait for Retry-After; the browser module does."),
    ("upstream_unavailable", "See the dependencies above: nobody was logged out, and pages try again by themselves."),
    (
        "overloaded",
        "Heads that came in pieces took all memory there is for them: a flood, or REQUEST_HEADS_MEMORY is too small.",
    ),
    ("upstream_rejected", "The vendor refuses this service: compare secret and region with the vendor’s console."),
    ("misconfigured", "The log has a line with this request’s id that names the setting."),
    ("not_found", "Compare the address that the page asks with PUBLIC_URL, and with the path that the proxy hands on."),
    ("audit_unavailable", "Make room for the audit log, or let it be written: AUDIT_LOG, AUDIT_REQUIRED."),
    ("too_many_cookies", "Let the site set fewer cookies, or raise REQUEST_COOKIES_MAX."),
    ("hung_up", "The page was left, or its own deadline came first: see the times above."),
];

/// The remedy, where there is one to tell.
pub(super) fn remedy(code: &str) -> &'static str {
    REMEDIES.iter().find(|(known, _)| *known == code).map_or("", |(_, remedy)| remedy)
}
