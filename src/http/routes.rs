//! The route table: every path there is, exact, built with the snapshot. A path leads to one place or to none.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use super::login::route::LoginRoute;
use super::origin::PUBLIC_URL;
use super::rules::{TOKEN_ALIASES, TokenRules};
use super::script::SCRIPTS;
use crate::config::env::Var;
use crate::widget::Settings;

/// Where a widget's public keys are, its name after it.
pub const PUBLIC_KEYS: &str = "/public-keys";

/// Where a path leads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Route {
    /// The token of the widget at this place of the list.
    Token {
        /// Which widget.
        widget: usize,
        /// Whether the path itself asks for the bare token.
        bare: bool,
    },
    /// The renewal of a vendor's token.
    Refresh {
        /// Which widget.
        widget: usize,
    },
    /// Whether a token counts.
    Introspect {
        /// Of which widget; of any when none is named.
        widget: Option<usize>,
    },
    /// Who is logged in.
    Session,
    /// The key set.
    Keys,
    /// A widget's public keys in PEM.
    PublicKeys {
        /// Which widget.
        widget: usize,
        /// All of them, as a list; or the one that signs.
        list: bool,
    },
    /// A file that pages load.
    Script {
        /// Its place among [`SCRIPTS`].
        file: usize,
        /// Whether the address names its content.
        versioned: bool,
    },
    /// A page of our own login.
    Login(LoginRoute),
    /// Where a page says goodbye when there is no login of ours to end, and has done nothing wrong.
    Goodbye,
}

impl Route {
    /// The methods that it takes.
    #[must_use]
    pub fn methods(self, rules: &TokenRules) -> &'static str {
        match self {
            Self::Token { .. } => rules.methods(),
            Self::Refresh { .. } => "POST, OPTIONS",
            Self::Introspect { .. } => "POST",
            Self::Session => "GET, OPTIONS",
            Self::Keys | Self::PublicKeys { .. } | Self::Script { .. } => "GET, HEAD",
            Self::Login(route) => route.methods(),
            Self::Goodbye => LoginRoute::Logout.methods(),
        }
    }

    /// Its kind in metrics.
    #[must_use]
    pub fn kind(self) -> &'static str {
        match self {
            Self::Token { .. } => "token",
            Self::Refresh { .. } => "refresh",
            Self::Introspect { .. } => "introspect",
            Self::Session => "session",
            Self::Keys => "jwks",
            Self::PublicKeys { .. } => "public_keys",
            Self::Script { .. } => "script",
            Self::Login(_) | Self::Goodbye => "login",
        }
    }

    /// The widget that it is about.
    #[must_use]
    pub fn widget(self) -> Option<usize> {
        match self {
            Self::Token { widget, .. } | Self::Refresh { widget } | Self::PublicKeys { widget, .. } => Some(widget),
            Self::Introspect { widget } => widget,
            _ => None,
        }
    }

    fn describe(self, widgets: &[Settings]) -> String {
        let name = self.widget().and_then(|at| widgets.get(at)).map_or("", |widget| widget.name.as_str());
        match self {
            Self::Token { bare: false, .. } => format!("the token of the widget `{name}`"),
            Self::Token { bare: true, .. } => format!("the bare token of the widget `{name}`"),
            Self::Refresh { .. } => format!("the renewal of the widget `{name}`"),
            Self::Introspect { .. } => "the introspection".to_owned(),
            Self::Session => "the session's address".to_owned(),
            Self::Keys => "the key set".to_owned(),
            Self::PublicKeys { .. } => format!("the public keys of the widget `{name}`"),
            Self::Script { .. } => "the browser module".to_owned(),
            Self::Login(_) | Self::Goodbye => "a page of the login".to_owned(),
        }
    }
}

/// Two routes that want one path: the setting at fault, and what is wrong with it.
#[derive(Debug)]
pub struct Conflict {
    /// The setting.
    pub setting: &'static Var,
    /// What is wrong.
    pub problem: String,
}

/// Every path and where it leads.
#[derive(Debug, Clone, Default)]
pub struct Routes {
    known: HashMap<String, Route>,
}

impl Routes {
    /// The paths of these widgets, at the root and under `mount`, with the aliases of `rules`; and every path that two of
    /// them want.
    #[must_use]
    pub fn new(
        mount: &str,
        rules: &TokenRules,
        widgets: &[Settings],
        login: bool,
        introspection: bool,
    ) -> (Self, Vec<Conflict>) {
        let mut own = own(widgets, login);
        own.extend(introspections(widgets).filter(|_| introspection));
        let aliases = rules.aliases().iter().filter_map(|alias| {
            let widget = widgets.iter().position(|widget| widget.name == alias.widget)?;
            Some((alias.path.clone(), Route::Token { widget, bare: true }))
        });
        let aliases: Vec<_> = aliases.collect();
        let mut table = Self::default();
        let mut conflicts = Vec::new();
        for prefix in ["", mount].into_iter().take(if mount.is_empty() { 1 } else { 2 }) {
            table.add(prefix, &own, &PUBLIC_URL, widgets, &mut conflicts);
        }
        for prefix in ["", mount].into_iter().take(if mount.is_empty() { 1 } else { 2 }) {
            table.add(prefix, &aliases, &TOKEN_ALIASES, widgets, &mut conflicts);
        }
        (table, conflicts)
    }

    fn add(
        &mut self,
        prefix: &str,
        routes: &[(String, Route)],
        setting: &'static Var,
        widgets: &[Settings],
        conflicts: &mut Vec<Conflict>,
    ) {
        for (path, route) in routes {
            match self.known.entry(format!("{prefix}{path}")) {
                Entry::Vacant(free) => {
                    free.insert(*route);
                }
                Entry::Occupied(taken) if taken.get() == route => {}
                Entry::Occupied(taken) => {
                    let (path, first) = (taken.key(), taken.get().describe(widgets));
                    let problem =
                        format!("`{path}` would be {first} and {}; a path leads to one place", route.describe(widgets));
                    conflicts.push(Conflict { setting, problem });
                }
            }
        }
    }

    /// Every path and where it leads.
    pub fn iter(&self) -> impl Iterator<Item = (&str, Route)> {
        self.known.iter().map(|(path, route)| (path.as_str(), *route))
    }

    /// Where a path leads.
    #[must_use]
    pub fn find(&self, path: &str) -> Option<Route> {
        self.known.get(path).copied()
    }

    /// The part of an unknown path that stands before one of ours: under which mount somebody looks for us.
    #[must_use]
    pub fn foreign_mount<'a>(&self, path: &'a str) -> Option<&'a str> {
        let ends = path.match_indices('/').skip(1).map(|(at, _)| at);
        let (mount, _) = ends.map(|at| path.split_at(at)).find(|(_, rest)| self.known.contains_key(*rest))?;
        let plain = |c: char| c.is_ascii_alphanumeric() || "/-_.~".contains(c);
        (mount.len() <= 64 && mount.chars().all(plain)).then_some(mount)
    }
}

/// Where widgets' servers ask about tokens.
fn introspections(widgets: &[Settings]) -> impl Iterator<Item = (String, Route)> {
    let named = |(at, widget): (usize, &Settings)| {
        (format!("/introspect/{}", widget.name), Route::Introspect { widget: Some(at) })
    };
    let all = ("/introspect".to_owned(), Route::Introspect { widget: None });
    std::iter::once(all).chain(widgets.iter().enumerate().map(named))
}

/// What there is at every mount.
fn own(widgets: &[Settings], login: bool) -> Vec<(String, Route)> {
    let mut own = vec![("/session".to_owned(), Route::Session), ("/.well-known/jwks.json".to_owned(), Route::Keys)];
    for (widget, at) in widgets.iter().enumerate().map(|(at, widget)| (widget, at)) {
        let token = Route::Token { widget: at, bare: false };
        let refresh = widget.connection.is_some().then_some(Route::Refresh { widget: at });
        let named = |base: &str| format!("{base}/{}", widget.name);
        let first = (at == 0).then_some("");
        own.extend(first.map(|_| ("/token".to_owned(), token)));
        own.push((named("/token"), token));
        own.extend(first.and(refresh).map(|refresh| ("/refresh".to_owned(), refresh)));
        own.extend(refresh.map(|refresh| (named("/refresh"), refresh)));
        if widget.keyring().is_some_and(|keys| !keys.published().is_empty()) {
            own.push((named(PUBLIC_KEYS), Route::PublicKeys { widget: at, list: true }));
            own.push((named(PUBLIC_KEYS) + ".pem", Route::PublicKeys { widget: at, list: false }));
        }
    }
    for (file, script) in SCRIPTS.iter().enumerate() {
        own.push((format!("/{}", script.name), Route::Script { file, versioned: false }));
        let versioned = script.versioned.as_ref();
        own.extend(versioned.map(|name| (format!("/{name}"), Route::Script { file, versioned: true })));
    }
    let pages = LoginRoute::PATHS.iter().filter(|(_, route)| login || *route == LoginRoute::Logout);
    let leads = |route| if login { Route::Login(route) } else { Route::Goodbye };
    own.extend(pages.map(|(path, route)| ((*path).to_owned(), leads(*route))));
    own
}
