//! What depends on several wings' settings: what cannot be meant is a mistake, and what works and is hardly meant a warning.

use std::collections::BTreeSet;

use url::Url;

use super::ADMIN_LISTEN;
use crate::claims::pseudonym::{self, Namespaces};
use crate::config::env::Env;
use crate::http::listen::Address;
use crate::http::origin::{ALLOWED_ORIGINS, PUBLIC_URL};
use crate::login;
use crate::net::origin::Origin;
use crate::net::outbound::is_loopback;
use crate::net::peer::TRUSTED_PROXIES;
use crate::sources::{self, Rule, SESSION_SOURCES, login as login_source, upstream};
use crate::store::place;
use crate::widget::vars::{WIDGET_CLAIMS, WIDGET_EXCHANGE, WIDGET_OPTIONAL_ATTRIBUTES, WIDGETS};
use crate::widget::{self, Shared};

/// A login that nobody asks about, and a question about a login that does not exist, are both somebody's oversight.
pub(super) fn check_login(env: &mut Env, order: &[&'static str]) {
    match (login::Settings::is_wanted(env), order.contains(&login_source::NAME)) {
        (true, false) => env.mistake_in(&SESSION_SOURCES, "must hold `login`, or nobody who logs in here is known"),
        (false, true) => env.mistake_in(&login::LOGIN, "is required for the source login: oidc or accounts"),
        _ => {}
    }
}

/// Names login systems of sources that are not asked, and warns where two systems could be taken for one.
pub(super) fn check_namespaces(env: &mut Env, namespaces: &Namespaces, sources: &sources::Settings) {
    if sources.names.len() > 1 && sources.rule != Rule::All && !env.is_set(&pseudonym::SUBJECT_NAMESPACE) {
        let problem = "is not set, and SESSION_SOURCES names several sources: whoever has the same id in two of them is one person to the widget, and can be read as the other. If they are different login systems, name each, as in forwarded=sso,login=local, with WIDGET_SUBJECT=pseudonym; if they are one, say so: SUBJECT_NAMESPACE=default";
        env.warn(pseudonym::SUBJECT_NAMESPACE.name, problem);
    }
    for unknown in namespaces.sources().filter(|source| !sources.names.contains(source)) {
        let why = format!("names the source `{unknown}`, which is not in SESSION_SOURCES");
        env.mistake_in(&pseudonym::SUBJECT_NAMESPACE, &why);
    }
}

/// What an operator wrote to be called must have a caller. What a preset can do where there is one, need not.
pub(super) fn check_revocations(
    env: &mut Env,
    widgets: &[widget::Settings],
    login: Option<&login::Settings>,
    (place, revokers): (Option<&place::Settings>, bool),
) {
    const NOBODY: &str = "has `revoke`, which nothing here would call: it needs a login of our own (LOGIN), POST /revocations (REVOCATION_SECRET), or a shared SESSION_STORE for `countersign revoke`";
    const NO_SUB: &str = "has `revoke`, which a back-channel logout will not call: the identity provider names its `sub` there, and OIDC_SUBJECT is another claim";
    let named = env.is_set(&WIDGETS);
    let has_caller = login.is_some() || revokers || place.is_some_and(place::Settings::is_shared);
    for widget in widgets.iter().filter(|widget| widget.revokes()) {
        env.within(named.then_some(widget.name.as_str()), |env| {
            if !has_caller && env.is_set(&WIDGET_EXCHANGE) {
                env.mistake_in(&WIDGET_EXCHANGE, NOBODY);
            } else if login.is_some_and(login::Settings::names_others_than_its_provider) {
                env.warn(&env.name_of(&WIDGET_EXCHANGE), NO_SUB);
            }
        });
    }
}

/// A claim of the operator's own that no session can fill is silently absent from every token. What presets read beyond what every
/// session has is there for those who have it.
pub(super) fn warn_of_attributes(env: &mut Env, widgets: &[widget::Settings], provided: &BTreeSet<String>) {
    let named = env.is_set(&WIDGETS);
    for widget in widgets {
        let missing = widget.template.attributes().into_iter().filter(|name| !provided.contains(name));
        let problem = |name| {
            format!("reads attributes.{name}, which no session source provides: name it in the source's ..._ATTRIBUTES")
        };
        let problems: Vec<String> = missing.map(problem).collect();
        env.within(named.then_some(widget.name.as_str()), |env| {
            let setting = [&WIDGET_CLAIMS, &WIDGET_OPTIONAL_ATTRIBUTES].into_iter().find(|var| env.is_set(var));
            let name = setting.map(|var| env.name_of(var));
            for (name, problem) in name.iter().flat_map(|name| problems.iter().map(move |problem| (name, problem))) {
                env.warn(name, problem);
            }
        });
    }
}

/// Addresses that work, and are hardly meant.
pub(super) fn warn_of_addresses(env: &mut Env, shared: &Shared, admin: Option<&Address>) {
    const PLAIN: &str = "is plain http: whoever is on the way can read tokens and cookies, and browsers withhold what needs a secure page. Fine on one machine, not for visitors";
    match &shared.public_url {
        None if !env.is_set(&PUBLIC_URL) => {
            let problem = "is not set: browsers without Fetch Metadata are refused, and formats that name an issuer need it. It is the address under which pages reach this service, path included";
            env.warn(PUBLIC_URL.name, problem);
        }
        Some(url) if url.scheme() == "http" && !is_loopback(url) => env.warn(PUBLIC_URL.name, PLAIN),
        _ => {}
    }
    let plain = |origin: &&Origin| {
        let url = Url::parse(origin.as_str()).ok();
        url.is_some_and(|url| url.scheme() == "http" && !is_loopback(&url))
    };
    if let Some(origin) = shared.origins.iter().find(plain) {
        env.warn(ALLOWED_ORIGINS.name, &format!("{origin} {PLAIN}"));
    }
    if admin.is_some_and(|address| matches!(address, Address::Tcp(at) if at.ip().is_unspecified())) {
        let problem = "is every address of this machine: metrics and the console are for operators alone";
        env.warn(ADMIN_LISTEN.name, problem);
    }
}

/// Behind a proxy that is not named, every visitor comes from one address.
pub(super) fn warn_of_shared_address(env: &mut Env, login: Option<&login::Settings>, sources: &[&str]) {
    let problem = match login {
        Some(login) if login.takes_passwords() => {
            "is not set: behind a proxy all visitors come from one address, and one who guesses passwords can keep the others waiting"
        }
        Some(_) => {
            "is not set: behind a proxy all visitors come from one address, and their logins at the identity provider are counted as one visitor's"
        }
        None if sources.contains(&upstream::NAME) => {
            "is not set: behind a proxy all visitors come from one address, RATE_LIMIT_ADDRESS holds nobody, and one visitor's invented cookies take places at the session endpoint from newcomers"
        }
        None => return,
    };
    env.warn(TRUSTED_PROXIES.name, problem);
}
