//! One assertion of every producer, as it really looks, to be signed again with a key of ours.
//!
//! `{base}` stands for the address of the publisher. Times are those of [`crate::kit::START`], 1767225600.

/// Where the producer's key is published.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Published {
    /// In the JWK set at `/certs`.
    Set,
    /// In the JWK set at `/certs`, as a discovery document at this path says.
    Discovered(&'static str),
    /// In PEM under its id at `/pem/`.
    Alone,
    /// Nowhere: it is this secret.
    Secret(&'static str),
}

/// A producer's assertion and the settings that believe it.
pub struct Sample {
    pub convention: &'static str,
    pub alg: &'static str,
    pub published: Published,
    pub settings: &'static [(&'static str, &'static str)],
    /// The header field, and what stands before the assertion in it.
    pub field: (&'static str, &'static str),
    pub padded: bool,
    pub header: &'static str,
    pub claims: &'static str,
    /// Members without which it is not believed, of the protected header or of the claims.
    pub required: &'static [&'static str],
    pub subject: &'static str,
}

const KID: &str = r#""kid":"12345678-1234-1234-1234-123456789012""#;
const ALB: &str = "arn:aws:elasticloadbalancing:eu-central-1:123456789012:loadbalancer/app/web/50dc6c495c0c9188";
const VERIFIED_ACCESS: &str = "arn:aws:ec2:us-east-1:123456789012:verified-access-instance/vai-0123456789abcdef0";

pub const SAMPLES: &[Sample] = &[
    Sample {
        convention: "cloudflare-access",
        alg: "RS256",
        published: Published::Set,
        settings: &[
            ("ASSERTION_TEAM", "acme"),
            ("ASSERTION_AUDIENCE", "4714c1358e65fe4b408ad6d432a5f878f08194bdb4752441fd56faefa9b2b6f2"),
            ("ASSERTION_JWKS_URL", "{base}/certs"),
        ],
        field: ("cf-access-jwt-assertion", ""),
        padded: false,
        header: r#"{"alg":"RS256","kid":"4c2eab91a1f07e4a35a1ad3e2f67f4a8d5e77b0a1dcb4e8f6c2b9d3e0f1a2b3c"}"#,
        claims: r#"{"aud":["4714c1358e65fe4b408ad6d432a5f878f08194bdb4752441fd56faefa9b2b6f2"],
            "email":"jane@example.org","exp":1767312000,"iat":1767225590,"nbf":1767225590,
            "iss":"https://acme.cloudflareaccess.com","type":"app","identity_nonce":"6ei69kawdKzMIAPF",
            "sub":"7335d417-61da-459d-899c-0a01c76a2f94","country":"NO"}"#,
        required: &["alg", "iss", "aud", "exp", "type", "sub"],
        subject: "7335d417-61da-459d-899c-0a01c76a2f94",
    },
    Sample {
        convention: "google-iap",
        alg: "ES256",
        published: Published::Set,
        settings: &[
            ("ASSERTION_AUDIENCE", "/projects/123456789012/global/backendServices/8012345678901234567"),
            ("ASSERTION_JWKS_URL", "{base}/certs"),
        ],
        field: ("x-goog-iap-jwt-assertion", ""),
        padded: false,
        header: r#"{"alg":"ES256","typ":"JWT","kid":"2nMJtw"}"#,
        claims: r#"{"iss":"https://cloud.google.com/iap","sub":"accounts.google.com:118133858486581853996",
            "email":"jane@example.org","aud":"/projects/123456789012/global/backendServices/8012345678901234567",
            "exp":1767226190,"iat":1767225590,"hd":"example.org","identity_source":"GOOGLE",
            "google":{"access_levels":["accessPolicies/518551280924/accessLevels/recent"]}}"#,
        required: &["alg", "iss", "aud", "exp", "iat", "sub"],
        subject: "accounts.google.com:118133858486581853996",
    },
    Sample {
        convention: "aws-alb",
        alg: "ES256",
        published: Published::Alone,
        settings: &[
            ("ASSERTION_ISSUER", "https://cognito-idp.eu-central-1.amazonaws.com/eu-central-1_AbCdEfGhI"),
            ("ASSERTION_SIGNER", ALB),
            ("ASSERTION_CLIENT", "1example23456789"),
            ("ASSERTION_JWKS_URL", "{base}/pem"),
        ],
        field: ("x-amzn-oidc-data", ""),
        padded: true,
        header: r#"{"typ":"JWT","kid":"12345678-1234-1234-1234-123456789012","alg":"ES256",
            "iss":"https://cognito-idp.eu-central-1.amazonaws.com/eu-central-1_AbCdEfGhI","client":"1example23456789",
            "signer":"arn:aws:elasticloadbalancing:eu-central-1:123456789012:loadbalancer/app/web/50dc6c495c0c9188",
            "exp":1767225720}"#,
        claims: r#"{"sub":"b3a4c562-5031-7035-b5ab-6fbcbe2ae61c","email_verified":"true","email":"jane@example.org",
            "username":"jane","exp":1767225720,
            "iss":"https://cognito-idp.eu-central-1.amazonaws.com/eu-central-1_AbCdEfGhI"}"#,
        required: &["alg", "kid", "signer", "client", "iss", "exp", "sub"],
        subject: "b3a4c562-5031-7035-b5ab-6fbcbe2ae61c",
    },
    Sample {
        convention: "aws-verified-access",
        alg: "ES384",
        published: Published::Alone,
        settings: &[
            ("ASSERTION_ISSUER", "https://login.example.org/oauth2/default"),
            ("ASSERTION_SIGNER", VERIFIED_ACCESS),
            ("ASSERTION_JWKS_URL", "{base}/pem/"),
        ],
        field: ("x-amzn-ava-user-context", ""),
        padded: true,
        header: r#"{"alg":"ES384","kid":"12345678-1234-1234-1234-123456789012",
            "signer":"arn:aws:ec2:us-east-1:123456789012:verified-access-instance/vai-0123456789abcdef0",
            "iss":"https://login.example.org/oauth2/default","exp":1767225720}"#,
        claims: r#"{"sub":"00u1a2b3c4d5e6f7g8h9","email":"jane@example.org","email_verified":true,
            "groups":["Engineering","finance"],"additional_user_context":{"aud":"xxx","exp":1000000000,
            "groups":["group-id-1"],"iss":"https://oidc-tp.com/","sub":"xyzsubject","ver":"2.0"}}"#,
        required: &["alg", "kid", "signer", "iss", "exp", "sub"],
        subject: "00u1a2b3c4d5e6f7g8h9",
    },
    Sample {
        convention: "pomerium",
        alg: "ES256",
        published: Published::Set,
        settings: &[("ASSERTION_HOST", "chat.example.org"), ("ASSERTION_JWKS_URL", "{base}/certs")],
        field: ("x-pomerium-jwt-assertion", ""),
        padded: false,
        header: r#"{"alg":"ES256","kid":"ccc5bc9d835ff3c8f7075ed4a7510159cf440fd7bf7b517b5caeb1fa419ee6a1","typ":"JWT"}"#,
        claims: r#"{"aud":"chat.example.org","email":"jane@example.org","exp":1767225900,
            "groups":["staff","0123-directory-group"],"iat":1767225600,"iss":"chat.example.org",
            "jti":"6b3a2f3c-2f7e-4f57-9e1e-0f6d8c2b9a11","name":"Jane Doe","sid":"c5b3c7f6-5e1b-4a9f-8f1f-2f2f8c1b7a33",
            "sub":"8a1f3b0c-jane","user":"8a1f3b0c-jane"}"#,
        required: &["alg", "iss", "aud", "exp", "sub"],
        subject: "8a1f3b0c-jane",
    },
    Sample {
        convention: "authentik",
        alg: "RS256",
        published: Published::Discovered("/application/o/chat"),
        settings: &[
            ("ASSERTION_ISSUER", "{base}/application/o/chat/"),
            ("ASSERTION_AUDIENCE", "3FhT0aXmVbQkLrSdWyZpNcEgJuIoKqAe"),
        ],
        field: ("x-authentik-jwt", ""),
        padded: false,
        header: r#"{"alg":"RS256","kid":"74d0b5ab2c4e5f0d6a7b8c9d0e1f2a3b","typ":"JWT"}"#,
        claims: r#"{"iss":"{base}/application/o/chat/","sub":"2cd8a3b1f0e94c1e8f7d6a5b4c3d2e1f0a9b8c7d6e5f4a3b2c1d",
            "aud":"3FhT0aXmVbQkLrSdWyZpNcEgJuIoKqAe","exp":1767229200,"iat":1767225590,"auth_time":1767225580,
            "acr":"goauthentik.io/providers/oauth2/default","amr":["pwd"],"sid":"f1e2d3c4","email":"jane@example.org",
            "email_verified":true,"name":"Jane Doe","given_name":"Jane Doe","preferred_username":"jane",
            "nickname":"jane","groups":["authentik Admins","staff"],
            "ak_proxy":{"user_attributes":{},"is_superuser":false}}"#,
        required: &["alg", "iss", "aud", "exp", "sub"],
        subject: "2cd8a3b1f0e94c1e8f7d6a5b4c3d2e1f0a9b8c7d6e5f4a3b2c1d",
    },
    Sample {
        convention: "authentik",
        alg: "HS256",
        published: Published::Secret("oG1HPb5rOyMEeWFxkX3hWkqJ0uTNcVzYdSaLmRiQfBvCtDwXeZ8g7n6j5k4l3p2s"),
        settings: &[
            ("ASSERTION_ISSUER", "https://auth.example.org/application/o/chat/"),
            ("ASSERTION_AUDIENCE", "3FhT0aXmVbQkLrSdWyZpNcEgJuIoKqAe"),
            ("ASSERTION_SECRET", "oG1HPb5rOyMEeWFxkX3hWkqJ0uTNcVzYdSaLmRiQfBvCtDwXeZ8g7n6j5k4l3p2s"),
        ],
        field: ("x-authentik-jwt", ""),
        padded: false,
        header: r#"{"alg":"HS256","typ":"JWT"}"#,
        claims: r#"{"iss":"https://auth.example.org/application/o/chat/","sub":"2cd8a3b1f0e94c1e8f7d",
            "aud":"3FhT0aXmVbQkLrSdWyZpNcEgJuIoKqAe","exp":1767229200,"iat":1767225590,"email":"jane@example.org",
            "name":"Jane Doe","groups":["staff"],"ak_proxy":{"user_attributes":{},"is_superuser":false}}"#,
        required: &["alg", "iss", "aud", "exp", "sub"],
        subject: "2cd8a3b1f0e94c1e8f7d",
    },
    Sample {
        convention: "easy-auth-id-token",
        alg: "RS256",
        published: Published::Set,
        settings: &[
            ("ASSERTION_TENANT", "9188040d-6c67-4c5b-b112-36a304b66dad"),
            ("ASSERTION_AUDIENCE", "6cb04018-a3f5-46a7-b995-940c78f5aef3"),
            ("ASSERTION_JWKS_URL", "{base}/certs"),
        ],
        field: ("x-ms-token-aad-id-token", ""),
        padded: false,
        header: r#"{"typ":"JWT","alg":"RS256","kid":"1LTMzakihiRla_8z2BEJVXeWMqo"}"#,
        claims: r#"{"ver":"2.0","iss":"https://login.microsoftonline.com/9188040d-6c67-4c5b-b112-36a304b66dad/v2.0",
            "sub":"AAAAAAAAAAAAAAAAAAAAAIkzqFVrSaSaFHy782bbtaQ","aud":"6cb04018-a3f5-46a7-b995-940c78f5aef3",
            "exp":1767229490,"iat":1767225590,"nbf":1767225590,"name":"Jane Doe",
            "preferred_username":"jane@example.org","oid":"00000000-0000-0000-66f3-3332eca7ea81",
            "tid":"9188040d-6c67-4c5b-b112-36a304b66dad","nonce":"123523","uti":"x","rh":"0.AAAA",
            "aio":"Df2UVXL1ix!lMCWMSOJBcFatzcGfvFGhjKv8q5g0x732dR5MB5BisvGQO7YWByjd8iQDLq!eGbIDakyp5mnOrcdqHeYSnltepQmRp6AIZ8jY"}"#,
        required: &["alg", "iss", "aud", "exp", "oid"],
        subject: "00000000-0000-0000-66f3-3332eca7ea81",
    },
    Sample {
        convention: "oauth2-proxy-bearer",
        alg: "RS256",
        published: Published::Discovered("/realms/main"),
        settings: &[("ASSERTION_ISSUER", "{base}/realms/main"), ("ASSERTION_AUDIENCE", "oauth2-proxy")],
        field: ("authorization", "Bearer "),
        padded: false,
        header: r#"{"alg":"RS256","typ":"JWT","kid":"r8aX0qfUJ0pFhVbqkFJ2hZf5r2Q3m4n5o6p7q8r9s0t"}"#,
        claims: r#"{"exp":1767225900,"iat":1767225600,"auth_time":1767225590,"jti":"0a1b2c3d","iss":"{base}/realms/main",
            "aud":"oauth2-proxy","sub":"f81d4fae-7dec-11d0-a765-00a0c91e6bf6","typ":"ID","azp":"oauth2-proxy",
            "sid":"a1b2c3","at_hash":"x4Q8HQk1aZ0YxJvGNMEQ9Q","acr":"1","email_verified":true,"name":"Jane Doe",
            "groups":["/staff"],"preferred_username":"jane","locale":"nb","email":"jane@example.org"}"#,
        required: &["alg", "iss", "aud", "exp", "sub"],
        subject: "f81d4fae-7dec-11d0-a765-00a0c91e6bf6",
    },
    Sample {
        convention: "custom",
        alg: "ES256",
        published: Published::Set,
        settings: &[
            ("ASSERTION_HEADER", "X-Identity-JWT"),
            ("ASSERTION_ISSUER", "https://login.example.org"),
            ("ASSERTION_AUDIENCE", "chat"),
            ("ASSERTION_JWKS_URL", "{base}/certs"),
            ("ASSERTION_REQUIRE", "/tenant=acme"),
            ("ASSERTION_SUBJECT", "/user/id"),
        ],
        field: ("x-identity-jwt", ""),
        padded: false,
        header: r#"{"alg":"ES256","typ":"JWT","kid":"edge-1"}"#,
        claims: r#"{"iss":"https://login.example.org","aud":["chat","mail"],"exp":1767225900,"iat":1767225600,
            "tenant":"acme","user":{"id":"jane"}}"#,
        required: &["alg", "iss", "aud", "exp", "tenant", "user"],
        subject: "jane",
    },
];

/// Every sample that carries a key id that is a UUID says so here, so that the constant is not forgotten in one of them.
#[test]
fn single_keys_are_named_by_uuids() {
    for sample in SAMPLES.iter().filter(|sample| sample.published == Published::Alone) {
        assert!(sample.header.contains(KID), "{}", sample.convention);
    }
}
