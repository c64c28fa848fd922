//! The settings of signed identity headers, one definition each.

crate::mapping! { pub of "ASSERTION" {
    subject("", "/sub"),
        "JSON pointer to the claim that identifies the visitor; /sub when not set, for Azure /oid.";
    name("/name", "/preferred_username");
    email("/email", "/mail");
    email_verified("/email_verified", "/user/email/verified");
    groups("/groups", "/roles");
    locale("/locale", "/lang");
    expires("", "/session_expires_at"),
        "JSON pointer to the end of the session, where it may come before the assertion's own end.";
    auth_time("/auth_time", "/login_at"),
        "JSON pointer to when the visitor logged in.";
    attributes("", "tenant=/tid"),
        "Further claims to read, as name=/pointer: `attributes.name` in claim templates.";
} }

crate::settings! {
    pub vars VARS + MAPPING_VARS {
        ASSERTION_CONVENTION("", "cloudflare-access"),
            "Who signs the identity header: cloudflare-access, google-iap, aws-alb, aws-verified-access, pomerium, authentik, easy-auth-id-token, oauth2-proxy-bearer, or custom.";
        ASSERTION_HEADER("", "x-identity-jwt"),
            "The header that carries the assertion. Known for every convention but custom.";
        ASSERTION_ISSUER("", "https://login.example.org/"),
            "Expected issuer, to the letter. Follows from other settings for Cloudflare, Google, Pomerium and Azure; for the AWS conventions it is the identity provider's.";
        ASSERTION_AUDIENCE("", "a-client-id"),
            "Whom assertions are for; several with commas. Cloudflare: the application's AUD tag. Google: /projects/NUMBER/... as IAP shows it. ID tokens: the client id.";
        ASSERTION_JWKS_URL("", "https://login.example.org/keys"),
            "Where the signing keys are, if not where the convention or the issuer's discovery document says. For the AWS conventions: the address that a key id is appended to.";
        ASSERTION_KEYS("", r#"{"keys":[{"kty":"EC","crv":"P-256","x":"...","y":"...","kid":"..."}]}"#),
            "The signing keys themselves, as a JWK set or as public keys in PEM, for a host that cannot fetch them. Best given as ASSERTION_KEYS_FILE.";
        ASSERTION_SECRET(secret),
            "Shared secret, when assertions are signed with HS256: authentik's client secret where its provider has no signing key.";
        ASSERTION_TEAM("", "acme"),
            "Cloudflare Access: the team, as in acme.cloudflareaccess.com.";
        ASSERTION_HOST("", "chat.example.org"),
            "Pomerium: the route's host name.";
        ASSERTION_TENANT("", "00000000-0000-0000-0000-000000000000"),
            "Azure: the id of the Entra tenant.";
        ASSERTION_SIGNER("", "arn:aws:elasticloadbalancing:eu-central-1:123456789012:loadbalancer/app/web/50dc6c495c0c9188"),
            "AWS: the ARN of the load balancer or Verified Access instance; several of one region with commas.";
        ASSERTION_CLIENT("", "a-client-id"),
            "AWS load balancer: the OIDC client id it uses.";
        ASSERTION_ALGORITHMS("", "ES256,RS256"),
            "Accepted algorithms, if not those of the convention (RS256 and ES256 for custom).";
        ASSERTION_REQUIRE("", "/hd=example.org"),
            "Further claims that must have a certain value: /claim=value or /claim=value|value; several with commas.";
        ASSERTION_CLOCK_SKEW("30s", "60s"),
            "How far the producer's clock and ours may be apart, up to 60s.";
        ASSERTION_MAX_AGE("", "10m"),
            "Longest time since an assertion was issued, whatever its expiry says. 10m for Google.";
    }
}
