//! One request at the login: what it depends on, and what is the same in every answer.

use std::net::IpAddr;

use axum::response::Response;
use http::request::Parts;
use http::{HeaderMap, StatusCode};
use url::form_urlencoded;

use super::pages::{Frame, LoginForm};
use crate::base::clock::UnixTime;
use crate::http::form::only;
use crate::http::headers::retry_after;
use crate::http::origin::OriginRules;
use crate::http::problem::{LoginFault, Problem};
use crate::login::transaction::Transaction;
use crate::login::{Event, LoginService};
use crate::session::identity::Subject;
use crate::widget::Listed;

/// What of the snapshot the login's pages depend on.
#[derive(Clone, Copy)]
pub struct Context<'a> {
    /// The login itself.
    pub service: &'a LoginService,
    /// Which pages may ask.
    pub origins: &'a OriginRules,
    /// Pages of other origins that may log their visitors in and out.
    pub listed: &'a [Listed],
    /// Whence the request came.
    pub client: Option<IpAddr>,
    /// Whether no proxy is named, so that this very machine may be one.
    pub unnamed_proxy: bool,
    /// The path under which the organisation's site routes to us.
    pub mount: &'a str,
    /// Where events go.
    pub report: &'a (dyn Fn(&Event<'_>) + Send + Sync),
}

/// One request at the login, and what is known of it.
pub(super) struct Visitor<'a> {
    pub(super) at: Context<'a>,
    pub(super) headers: &'a HeaderMap,
    pub(super) params: LoginParams,
}

/// What the page that began a login asked for, as it asked: whoever has to begin anew is led where they were going.
#[derive(Debug, Default)]
pub(super) struct LoginParams {
    pub(super) return_to: Option<String>,
    pub(super) popup: Option<String>,
    pub(super) origin: Option<String>,
}

impl LoginParams {
    fn read(query: &str) -> Self {
        let value = |name| only(query.as_bytes(), name);
        Self { return_to: value("return_to"), popup: value("popup"), origin: value("origin") }
    }

    pub(super) fn of(transaction: &Transaction) -> Self {
        let popup = transaction.opener.is_some().then(|| "1".to_owned());
        let return_to = Some(transaction.return_to.clone()).filter(|path| !path.is_empty());
        Self { return_to, popup, origin: transaction.opener.clone() }
    }

    fn query(&self) -> String {
        let named = [("return_to", &self.return_to), ("popup", &self.popup), ("origin", &self.origin)];
        let given = named.into_iter().filter_map(|(name, value)| Some((name, value.as_deref()?)));
        form_urlencoded::Serializer::new(String::new()).extend_pairs(given).finish()
    }
}

impl<'a> Visitor<'a> {
    pub(super) fn new(at: Context<'a>, head: &'a Parts) -> Self {
        let params = LoginParams::read(head.uri.query().unwrap_or_default());
        Self { at, headers: &head.headers, params }
    }

    pub(super) fn service(&self) -> &'a LoginService {
        self.at.service
    }

    pub(super) fn now(&self) -> UnixTime {
        self.at.service.clock.now()
    }

    pub(super) fn report(
        &self,
        what: &'static str,
        outcome: &'static str,
        reason: &'static str,
        subject: Option<&Subject>,
    ) {
        let method = self.at.service.method.name();
        (self.at.report)(&Event { what, outcome, reason, method, subject, client: self.at.client });
    }

    /// The address that attempts are counted against. When this very machine asks and no proxy is named, it is a proxy all
    /// the same, and everybody's address: counted, it would let one visitor keep all others out. So is a private address that
    /// speaks for somebody else.
    pub(super) fn counted_address(&self) -> Option<IpAddr> {
        let speaks_for = ["x-forwarded-for", "forwarded"].iter().any(|name| self.headers.contains_key(*name));
        let shared = |address: &IpAddr| address.is_loopback() || speaks_for && is_private(*address);
        self.at.client.filter(|address| !(self.at.unnamed_proxy && shared(address)))
    }

    pub(super) fn frame(&self) -> Frame<'a> {
        Frame { mount: self.at.mount, title: &self.at.service.site.title }
    }

    /// Records that a login came to nothing, and says so on a page.
    pub(super) fn refused(&self, fault: LoginFault) -> Response {
        self.report("login", fault.outcome(), fault.reason(), None);
        self.message(fault)
    }

    /// A page that says what went wrong, with a way on.
    pub(super) fn message(&self, fault: LoginFault) -> Response {
        let problem = Problem::Login(fault);
        let response = self.frame().message(problem.status(), problem.title(), &self.params.query());
        waiting(response, &problem)
    }

    pub(super) fn form(&self, state: &str) -> Response {
        let form = LoginForm { state, username: "", problem: None };
        self.frame().login(StatusCode::OK, form, &self.params.query())
    }

    /// Records that an attempt failed, and shows the form again.
    pub(super) fn again(&self, state: &str, username: &str, fault: LoginFault) -> Response {
        self.report("login", fault.outcome(), fault.reason(), None);
        let problem = Problem::Login(fault);
        let form = LoginForm { state, username, problem: Some(problem.title()) };
        waiting(self.frame().login(problem.status(), form, &self.params.query()), &problem)
    }
}

fn waiting(mut response: Response, problem: &Problem) -> Response {
    if let Some(wait) = problem.retry_after() {
        retry_after(response.headers_mut(), wait);
    }
    response
}

fn is_private(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(v4) => v4.is_private() || v4.is_link_local(),
        IpAddr::V6(v6) => v6.is_unique_local() || v6.is_unicast_link_local(),
    }
}
