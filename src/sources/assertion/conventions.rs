//! How each producer signs its assertions. Data: one row per producer, with the producer's own document.
//!
//! In templates `{team}`, `{host}`, `{tenant}` and `{region}` are blanks that settings fill.

use std::time::Duration;

use crate::jose::algorithm::Algorithm;
use crate::jose::jws::compact::Padding;

/// How one producer signs.
#[derive(Debug)]
pub struct Convention {
    /// Its name in the configuration.
    pub name: &'static str,
    /// The producer's own words.
    pub document: &'static str,
    /// The header field; empty when the operator must say.
    pub header: &'static str,
    /// Whether the field is `Authorization: Bearer`.
    pub bearer: bool,
    /// The algorithms it signs with.
    pub algorithms: &'static [Algorithm],
    /// Template of `iss`; empty when the operator must say.
    pub issuer: &'static str,
    /// Where its keys are.
    pub keys: KeysAt,
    /// Whether it may sign with a shared secret instead.
    pub shared: bool,
    /// How its tokens are bound to us.
    pub bound: Bound,
    /// Whether it pads.
    pub padding: Padding,
    /// Claims that must have a certain value, as `/claim=value`.
    pub requirements: &'static [&'static str],
    /// Longest time since `iat`.
    pub max_age: Option<Duration>,
    /// The claim that identifies the visitor, as a JSON pointer.
    pub subject: &'static str,
}

/// Where a producer's keys are, unless the operator says otherwise.
#[derive(Debug, Clone, Copy)]
pub enum KeysAt {
    /// Template of the address of a JWK set.
    Set(&'static str),
    /// The issuer's discovery document says.
    Discovery,
    /// One by one under an address, by partition of the signer's ARN.
    OneByOne(&'static [(&'static str, &'static str)]),
}

/// How a producer's tokens are bound to us.
#[derive(Debug, Clone, Copy)]
pub enum Bound {
    /// `aud` includes ours and may include others.
    Includes,
    /// `aud` is ours and nobody else's; a template where it follows from other settings, else empty.
    Only(&'static str),
    /// The signer's ARN stands in the protected header, and so does our client id where `client` says.
    Signer {
        /// Service and beginning of the resource in the ARN.
        of: (&'static str, &'static str),
        /// Whether the producer names the client too.
        client: bool,
    },
}

/// What most have in common: an ID token of an issuer that publishes a discovery document.
const BASE: Convention = Convention {
    name: "",
    document: "",
    header: "",
    bearer: false,
    algorithms: &[Algorithm::RS256, Algorithm::ES256],
    issuer: "",
    keys: KeysAt::Discovery,
    shared: false,
    bound: Bound::Includes,
    padding: Padding::Never,
    requirements: &[],
    max_age: None,
    subject: "/sub",
};

/// Every producer that is known by name, and `custom` for the others.
pub const CONVENTIONS: [Convention; 9] = [
    Convention {
        name: "cloudflare-access",
        document: "https://developers.cloudflare.com/cloudflare-one/access-controls/applications/http-apps/authorization-cookie/validating-json/",
        header: "cf-access-jwt-assertion",
        algorithms: &[Algorithm::RS256],
        issuer: "https://{team}.cloudflareaccess.com",
        keys: KeysAt::Set("https://{team}.cloudflareaccess.com/cdn-cgi/access/certs"),
        // An `org` token is signed by the same keys and good for no application.
        requirements: &["/type=app"],
        ..BASE
    },
    Convention {
        name: "google-iap",
        document: "https://cloud.google.com/iap/docs/signed-headers-howto",
        header: "x-goog-iap-jwt-assertion",
        algorithms: &[Algorithm::ES256],
        issuer: "https://cloud.google.com/iap",
        keys: KeysAt::Set("https://www.gstatic.com/iap/verify/public_key-jwk"),
        bound: Bound::Only(""),
        // It signs for ten minutes. The rest is the skew.
        max_age: Some(Duration::from_mins(10)),
        ..BASE
    },
    Convention {
        name: "aws-alb",
        document: "https://docs.aws.amazon.com/elasticloadbalancing/latest/application/listener-authenticate-users.html",
        header: "x-amzn-oidc-data",
        algorithms: &[Algorithm::ES256],
        keys: KeysAt::OneByOne(&[
            ("aws", "https://public-keys.auth.elb.{region}.amazonaws.com/"),
            ("aws-us-gov", "https://s3-{region}.amazonaws.com/aws-elb-public-keys-prod-{region}/"),
        ]),
        bound: Bound::Signer { of: ("elasticloadbalancing", "loadbalancer/app/"), client: true },
        padding: Padding::Accepted,
        ..BASE
    },
    Convention {
        name: "aws-verified-access",
        document: "https://docs.aws.amazon.com/verified-access/latest/ug/user-claims-passing.html",
        header: "x-amzn-ava-user-context",
        algorithms: &[Algorithm::ES384],
        keys: KeysAt::OneByOne(&[("aws", "https://public-keys.prod.verified-access.{region}.amazonaws.com/")]),
        bound: Bound::Signer { of: ("ec2", "verified-access-instance/"), client: false },
        padding: Padding::Accepted,
        ..BASE
    },
    Convention {
        name: "pomerium",
        document: "https://www.pomerium.com/docs/capabilities/getting-users-identity",
        header: "x-pomerium-jwt-assertion",
        algorithms: &[Algorithm::ES256],
        issuer: "{host}",
        keys: KeysAt::Set("https://{host}/.well-known/pomerium/jwks.json"),
        bound: Bound::Only("{host}"),
        ..BASE
    },
    Convention {
        // Its proxy provider signs with HS256 and the client secret unless it has a signing key; and never is the address
        // in its X-authentik-meta-jwks believed.
        name: "authentik",
        document: "https://docs.goauthentik.io/add-secure-apps/providers/proxy/",
        header: "x-authentik-jwt",
        shared: true,
        bound: Bound::Only(""),
        ..BASE
    },
    Convention {
        name: "easy-auth-id-token",
        document: "https://learn.microsoft.com/azure/app-service/configure-authentication-oauth-tokens",
        header: "x-ms-token-aad-id-token",
        algorithms: &[Algorithm::RS256],
        issuer: "https://login.microsoftonline.com/{tenant}/v2.0",
        bound: Bound::Only(""),
        // `sub` differs from application to application; the object id is the person, within the one tenant that `iss` is.
        subject: "/oid",
        ..BASE
    },
    Convention {
        name: "oauth2-proxy-bearer",
        document: "https://oauth2-proxy.github.io/oauth2-proxy/configuration/overview#header-options",
        header: "authorization",
        bearer: true,
        algorithms: &[Algorithm::RS256, Algorithm::PS256, Algorithm::ES256, Algorithm::EDDSA],
        bound: Bound::Only(""),
        ..BASE
    },
    Convention { name: "custom", shared: true, ..BASE },
];
