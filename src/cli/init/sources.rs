//! The ways to know who the visitor is that `countersign init` sets up. Data: one row each.

/// A way to know who the visitor is.
#[derive(Debug, Clone, Copy)]
pub(super) struct Source {
    /// Name on the command line.
    pub(super) name: &'static str,
    /// For people who choose.
    pub(super) title: &'static str,
    /// The proxy vouches for the visitor; else countersign reads the visitor's own cookie or token.
    pub(super) vouched: bool,
    /// Its settings.
    pub(super) settings: &'static [Setting],
    /// Its secrets.
    pub(super) secrets: &'static [Secret],
    /// What the page does for a visitor who is not logged in; empty where that is the site's own matter.
    pub(super) page: &'static str,
    /// What has to be done before the configuration is whole; empty when nothing has.
    pub(super) first: &'static str,
}

/// A line of the environment file.
#[derive(Debug, Clone, Copy)]
pub(super) struct Setting {
    pub(super) name: &'static str,
    /// With `{origin}` and `{dir}` where those belong.
    pub(super) value: &'static str,
    /// What the operator must put there instead; empty when the value is right as it stands.
    pub(super) yours: &'static str,
}

/// A secret in a file of its own.
#[derive(Debug, Clone, Copy)]
pub(super) struct Secret {
    pub(super) setting: &'static str,
    pub(super) file: &'static str,
    /// Who gives it; empty when it is made here.
    pub(super) from: &'static str,
}

const fn set(name: &'static str, value: &'static str) -> Setting {
    Setting { name, value, yours: "" }
}

const fn yours(name: &'static str, value: &'static str, yours: &'static str) -> Setting {
    Setting { name, value, yours }
}

/// Where sessions of our own login are kept beside the configuration.
const SESSIONS: Setting = set("SESSION_STORE", "sqlite:{dir}/state/sessions.db");

/// How a page offers the login of our own.
const LOGIN_BUTTON: &str = "The login is at {mount}/login. A button that opens it in a window, with the browser module {mount}/countersign.js:\n\
     button.addEventListener('click', () => source.login().catch(({ code, message }) => show(code, message)));";

/// All of them.
pub(super) const SOURCES: &[Source] = &[
    Source {
        name: "forwarded",
        title: "the proxy's login: oauth2-proxy, Authelia, mod_auth_openidc, ...",
        vouched: true,
        settings: &[set("SESSION_SOURCES", "forwarded")],
        secrets: &[Secret { setting: "FORWARDED_PROOF_SECRET", file: "proof", from: "" }],
        page: "",
        first: "",
    },
    Source {
        name: "upstream",
        title: "your site's own endpoint, which is asked with the visitor's session cookie",
        vouched: false,
        settings: &[
            set("SESSION_SOURCES", "upstream"),
            yours(
                "UPSTREAM_SESSION_URL",
                "{origin}/api/me",
                "your site's endpoint that says who is logged in, as JSON",
            ),
            yours("UPSTREAM_SESSION_COOKIES", "session_id", "the name of your site's session cookie"),
            yours(
                "UPSTREAM_SUBJECT",
                "/sub",
                "where in that JSON the visitor's id stands, such as /id or /user/id; UPSTREAM_NAME (/name) and UPSTREAM_EMAIL (/email) likewise",
            ),
        ],
        secrets: &[],
        page: "",
        first: "",
    },
    Source {
        name: "bearer",
        title: "access tokens that a single-page application sends",
        vouched: false,
        settings: &[
            set("SESSION_SOURCES", "bearer"),
            yours("BEARER_ISSUER", "https://login.example.org", "your authorization server"),
            yours("BEARER_AUDIENCE", "chat-identity", "whom its access tokens are for"),
        ],
        secrets: &[],
        page: "",
        first: "",
    },
    Source {
        name: "oidc",
        title: "a login of countersign's own, at your OpenID Connect provider",
        vouched: false,
        settings: &[
            set("SESSION_SOURCES", "login"),
            set("LOGIN", "oidc"),
            yours("OIDC_ISSUER", "https://login.example.org", "your identity provider"),
            yours("OIDC_CLIENT_ID", "countersign", "the client id you registered there"),
            SESSIONS,
        ],
        secrets: &[Secret { setting: "OIDC_CLIENT_SECRET", file: "oidc-client", from: "your identity provider" }],
        page: LOGIN_BUTTON,
        first: "",
    },
    Source {
        name: "accounts",
        title: "a login of countersign's own, with local accounts",
        vouched: false,
        settings: &[
            set("SESSION_SOURCES", "login"),
            set("LOGIN", "accounts"),
            set("ACCOUNTS_FILE", "{dir}/accounts.jsonl"),
            set("AUDIT_LOG", "{dir}/audit.jsonl"),
            SESSIONS,
        ],
        secrets: &[Secret { setting: "AUDIT_KEY", file: "audit", from: "" }],
        page: LOGIN_BUTTON,
        first: "countersign accounts add jane --name 'Jane Doe' --generate --env-file '{dir}/.env' --reason 'the first account'",
    },
];
