//! The proxies that `countersign init` writes snippets for: the very ones that are shipped. Data: one row each.

/// A proxy.
#[derive(Debug, Clone, Copy)]
pub(super) struct Proxy {
    /// Name on the command line.
    pub(super) name: &'static str,
    /// For people who choose.
    pub(super) title: &'static str,
    /// What the snippet reads of the login that it asks.
    pub(super) convention: &'static [(&'static str, &'static str)],
    /// What it must be told, or do, about the login that it asks; empty where `VOUCHING_STEP` says it.
    pub(super) login: &'static str,
    /// Files for a proxy that vouches for the visitor.
    pub(super) vouching: &'static [File],
    /// Files for one that only hands requests on.
    pub(super) handing_on: &'static [File],
    /// What to do with them.
    pub(super) steps: &'static [&'static str],
}

/// A file of the proxy's configuration.
#[derive(Debug, Clone, Copy)]
pub(super) struct File {
    /// Below the folder.
    pub(super) path: &'static str,
    /// With `{listen}` and `{proof}` where those belong, and `/chat-identity` for the path of `PUBLIC_URL`.
    pub(super) text: &'static str,
    /// It holds a secret.
    pub(super) private: bool,
}

const fn open(path: &'static str, text: &'static str) -> File {
    File { path, text, private: false }
}

const fn private(path: &'static str, text: &'static str) -> File {
    File { path, text, private: true }
}

macro_rules! shipped {
    ($path:literal) => {
        include_str!(concat!("../../../deploy/proxies/", $path))
    };
}

const NGINX_STRIP: File = open("nginx/countersign/no-identity.conf", shipped!("nginx/no-identity.conf"));
const NGINX_PASS: File = open("nginx/countersign/pass.conf", shipped!("nginx/pass.conf"));
const APACHE_STRIP: File = open("apache/countersign/no-identity.conf", shipped!("apache/no-identity.conf"));
const APACHE_DEFINE: File = open("apache/countersign/define.conf", "Define COUNTERSIGN http://{listen}\n");
const CADDY_STRIP: File = open("caddy/countersign/no-identity.caddy", shipped!("caddy/no-identity.caddy"));

/// All of them, and none.
pub(super) const PROXIES: &[Proxy] = &[
    Proxy {
        name: "nginx",
        title: "nginx, with auth_request where it asks a login",
        convention: &[("FORWARDED_CONVENTION", "oauth2-proxy-auth-request")],
        login: "`upstream login` in {dir}/nginx/http.conf: your login. It answers GET /oauth2/auth with 2xx and X-Auth-Request-User (and, where it knows them, X-Auth-Request-Preferred-Username, -Email, -Groups), or with 401; oauth2-proxy does",
        vouching: &[
            open("nginx/countersign/countersign.conf", shipped!("nginx/countersign.conf")),
            NGINX_STRIP,
            NGINX_PASS,
            private(
                "nginx/countersign/proof.conf",
                "# The value of FORWARDED_PROOF_SECRET.\nproxy_set_header X-Countersign-Proof \"{proof}\";\n",
            ),
            open(
                "nginx/http.conf",
                "upstream countersign { server {listen}; keepalive 16; }\n# The login that answers auth_request: oauth2-proxy here.\nupstream login       { server 127.0.0.1:4180; keepalive 16; }\n",
            ),
        ],
        handing_on: &[
            open("nginx/countersign/countersign.conf", shipped!("nginx/by-cookie.conf")),
            NGINX_STRIP,
            NGINX_PASS,
            open("nginx/http.conf", "upstream countersign { server {listen}; keepalive 16; }\n"),
        ],
        steps: &[
            "copy {dir}/nginx/countersign to /etc/nginx/countersign",
            "put the lines of {dir}/nginx/http.conf into nginx's http block",
            "put `include countersign/countersign.conf;` into the site's server block",
        ],
    },
    Proxy {
        name: "apache",
        title: "Apache httpd 2.4, with mod_auth_openidc where it has a login",
        convention: &[("FORWARDED_CONVENTION", "mod-auth-openidc"), ("FORWARDED_ENCODING", "base64url")],
        login: "the OIDC... settings of mod_auth_openidc, in the virtual host before the Include lines",
        vouching: &[
            open("apache/countersign/countersign.conf", shipped!("apache/countersign.conf")),
            APACHE_STRIP,
            APACHE_DEFINE,
            private(
                "apache/countersign/proof.conf",
                "# The value of FORWARDED_PROOF_SECRET.\nRequestHeader set X-Countersign-Proof \"{proof}\"\n",
            ),
        ],
        handing_on: &[
            open("apache/countersign/countersign.conf", shipped!("apache/by-cookie.conf")),
            APACHE_STRIP,
            APACHE_DEFINE,
        ],
        steps: &[
            "copy {dir}/apache/countersign to /etc/apache2/countersign, and a2enmod headers proxy_http",
            "put `Include countersign/define.conf` and `Include countersign/countersign.conf` into the site's virtual host",
        ],
    },
    Proxy {
        name: "caddy",
        title: "Caddy 2, with forward_auth where it asks a login",
        convention: &[("FORWARDED_CONVENTION", "authelia")],
        login: "COUNTERSIGN_LOGIN in {dir}/caddy/environment: your login, if it is not at 127.0.0.1:9091. It answers forward_auth as Authelia does",
        vouching: &[
            open("caddy/countersign/countersign.caddy", shipped!("caddy/countersign.caddy")),
            CADDY_STRIP,
            private("caddy/environment", "COUNTERSIGN_UPSTREAM={listen}\nCOUNTERSIGN_PROOF={proof}\n"),
        ],
        handing_on: &[
            open("caddy/countersign/countersign.caddy", shipped!("caddy/by-cookie.caddy")),
            CADDY_STRIP,
            open("caddy/environment", "COUNTERSIGN_UPSTREAM={listen}\n"),
        ],
        steps: &[
            "copy {dir}/caddy/countersign to /etc/caddy/countersign, and give Caddy the variables of {dir}/caddy/environment",
            "put `import countersign/countersign.caddy` into the site's block of the Caddyfile",
        ],
    },
    Proxy {
        name: "haproxy",
        title: "HAProxy 2.4 or newer, which asks no login by itself",
        convention: &[("FORWARDED_CONVENTION", "oauth2-proxy-auth-request")],
        login: "{dir}/haproxy/countersign.cfg: after the lines that delete, `http-request set-header` the X-Auth-Request-... headers from what your login has found, and X-Countersign-Proof \"${COUNTERSIGN_PROOF}\"",
        vouching: &[
            open("haproxy/countersign.cfg", shipped!("haproxy/countersign.cfg")),
            private("haproxy/environment", "COUNTERSIGN_UPSTREAM={listen}\nCOUNTERSIGN_PROOF={proof}\n"),
        ],
        handing_on: &[
            open("haproxy/countersign.cfg", shipped!("haproxy/countersign.cfg")),
            open("haproxy/environment", "COUNTERSIGN_UPSTREAM={listen}\n"),
        ],
        steps: &[
            "start HAProxy with -f {dir}/haproxy/countersign.cfg after the site's own file, and with the variables of {dir}/haproxy/environment",
            "put `use_backend countersign if { path_beg {mount}/ }` into the site's frontend",
        ],
    },
    Proxy {
        name: "other",
        title: "another one, which you set up yourself",
        convention: &[("FORWARDED_CONVENTION", "oauth2-proxy")],
        login: "",
        vouching: &[],
        handing_on: &[],
        steps: &[
            "let the proxy hand on {mount}/ to http://{listen}, with X-Forwarded-For set to the visitor's address and every identity header of the visitor's own taken away",
        ],
    },
];

/// What the other one must do besides where it vouches.
pub(super) const VOUCHING_STEP: &str =
    "let it set X-Countersign-Proof to the content of {dir}/proof, and the identity headers from its login alone";
