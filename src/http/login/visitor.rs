//! One request at the login: what it depends on, and what is the same in every answer.

use std::net::IpAddr;

use axum::response::Response;
use http::header::ACCEPT_LANGUAGE;
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
use crate::login::{Event, LOGIN_TITLE, LoginService};
use crate::net::peer::is_shared;
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
    /// Our id of the request.
    pub request_id: &'a str,
    /// Where events go.
    pub report: &'a (dyn Fn(&Event<'_>) + Send + Sync),
    /// Who is told that somebody logged out, and by what; nobody knows who, where a provider's word does not say it.
    pub logged_out: &'a (dyn Fn(&'static str, Option<&Subject>) + Send + Sync),
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
        let (request_id, client) = (self.at.request_id, self.at.client);
        (self.at.report)(&Event { request_id, what, outcome, reason, method, subject, widget: "", client });
    }

    /// The address that attempts are counted against; `None` where no proxy is named and it is everybody's.
    pub(super) fn counted_address(&self) -> Option<IpAddr> {
        self.at.client.filter(|address| !(self.at.unnamed_proxy && is_shared(*address, self.headers)))
    }

    pub(super) fn frame(&self) -> Frame<'a> {
        let LoginService { brand, site, .. } = self.at.service;
        let lines = self.headers.get_all(ACCEPT_LANGUAGE).iter().filter_map(|line| line.to_str().ok());
        let texts = brand.texts.choose(&lines.collect::<Vec<_>>().join(","));
        // A heading of the operator's own is the same in every language.
        let title = if site.title == LOGIN_TITLE.default { texts.get("title") } else { &site.title };
        Frame { mount: self.at.mount, title, texts, brand: &brand.settings }
    }

    /// Records that a login came to nothing, and says so on a page.
    pub(super) fn refused(&self, fault: LoginFault) -> Response {
        self.report("login", fault.outcome(), fault.reason(), None);
        self.message(fault)
    }

    /// A page that says what went wrong, with a way on.
    pub(super) fn message(&self, fault: LoginFault) -> Response {
        let problem = Problem::Login(fault);
        let frame = self.frame();
        let response = frame.message(problem.status(), frame.texts.get(fault.text()), &self.params.query());
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
        let frame = self.frame();
        let form = LoginForm { state, username, problem: Some(frame.texts.get(fault.text())) };
        waiting(frame.login(problem.status(), form, &self.params.query()), &problem)
    }
}

fn waiting(mut response: Response, problem: &Problem) -> Response {
    if let Some(wait) = problem.retry_after() {
        retry_after(response.headers_mut(), wait);
    }
    response
}
