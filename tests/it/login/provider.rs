//! An identity provider on this machine that does as it is told, right or wrong: what the relying-party modules of the
//! `OpenID` conformance suite do, in process.

use countersign::base::clock::{Clock, ManualClock, UnixTime};
use countersign::store::Store;
use serde_json::{Map, Value, json};
use url::Url;

use super::browser::{Answer, Browser, From};
use super::house::House;
use crate::kit::START;
use crate::publisher::{Asked, Page, Publisher};
use crate::tokens::{TestKey, header_of, key_set};

pub const CLIENT: &str = "chat identity:1";
pub const SECRET: &str = "kX4vQm8Zt2Lr6Wp0+Jd3/Hn7:Bs5&Yc1=Gf9A";

pub struct Provider {
    pub publisher: Publisher,
    pub key: TestKey,
}

/// One login as the provider will answer it. Tests bend what they want bent.
pub struct Plan {
    pub header: Value,
    pub claims: Value,
    pub key: Option<TestKey>,
    pub token: Option<String>,
    pub answer: Value,
    pub token_page: Option<Page>,
    pub userinfo: Option<Page>,
    pub query: Vec<(String, String)>,
}

impl Plan {
    pub fn claim(mut self, name: &str, value: Value) -> Self {
        self.claims[name] = value;
        self
    }

    pub fn without(mut self, name: &str) -> Self {
        self.claims.as_object_mut().unwrap().remove(name);
        self
    }

    pub fn saying(mut self, name: &str, value: &str) -> Self {
        self.query.retain(|(known, _)| known != name);
        if !value.is_empty() {
            self.query.push((name.to_owned(), value.to_owned()));
        }
        self
    }
}

impl Provider {
    pub async fn start() -> Self {
        let provider = Self { publisher: Publisher::start().await, key: TestKey::new("RS256", "one") };
        provider.publish(&json!({}), &[&provider.key]);
        provider
    }

    pub fn issuer(&self) -> String {
        self.publisher.url("")
    }

    /// Publishes its documents, with these members changed.
    pub fn publish(&self, changes: &Value, keys: &[&TestKey]) {
        let mut document = json!({
            "issuer": self.issuer(),
            "authorization_endpoint": self.publisher.url("/authorize"),
            "token_endpoint": self.publisher.url("/token"),
            "userinfo_endpoint": self.publisher.url("/userinfo"),
            "jwks_uri": self.publisher.url("/jwks"),
            "end_session_endpoint": self.publisher.url("/end"),
            "authorization_response_iss_parameter_supported": true,
        });
        for (name, value) in changes.as_object().unwrap() {
            document[name] = value.clone();
        }
        self.publisher.put("/.well-known/openid-configuration", Page::ok(document.to_string()));
        self.publisher.put("/jwks", Page::ok(key_set(keys)));
    }

    /// A house that logs in here.
    pub fn house(&self, changes: &[(&str, &str)]) -> House {
        let (clock, hands) = Clock::manual(START);
        self.house_over(changes, Store::memory(clock.clone()), clock, hands)
    }

    pub fn house_over(&self, changes: &[(&str, &str)], store: Store, clock: Clock, hands: ManualClock) -> House {
        let issuer = self.issuer();
        let mut vars = vec![
            ("LOGIN", "oidc"),
            ("OIDC_ISSUER", issuer.as_str()),
            ("OIDC_CLIENT_ID", CLIENT),
            ("OIDC_CLIENT_SECRET", SECRET),
        ];
        vars.retain(|(name, _)| !changes.iter().any(|(changed, _)| changed == name));
        vars.extend(changes.iter().filter(|(_, value)| !value.is_empty()));
        House::over(&vars, store, clock, hands)
    }

    /// A right answer to an authorization request, begun at `now`.
    pub fn plan(&self, request: &Map<String, Value>, now: UnixTime) -> Plan {
        let claims = json!({
            "iss": self.issuer(), "aud": CLIENT, "sub": "248289761001", "nonce": request["nonce"], "sid": "op-session-1",
            "iat": now.0, "exp": now.0 + 300, "auth_time": now.0 - 60, "acr": "urn:strong", "amr": ["pwd", "otp"],
        });
        let userinfo =
            json!({ "sub": "248289761001", "name": "Jane Doe", "email": "jane@example.org", "email_verified": true });
        let text = |name: &str| request[name].as_str().unwrap().to_owned();
        Plan {
            header: header_of(&self.key),
            claims,
            key: None,
            token: None,
            answer: json!({ "token_type": "Bearer", "access_token": "at-1", "expires_in": 300 }),
            token_page: None,
            userinfo: Some(Page::ok(userinfo.to_string()).with("content-type", "application/json")),
            query: vec![
                ("code".to_owned(), "SplxlOBeZQQYbYS6WxSbIA".to_owned()),
                ("state".to_owned(), text("state")),
                ("iss".to_owned(), self.issuer()),
            ],
        }
    }

    /// Carries a plan out: what the endpoints say, and the address the visitor comes back to.
    pub fn carry_out(&self, plan: &Plan) -> String {
        let key = plan.key.as_ref().unwrap_or(&self.key);
        let token = plan.token.clone().unwrap_or_else(|| key.token(&plan.header, &plan.claims));
        let mut answer = plan.answer.clone();
        if answer.get("id_token").is_none() {
            answer["id_token"] = json!(token);
        }
        let page = || Page::ok(answer.to_string()).with("content-type", "application/json");
        self.publisher.put("/token", plan.token_page.clone().unwrap_or_else(page));
        match &plan.userinfo {
            Some(page) => self.publisher.put("/userinfo", page.clone()),
            None => self.publisher.remove("/userinfo"),
        }
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        query.extend_pairs(&plan.query);
        format!("/login/callback?{}", query.finish())
    }

    /// Begins a login: the authorization request's parameters.
    pub async fn begin(&self, house: &House, browser: &mut Browser, path: &str) -> Map<String, Value> {
        let answer = browser.get(&house.router, path, From::Own).await;
        let address = Url::parse(answer.location()).unwrap();
        assert!(address.as_str().starts_with(&self.publisher.url("/authorize?")), "{address}");
        address.query_pairs().map(|(name, value)| (name.into_owned(), Value::from(value))).collect()
    }

    /// A whole login, bent by `bend`.
    pub async fn log_in(&self, house: &House, browser: &mut Browser, bend: impl FnOnce(Plan) -> Plan) -> Answer {
        let request = self.begin(house, browser, "/login?return_to=/help").await;
        let plan = bend(self.plan(&request, house_time(house)));
        browser.get(&house.router, &self.carry_out(&plan), From::Elsewhere).await
    }

    /// What the token endpoint was asked last.
    pub fn last_exchange(&self) -> Asked {
        let asked = self.publisher.asked();
        asked.into_iter().rfind(|asked| asked.line.starts_with("POST /token")).expect("the token endpoint was asked")
    }

    /// A logout token, bent by `bend`.
    pub fn logout_token(&self, now: UnixTime, bend: impl FnOnce(&mut Value)) -> String {
        let mut claims = json!({
            "iss": self.issuer(), "aud": CLIENT, "sub": "248289761001", "sid": "op-session-1", "jti": "lt-1",
            "iat": now.0, "exp": now.0 + 120,
            "events": { "http://schemas.openid.net/event/backchannel-logout": {} },
        });
        bend(&mut claims);
        let mut header = header_of(&self.key);
        header["typ"] = json!("logout+jwt");
        self.key.token(&header, &claims)
    }
}

fn house_time(house: &House) -> UnixTime {
    house.clock.now()
}
