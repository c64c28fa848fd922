//! The settings of signed identity headers, one definition each.

use crate::config::env::Var;

/// Which producer signs.
pub(super) const CONVENTION: Var = Var::new(
    "ASSERTION_CONVENTION",
    "",
    "cloudflare-access",
    "Who signs the identity header: cloudflare-access, google-iap, aws-alb, aws-verified-access, pomerium, authentik, easy-auth-id-token, oauth2-proxy-bearer, or custom.",
);
/// The header field.
pub(super) const HEADER: Var = Var::new(
    "ASSERTION_HEADER",
    "",
    "x-identity-jwt",
    "The header that carries the assertion. Known for every convention but custom.",
);
/// Expected `iss`.
pub(super) const ISSUER: Var = Var::new(
    "ASSERTION_ISSUER",
    "",
    "https://login.example.org/",
    "Expected issuer, to the letter. Follows from other settings for Cloudflare, Google, Pomerium and Azure; for the AWS conventions it is the identity provider's.",
);
/// Expected `aud`.
pub(super) const AUDIENCE: Var = Var::new(
    "ASSERTION_AUDIENCE",
    "",
    "a-client-id",
    "Whom assertions are for; several with commas. Cloudflare: the application's AUD tag. Google: /projects/NUMBER/... as IAP shows it. ID tokens: the client id.",
);
/// Another place for the keys.
pub(super) const JWKS_URL: Var = Var::new(
    "ASSERTION_JWKS_URL",
    "",
    "https://login.example.org/keys",
    "Where the signing keys are, if not where the convention or the issuer's discovery document says. For the AWS conventions: the address that a key id is appended to.",
);
/// Keys that are not fetched.
pub(super) const KEYS: Var = Var::new(
    "ASSERTION_KEYS",
    "",
    r#"{"keys":[{"kty":"EC","crv":"P-256","x":"...","y":"...","kid":"..."}]}"#,
    "The signing keys themselves, as a JWK set or as public keys in PEM, for a host that cannot fetch them. Best given as ASSERTION_KEYS_FILE.",
);
/// A secret shared with the producer.
pub(super) const SECRET: Var = Var::secret(
    "ASSERTION_SECRET",
    "Shared secret, when assertions are signed with HS256: authentik's client secret where its provider has no signing key.",
);
/// Cloudflare's team.
pub(super) const TEAM: Var =
    Var::new("ASSERTION_TEAM", "", "acme", "Cloudflare Access: the team, as in acme.cloudflareaccess.com.");
/// Pomerium's route.
pub(super) const HOST: Var = Var::new("ASSERTION_HOST", "", "chat.example.org", "Pomerium: the route's host name.");
/// Azure's tenant.
pub(super) const TENANT: Var =
    Var::new("ASSERTION_TENANT", "", "00000000-0000-0000-0000-000000000000", "Azure: the id of the Entra tenant.");
/// AWS's signers.
pub(super) const SIGNER: Var = Var::new(
    "ASSERTION_SIGNER",
    "",
    "arn:aws:elasticloadbalancing:eu-central-1:123456789012:loadbalancer/app/web/50dc6c495c0c9188",
    "AWS: the ARN of the load balancer or Verified Access instance; several of one region with commas.",
);
/// AWS's client.
pub(super) const CLIENT: Var =
    Var::new("ASSERTION_CLIENT", "", "a-client-id", "AWS load balancer: the OIDC client id it uses.");
/// Other algorithms.
pub(super) const ALGORITHMS: Var = Var::new(
    "ASSERTION_ALGORITHMS",
    "",
    "ES256,RS256",
    "Accepted algorithms, if not those of the convention (RS256 and ES256 for custom).",
);
/// More requirements.
pub(super) const REQUIRE: Var = Var::new(
    "ASSERTION_REQUIRE",
    "",
    "/hd=example.org",
    "Further claims that must have a certain value: /claim=value or /claim=value|value; several with commas.",
);
/// Clock skew.
pub(super) const CLOCK_SKEW: Var =
    Var::new("ASSERTION_CLOCK_SKEW", "30s", "60s", "How far the producer's clock and ours may be apart, up to 60s.");
/// Longest age.
pub(super) const MAX_AGE: Var = Var::new(
    "ASSERTION_MAX_AGE",
    "",
    "10m",
    "Longest time since an assertion was issued, whatever its expiry says. 10m for Google.",
);
/// Where the subject is. What it is when not set depends on the convention.
pub(super) const SUBJECT: Var = Var::new(
    "ASSERTION_SUBJECT",
    "",
    "/sub",
    "JSON pointer to the claim that identifies the visitor; /sub when not set, for Azure /oid.",
);
pub(super) const DISPLAY: Var =
    Var::new("ASSERTION_NAME", "/name", "/preferred_username", "JSON pointer to the display name.");
pub(super) const EMAIL: Var = Var::new("ASSERTION_EMAIL", "/email", "/mail", "JSON pointer to the e-mail address.");
pub(super) const EMAIL_VERIFIED: Var = Var::new(
    "ASSERTION_EMAIL_VERIFIED",
    "/email_verified",
    "/user/email/verified",
    "JSON pointer to whether the address is verified.",
);
pub(super) const GROUPS: Var = Var::new("ASSERTION_GROUPS", "/groups", "/roles", "JSON pointer to the groups.");
pub(super) const LOCALE: Var = Var::new("ASSERTION_LOCALE", "/locale", "/lang", "JSON pointer to the language tag.");
pub(super) const EXPIRES: Var = Var::new(
    "ASSERTION_EXPIRES",
    "",
    "/session_expires_at",
    "JSON pointer to the end of the session, where it may come before the assertion's own end.",
);
pub(super) const AUTH_TIME: Var =
    Var::new("ASSERTION_AUTH_TIME", "/auth_time", "/login_at", "JSON pointer to when the visitor logged in.");
pub(super) const ATTRIBUTES: Var = Var::new(
    "ASSERTION_ATTRIBUTES",
    "",
    "tenant=/tid",
    "Further claims to read, as name=/pointer: `attributes.name` in claim templates.",
);

/// The settings of this room.
pub(super) const VARS: &[&Var] = &[
    &CONVENTION,
    &HEADER,
    &ISSUER,
    &AUDIENCE,
    &JWKS_URL,
    &KEYS,
    &SECRET,
    &TEAM,
    &HOST,
    &TENANT,
    &SIGNER,
    &CLIENT,
    &ALGORITHMS,
    &REQUIRE,
    &CLOCK_SKEW,
    &MAX_AGE,
    &SUBJECT,
    &DISPLAY,
    &EMAIL,
    &EMAIL_VERIFIED,
    &GROUPS,
    &LOCALE,
    &EXPIRES,
    &AUTH_TIME,
    &ATTRIBUTES,
];
