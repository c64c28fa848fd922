//! The one place that decides which status a refusal is answered with (RFC 9457).
//!
//! A page branches on `code`, which never changes its meaning. A body holds our own sentences only: nothing of the
//! request, of the visitor, of an upstream, or of a secret.

use std::time::Duration;

use axum::response::Response;
use http::header::{ALLOW, WWW_AUTHENTICATE};
use http::{HeaderValue, StatusCode};
use serde_json::json;

use super::guard::HeaderAttack;
use super::head::HeadFault;
use super::headers::{private, retry_after};
use super::origin::OriginError;
use crate::connector::{ConnectorFault, RefreshFault};
use crate::issuance::Refusal;
use crate::session::STRANGERS;

/// When to come back after an outage of which nothing else is known.
const SOON: Duration = Duration::from_secs(2);
/// When somebody who logs in or out should try again after an outage.
const LOGIN_SOON: Duration = Duration::from_secs(5);
/// Longest wait that is passed on.
const LATE: Duration = Duration::from_hours(1);

/// Everything we answer instead of what was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Problem {
    /// The issuer refused.
    Refused(Refusal),
    /// The page may not ask.
    Origin(OriginError),
    /// The request tries to confuse us.
    BadRequest(HeaderAttack),
    /// The request's head is too large, or not understood alike by everybody.
    Head(HeadFault),
    /// This visitor asked too often.
    RateLimited(Duration),
    /// The caller shows no secret that this endpoint accepts; our own word for what it showed.
    Unauthorized(&'static str),
    /// The shared state cannot be asked.
    StoreDown(&'static str),
    /// There is no such route or widget.
    NotFound,
    /// The route takes other methods.
    Method(&'static str),
    /// The route takes an empty body or JSON.
    MediaType,
    /// The body is not what the route reads.
    Unreadable,
    /// The body is larger than the route takes.
    TooLarge,
    /// What is granted cannot be recorded, so nothing is.
    Unrecorded,
    /// Something that start-up should have found.
    Misconfigured(&'static str),
    /// A login or logout came to nothing.
    Login(LoginFault),
    /// The operations listener was asked under a name that is not its own.
    Misdirected,
    /// There is no place for another connection.
    Overloaded,
    /// The service is not ready for visitors.
    NotReady,
    /// The console cannot read the sample identity.
    BadSample,
}

/// Why a login or logout came to nothing, with our own word for why. What it says is for people.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LoginFault {
    /// The login is not, or no longer, one that this browser began.
    Over(&'static str),
    /// The visitor, or the provider on their behalf, broke it off.
    Declined(&'static str),
    /// The provider's answer proves nothing.
    Rejected(&'static str),
    /// The provider's answer does not fit the settings: another attempt will end likewise.
    Unfit(&'static str),
    /// A session source cannot be reached.
    Unavailable(&'static str),
    /// Too many come from one address.
    TooMany(Duration),
    /// Name or password is wrong.
    WrongPassword,
    /// Too many wrong passwords.
    TooManyAttempts(Duration),
    /// A page that may not log anybody out tried to.
    ForeignPage,
    /// The session cannot be ended at present.
    StillLoggedIn,
    /// A logout token ends nothing.
    NotEnded(&'static str),
    /// A logout token cannot be checked, or obeyed, at present.
    EndsLater(&'static str),
}

impl LoginFault {
    /// Our own word for why.
    #[must_use]
    pub fn reason(self) -> &'static str {
        match self {
            Self::Over(reason)
            | Self::Declined(reason)
            | Self::Rejected(reason)
            | Self::Unfit(reason)
            | Self::Unavailable(reason)
            | Self::NotEnded(reason)
            | Self::EndsLater(reason) => reason,
            Self::TooMany(_) => "rate_limited",
            Self::WrongPassword => "wrong_password",
            Self::TooManyAttempts(_) => "too_many_attempts",
            Self::ForeignPage => "foreign_page",
            Self::StillLoggedIn => "store",
        }
    }

    /// How records call it: an outage is no refusal.
    #[must_use]
    pub fn outcome(self) -> &'static str {
        match self {
            Self::Unavailable(_) | Self::StillLoggedIn | Self::EndsLater(_) => "unavailable",
            _ => "refused",
        }
    }

    /// The name of the text that tells the visitor (`login/texts`); nothing for what only providers are told.
    #[must_use]
    pub fn text(self) -> &'static str {
        match self {
            Self::Over(_) => "over",
            Self::Declined(_) => "declined",
            Self::Rejected(_) => "rejected",
            Self::Unfit(_) => "unfit",
            Self::Unavailable(_) => "unavailable",
            Self::TooMany(_) => "too_many_logins",
            Self::WrongPassword => "wrong_password",
            Self::TooManyAttempts(_) => "too_many_attempts",
            Self::ForeignPage => "foreign_page",
            Self::StillLoggedIn => "still_logged_in",
            Self::NotEnded(_) | Self::EndsLater(_) => "",
        }
    }

    fn retry_after(self) -> Option<Duration> {
        match self {
            Self::TooMany(wait) | Self::TooManyAttempts(wait) => Some(wait),
            Self::Unavailable(_) | Self::StillLoggedIn | Self::EndsLater(_) => Some(LOGIN_SOON),
            _ => None,
        }
    }
}

struct Row {
    status: StatusCode,
    code: &'static str,
    title: &'static str,
}

const fn row(status: StatusCode, code: &'static str, title: &'static str) -> Row {
    Row { status, code, title }
}

/// What a vendor's fault is to the page: refused by the vendor, which only an operator can mend; or a passing
/// outage, told apart by the status so that proxies and people see which.
fn connector_row(fault: ConnectorFault) -> Row {
    const OUTAGE: &str = "The chat vendor cannot be reached at present";
    match fault {
        ConnectorFault::Rejected(_) => {
            row(StatusCode::BAD_GATEWAY, "upstream_rejected", "The chat vendor refuses this service")
        }
        ConnectorFault::Throttled { .. } | ConnectorFault::Busy { .. } => {
            row(StatusCode::SERVICE_UNAVAILABLE, "upstream_unavailable", OUTAGE)
        }
        ConnectorFault::Deadline => row(StatusCode::GATEWAY_TIMEOUT, "upstream_unavailable", OUTAGE),
        ConnectorFault::Unavailable | ConnectorFault::Malformed => {
            row(StatusCode::BAD_GATEWAY, "upstream_unavailable", OUTAGE)
        }
    }
}

const OVERLOADED: Row =
    row(StatusCode::SERVICE_UNAVAILABLE, "overloaded", "Too many are here at once; come again in a moment");

fn head_row(fault: HeadFault) -> Row {
    const LARGE: StatusCode = StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE;
    match fault {
        HeadFault::TooLarge { .. } => row(LARGE, "head_too_large", "The request's headers are too large"),
        HeadFault::UriTooLong { .. } => row(StatusCode::URI_TOO_LONG, "uri_too_long", "The address is too long"),
        HeadFault::TooManyHeaders { .. } => row(LARGE, "too_many_headers", "The request has too many headers"),
        HeadFault::TooManyCookies { .. } => row(LARGE, "too_many_cookies", "The request has too many cookies"),
        HeadFault::NoRoom => OVERLOADED,
        HeadFault::Ambiguous(_) => {
            row(StatusCode::BAD_REQUEST, "ambiguous_request", "The request can be understood in more than one way")
        }
    }
}

/// People are told on the login's pages, in their language; providers by the words of their specification.
fn login_row(fault: LoginFault) -> Row {
    let (status, code, title) = match fault {
        LoginFault::Over(_) => (StatusCode::BAD_REQUEST, "login_over", "The login is over"),
        LoginFault::Declined(_) => (StatusCode::FORBIDDEN, "login_declined", "The login was not completed"),
        LoginFault::Rejected(_) => {
            (StatusCode::BAD_GATEWAY, "upstream_rejected", "The login service's answer cannot be accepted")
        }
        LoginFault::Unfit(_) => {
            (StatusCode::BAD_GATEWAY, "upstream_rejected", "The login service's answer does not fit the settings")
        }
        LoginFault::Unavailable(_) => {
            (StatusCode::SERVICE_UNAVAILABLE, "upstream_unavailable", "Logging in does not work at present")
        }
        LoginFault::TooMany(_) => (StatusCode::TOO_MANY_REQUESTS, "rate_limited", "Too many people are logging in"),
        LoginFault::WrongPassword => (StatusCode::FORBIDDEN, "wrong_password", "User name or password is not right"),
        LoginFault::TooManyAttempts(_) => {
            (StatusCode::TOO_MANY_REQUESTS, "rate_limited", "There were too many attempts")
        }
        LoginFault::ForeignPage => (StatusCode::FORBIDDEN, "origin_refused", "This page may not log anybody out"),
        LoginFault::StillLoggedIn => {
            (StatusCode::SERVICE_UNAVAILABLE, "upstream_unavailable", "Logging out does not work at present")
        }
        LoginFault::NotEnded(_) => (StatusCode::BAD_REQUEST, "invalid_request", "The logout token ends nothing"),
        LoginFault::EndsLater(_) => {
            (StatusCode::SERVICE_UNAVAILABLE, "temporarily_unavailable", "The logout token cannot be obeyed at present")
        }
    };
    row(status, code, title)
}

const MISCONFIGURED: Row =
    row(StatusCode::INTERNAL_SERVER_ERROR, "misconfigured", "The service cannot make this token");

fn refusal_row(refusal: &Refusal) -> Row {
    match refusal {
        Refusal::LoginRequired(_) => row(StatusCode::UNAUTHORIZED, "login_required", "Nobody is logged in"),
        Refusal::Forbidden(_) => row(StatusCode::FORBIDDEN, "forbidden", "This visitor may not use this widget"),
        Refusal::IdentityIncomplete(_) => {
            row(StatusCode::FORBIDDEN, "identity_incomplete", "The visitor's identity does not satisfy the chat vendor")
        }
        Refusal::Unavailable(outage) if outage.reason == STRANGERS => row(
            StatusCode::TOO_MANY_REQUESTS,
            "rate_limited",
            "Too many sessions that nobody knows come from this address",
        ),
        Refusal::Unavailable(_) => {
            row(StatusCode::SERVICE_UNAVAILABLE, "upstream_unavailable", "The session cannot be checked at present")
        }
        Refusal::NoTicket(fault) | Refusal::NotRenewed(RefreshFault::Connector(fault)) => connector_row(*fault),
        Refusal::NotRenewed(RefreshFault::Ended) => {
            row(StatusCode::GONE, "conversation_expired", "The conversation is over; begin a new one")
        }
        Refusal::NotRenewed(RefreshFault::Foreign) => {
            row(StatusCode::FORBIDDEN, "conversation_foreign", "Nothing proves that the conversation is this visitor's")
        }
        Refusal::Misconfigured(_) => MISCONFIGURED,
    }
}

impl Problem {
    fn row(&self) -> Row {
        match self {
            Self::Refused(refusal) => refusal_row(refusal),
            Self::Misconfigured(_) => MISCONFIGURED,
            Self::Unrecorded => row(
                StatusCode::SERVICE_UNAVAILABLE,
                "audit_unavailable",
                "Tokens cannot be recorded at present, so there are none",
            ),
            Self::Origin(_) => row(StatusCode::FORBIDDEN, "origin_refused", "This page may not ask for a token"),
            Self::Head(fault) => head_row(*fault),
            Self::BadRequest(_) => row(StatusCode::BAD_REQUEST, "bad_request", "The request is ambiguous"),
            Self::RateLimited(_) => {
                row(StatusCode::TOO_MANY_REQUESTS, "rate_limited", "Too many tokens were asked for")
            }
            Self::Unauthorized(_) => {
                row(StatusCode::UNAUTHORIZED, "unauthorized", "This endpoint is for callers with a secret of their own")
            }
            Self::StoreDown(_) => {
                row(StatusCode::SERVICE_UNAVAILABLE, "upstream_unavailable", "This cannot be found out at present")
            }
            Self::NotFound => row(StatusCode::NOT_FOUND, "not_found", "There is nothing here"),
            Self::Method(_) => {
                row(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", "This route takes other methods")
            }
            Self::MediaType => {
                row(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type", "Send no body, or application/json")
            }
            Self::Unreadable => row(StatusCode::BAD_REQUEST, "bad_request", "The body is not what this route reads"),
            Self::TooLarge => row(StatusCode::PAYLOAD_TOO_LARGE, "too_large", "The body is too large"),
            Self::Login(fault) => login_row(*fault),
            Self::Misdirected => {
                row(StatusCode::MISDIRECTED_REQUEST, "misdirected", "This listener does not go by that name")
            }
            Self::Overloaded => OVERLOADED,
            Self::NotReady => row(StatusCode::SERVICE_UNAVAILABLE, "not_ready", "The service is not ready"),
            Self::BadSample => row(StatusCode::UNPROCESSABLE_ENTITY, "bad_request", "This is no identity"),
        }
    }

    /// What it is answered with.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        self.row().status
    }

    /// The sentence for whoever reads the answer.
    #[must_use]
    pub fn title(&self) -> &'static str {
        self.row().title
    }

    /// The stable code a page branches on.
    #[must_use]
    pub fn code(&self) -> &'static str {
        self.row().code
    }

    /// Our own word for why, for logs and metrics.
    #[must_use]
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Refused(refusal) => refusal.reason(),
            Self::Origin(stranger) => stranger.reason(),
            Self::BadRequest(attack) => attack.reason(),
            Self::Head(fault) => fault.reason(),
            Self::Unrecorded => "audit_log",
            Self::RateLimited(_) => "visitor",
            Self::Unauthorized(reason) | Self::StoreDown(reason) => reason,
            Self::NotFound => "route",
            Self::Method(_) => "method",
            Self::MediaType => "content_type",
            Self::Unreadable => "unreadable",
            Self::TooLarge => "body",
            Self::Misconfigured(what) => what,
            Self::Login(fault) => fault.reason(),
            Self::Misdirected => "host",
            Self::Overloaded => "connections",
            Self::NotReady => "not_ready",
            Self::BadSample => "sample",
        }
    }

    /// A sentence that helps whoever debugs the page; only where it can be given without telling anything.
    fn detail(&self) -> Option<String> {
        match self {
            Self::Refused(Refusal::IdentityIncomplete(missing)) => Some(missing.to_string()),
            Self::Origin(stranger) => Some(stranger.to_string()),
            Self::Head(fault) => Some(fault.to_string()),
            _ => None,
        }
    }

    /// A sentence for the operator; empty where the code says all there is.
    #[must_use]
    pub fn why(&self) -> String {
        match self {
            Self::BadRequest(attack) => attack.to_string(),
            Self::Refused(Refusal::Misconfigured(_)) => String::new(),
            Self::Refused(refusal) => refusal.to_string(),
            _ => self.detail().unwrap_or_default(),
        }
    }

    /// When to come back, when that is known.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::RateLimited(wait) => Some(*wait),
            Self::Unrecorded | Self::StoreDown(_) | Self::Overloaded | Self::Head(HeadFault::NoRoom) => Some(SOON),
            Self::Login(fault) => fault.retry_after(),
            Self::Refused(Refusal::Unavailable(outage)) => Some(outage.retry_after.unwrap_or(SOON)),
            Self::Refused(Refusal::NoTicket(ConnectorFault::Rejected(_))) => None,
            Self::Refused(Refusal::NoTicket(fault) | Refusal::NotRenewed(RefreshFault::Connector(fault))) => {
                Some(fault.retry_after().unwrap_or(SOON).min(LATE))
            }
            _ => None,
        }
    }

    /// The answer.
    #[must_use]
    pub fn response(&self) -> Response {
        let Row { status, code, title } = self.row();
        let mut body = json!({ "type": format!("urn:countersign:{code}"), "title": title, "status": status.as_u16(), "code": code });
        if let Some(detail) = self.detail() {
            body["detail"] = detail.into();
        }
        let mut response = private(status, HeaderValue::from_static("application/problem+json"), body.to_string());
        if let Some(wait) = self.retry_after() {
            retry_after(response.headers_mut(), wait);
        }
        if let Self::Unauthorized(_) = self {
            response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if let Self::Method(allowed) = self {
            response.headers_mut().insert(ALLOW, HeaderValue::from_static(allowed));
        }
        response
    }
}
