//! Azure's `X-MS-CLIENT-PRINCIPAL`: standard base64 of JSON, in the two shapes that there are.
//!
//! App Service, Functions and Container Apps send a list of claims that may repeat; Static Web Apps sends the provider, an id
//! of its own and the roles, and the claims only sometimes.

use data_encoding::BASE64_NOPAD;
use serde::Deserialize;

use super::value::base64;
use crate::session::identity::{EMAIL_MAX, Identity, NAME_MAX, Subject, display, fit_groups, tidy};

/// Roles that Static Web Apps gives to everybody and to everybody who is logged in.
const OF_EVERYBODY: [&str; 2] = ["anonymous", "authenticated"];

#[derive(Deserialize)]
struct Principal {
    #[serde(default)]
    claims: Option<Vec<Claim>>,
    #[serde(default)]
    name_typ: Option<String>,
    #[serde(default)]
    role_typ: Option<String>,
    #[serde(default, rename = "userId")]
    user_id: Option<String>,
    #[serde(default, rename = "userDetails")]
    user_details: Option<String>,
    #[serde(default, rename = "userRoles")]
    user_roles: Option<Vec<String>>,
}

#[derive(Deserialize)]
struct Claim {
    typ: String,
    val: String,
}

/// Who it is; `Err` says why nobody.
pub(super) fn read(field: &[u8]) -> Result<Identity, &'static str> {
    let json = base64(field, &BASE64_NOPAD).ok_or("is not base64")?;
    // Checked as a whole: the reader passes over what it does not look at, and another would find no JSON in it.
    let json = str::from_utf8(&json).map_err(|_| "is not UTF-8")?;
    let principal: Principal = serde_json::from_str(json).map_err(|_| "is not the JSON that Azure sends")?;
    principal.identity().ok_or("names nobody: no tenant and object id, no name id, no userId, or two of one")
}

impl Principal {
    fn claims(&self) -> impl Iterator<Item = &Claim> {
        self.claims.iter().flatten()
    }

    /// The one value of a claim; `None` when it is absent or stands there twice with different values.
    fn one(&self, types: &[&str]) -> Option<&str> {
        let mut values = self.claims().filter(|c| types.contains(&c.typ.as_str())).map(|c| c.val.as_str());
        let first = values.next()?;
        values.all(|other| other == first).then_some(first)
    }

    /// Tenant and object id together are the durable key of a Microsoft identity; a name is not.
    fn subject(&self) -> Option<Subject> {
        const OBJECT: [&str; 2] = ["oid", "http://schemas.microsoft.com/identity/claims/objectidentifier"];
        const TENANT: [&str; 2] = ["tid", "http://schemas.microsoft.com/identity/claims/tenantid"];
        const NAME_ID: [&str; 2] = ["sub", "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/nameidentifier"];
        let durable = self.one(&TENANT).zip(self.one(&OBJECT)).map(|(tenant, object)| format!("{tenant}.{object}"));
        let named = || self.one(&NAME_ID).map(str::to_owned);
        let subject = durable.or_else(named).or_else(|| self.user_id.clone())?;
        Subject::new(&subject).ok()
    }

    fn identity(&self) -> Option<Identity> {
        const EMAIL: [&str; 3] =
            ["email", "emails", "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/emailaddress"];
        let mut identity = Identity::new(self.subject()?);
        let named = self.name_typ.as_deref().and_then(|typ| self.one(&[typ]));
        let shown = self.one(&["name"]).or(named).or(self.user_details.as_deref());
        identity.name = shown.and_then(|text| display(text, NAME_MAX));
        identity.email = self.one(&EMAIL).and_then(|text| tidy(text, EMAIL_MAX).ok().flatten());
        let is_group = |typ: &str| typ == "groups" || typ == "roles" || self.role_typ.as_deref() == Some(typ);
        let claimed = self.claims().filter(|c| is_group(&c.typ)).map(|c| c.val.as_str());
        let roles = self.user_roles.iter().flatten().map(String::as_str).filter(|role| !OF_EVERYBODY.contains(role));
        identity.groups = fit_groups(claimed.chain(roles));
        Some(identity)
    }
}
