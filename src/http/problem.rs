//! The one place that decides which status a refusal is answered with (RFC 9457).
//!
//! A page branches on `code`, which never changes its meaning. A body holds our own sentences only: nothing of the
//! request, of the visitor, of an upstream, or of a secret.

use std::time::Duration;

use axum::response::Response;
use http::header::{ALLOW, RETRY_AFTER};
use http::{HeaderValue, StatusCode};
use serde_json::json;

use super::guard::HeaderAttack;
use super::headers::private;
use super::origin::OriginError;
use crate::connector::{ConnectorFault, RefreshFault};
use crate::issuance::Refusal;

/// When to come back after an outage of which nothing else is known.
const SOON: Duration = Duration::from_secs(2);
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
    /// This visitor asked too often.
    RateLimited(Duration),
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
}

struct Row {
    status: StatusCode,
    code: &'static str,
    title: &'static str,
}

const fn row(status: StatusCode, code: &'static str, title: &'static str) -> Row {
    Row { status, code, title }
}

/// What a vendor's fault is to the page (facts R5): refused by the vendor, which only an operator can mend; or a passing
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

impl Problem {
    fn row(&self) -> Row {
        match self {
            Self::Refused(Refusal::LoginRequired) => {
                row(StatusCode::UNAUTHORIZED, "login_required", "Nobody is logged in")
            }
            Self::Refused(Refusal::Forbidden(_)) => {
                row(StatusCode::FORBIDDEN, "forbidden", "This visitor may not use this widget")
            }
            Self::Refused(Refusal::IdentityIncomplete(_)) => row(
                StatusCode::FORBIDDEN,
                "identity_incomplete",
                "The visitor's identity does not satisfy the chat vendor",
            ),
            Self::Refused(Refusal::Unavailable(_)) => {
                row(StatusCode::SERVICE_UNAVAILABLE, "upstream_unavailable", "The session cannot be checked at present")
            }
            Self::Refused(Refusal::NoTicket(fault) | Refusal::NotRenewed(RefreshFault::Connector(fault))) => {
                connector_row(*fault)
            }
            Self::Refused(Refusal::NotRenewed(RefreshFault::Ended)) => {
                row(StatusCode::GONE, "conversation_expired", "The conversation is over; begin a new one")
            }
            Self::Refused(Refusal::NotRenewed(RefreshFault::Foreign)) => row(
                StatusCode::FORBIDDEN,
                "conversation_foreign",
                "Nothing proves that the conversation is this visitor's",
            ),
            Self::Refused(Refusal::Misconfigured(_)) | Self::Misconfigured(_) => {
                row(StatusCode::INTERNAL_SERVER_ERROR, "misconfigured", "The service cannot make this token")
            }
            Self::Unrecorded => row(
                StatusCode::SERVICE_UNAVAILABLE,
                "audit_unavailable",
                "Tokens cannot be recorded at present, so there are none",
            ),
            Self::Origin(_) => row(StatusCode::FORBIDDEN, "origin_refused", "This page may not ask for a token"),
            Self::BadRequest(_) => row(StatusCode::BAD_REQUEST, "bad_request", "The request is ambiguous"),
            Self::RateLimited(_) => {
                row(StatusCode::TOO_MANY_REQUESTS, "rate_limited", "Too many tokens were asked for")
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
        }
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
            Self::Unrecorded => "audit_log",
            Self::RateLimited(_) => "visitor",
            Self::NotFound => "route",
            Self::Method(_) => "method",
            Self::MediaType => "content_type",
            Self::Unreadable => "unreadable",
            Self::TooLarge => "body",
            Self::Misconfigured(what) => what,
        }
    }

    /// A sentence that helps whoever debugs the page; only where it can be given without telling anything.
    fn detail(&self) -> Option<String> {
        match self {
            Self::Refused(Refusal::IdentityIncomplete(missing)) => Some(missing.to_string()),
            Self::Origin(stranger) => Some(stranger.to_string()),
            _ => None,
        }
    }

    fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::RateLimited(wait) => Some(*wait),
            Self::Unrecorded => Some(SOON),
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
            // Rounded up: a page that comes back a moment too early is refused again.
            let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
            response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds.max(1)));
        }
        if let Self::Method(allowed) = self {
            response.headers_mut().insert(ALLOW, HeaderValue::from_static(allowed));
        }
        response
    }
}
