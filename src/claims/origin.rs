//! Where each claim of a template comes from, for the operator who wrote it.

use std::collections::BTreeSet;

use super::registered::Stamped;
use super::{ClaimTemplate, Node};

impl ClaimTemplate {
    /// Every claim that this template may fill, by its path, with where its value comes from.
    #[must_use]
    pub fn origins(&self) -> Vec<(String, String)> {
        let mut all = Vec::new();
        self.root.iter().for_each(|(name, node)| node.origins(name, "written in the template", &mut all));
        self.fixed.iter().for_each(|(name, node)| node.origins(name, "fixed by the vendor's format", &mut all));
        let registered = &self.registered;
        let subject =
            registered.subject.iter().map(|rule| (rule.claim.as_ref(), "the visitor's id, as WIDGET_SUBJECT says"));
        let issuer = registered.issuer.iter().map(|_| ("iss", "the configuration"));
        let audience = registered.audience.iter().take(1).map(|_| ("aud", "the configuration"));
        let stamped = registered.stamped.iter().map(|stamped| match stamped {
            Stamped::IssuedAt => ("iat", "the clock, back-dated by CLOCK_SKEW"),
            Stamped::NotBefore => ("nbf", "the clock, back-dated by CLOCK_SKEW"),
            Stamped::Expires => ("exp", "the clock: WIDGET_LIFETIME, and never beyond the session"),
            Stamped::Id => ("jti", "made anew for every token"),
        });
        let laid_over = subject.chain(issuer).chain(audience).chain(stamped);
        all.extend(laid_over.map(|(name, from)| (name.to_owned(), from.to_owned())));
        all
    }

    /// Names of the attributes that it reads one by one (`attributes.plan`).
    #[must_use]
    pub fn attributes(&self) -> BTreeSet<String> {
        let mut names = BTreeSet::new();
        self.nodes().for_each(|(_, node)| node.attributes(&mut names));
        names
    }
}

impl Node {
    fn origins(&self, path: &str, literal: &str, all: &mut Vec<(String, String)>) {
        match self {
            Self::Literal(_) => all.push((path.to_owned(), literal.to_owned())),
            Self::Computed(computed) => all.push((path.to_owned(), format!("{{{{ {} }}}}", computed.rule.expression))),
            Self::Object(fields) => {
                for (name, node) in fields {
                    node.origins(&format!("{path}.{name}"), literal, all);
                }
            }
            Self::Array(items) => {
                for (at, node) in items.iter().enumerate() {
                    node.origins(&format!("{path}[{at}]"), literal, all);
                }
            }
            Self::JsonText(node) => node.origins(path, literal, all),
        }
    }

    fn attributes(&self, names: &mut BTreeSet<String>) {
        match self {
            Self::Literal(_) => {}
            Self::Computed(computed) => names.extend(computed.expression.attributes()),
            Self::Object(fields) => fields.iter().for_each(|(_, node)| node.attributes(names)),
            Self::Array(items) => items.iter().for_each(|node| node.attributes(names)),
            Self::JsonText(node) => node.attributes(names),
        }
    }
}
