//! Header names by producer. Data: one row each.

/// One producer's header names.
pub(super) struct Convention {
    pub(super) name: &'static str,
    pub(super) subject: &'static str,
    pub(super) display: &'static str,
    pub(super) email: &'static str,
    pub(super) groups: &'static str,
    pub(super) separator: char,
}

/// The conventions of auth proxies. An empty name is a header that this producer does not send.
pub(super) const CONVENTIONS: [Convention; 8] = [
    Convention::new(
        "oauth2-proxy",
        ["x-forwarded-user", "x-forwarded-preferred-username", "x-forwarded-email", "x-forwarded-groups"],
        ',',
    ),
    Convention::new(
        "oauth2-proxy-auth-request",
        ["x-auth-request-user", "x-auth-request-preferred-username", "x-auth-request-email", "x-auth-request-groups"],
        ',',
    ),
    Convention::new("authelia", ["remote-user", "remote-name", "remote-email", "remote-groups"], ','),
    Convention::new(
        "authentik",
        ["x-authentik-uid", "x-authentik-name", "x-authentik-email", "x-authentik-groups"],
        '|',
    ),
    Convention::new(EASY_AUTH, ["x-ms-client-principal", "", "", ""], ','),
    Convention::new(
        "mod-auth-openidc",
        ["oidc_claim_sub", "oidc_claim_name", "oidc_claim_email", "oidc_claim_groups"],
        ',',
    ),
    Convention::new("remote-user", ["x-remote-user", "", "", ""], ','),
    Convention::new("custom", ["", "", "", ""], ','),
];

pub(super) const EASY_AUTH: &str = "easy-auth";

impl Convention {
    const fn new(name: &'static str, headers: [&'static str; 4], separator: char) -> Self {
        let [subject, display, email, groups] = headers;
        Self { name, subject, display, email, groups, separator }
    }
}

/// Every header that some convention reads as identity: what a proxy in front of us must set or take away.
pub fn conventional_headers() -> impl Iterator<Item = &'static str> {
    let names = CONVENTIONS.iter().flat_map(|c| [c.subject, c.display, c.email, c.groups]);
    names.filter(|name| !name.is_empty())
}
