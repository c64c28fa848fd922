//! Logging in: with a name and a password, or at the identity provider.

use axum::body::Body;
use axum::response::Response;
use http::request::Parts;
use secrecy::{ExposeSecret as _, SecretString};
use url::form_urlencoded;

use super::visitor::{LoginParams, Visitor};
use crate::http::form::{fields, only};
use crate::http::headers::{see_other, with_cookies};
use crate::http::origin::RequestOrigin;
use crate::http::problem::LoginFault;
use crate::login::Method;
use crate::login::accounts::{self, Accounts, Denied, is_plausible};
use crate::login::oidc::{Answer, Failed, Oidc};
use crate::login::return_to::ReturnTo;
use crate::login::sessions::record::NewLogin;
use crate::login::transaction::Transaction;
use crate::net::peer::network;

/// Largest form of ours.
const FORM_MAX: usize = 20 * 1024;

/// Begins a login and sends the visitor to the provider, or shows the form.
pub(super) async fn start(visitor: &Visitor<'_>) -> Response {
    let transaction = begin(visitor);
    let cookies = transaction.cookies(visitor.headers, visitor.service().sessions.seals());
    match &visitor.service().method {
        Method::Oidc(oidc) => match oidc.begin(&transaction).await {
            Ok(address) => with_cookies(see_other(address.as_str()), cookies),
            Err(failed) => visitor.refused(LoginFault::Unavailable(failed.reason())),
        },
        Method::Accounts(_) => with_cookies(visitor.form(&transaction.state), cookies),
    }
}

/// What a page may say about the login it begins: where it should lead. Whatever is not acceptable is passed over.
fn begin(visitor: &Visitor<'_>) -> Transaction {
    let (at, params) = (visitor.at, &visitor.params);
    let mut transaction = Transaction::begin(visitor.now());
    let to = params.return_to.as_deref().and_then(|text| ReturnTo::new(text, &at.service.site.url));
    transaction.return_to = to.map(|to| to.as_str().to_owned()).unwrap_or_default();
    if params.popup.as_deref() == Some("1") {
        let opener = params.origin.as_deref().unwrap_or_else(|| at.service.site.own.as_str());
        transaction.opener = at.origins.known(at.listed, opener).map(ToString::to_string);
    }
    transaction.before = at.service.sessions.id(visitor.headers).map(|id| id.to_string());
    transaction
}

/// The visitor comes back from the provider.
pub(super) async fn callback(mut visitor: Visitor<'_>, head: &Parts) -> Response {
    let service = visitor.service();
    let Method::Oidc(oidc) = &service.method else { return visitor.refused(LoginFault::Over("no_callback")) };
    let answer = Answer::read(head.uri.query().unwrap_or_default());
    let Some((answer, state)) = answer.and_then(|a| a.state.clone().map(|state| (a, state))) else {
        return visitor.refused(LoginFault::Over("no_state"));
    };
    let Some(transaction) = begun(&visitor, &state) else {
        return visitor.refused(LoginFault::Over("no_transaction"));
    };
    // Each costs a call to the provider and a row in the store. What was never begun costs neither, and counts for nobody; an
    // address that is unknown, or everybody's, is no key.
    if let Some(address) = visitor.counted_address()
        && let Err(wait) = service.limits.returns.take("callback", &network(address).to_string())
    {
        return visitor.refused(LoginFault::TooMany(wait));
    }
    let transaction = match used_up(&visitor, transaction).await {
        Ok(transaction) => transaction,
        Err(fault) => return visitor.refused(fault),
    };
    visitor.params = LoginParams::of(&transaction);
    let response = come_back(&visitor, oidc, &answer, &transaction).await;
    with_cookies(response, transaction.remove())
}

async fn come_back(visitor: &Visitor<'_>, oidc: &Oidc, answer: &Answer, transaction: &Transaction) -> Response {
    match oidc.finish(answer, transaction).await {
        Ok(new_login) => arrived(visitor, new_login, transaction).await,
        Err(Failed::Declined(reason)) => visitor.refused(LoginFault::Declined(reason)),
        Err(failed @ Failed::Rejected(reason)) if failed.is_the_visitors() => {
            visitor.refused(LoginFault::Rejected(reason))
        }
        Err(Failed::Rejected(reason)) => {
            tracing::error!(
                reason,
                "nobody can log in: the identity provider's answer does not fit the OIDC_ settings"
            );
            visitor.refused(LoginFault::Unfit(reason))
        }
        Err(Failed::Outage(reason)) => visitor.refused(LoginFault::Unavailable(reason)),
    }
}

/// Takes a name and a password.
pub(super) async fn password(visitor: &Visitor<'_>, body: Body) -> Response {
    let Method::Accounts(accounts) = &visitor.service().method else {
        return visitor.refused(LoginFault::Over("no_accounts"));
    };
    if visitor.at.origins.sender(&[], visitor.headers) != Ok(RequestOrigin::Own) {
        return visitor.refused(LoginFault::Over("foreign_form"));
    }
    let sent = fields(visitor.headers, body, FORM_MAX).await;
    let Some(form) = sent.and_then(|fields| Credentials::of(&fields)) else {
        return visitor.refused(LoginFault::Over("bad_form"));
    };
    match begun(visitor, &form.state) {
        Some(transaction) => try_password(visitor, accounts, form, &transaction).await,
        None => visitor.refused(LoginFault::Over("no_transaction")),
    }
}

async fn try_password(
    visitor: &Visitor<'_>,
    accounts: &Accounts,
    form: Credentials,
    transaction: &Transaction,
) -> Response {
    let again = |fault| visitor.again(&form.state, &form.username, fault);
    if !is_plausible(&form.username, form.password.expose_secret()) {
        return again(LoginFault::WrongPassword);
    }
    let identity = match accounts.check(&form.username, form.password.clone(), visitor.counted_address()).await {
        Ok(identity) => identity,
        Err(Denied::Wrong) => return again(LoginFault::WrongPassword),
        Err(Denied::TooMany(wait)) => return again(LoginFault::TooManyAttempts(wait)),
        Err(Denied::Busy) => return visitor.refused(LoginFault::Unavailable("accounts_busy")),
    };
    let (method, authenticated_at) = (accounts::METHOD, visitor.now());
    let new_login = NewLogin { identity, method, authenticated_at, ends_at: None, provider: None };
    match used_up(visitor, transaction.clone()).await {
        Ok(_) => arrived(visitor, new_login, transaction).await,
        Err(fault) => visitor.refused(fault),
    }
}

/// The transaction of this state, if this browser began it.
fn begun(visitor: &Visitor<'_>, state: &str) -> Option<Transaction> {
    Transaction::of(visitor.headers, state, visitor.service().sessions.seals(), visitor.now())
}

/// The transaction, used up by this request and none other.
async fn used_up(visitor: &Visitor<'_>, transaction: Transaction) -> Result<Transaction, LoginFault> {
    let now = visitor.now();
    match transaction.use_up(visitor.service().sessions.store(), now).await {
        Ok(true) => Ok(transaction),
        Ok(false) => Err(LoginFault::Over("replayed")),
        Err(down) => Err(LoginFault::Unavailable(down.reason())),
    }
}

/// Begins the session and sends the visitor on.
async fn arrived(visitor: &Visitor<'_>, new_login: NewLogin, transaction: &Transaction) -> Response {
    let subject = new_login.identity.subject.clone();
    let sessions = &visitor.service().sessions;
    // A form of ours comes with the session's cookie, the provider's redirect does not.
    let before = sessions.id(visitor.headers).or_else(|| transaction.session_before());
    match sessions.begin(new_login, before).await {
        Ok(Some(cookie)) => {
            visitor.report("login", "granted", "", Some(&subject));
            let lines = [Some(cookie), transaction.remove()];
            with_cookies(see_other(&onward(visitor, transaction)), lines.into_iter().flatten())
        }
        Ok(None) => visitor.refused(LoginFault::Over("ended_at_provider")),
        Err(down) => visitor.refused(LoginFault::Unavailable(down.reason())),
    }
}

/// Where the visitor goes in the end. What the transaction says was checked when it began and is checked again: which origins
/// are listed, and where the login itself is, may have changed since.
fn onward(visitor: &Visitor<'_>, transaction: &Transaction) -> String {
    let (at, site) = (visitor.at, &visitor.service().site);
    if let Some(opener) = transaction.opener.as_deref().and_then(|text| at.origins.known(at.listed, text)) {
        let query = form_urlencoded::Serializer::new(String::new()).append_pair("opener", opener.as_str()).finish();
        return format!("{}/login/done?{query}", at.mount);
    }
    let wanted = ReturnTo::new(&transaction.return_to, &site.url).filter(|to| !to.is_login(at.mount));
    wanted.unwrap_or_else(|| site.after_login.clone()).as_str().to_owned()
}

/// The last page in a window of its own.
pub(super) fn done(visitor: &Visitor<'_>, query: &str) -> Response {
    let opener = only(query.as_bytes(), "opener");
    let known = opener.and_then(|text| visitor.at.origins.known(visitor.at.listed, &text));
    visitor.frame().done(known.map_or("", |origin| origin.as_str()))
}

/// What the login form sends.
struct Credentials {
    state: String,
    username: String,
    password: SecretString,
}

impl Credentials {
    fn of(fields: &[u8]) -> Option<Self> {
        let password = only(fields, "password")?.into();
        Some(Self { state: only(fields, "state")?, username: only(fields, "username")?, password })
    }
}
