//! What a connector brought back from a vendor: a conversation token and where it is good.

use std::time::Duration;

use secrecy::SecretString;

/// What stands in a preview where the vendor's token would be.
const STAND_IN: &str = "(the vendor's conversation token)";

/// A vendor's token for one conversation of one visitor.
#[derive(Debug, Clone)]
pub struct Ticket {
    /// The token. Opaque; whoever holds it can read and write the conversation.
    pub token: SecretString,
    /// The conversation it is for, when the vendor names it.
    pub conversation_id: Option<String>,
    /// Base address the page's client must use, scheme and path included.
    pub domain: String,
    /// The bare host of `domain`.
    pub host: String,
    /// How long the token lives, as the vendor said.
    pub expires_in: Duration,
    /// What the page presents, with the token, to have it renewed: proof that the conversation is this visitor's. `None`
    /// when the vendor's tokens cannot be renewed.
    pub renewal: Option<String>,
}

impl Ticket {
    /// A ticket for previews and self-tests, good for nothing.
    #[must_use]
    pub fn stand_in() -> Self {
        Self {
            token: STAND_IN.into(),
            conversation_id: Some("conversation".to_owned()),
            domain: "https://directline.botframework.com/v3/directline".to_owned(),
            host: "directline.botframework.com".to_owned(),
            expires_in: Duration::from_hours(1),
            renewal: None,
        }
    }

    /// The same of a conversation that is held at this address, which has this host.
    #[must_use]
    pub fn sample_at(domain: &str, host: &str) -> Self {
        Self { domain: domain.to_owned(), host: host.to_owned(), ..Self::stand_in() }
    }
}
