//! The one decision: who may have which token. No HTTP status and no environment in here.

pub mod introspection;
pub mod revocation;
pub mod vendor_revocation;
pub mod verifier;

use std::collections::BTreeMap;
use std::time::Duration;

use http::request::Parts;
use secrecy::SecretString;
use serde_json::{Map, Value};

use crate::base::clock::{Clock, UnixTime};
use crate::claims::{Claims, Incomplete, Missing, PageInput, Scope, Stamp};
use crate::config::env::Env;
use crate::connector::ticket::Ticket;
use crate::connector::{self, Connector, ConnectorFault, RefreshFault, TicketAsk};
use crate::jose::digest::Ambiguous;
use crate::jose::keyring::Keyring;
use crate::jose::signer::Proof;
use crate::session::nobody::Nobody;
use crate::session::{Outage, Session};
use crate::sources::Chain;
use crate::widget::exchange::Plan;
use crate::widget::mechanism::{DigestKey, Mechanism};
use crate::widget::policy::Denied;
use crate::widget::vars::WIDGET_MAX_TOKEN_BYTES;
use crate::widget::{Listed, Settings, Widget};

crate::settings! {
    pub vars VARS {
        CLOCK_SKEW("5s", "30s"),
            "How far `iat` and `nbf` are back-dated against verifiers whose clock runs behind ours, at most 120s.";
    }
}

/// Makes tokens for visitors the sources vouch for.
#[derive(Debug)]
pub struct Issuer {
    chain: Chain,
    clock: Clock,
    skew: Duration,
}

/// A token and what its page needs to know about it.
#[derive(Debug)]
pub struct Issued {
    /// The signed token.
    pub proof: Proof,
    /// When it ends.
    pub expires_at: UnixTime,
    /// How long that is from now.
    pub expires_in: Duration,
    /// When the page should ask for the next one.
    pub refresh_in: Duration,
    /// `jti`, when the token has one.
    pub id: Option<String>,
    /// Claims that the page's call needs in clear.
    pub beside: Map<String, Value>,
    /// What the vendor gave us for the conversation, where the widget needs it.
    pub ticket: Option<Ticket>,
    /// How much of this the page gets.
    pub shape: Shape,
}

/// What the page's answer consists of.
#[derive(Debug, Clone)]
pub enum Shape {
    /// The token, when it ends, and what stands beside it.
    Full,
    /// The token and what stands beside it, and nothing else.
    Exact,
    /// The vendor's own answer as it came.
    Whole(SecretString),
}

/// Why there is no token.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Nobody is logged in, or the session has ended.
    #[error("nobody is logged in: {0}")]
    LoginRequired(Nobody),
    /// Somebody is, and does not meet the widget's rules.
    #[error("the visitor does not meet the widget's rules: {0}")]
    Forbidden(Denied),
    /// The session lacks something the vendor requires.
    #[error("{0}")]
    IdentityIncomplete(Incomplete),
    /// A source or a vendor could not be asked.
    #[error("{0}")]
    Unavailable(Outage),
    /// The vendor gave us no token.
    #[error("{0}")]
    NoTicket(ConnectorFault),
    /// The vendor's token is not renewed.
    #[error("{0}")]
    NotRenewed(RefreshFault),
    /// Something that start-up should have found.
    #[error("{0}")]
    Misconfigured(&'static str),
}

impl Refusal {
    /// A short stable word for logs and metrics.
    #[must_use]
    pub fn reason(&self) -> &'static str {
        match self {
            Self::LoginRequired(nobody) => nobody.reason(),
            Self::Forbidden(Denied::Group) => "group",
            Self::Forbidden(Denied::EmailUnverified) => "email_unverified",
            Self::Forbidden(Denied::EmailDomain) => "email_domain",
            Self::Forbidden(Denied::SessionAge) => "session_age",
            Self::IdentityIncomplete(_) => "claims",
            Self::Unavailable(outage) => outage.reason,
            Self::NoTicket(fault) => fault.reason(),
            Self::NotRenewed(fault) => fault.reason(),
            Self::Misconfigured(what) => what,
        }
    }
}

impl Issuer {
    /// Reads how far tokens are back-dated.
    pub fn read_skew(env: &mut Env) -> Duration {
        env.duration_within(&CLOCK_SKEW, Duration::ZERO, Duration::from_mins(2)).unwrap_or_default()
    }

    /// An issuer over these sources.
    #[must_use]
    pub fn new(chain: Chain, clock: Clock, skew: Duration) -> Self {
        Self { chain, clock, skew }
    }

    /// The sources, for the header guard.
    #[must_use]
    pub fn chain(&self) -> &Chain {
        &self.chain
    }

    /// The session of whoever sent this request.
    ///
    /// # Errors
    /// [`Refusal::LoginRequired`] when nobody is logged in, [`Refusal::Unavailable`] when that could not be found out.
    pub async fn session(&self, request: &Parts) -> Result<Session, Refusal> {
        let found = self.chain.authenticate(request).await.map_err(unavailable)?;
        let session = found.map_err(Refusal::LoginRequired)?;
        if session.is_live(self.clock.now()) {
            return Ok(session);
        }
        let nobody = Nobody::Expired;
        tracing::info!(source = session.source, reason = nobody.reason(), "nobody: {nobody}");
        Err(Refusal::LoginRequired(nobody))
    }

    /// Makes a token of `widget` for the visitor of this session.
    ///
    /// # Errors
    /// [`Refusal`] when there is to be none. A widget that needs a vendor's token never gets a proof without one.
    pub async fn issue_to(&self, widget: &Widget, session: &Session, page: &PageInput) -> Result<Issued, Refusal> {
        permit(widget, session, self.clock.now())?;
        let issued = match &widget.mechanism {
            Mechanism::Token(keyring) => self.sign(widget, keyring, session, page).await,
            Mechanism::Digest(key) => self.digest(widget, key, session, page),
            Mechanism::Exchange(plan) => Box::pin(self.exchange(widget, plan, session, page)).await,
        }?;
        let (size, limit) = (issued.proof.size(), widget.token_max);
        if size > limit {
            tracing::error!(widget = %widget.name, setting = WIDGET_MAX_TOKEN_BYTES.name, size, limit, "a token is too large: take claims such as groups out, or raise the limit as far as the vendor does");
            return Err(Refusal::Misconfigured("token_too_large"));
        }
        Ok(issued)
    }

    async fn sign(
        &self,
        widget: &Widget,
        keyring: &Keyring,
        session: &Session,
        page: &PageInput,
    ) -> Result<Issued, Refusal> {
        let user_id = widget.subject(session);
        let mut stamp = self.stamp(widget, session, self.clock.now())?;
        let ticket = match &widget.connector {
            Some(connector) => {
                // Whoever cannot be given a token must not cost the vendor a conversation at every attempt.
                fill(widget, session, &user_id, Some(&Ticket::stand_in()), page, &stamp)?;
                let ticket = self.ticket(connector.as_ref(), widget, session, &user_id).await?;
                stamp = self.stamp(widget, session, self.clock.now())?;
                Some(ticket)
            }
            None => None,
        };
        let claims = fill(widget, session, &user_id, ticket.as_ref(), page, &stamp)?;
        let proof = keyring.at(stamp.now).signer.sign(&claims).map_err(|_| Refusal::Misconfigured("signing_failed"))?;
        let proof = match &widget.encryption {
            Some(encryption) => encryption.around(&proof).map_err(|_| Refusal::Misconfigured("encryption_failed"))?,
            None => proof,
        };
        // A page must not begin with a token of which one half has ended.
        let expires_in = ticket.as_ref().map_or(stamp.expires_in, |t| stamp.expires_in.min(t.expires_in));
        let beside = beside(widget, &claims);
        Ok(Issued { ticket, ..issued(proof, stamp, expires_in, beside, Shape::Full) })
    }

    fn digest(
        &self,
        widget: &Settings,
        key: &DigestKey,
        session: &Session,
        page: &PageInput,
    ) -> Result<Issued, Refusal> {
        let stamp = self.stamp(widget, session, self.clock.now())?;
        let members = fill(widget, session, &widget.subject(session), None, page, &stamp)?.map();
        let key = key.at(stamp.now);
        let proof = key.signer.sign(&members).map_err(ambiguous)?;
        let format = key.signer.format();
        let shape = if format.exact { Shape::Exact } else { Shape::Full };
        let (expires_in, beside) = (stamp.expires_in, format.beside(&members));
        Ok(issued(proof, stamp, expires_in, beside, shape))
    }

    async fn exchange(
        &self,
        widget: &Widget,
        plan: &Plan,
        session: &Session,
        page: &PageInput,
    ) -> Result<Issued, Refusal> {
        let stamp = self.stamp(widget, session, self.clock.now())?;
        let user_id = widget.subject(session);
        let scope = scope(widget, session, &user_id, None, page);
        let members = widget.template.fill(&scope, &stamp).map_err(Refusal::IdentityIncomplete)?;
        let requests = plan.requests(&scope, &stamp).map_err(Refusal::IdentityIncomplete)?;
        let exchange = widget.exchange.as_ref().ok_or(Refusal::Misconfigured("no_exchange"))?;
        let exchanged = exchange.token(&visitor(session), &requests).await.map_err(Refusal::NoTicket)?;
        let stamp = self.stamp(widget, session, self.clock.now())?;
        let expires_in = exchanged.left(stamp.now).map_or(stamp.expires_in, |left| left.min(stamp.expires_in));
        let mut beside = members.map();
        beside.extend(exchanged.fields);
        let shape = exchanged.whole.map_or(Shape::Full, Shape::Whole);
        Ok(issued(Proof::of_vendor(&exchanged.token), stamp, expires_in, beside, shape))
    }

    /// Renews the vendor's token of a conversation that is this visitor's.
    ///
    /// # Errors
    /// [`Refusal::NotRenewed`] when the conversation is over, another's, or the vendor cannot be asked.
    pub async fn renew(
        &self,
        widget: &Widget,
        session: &Session,
        renewal: &str,
        token: &SecretString,
    ) -> Result<Ticket, Refusal> {
        permit(widget, session, self.clock.now())?;
        let connector = widget.connector.as_ref().ok_or(Refusal::NotRenewed(RefreshFault::Ended))?;
        let user_id = widget.subject(session);
        let ask = TicketAsk { widget: &widget.name, user_id: &user_id, user_name: session.identity.name.as_deref() };
        connector.refresh(&ask, renewal, token).await.map_err(Refusal::NotRenewed)
    }

    /// The claims that a token for this session would carry, with a stand-in where the vendor's token would be.
    ///
    /// # Errors
    /// As [`Issuer::issue_to`].
    pub fn preview(&self, widget: &Settings, session: &Session, page: &PageInput) -> Result<Claims, Refusal> {
        let now = self.clock.now();
        permit(widget, session, now)?;
        let stand_in = widget.connection.as_ref().map(connector::Settings::sample);
        fill(widget, session, &widget.subject(session), stand_in.as_ref(), page, &self.stamp(widget, session, now)?)
    }

    async fn ticket(
        &self,
        connector: &dyn Connector,
        widget: &Widget,
        session: &Session,
        user_id: &str,
    ) -> Result<Ticket, Refusal> {
        let ask = TicketAsk { widget: &widget.name, user_id, user_name: session.identity.name.as_deref() };
        connector.ticket(&ask).await.map_err(Refusal::NoTicket)
    }

    fn stamp(&self, widget: &Settings, session: &Session, now: UnixTime) -> Result<Stamp, Refusal> {
        let stamp = Stamp::new(now, widget.lifetime, self.skew, session.expires_at);
        let span_max = widget.profile.span_max.unwrap_or(Duration::MAX);
        stamp.and_then(|stamp| stamp.within(span_max)).ok_or(Refusal::LoginRequired(Nobody::Expired))
    }
}

/// Tells one visitor of one source from every other.
fn visitor(session: &Session) -> String {
    format!("{}\0{}", session.source, session.identity.subject.as_str())
}

fn ambiguous(part: Ambiguous) -> Refusal {
    Refusal::IdentityIncomplete(Incomplete { claim: part.0, reason: Missing::Ambiguous })
}

fn issued(proof: Proof, stamp: Stamp, expires_in: Duration, beside: Map<String, Value>, shape: Shape) -> Issued {
    Issued {
        proof,
        expires_at: stamp.expires_at.minus(stamp.expires_in.saturating_sub(expires_in)),
        expires_in,
        refresh_in: refresh_in(expires_in),
        id: stamp.into_id(),
        beside,
        ticket: None,
        shape,
    }
}

/// What an operator must mend is no passing outage.
fn unavailable(outage: Outage) -> Refusal {
    if outage.misfit.is_some() { Refusal::Misconfigured(outage.reason) } else { Refusal::Unavailable(outage) }
}

fn permit(widget: &Settings, session: &Session, now: UnixTime) -> Result<(), Refusal> {
    widget.policy.check(session, now).map_err(Refusal::Forbidden)
}

fn fill(
    widget: &Settings,
    session: &Session,
    subject: &str,
    ticket: Option<&Ticket>,
    page: &PageInput,
    stamp: &Stamp,
) -> Result<Claims, Refusal> {
    widget.template.fill(&scope(widget, session, subject, ticket, page), stamp).map_err(Refusal::IdentityIncomplete)
}

fn scope<'a>(
    widget: &'a Settings,
    session: &'a Session,
    subject: &'a str,
    ticket: Option<&'a Ticket>,
    page: &'a PageInput,
) -> Scope<'a> {
    Scope { session, subject, widget: &widget.name, ticket, agent: widget.is_agent(session), page }
}

fn beside(widget: &Settings, claims: &Claims) -> Map<String, Value> {
    let named = widget.beside.iter().filter_map(|name| Some((name.clone(), claims.get(name)?.clone())));
    named.collect()
}

/// When to renew a token that lives this long: while a fifth of its life or half a minute is left, but never before half
/// of it is over (J-3).
#[must_use]
pub fn refresh_in(life: Duration) -> Duration {
    let margin = (life / 5).max(Duration::from_secs(30)).min(life / 2);
    Duration::from_secs(life.saturating_sub(margin).as_secs())
}

/// The widgets by name; the first is the one at the bare route.
#[derive(Debug)]
pub struct Widgets {
    list: Vec<Widget>,
    by_name: BTreeMap<String, usize>,
    origins: Vec<Listed>,
}

impl Widgets {
    /// The widgets in their configured order.
    #[must_use]
    pub fn new(list: Vec<Widget>) -> Self {
        let by_name = list.iter().enumerate().map(|(i, w)| (w.name.clone(), i)).collect();
        let mut origins: Vec<Listed> = Vec::new();
        for listed in list.iter().flat_map(|w| &w.origins) {
            if !origins.contains(listed) {
                origins.push(listed.clone());
            }
        }
        Self { list, by_name, origins }
    }

    /// The widget of this name, or the first when none is named.
    #[must_use]
    pub fn get(&self, name: Option<&str>) -> Option<&Widget> {
        match name {
            Some(name) => self.by_name.get(name).and_then(|i| self.list.get(*i)),
            None => self.list.first(),
        }
    }

    /// The widget at this place of the list.
    #[must_use]
    pub fn at(&self, place: usize) -> Option<&Widget> {
        self.list.get(place)
    }

    /// Every origin that may ask any of them.
    #[must_use]
    pub fn origins(&self) -> &[Listed] {
        &self.origins
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &Widget> {
        self.list.iter()
    }
}
