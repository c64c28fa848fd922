//! The routes of our own login.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::to_bytes;
use axum::extract::{Request, State};
use axum::response::Response;
use axum::routing::{MethodFilter, on};
use http::header::{ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_ORIGIN, ALLOW, CONTENT_TYPE, VARY};
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use secrecy::SecretString;
use serde_json::json;
use url::form_urlencoded;

use crate::base::clock::UnixTime;
use crate::login::accounts::{self, Accounts, Denied, is_plausible};
use crate::login::oidc::logout::NotEnded;
use crate::login::oidc::{Answer, Failed, Oidc};
use crate::login::pages::{self, LoginForm, private, see_other, try_again_in, with_cookies};
use crate::login::return_to::ReturnTo;
use crate::login::senders::Sender;
use crate::login::sessions::record::{LoginSession, NewLogin};
use crate::login::transaction::Transaction;
use crate::login::{Event, Login, LoginService, Method};
use crate::net::field::media_type;
use crate::net::peer::Peer;
use crate::session::identity::Subject;
use crate::store::Down;

const SEC_FETCH_MODE: HeaderName = HeaderName::from_static("sec-fetch-mode");

/// Largest form. A logout token with a certificate chain in it fits; nothing of ours comes near.
const FORM_MAX: usize = 20 * 1024;
/// How long a form may take to arrive. Whoever sends a byte a minute must not hold a connection for ever.
const BODY_DEADLINE: Duration = Duration::from_secs(10);
/// When to come back after an outage.
const SOON: Duration = Duration::from_secs(5);

/// The routes, at the root and under each of `mounts`.
pub fn routes(service: Arc<LoginService>, mounts: &[&str]) -> Router {
    let get = MethodFilter::GET;
    let mut router = Router::new();
    for prefix in mounts {
        router = router
            .route(&format!("{prefix}/login"), on(get, start).on(MethodFilter::HEAD, only_get))
            .route(&format!("{prefix}/login/callback"), on(get, callback).on(MethodFilter::HEAD, only_get))
            .route(&format!("{prefix}/login/password"), on(MethodFilter::POST, password))
            .route(&format!("{prefix}/login/done"), on(get, done))
            .route(&format!("{prefix}/login/done.js"), on(get, done_script))
            .route(&format!("{prefix}/login/style.css"), on(get, style))
            .route(&format!("{prefix}/logout"), on(get, ask_logout).on(MethodFilter::POST, logout))
            .route(&format!("{prefix}/logout/backchannel"), on(MethodFilter::POST, back_channel));
    }
    router.with_state(service)
}

/// A look that changes nothing must not begin a login or use one up; the router would take HEAD for GET.
async fn only_get() -> Response {
    let mut response = private(StatusCode::METHOD_NOT_ALLOWED, "");
    response.headers_mut().insert(ALLOW, HeaderValue::from_static("GET"));
    response
}

/// One request at the service: the configuration it began with, and what is known of it.
struct Visitor<'a> {
    service: &'a LoginService,
    login: &'a Login,
    headers: &'a HeaderMap,
    client: Option<IpAddr>,
    wishes: LoginParams,
}

/// What the page that began a login asked for, as it asked: whoever has to begin anew is led where they were going. It is
/// looked at only by [`begin`].
#[derive(Debug, Default)]
struct LoginParams {
    return_to: Option<String>,
    popup: Option<String>,
    origin: Option<String>,
}

impl LoginParams {
    fn read(query: &str) -> Self {
        let value = |wanted: &str| {
            let mut found = form_urlencoded::parse(query.as_bytes()).filter(|(name, _)| name == wanted);
            found.next().map(|(_, value)| value.into_owned()).filter(|_| found.next().is_none())
        };
        Self { return_to: value("return_to"), popup: value("popup"), origin: value("origin") }
    }

    fn of(transaction: &Transaction) -> Self {
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

impl LoginService {
    fn visitor<'a>(&'a self, login: &'a Login, head: &'a Parts) -> Visitor<'a> {
        let peer = head.extensions.get::<Peer>();
        let client = peer.and_then(|peer| login.proxies.client(*peer, &head.headers).address);
        let wishes = LoginParams::read(head.uri.query().unwrap_or_default());
        Visitor { service: self, login, headers: &head.headers, client, wishes }
    }
}

impl Visitor<'_> {
    fn now(&self) -> UnixTime {
        self.service.clock.now()
    }

    fn report(&self, what: &'static str, outcome: &'static str, reason: &'static str, subject: Option<&Subject>) {
        let method = self.login.method.name();
        (self.service.report)(&Event { what, outcome, reason, method, subject, client: self.client });
    }

    /// The address that attempts are counted against. When this very machine asks and no proxy is named, it is a proxy all
    /// the same, and everybody's address: counted, it would let one visitor keep all others out.
    fn counted_address(&self) -> Option<IpAddr> {
        self.client.filter(|address| !(self.login.proxies.is_empty() && address.is_loopback()))
    }

    fn too_many(&self, wait: Duration) -> Response {
        let sentence = "Too many people are logging in. Please try again in a moment.";
        let mut response = self.refused(StatusCode::TOO_MANY_REQUESTS, "rate_limited", sentence);
        try_again_in(response.headers_mut(), wait);
        response
    }

    fn refused(&self, status: StatusCode, reason: &'static str, sentence: &str) -> Response {
        self.report("login", "refused", reason, None);
        self.message(status, sentence)
    }

    fn message(&self, status: StatusCode, sentence: &str) -> Response {
        self.login.site.frame.message(status, sentence, &self.wishes.query())
    }

    fn form(&self, status: StatusCode, form: &LoginForm<'_>) -> Response {
        self.login.site.frame.login(status, form, &self.wishes.query())
    }

    fn unavailable(&self, reason: &'static str) -> Response {
        self.report("login", "unavailable", reason, None);
        let sentence = "Logging in does not work at this moment. Please try again in a little while.";
        let mut response = self.message(StatusCode::SERVICE_UNAVAILABLE, sentence);
        try_again_in(response.headers_mut(), SOON);
        response
    }

    fn over(&self, reason: &'static str) -> Response {
        let sentence = "This login took too long, was used already, or was begun in another browser.";
        self.refused(StatusCode::BAD_REQUEST, reason, sentence)
    }

    /// Where the visitor goes in the end. What the transaction says was checked when it began and is checked again: it
    /// has been in the visitor's hands.
    fn onward(&self, transaction: &Transaction) -> String {
        let site = &self.login.site;
        if let Some(opener) = transaction.opener.as_deref().and_then(|text| site.senders.known(text)) {
            let query = form_urlencoded::Serializer::new(String::new()).append_pair("opener", opener.as_str()).finish();
            return format!("{}/login/done?{query}", site.frame.mount);
        }
        let wanted = ReturnTo::new(&transaction.return_to, &site.url).filter(|to| !to.is_login(&site.frame.mount));
        wanted.unwrap_or_else(|| site.after_login.clone()).as_str().to_owned()
    }

    /// Begins the visit and sends the visitor on.
    async fn arrived(&self, new_login: NewLogin, transaction: &Transaction) -> Response {
        let subject = new_login.identity.subject.clone();
        // A form of ours comes with the session's cookie, the provider's redirect does not.
        let before = self.login.sessions.id(self.headers).or_else(|| transaction.session_before());
        match self.login.sessions.begin(new_login, before).await {
            Ok(Some(cookie)) => {
                self.report("login", "granted", "", Some(&subject));
                let lines = [Some(cookie), transaction.remove()];
                with_cookies(see_other(&self.onward(transaction)), lines.into_iter().flatten())
            }
            Ok(None) => self.over("ended_at_provider"),
            Err(down) => self.unavailable(down.reason()),
        }
    }

    /// The transaction of this state, used up by this request and none other.
    async fn used_up(&self, state: &str) -> Result<Transaction, Response> {
        let now = self.now();
        let transaction = Transaction::of(self.headers, state, now).ok_or_else(|| self.over("no_transaction"))?;
        match transaction.use_up(self.login.sessions.store(), now).await {
            Ok(true) => Ok(transaction),
            Ok(false) => Err(self.over("replayed")),
            Err(down) => Err(self.unavailable(down.reason())),
        }
    }
}

/// `GET /login`: begins a login and sends the visitor to the provider, or shows the form.
async fn start(State(service): State<Arc<LoginService>>, request: Request) -> Response {
    let (head, _) = request.into_parts();
    let login = service.login.load_full();
    let visitor = service.visitor(&login, &head);
    let transaction = begin(&visitor);
    let cookies = transaction.cookies(&head.headers);
    match &login.method {
        Method::Oidc(oidc) => match oidc.begin(&transaction).await {
            Ok(address) => with_cookies(see_other(address.as_str()), cookies),
            Err(failed) => visitor.unavailable(failed.reason()),
        },
        Method::Accounts(_) => {
            let form = LoginForm { state: &transaction.state, username: "", problem: None };
            with_cookies(visitor.form(StatusCode::OK, &form), cookies)
        }
    }
}

/// What a page may say about the login it begins: where it should lead. Whatever is not acceptable is passed over.
fn begin(visitor: &Visitor<'_>) -> Transaction {
    let (site, wishes) = (&visitor.login.site, &visitor.wishes);
    let mut transaction = Transaction::begin(visitor.now());
    let to = wishes.return_to.as_deref().and_then(|text| ReturnTo::new(text, &site.url));
    transaction.return_to = to.map(|to| to.as_str().to_owned()).unwrap_or_default();
    if wishes.popup.as_deref() == Some("1") {
        let opener = wishes.origin.as_deref().unwrap_or_else(|| site.senders.own().as_str());
        transaction.opener = site.senders.known(opener).map(ToString::to_string);
    }
    transaction.before = visitor.login.sessions.id(visitor.headers).map(|id| id.to_string());
    transaction
}

/// `GET /login/callback`: the visitor comes back from the provider.
async fn callback(State(service): State<Arc<LoginService>>, request: Request) -> Response {
    let (head, _) = request.into_parts();
    let login = service.login.load_full();
    let mut visitor = service.visitor(&login, &head);
    let Method::Oidc(oidc) = &login.method else { return visitor.over("no_callback") };
    let answer = Answer::read(head.uri.query().unwrap_or_default());
    let Some((answer, state)) = answer.and_then(|a| a.state.clone().map(|state| (a, state))) else {
        return visitor.over("no_state");
    };
    // Each costs a call to the provider and a row in the store.
    let from = visitor.counted_address().map(|address| address.to_string()).unwrap_or_default();
    if let Err(wait) = service.returns.take("callback", &from) {
        return visitor.too_many(wait);
    }
    let transaction = match visitor.used_up(&state).await {
        Ok(transaction) => transaction,
        Err(response) => return response,
    };
    visitor.wishes = LoginParams::of(&transaction);
    let response = come_back(&visitor, oidc, &answer, &transaction).await;
    with_cookies(response, transaction.remove())
}

async fn come_back(visitor: &Visitor<'_>, oidc: &Oidc, answer: &Answer, transaction: &Transaction) -> Response {
    match oidc.finish(answer, transaction).await {
        Ok(new_login) => visitor.arrived(new_login, transaction).await,
        Err(Failed::Declined(reason)) => visitor.refused(StatusCode::FORBIDDEN, reason, "The login was not completed."),
        Err(Failed::Rejected(reason)) => {
            let sentence = "What the login service answered cannot be accepted. Please log in again.";
            visitor.refused(StatusCode::BAD_GATEWAY, reason, sentence)
        }
        Err(Failed::Outage(reason)) => visitor.unavailable(reason),
    }
}

/// `POST /login/password`: name and password.
async fn password(State(service): State<Arc<LoginService>>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let login = service.login.load_full();
    let visitor = service.visitor(&login, &head);
    let Method::Accounts(accounts) = &login.method else { return visitor.over("no_accounts") };
    if login.site.senders.sender(&head.headers) != Sender::Own {
        return visitor.over("foreign_form");
    }
    let Some(form) = read_form(&head.headers, body).await.and_then(|fields| Credentials::of(&fields)) else {
        return visitor.over("bad_form");
    };
    let Some(transaction) = Transaction::of(&head.headers, &form.state, visitor.now()) else {
        return visitor.over("no_transaction");
    };
    try_password(&visitor, accounts, form, &transaction).await
}

async fn try_password(
    visitor: &Visitor<'_>,
    accounts: &Accounts,
    form: Credentials,
    transaction: &Transaction,
) -> Response {
    const WRONG: &str = "The user name or the password is not right.";
    let again = |status, reason, problem| {
        visitor.report("login", "refused", reason, None);
        let form = LoginForm { state: &form.state, username: &form.username, problem: Some(problem) };
        visitor.form(status, &form)
    };
    if !is_plausible(&form.username, secrecy::ExposeSecret::expose_secret(&form.password)) {
        return again(StatusCode::FORBIDDEN, "wrong_password", WRONG);
    }
    match accounts.check(&form.username, form.password.clone(), visitor.counted_address()).await {
        Ok(identity) => {
            let new_login = NewLogin {
                identity,
                method: accounts::METHOD,
                authenticated_at: visitor.now(),
                ends_at: None,
                provider: None,
            };
            match visitor.used_up(&form.state).await {
                Ok(_) => visitor.arrived(new_login, transaction).await,
                Err(response) => response,
            }
        }
        Err(Denied::Wrong) => again(StatusCode::FORBIDDEN, "wrong_password", WRONG),
        Err(Denied::TooMany(wait)) => {
            let problem = "There were too many attempts. Please wait a little before you try again.";
            let mut response = again(StatusCode::TOO_MANY_REQUESTS, "too_many_attempts", problem);
            try_again_in(response.headers_mut(), wait);
            response
        }
        Err(Denied::Busy) => visitor.unavailable("accounts_busy"),
    }
}

/// `GET /login/done`: the last page in a window of its own.
async fn done(State(service): State<Arc<LoginService>>, request: Request) -> Response {
    let login = service.login.load_full();
    let query = request.uri().query().unwrap_or_default();
    let opener = form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == "opener");
    match opener.and_then(|(_, text)| login.site.senders.known(&text)) {
        Some(origin) => login.site.frame.done(origin.as_str()),
        None => login.site.frame.done(""),
    }
}

async fn done_script() -> Response {
    pages::file("text/javascript; charset=utf-8", pages::DONE_SCRIPT)
}

async fn style() -> Response {
    pages::file("text/css; charset=utf-8", pages::STYLE)
}

/// `GET /logout`: asks, or says that it is done. Changes nothing: any page can make a browser ask for this address.
async fn ask_logout(State(service): State<Arc<LoginService>>, request: Request) -> Response {
    let login = service.login.load_full();
    match login.sessions.find(request.headers()).await {
        Ok(Err(_)) => login.site.frame.logged_out(),
        // Who cannot be told whether they are logged in can still ask to be logged out.
        Ok(Ok(_)) | Err(_) => login.site.frame.ask_logout(),
    }
}

/// `POST /logout`: ends the session here, and for somebody who clicked, the provider's, too.
async fn logout(State(service): State<Arc<LoginService>>, request: Request) -> Response {
    let (head, _) = request.into_parts();
    let login = service.login.load_full();
    let visitor = service.visitor(&login, &head);
    let sender = login.site.senders.sender(&head.headers);
    if sender == Sender::Foreign {
        visitor.report("logout", "refused", "foreign_page", None);
        return visitor.message(StatusCode::FORBIDDEN, "This page may not log you out.");
    }
    let response = match login.sessions.end(&head.headers).await {
        Ok(session) => logged_out(&visitor, session.as_ref(), is_navigation(&head.headers)).await,
        Err(down) => not_logged_out(&visitor, down),
    };
    shared_with(response, &sender)
}

async fn logged_out(visitor: &Visitor<'_>, session: Option<&LoginSession>, navigates: bool) -> Response {
    let Login { site, sessions, method, .. } = visitor.login;
    visitor.report("logout", "granted", "", session.map(|session| &session.identity.subject));
    let response = if navigates {
        let back = site.after_logout.as_ref();
        let page = || format!("{}/logout", site.frame.mount);
        let absolute = back.map_or_else(|| format!("{}/logout", site.base()), |path| site.absolute(path));
        let provider = match (method, session.and_then(|session| session.provider.as_ref())) {
            (Method::Oidc(oidc), Some(provider)) => oidc.end_session(provider, &absolute).await,
            _ => None,
        };
        let here = || back.map_or_else(page, |path| path.as_str().to_owned());
        see_other(&provider.map_or_else(here, String::from))
    } else {
        said(StatusCode::OK, &json!({ "logged_out": true }))
    };
    with_cookies(response, [sessions.cookie().remove()])
}

/// The cookie stays: without it nobody could ask again for the session to be ended.
fn not_logged_out(visitor: &Visitor<'_>, down: Down) -> Response {
    visitor.report("logout", "unavailable", down.reason(), None);
    let sentence = "You are still logged in: logging out does not work at this moment. Please try again.";
    let mut response = visitor.message(StatusCode::SERVICE_UNAVAILABLE, sentence);
    try_again_in(response.headers_mut(), SOON);
    response
}

/// `POST /logout/backchannel`: the provider says that a session of its own has ended.
async fn back_channel(State(service): State<Arc<LoginService>>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let login = service.login.load_full();
    let visitor = service.visitor(&login, &head);
    let report = |outcome, reason| visitor.report("back_channel_logout", outcome, reason, None);
    let refuse = |reason| {
        report("refused", reason);
        // Section 2.8 of the specification.
        said(StatusCode::BAD_REQUEST, &json!({ "error": "invalid_request" }))
    };
    let Method::Oidc(oidc) = &login.method else { return refuse("no_provider") };
    let fields = read_form(&head.headers, body).await;
    let Some(token) = fields.and_then(|fields| only(&fields, "logout_token")) else { return refuse("no_token") };
    match oidc.back_channel(&token, &login.sessions).await {
        Ok(_) => {
            report("granted", "");
            private(StatusCode::OK, "")
        }
        Err(NotEnded::Rejected(reason)) => refuse(reason),
        Err(NotEnded::Outage(reason)) => {
            report("unavailable", reason);
            let mut response = said(StatusCode::SERVICE_UNAVAILABLE, &json!({ "error": "temporarily_unavailable" }));
            try_again_in(response.headers_mut(), SOON);
            response
        }
    }
}

/// What the login form sends.
struct Credentials {
    state: String,
    username: String,
    password: SecretString,
}

impl Credentials {
    fn of(fields: &[(String, String)]) -> Option<Self> {
        let password = only(fields, "password")?.into();
        Some(Self { state: only(fields, "state")?, username: only(fields, "username")?, password })
    }
}

type Fields = Vec<(String, String)>;

async fn read_form(headers: &HeaderMap, body: axum::body::Body) -> Option<Fields> {
    let media = media_type(headers.get(CONTENT_TYPE)?.as_bytes());
    if !media.eq_ignore_ascii_case(b"application/x-www-form-urlencoded") {
        return None;
    }
    let bytes = tokio::time::timeout(BODY_DEADLINE, to_bytes(body, FORM_MAX)).await.ok()?.ok()?;
    Some(form_urlencoded::parse(&bytes).into_owned().collect())
}

/// The one field of this name; two of a name are nobody's form.
fn only(fields: &[(String, String)], name: &str) -> Option<String> {
    let mut values = fields.iter().filter(|(known, _)| known == name).map(|(_, value)| value);
    let first = values.next()?;
    values.next().is_none().then(|| first.clone())
}

/// Whether somebody clicked, and will see what we answer; otherwise a script asked.
fn is_navigation(headers: &HeaderMap) -> bool {
    match headers.get(&SEC_FETCH_MODE).map(HeaderValue::as_bytes) {
        Some(mode) => mode == b"navigate",
        None => {
            headers.get(CONTENT_TYPE).is_some_and(|t| t.as_bytes().starts_with(b"application/x-www-form-urlencoded"))
        }
    }
}

fn said(status: StatusCode, what: &serde_json::Value) -> Response {
    let mut response = private(status, what.to_string());
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json; charset=utf-8"));
    response
}

/// A listed page of another origin may read that it has logged somebody out.
fn shared_with(mut response: Response, sender: &Sender) -> Response {
    let headers = response.headers_mut();
    headers.insert(VARY, HeaderValue::from_static("Cookie, Origin, Sec-Fetch-Site"));
    if let Sender::Listed(origin) = sender {
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
        headers.insert(ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
        headers
            .insert(HeaderName::from_static("cross-origin-resource-policy"), HeaderValue::from_static("cross-origin"));
    }
    response
}
