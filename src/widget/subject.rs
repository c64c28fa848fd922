//! How visitors' ids are written for a widget's vendor.

use std::borrow::Cow;
use std::sync::Arc;

use super::presets::SubjectForm;
use super::vars::WIDGET_SUBJECT;
use crate::claims::pseudonym::{self, Namespaces, Pseudonyms, Realm};
use crate::config::env::Env;
use crate::session::identity::Subject;
use data_encoding::HEXLOWER;

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
            Self::Hex => Cow::Owned(HEXLOWER.encode(subject.as_str().as_ref())),
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
        let chosen = env.choice(&WIDGET_SUBJECT, &FORMS);
        if chosen.is_none() && env.is_set(&WIDGET_SUBJECT) {
            return None;
        }
        let form = chosen.unwrap_or(usual);
        if form != SubjectForm::Pseudonym && namespaces.are_several() {
            let name = env.name_of(&WIDGET_SUBJECT);
            let why = format!(
                "names several login systems, and {name} is not pseudonym: to this widget whoever has the same id in two of them is one person, and can be read as the other"
            );
            env.warn(pseudonym::SUBJECT_NAMESPACE.name, &why);
        }
        match form {
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
    let name = env.name_of(&WIDGET_SUBJECT);
    let why = format!("is required for pseudonyms ({name}): `countersign keygen --kind pseudonym` makes one");
    env.mistake_in(&pseudonym::PSEUDONYM_KEY, &why);
    None
}
