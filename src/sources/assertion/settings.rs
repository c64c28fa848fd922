//! From the environment to what an assertion must be like. Whatever a convention needs and nobody set is named at start.

use std::time::Duration;

use http::HeaderName;
use secrecy::ExposeSecret as _;
use url::Url;

use crate::base::secret::Encoding;
use crate::config::env::{Env, Var};
use crate::jose::algorithm::Algorithm;
use crate::jose::jwks::discovery::document_of;
use crate::jose::jwks::key::{Key, KeySet};
use crate::jose::jwks::remote::callable;
use crate::jose::jws::rules::{Audience, Requirement, Rules};
use crate::jose::jws::times::{SKEW, SKEW_MAX};
use crate::net::outbound::Outbound;
use crate::session::mapping::{Mapping, MappingVars};
use crate::sources::assertion::conventions::{Bound, CONVENTIONS, Convention, KeysAt};
use crate::sources::assertion::vars::{
    ASSERTION_ALGORITHMS, ASSERTION_AUDIENCE, ASSERTION_CLIENT, ASSERTION_CLOCK_SKEW, ASSERTION_CONVENTION,
    ASSERTION_HEADER, ASSERTION_HOST, ASSERTION_ISSUER, ASSERTION_JWKS_URL, ASSERTION_KEYS, ASSERTION_MAX_AGE,
    ASSERTION_REQUIRE, ASSERTION_SECRET, ASSERTION_SIGNER, ASSERTION_TEAM, ASSERTION_TENANT, MAPPING,
};

/// Shortest shared secret in bytes: as long as what it signs with (RFC 7518 section 3.2).
const SECRET_LEAST: usize = 32;

/// What assertions must be like and where their keys are.
#[derive(Debug, Clone)]
pub struct Settings {
    pub(super) convention: &'static Convention,
    pub(super) header: HeaderName,
    pub(super) rules: Rules,
    pub(super) keys: Place,
    pub(super) mapping: Mapping,
}

/// Where the keys are.
#[derive(Debug, Clone)]
pub(super) enum Place {
    Pinned(KeySet),
    Set(Url),
    Discovered(String),
    OneByOne(Url),
}

impl Settings {
    /// Reads and checks them; `None` after naming what is wrong.
    pub fn read(env: &mut Env, outbound: &Outbound) -> Option<Self> {
        let known = CONVENTIONS.each_ref().map(|convention| (convention.name, convention));
        if !env.is_set(&ASSERTION_CONVENTION) {
            env.mistake_in(
                &ASSERTION_CONVENTION,
                "is required for the source assertion: who signs the identity header",
            );
        }
        Reader { convention: env.choice(&ASSERTION_CONVENTION, &known)?, env, outbound }.read()
    }
}

/// One convention's settings being read. Everything is read before anything is missed, so that one start names it all.
struct Reader<'a> {
    convention: &'static Convention,
    env: &'a mut Env,
    outbound: &'a Outbound,
}

impl Reader<'_> {
    fn read(mut self) -> Option<Settings> {
        let header = self.header();
        let issuer = self.issuer();
        let signers = self.signers();
        let audience = self.audience(signers.as_deref());
        let shared = self.shared();
        let algorithms = self.algorithms(shared.is_some());
        let keys = self.keys(shared, issuer.as_deref(), signers.as_deref()).filter(|keys| self.may_be_called(keys));
        let requirements = self.requirements();
        let skew = self.env.duration_within(&ASSERTION_CLOCK_SKEW, Duration::ZERO, SKEW_MAX);
        let max_age = self.env.duration(&ASSERTION_MAX_AGE).or(self.convention.max_age);
        let mapping = self.mapping();
        let rules = Rules {
            padding: self.convention.padding,
            replicated: matches!(self.convention.bound, Bound::Signer { .. }),
            requirements,
            skew: skew.unwrap_or(SKEW),
            max_age,
            ..Rules::new(algorithms, issuer?, audience?)
        };
        Some(Settings { convention: self.convention, header: header?, rules, keys: keys?, mapping })
    }

    fn header(&mut self) -> Option<HeaderName> {
        if self.env.is_set(&ASSERTION_HEADER) {
            return self.env.parse(&ASSERTION_HEADER);
        }
        match self.convention.header {
            "" => self.needed(&ASSERTION_HEADER),
            header => Some(HeaderName::from_static(header)),
        }
    }

    fn issuer(&mut self) -> Option<String> {
        match self.env.text(&ASSERTION_ISSUER) {
            Some(issuer) => Some(issuer),
            None if self.convention.issuer.is_empty() => self.needed(&ASSERTION_ISSUER),
            None => self.fill(self.convention.issuer),
        }
    }

    fn audience(&mut self, signers: Option<&[Arn]>) -> Option<Audience> {
        match self.convention.bound {
            Bound::Includes => self.audiences("").map(Audience::Includes),
            Bound::Only(template) => self.audiences(template).map(Audience::Only),
            Bound::Signer { client, .. } => {
                let named = if client { self.env.text(&ASSERTION_CLIENT) } else { None };
                if client && named.is_none() {
                    return self.needed(&ASSERTION_CLIENT);
                }
                let signers = signers?.iter().map(|arn| arn.text.clone()).collect();
                Some(Audience::Marked { signers, client: named })
            }
        }
    }

    fn audiences(&mut self, template: &str) -> Option<Vec<String>> {
        let configured: Vec<String> = self.env.list(&ASSERTION_AUDIENCE);
        match configured.as_slice() {
            [] if template.is_empty() => self.needed(&ASSERTION_AUDIENCE),
            [] => self.fill(template).map(|audience| vec![audience]),
            _ => Some(configured),
        }
    }

    fn signers(&mut self) -> Option<Vec<Arn>> {
        let Bound::Signer { of, .. } = self.convention.bound else { return None };
        let arns: Vec<Arn> = self.env.list(&ASSERTION_SIGNER);
        let Some(first) = arns.first() else { return self.needed(&ASSERTION_SIGNER) };
        if arns.iter().any(|arn| (&arn.partition, &arn.region) != (&first.partition, &first.region)) {
            self.env
                .mistake_in(&ASSERTION_SIGNER, "names signers of several regions, whose keys are in different places");
            return None;
        }
        if !arns.iter().all(|arn| arn.service == of.0 && arn.resource.starts_with(of.1)) {
            let problem = format!("must look like arn:aws:{}:REGION:ACCOUNT:{}...", of.0, of.1);
            self.env.mistake_in(&ASSERTION_SIGNER, &problem);
            return None;
        }
        Some(arns)
    }

    fn shared(&mut self) -> Option<KeySet> {
        let secret = self.convention.shared.then(|| self.env.secret(&ASSERTION_SECRET)).flatten()?;
        let bytes = Encoding::Utf8.decode(&secret).ok()?;
        if bytes.expose_secret().len() < SECRET_LEAST {
            self.env.mistake_in(&ASSERTION_SECRET, "is shorter than 32 bytes, too short for HS256");
        }
        Some(KeySet::of(vec![Key::shared(&bytes, Algorithm::HS256)]))
    }

    fn algorithms(&mut self, shared: bool) -> Vec<Algorithm> {
        let configured: Vec<Algorithm> = self.env.list(&ASSERTION_ALGORITHMS);
        if !configured.is_empty() && configured.iter().any(|algorithm| algorithm.is_symmetric()) != shared
            || shared && configured.iter().any(|algorithm| *algorithm != Algorithm::HS256)
        {
            let problem = "HS256 goes with ASSERTION_SECRET, and with nothing else besides it";
            self.env.mistake_in(&ASSERTION_ALGORITHMS, problem);
        }
        match configured.as_slice() {
            [] if shared => vec![Algorithm::HS256],
            [] => self.convention.algorithms.to_vec(),
            _ => configured,
        }
    }

    fn keys(&mut self, shared: Option<KeySet>, issuer: Option<&str>, signers: Option<&[Arn]>) -> Option<Place> {
        let pinned = self.pinned();
        let url = self.url();
        if [shared.is_some(), self.env.is_set(&ASSERTION_KEYS), self.env.is_set(&ASSERTION_JWKS_URL)]
            .iter()
            .filter(|set| **set)
            .count()
            > 1
        {
            self.env.mistake_in(&ASSERTION_KEYS, "keep one of ASSERTION_KEYS, ASSERTION_JWKS_URL and ASSERTION_SECRET");
        }
        if let Some(keys) = shared.or(pinned) {
            return Some(Place::Pinned(keys));
        }
        match self.convention.keys {
            KeysAt::OneByOne(partitions) => {
                url.or_else(|| self.fill_region(partitions, signers?.first()?)).map(Place::OneByOne)
            }
            _ if url.is_some() => url.map(Place::Set),
            _ if self.env.is_set(&ASSERTION_KEYS) || self.env.is_set(&ASSERTION_JWKS_URL) => None,
            KeysAt::Set(template) => self.fill(template)?.parse().ok().map(Place::Set),
            KeysAt::Discovery => Some(self.discovered(issuer?)),
        }
    }

    fn may_be_called(&mut self, keys: &Place) -> bool {
        let called = match keys {
            Place::Pinned(_) => return true,
            Place::OneByOne(url) if url.query().is_some() || url.fragment().is_some() => {
                Err("the address that a key id is appended to has neither query nor fragment".to_owned())
            }
            Place::Set(url) | Place::OneByOne(url) => self.outbound.check(url),
            // An issuer that is none has been named already.
            Place::Discovered(issuer) => document_of(issuer).map_or(Ok(()), |url| self.outbound.check(&url)),
        };
        called.map_err(|problem| self.env.mistake_in(&ASSERTION_JWKS_URL, &problem)).is_ok()
    }

    fn discovered(&mut self, issuer: &str) -> Place {
        if let Err(problem) = document_of(issuer) {
            self.env.mistake_in(&ASSERTION_ISSUER, &format!("{problem}; or set ASSERTION_JWKS_URL"));
        }
        Place::Discovered(issuer.to_owned())
    }

    fn pinned(&mut self) -> Option<KeySet> {
        let text = self.env.text(&ASSERTION_KEYS)?;
        let is_json = text.trim_start().starts_with('{');
        let read = if is_json { KeySet::from_json } else { KeySet::from_pem };
        let keys = read(text.as_bytes());
        if keys.is_none() {
            self.env.mistake_in(&ASSERTION_KEYS, "is neither a JWK set with a usable key nor public keys in PEM");
        }
        keys
    }

    fn url(&mut self) -> Option<Url> {
        let url: Url = self.env.parse(&ASSERTION_JWKS_URL)?;
        callable(&url).map_err(|problem| self.env.mistake_in(&ASSERTION_JWKS_URL, problem)).ok()?;
        Some(url)
    }

    fn requirements(&mut self) -> Vec<Requirement> {
        let ours = self.convention.requirements.iter().filter_map(|text| text.parse().ok());
        ours.chain(self.env.list(&ASSERTION_REQUIRE)).collect()
    }

    fn mapping(&mut self) -> Mapping {
        let subject = Var { default: self.convention.subject, ..MAPPING.subject };
        let vars = MappingVars { subject, ..MAPPING };
        Mapping::read(self.env, &vars)
    }

    /// A template with its blanks filled from settings that must then be there, and be what belongs into an address.
    fn fill(&mut self, template: &str) -> Option<String> {
        type Fits = fn(&str) -> bool;
        const BLANKS: [(&str, &Var, Fits, &str); 3] = [
            ("{team}", &ASSERTION_TEAM, is_label, "is the team's name alone, as acme in acme.cloudflareaccess.com"),
            ("{host}", &ASSERTION_HOST, is_host, "is a host name alone, as chat.example.org"),
            ("{tenant}", &ASSERTION_TENANT, is_label, "is the tenant's id, letters, digits and dashes"),
        ];
        let mut filled = template.to_owned();
        for (blank, var, fits, right) in BLANKS.iter().filter(|(blank, ..)| template.contains(blank)) {
            let Some(value) = self.env.text(var) else { return self.needed(var) };
            if !fits(&value) {
                self.env.mistake_in(var, right);
                return None;
            }
            filled = filled.replace(blank, &value);
        }
        Some(filled)
    }

    fn fill_region(&mut self, partitions: &[(&str, &str)], arn: &Arn) -> Option<Url> {
        let template =
            partitions.iter().find(|(partition, _)| *partition == arn.partition).map(|(_, template)| template);
        if template.is_none() {
            let problem = "is needed: the keys of this partition are in no place that is known here";
            self.env.mistake_in(&ASSERTION_JWKS_URL, problem);
        }
        template?.replace("{region}", &arn.region).parse().ok()
    }

    fn needed<T>(&mut self, var: &Var) -> Option<T> {
        let problem = format!("is required for {}: {}", self.convention.name, var.doc);
        self.env.mistake_in(var, &problem);
        None
    }
}

fn is_label(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

fn is_host(text: &str) -> bool {
    text.split('.').all(is_label)
}

/// An Amazon resource name. Its region says where keys are fetched, so it is read from the configuration and never from a
/// token.
#[derive(Debug, Clone)]
struct Arn {
    text: String,
    partition: String,
    service: String,
    region: String,
    resource: String,
}

impl std::str::FromStr for Arn {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parts: Vec<&str> = text.splitn(6, ':').collect();
        let ["arn", partition, service, region, _, resource] = parts[..] else {
            return Err("an ARN has six parts, as arn:aws:service:region:account:resource");
        };
        if !is_label(region) {
            return Err("the ARN names no region");
        }
        let [text, partition, service, region, resource] =
            [text, partition, service, region, resource].map(str::to_owned);
        Ok(Self { text, partition, service, region, resource })
    }
}
