//! The vendors of the gallery: each a preset of the running issuer, and beside it the rule by which the vendor's server, as
//! its document has it, knows a visitor from what the page's call hands over.

use std::borrow::Cow;

use crate::widget::presets::{self, Profile};

/// A vendor of the gallery.
#[derive(Debug)]
pub struct Vendor {
    /// The preset, which is the widget's name as well.
    pub name: &'static str,
    /// `WIDGET_CONSTANTS`: what is no secret between the clinic and the vendor.
    pub constants: &'static str,
    /// How the vendor's server knows a visitor.
    pub rule: Rule,
    /// The same for people.
    pub in_words: &'static str,
}

/// How a vendor's server knows a visitor. Members are those of what the page's call hands over.
#[derive(Debug)]
pub enum Rule {
    /// A token under the shared secret, with `exp`.
    Token {
        /// The member that holds the token.
        proof: &'static str,
        /// The claim that names the visitor.
        id: &'static str,
        /// `iss` that is required.
        issuer: Option<&'static str>,
        /// The member that names the visitor beside the token, and must agree with it.
        beside: Option<&'static str>,
    },
    /// A hexadecimal HMAC-SHA256 under the shared secret.
    Digest {
        /// The member that holds the digest.
        proof: &'static str,
        /// What stands before the digest.
        prefix: &'static str,
        /// What is signed; a member's name in braces stands for its value.
        message: &'static str,
        /// The member that names the visitor; after a slash, a member of the JSON text in it.
        id: &'static str,
    },
    /// A token that this server gave out itself, to whoever showed the API key.
    Session {
        /// The member that holds the token.
        proof: &'static str,
        /// The member that names the visitor beside the token, and must agree with it.
        beside: Option<&'static str>,
        /// The header that carries the API key, and what stands before it.
        credential: (&'static str, &'static str),
        /// Where the visitor is made known first, where that is needed.
        first: Option<&'static str>,
        /// Where a token is given; `{id}` stands for the visitor.
        path: &'static str,
        /// The member of the request that names the visitor, where the path does not.
        visitor: &'static str,
        /// The member of the request that the answer repeats.
        echo: &'static str,
    },
}

/// Everybody in the gallery.
pub const VENDORS: [Vendor; 10] = [
    Vendor {
        name: "intercom",
        constants: "",
        rule: Rule::Token { proof: "intercom_user_jwt", id: "user_id", issuer: None, beside: None },
        in_words: "HS256 under the Messenger secret, not expired; the visitor is the claim user_id.",
    },
    Vendor {
        name: "stream",
        constants: "",
        rule: Rule::Token { proof: "token", id: "user_id", issuer: None, beside: Some("user_id") },
        in_words: "HS256 under the app’s secret, not expired; the claim user_id must be the user who connects.",
    },
    Vendor {
        name: "livekit",
        constants: "api_key=APIharbour",
        rule: Rule::Token { proof: "token", id: "sub", issuer: Some("APIharbour"), beside: None },
        in_words: "HS256 under the secret of the API key that iss names, not expired; the participant is sub.",
    },
    Vendor {
        name: "talkjs",
        constants: "app_id=harbour",
        rule: Rule::Token { proof: "token", id: "sub", issuer: Some("harbour"), beside: Some("me") },
        in_words: "HS256 under the secret key of the app that iss names, not expired; sub must be the session’s user.",
    },
    Vendor {
        name: "chatwoot",
        constants: "",
        rule: Rule::Digest { proof: "identifier_hash", prefix: "", message: "{identifier}", id: "identifier" },
        in_words: "identifier_hash is the HMAC-SHA256 of the identifier under the inbox’s token.",
    },
    Vendor {
        name: "crisp",
        constants: "",
        rule: Rule::Digest { proof: "signature", prefix: "", message: "{email}", id: "email" },
        in_words: "The signature is the HMAC-SHA256 of the e-mail address under the verification secret.",
    },
    Vendor {
        name: "pusher",
        constants: "app_key=harbour-app",
        rule: Rule::Digest {
            proof: "auth",
            prefix: "harbour-app:",
            message: "{socket_id}::user::{user_data}",
            id: "user_data/id",
        },
        in_words: "auth is the app’s key and the HMAC-SHA256 of connection and user data under the app’s secret.",
    },
    Vendor {
        name: "hubspot",
        constants: "",
        rule: Rule::Session {
            proof: "identificationToken",
            beside: Some("identificationEmail"),
            credential: ("authorization", "Bearer "),
            first: None,
            path: "/visitor-identification/v3/tokens/create",
            visitor: "email",
            echo: "",
        },
        in_words: "A token that it gave countersign for this e-mail address.",
    },
    Vendor {
        name: "sendbird",
        constants: "app_id=HARBOUR",
        rule: Rule::Session {
            proof: "token",
            beside: Some("user_id"),
            credential: ("api-token", ""),
            first: Some("/v3/users"),
            path: "/v3/users/{id}/token",
            visitor: "user_id",
            echo: "expires_at",
        },
        in_words: "A session token that it gave countersign for this user.",
    },
    Vendor {
        name: "liveblocks",
        constants: "",
        rule: Rule::Session {
            proof: "token",
            beside: None,
            credential: ("authorization", "Bearer "),
            first: None,
            path: "/v2/identify-user",
            visitor: "userId",
            echo: "",
        },
        in_words: "A token that it gave countersign, and knows for whom.",
    },
];

impl Vendor {
    /// The vendor of this name, and which in [`VENDORS`] it is.
    #[must_use]
    pub fn named(name: &str) -> Option<(usize, &'static Self)> {
        VENDORS.iter().enumerate().find(|(_, vendor)| vendor.name == name)
    }

    /// Its preset's title.
    #[must_use]
    pub fn title(&self) -> &'static str {
        self.profile().map_or(self.name, |profile| profile.title)
    }

    fn profile(&self) -> Option<&'static Profile> {
        presets::named(self.name)
    }

    /// What an operator would set for its widget, with `key` as the secret or API key and `server` as the vendor's server.
    #[must_use]
    pub fn vars(&self, key: &str, server: &str) -> Vec<(String, String)> {
        let Some(profile) = self.profile() else { return Vec::new() };
        let prefix = format!("WIDGET_{}_", self.name.to_uppercase().replace('-', "_"));
        let mut vars = vec![("WIDGET_PRESET", self.name), (profile.secret.name, key)];
        if !self.constants.is_empty() {
            vars.push(("WIDGET_CONSTANTS", self.constants));
        }
        if matches!(self.rule, Rule::Session { .. }) {
            vars.push(("WIDGET_API_URL", server));
        }
        vars.into_iter().map(|(name, value)| (name.replacen("WIDGET_", &prefix, 1), value.to_owned())).collect()
    }
}

/// A text with every `{name}` in it replaced by what `value` says of the name; `None` when it says nothing.
#[must_use]
pub fn filled<'a>(text: &str, value: impl Fn(&str) -> Option<Cow<'a, str>>) -> Option<String> {
    let mut parts = text.split('{');
    let mut whole = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (name, rest) = part.split_once('}')?;
        whole.push_str(&value(name)?);
        whole.push_str(rest);
    }
    Some(whole)
}
