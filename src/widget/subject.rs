//! How visitors' ids are written for a widget's vendor.

use std::borrow::Cow;
use std::sync::Arc;

use super::presets::SubjectForm;
use super::vars::SUBJECT;
use crate::claims::pseudonym::{self, Namespaces, Pseudonyms, Realm};
use crate::config::env::Env;
use crate::session::identity::Subject;

const FORMS: [(&str, SubjectForm); 3] =
    [("plain", SubjectForm::Plain), ("hex", SubjectForm::Hex), ("pseudonym", SubjectForm::Pseudonym)];

/// Writes visitors' ids for one widget.
#[derive(Debug, Clone)]
pub(super) enum SubjectWriter {
    Plain,
    Hex,
    Pseudonym { keys: Arc<Pseudonyms>, namespaces: Arc<Namespaces>, audience: String },
}

impl SubjectWriter {
    pub(super) fn write<'a>(&self, source: &str, subject: &'a Subject) -> Cow<'a, str> {
        match self {
            Self::Plain => Cow::Borrowed(subject.as_str()),
            Self::Hex => Cow::Owned(hex::encode(subject.as_str())),
            Self::Pseudonym { keys, namespaces, audience } => {
                let realm = Realm { namespace: namespaces.of(source), audience };
                Cow::Owned(keys.mask(realm, subject).into())
            }
        }
    }

    /// Reads the form, which is `usual` when the operator says nothing; `None` after naming what is wrong.
    pub(super) fn read(
        env: &mut Env,
        usual: SubjectForm,
        keys: Option<&Arc<Pseudonyms>>,
        namespaces: &Arc<Namespaces>,
        audience: &str,
    ) -> Option<Self> {
        let chosen = env.choice(&SUBJECT, &FORMS);
        if chosen.is_none() && env.is_set(&SUBJECT) {
            return None;
        }
        match chosen.unwrap_or(usual) {
            SubjectForm::Plain => Some(Self::Plain),
            SubjectForm::Hex => Some(Self::Hex),
            SubjectForm::Pseudonym => {
                let (namespaces, audience) = (namespaces.clone(), audience.to_owned());
                let keys = keys.cloned().or_else(|| no_keys(env))?;
                Some(Self::Pseudonym { keys, namespaces, audience })
            }
        }
    }
}

fn no_keys<T>(env: &mut Env) -> Option<T> {
    let name = env.name_of(&SUBJECT);
    let why = format!("is required for pseudonyms ({name}): `countersign keygen --kind pseudonym` makes one");
    env.mistake_in(&pseudonym::KEY, &why);
    None
}
