//! Client credentials for HTTP Basic.

use data_encoding::BASE64;
use http::HeaderValue;
use secrecy::{ExposeSecret, SecretString};
use url::form_urlencoded::byte_serialize;

/// The value of `Authorization` for a client and its secret. Both are form-encoded first (RFC 6749 section 2.3.1): a colon in the
/// id would move the border.
#[must_use]
pub fn authorization(id: &str, secret: &SecretString) -> HeaderValue {
    let encoded = |text: &str| byte_serialize(text.as_bytes()).collect::<String>();
    let pair = SecretString::from(format!("{}:{}", encoded(id), encoded(secret.expose_secret())));
    let field = format!("Basic {}", BASE64.encode(pair.expose_secret().as_bytes()));
    // Base64 fits every header; an empty one would be refused by the server, never mistaken for somebody else's.
    let mut value = HeaderValue::try_from(field).unwrap_or_else(|_| HeaderValue::from_static("Basic"));
    value.set_sensitive(true);
    value
}
