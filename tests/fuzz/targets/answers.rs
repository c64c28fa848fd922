//! What identity providers answer: discovery, token, userinfo, introspection. Whatever they say, nobody is believed without a
//! signature of theirs, and nobody becomes another than the signature names.
#![no_main]

mod fit;

use std::sync::{Arc, LazyLock, Mutex};

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use countersign::base::clock::{Clock, UnixTime};
use countersign::config::env::Env;
use countersign::jose::jwks::discovery::Metadata;
use countersign::login::oidc::settings::Settings;
use countersign::login::oidc::{Answer, Oidc};
use countersign::login::transaction::Transaction;
use countersign::net::outbound::Outbound;
use countersign::net::peer::TrustedProxies;
use countersign::session::Authenticator as _;
use countersign::sources::bearer::{self, Bearer};
use countersign::sources::plan::Collaborators;
use data_encoding::BASE64URL_NOPAD;
use fit::is_fit;
use http::Request;
use libfuzzer_sys::fuzz_target;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::{Builder, Runtime};
use url::Host;

const NOW: UnixTime = UnixTime(1_900_000_000);
const ISSUER: &str = "https://login.example.org";

static RUNTIME: LazyLock<Runtime> =
    LazyLock::new(|| Builder::new_current_thread().enable_all().build().expect("a runtime"));

/// A provider on this machine: its documents are sound, and the answers that are tried are what the target says.
struct Provider {
    base: String,
    key: EcdsaKeyPair,
    token: Mutex<Vec<u8>>,
    tried: Mutex<Vec<u8>>,
}

static PROVIDER: LazyLock<Arc<Provider>> = LazyLock::new(|| {
    let listener = RUNTIME.block_on(TcpListener::bind("127.0.0.1:0")).expect("a port");
    let base = format!("http://{}", listener.local_addr().expect("an address"));
    let key = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).expect("a key");
    let provider = Arc::new(Provider { base, key, token: Mutex::default(), tried: Mutex::default() });
    let serving = provider.clone();
    RUNTIME.spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(serve(serving.clone(), stream));
        }
    });
    provider
});

async fn serve(provider: Arc<Provider>, mut stream: TcpStream) {
    let mut asked = Vec::new();
    loop {
        let mut piece = [0; 4096];
        match stream.read(&mut piece).await {
            Ok(0) | Err(_) => return,
            Ok(length) => asked.extend_from_slice(&piece[..length]),
        }
        let Some(end) = asked.windows(4).position(|four| four == b"\r\n\r\n") else { continue };
        let head = String::from_utf8_lossy(&asked[..end]).to_ascii_lowercase();
        let length = head.split("content-length: ").nth(1).and_then(|rest| rest.lines().next()?.parse::<usize>().ok());
        if asked.len() < end + 4 + length.unwrap_or(0) {
            continue;
        }
        asked.clear();
        let body = provider.answer(head.split(' ').nth(1).unwrap_or_default());
        let head =
            format!("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n", body.len());
        if stream.write_all(&[head.as_bytes(), &body].concat()).await.is_err() {
            return;
        }
    }
}

impl Provider {
    fn answer(&self, path: &str) -> Vec<u8> {
        match path {
            "/.well-known/openid-configuration" => self.document().to_string().into_bytes(),
            "/keys" => self.keys().to_string().into_bytes(),
            "/token" => self.token.lock().expect("a lock").clone(),
            _ => self.tried.lock().expect("a lock").clone(),
        }
    }

    fn document(&self) -> Value {
        let at = |path: &str| format!("{}{path}", self.base);
        json!({ "issuer": self.base, "jwks_uri": at("/keys"), "authorization_endpoint": at("/authorize"),
            "token_endpoint": at("/token"), "userinfo_endpoint": at("/userinfo") })
    }

    fn keys(&self) -> Value {
        let point = self.key.public_key().as_ref();
        let part = |range: std::ops::Range<usize>| BASE64URL_NOPAD.encode(&point[range]);
        json!({ "keys": [{ "kty": "EC", "crv": "P-256", "alg": "ES256", "use": "sig", "kid": "a", "x": part(1..33), "y": part(33..65) }] })
    }

    fn id_token(&self, nonce: &str) -> String {
        let header = json!({ "alg": "ES256", "kid": "a" });
        let claims =
            json!({ "iss": self.base, "aud": "chat", "sub": "jane", "nonce": nonce, "iat": NOW.0, "exp": NOW.0 + 300 });
        let part = |value: &Value| BASE64URL_NOPAD.encode(value.to_string().as_bytes());
        let input = format!("{}.{}", part(&header), part(&claims));
        let signature = self.key.sign(&SystemRandom::new(), input.as_bytes()).expect("a signature");
        format!("{input}.{}", BASE64URL_NOPAD.encode(signature.as_ref()))
    }
}

static CLIENT: LazyLock<Oidc> = LazyLock::new(|| {
    let clock = Clock::manual(NOW).0;
    let mut env = Env::new([
        ("OIDC_ISSUER", PROVIDER.base.as_str()),
        ("OIDC_CLIENT_ID", "chat"),
        ("OIDC_CLIENT_SECRET", "a-secret-of-the-client-0123456789abcdef"),
        ("OIDC_ALGORITHMS", "ES256"),
    ]);
    let settings = Settings::read(&mut env, &Outbound::default()).expect("a sound configuration");
    Oidc::new(settings, "https://www.example.org/chat", &Outbound::default(), &clock).expect("a provider")
});

static BEARER: LazyLock<Bearer> = LazyLock::new(|| {
    let address = format!("{}/introspect", PROVIDER.base);
    let mut env = Env::new([
        ("BEARER_INTROSPECTION_URL", address.as_str()),
        ("BEARER_INTROSPECTION_CLIENT_ID", "chat"),
        ("BEARER_INTROSPECTION_CLIENT_SECRET", "a-secret-of-the-client-0123456789abcdef"),
        ("BEARER_AUDIENCE", "chat"),
    ]);
    let (outbound, proxies, clock) = (Outbound::default(), TrustedProxies::default(), Clock::manual(NOW).0);
    let settings = bearer::settings::Settings::read(&mut env, &outbound).expect("a sound configuration");
    let with = Collaborators { outbound: &outbound, proxies: &proxies, clock: &clock, login: None };
    Bearer::new(settings, &with).expect("an endpoint")
});

// The first byte says what is answered, the rest is the answer.
fuzz_target!(|data: &[u8]| {
    let Some((first, answer)) = data.split_first() else { return };
    match first % 4 {
        0 => discovery(answer),
        1 => token(answer),
        2 => userinfo(answer),
        _ => introspection(answer),
    }
});

fn discovery(answer: &[u8]) {
    let Ok(metadata) = Metadata::read(answer, ISSUER, false) else { return };
    let document: Value = serde_json::from_slice(answer).expect("JSON");
    assert_eq!(document["issuer"], ISSUER);
    for name in ["jwks_uri", "token_endpoint", "userinfo_endpoint", "authorization_endpoint"] {
        let Some(endpoint) = metadata.endpoint(name) else { continue };
        assert_eq!(endpoint.scheme(), "https");
        let here = match endpoint.host().expect("a host") {
            Host::Domain(name) => name == "localhost",
            Host::Ipv4(address) => address.is_loopback(),
            Host::Ipv6(address) => address.is_loopback(),
        };
        assert!(!here, "{endpoint}: this machine");
    }
}

fn finish(
    token: Vec<u8>,
    tried: &[u8],
    transaction: &Transaction,
) -> Option<countersign::login::sessions::record::NewLogin> {
    *PROVIDER.token.lock().expect("a lock") = token;
    *PROVIDER.tried.lock().expect("a lock") = tried.to_vec();
    let answer = Answer { code: Some("code".to_owned()), ..Answer::default() };
    RUNTIME.block_on(CLIENT.finish(&answer, transaction)).ok()
}

fn token(answer: &[u8]) {
    let login = finish(answer.to_vec(), b"{}", &Transaction::begin(NOW));
    assert!(login.is_none(), "somebody, without anybody's signature");
}

fn userinfo(answer: &[u8]) {
    let transaction = Transaction::begin(NOW);
    let tokens =
        json!({ "token_type": "Bearer", "access_token": "a", "id_token": PROVIDER.id_token(&transaction.nonce) });
    let Some(login) = finish(tokens.to_string().into_bytes(), answer, &transaction) else { return };
    is_fit(&login.identity);
    assert_eq!(login.identity.subject.as_str(), "jane", "the signed word counts");
    let document: Value = serde_json::from_slice(answer).expect("JSON, for nobody else has signed anything");
    assert_eq!(document["sub"], "jane");
}

fn introspection(answer: &[u8]) {
    *PROVIDER.tried.lock().expect("a lock") = answer.to_vec();
    let request =
        Request::get("/").header("authorization", "Bearer opaque").body(()).expect("a request").into_parts().0;
    let Ok(Ok(session)) = RUNTIME.block_on(BEARER.authenticate(&request)) else { return };
    is_fit(&session.identity);
    let document: Value = serde_json::from_slice(answer).expect("JSON");
    assert_eq!(document["active"], true);
    let audience = &document["aud"];
    assert!(audience == "chat" || audience.as_array().is_some_and(|all| all.iter().any(|one| one == "chat")));
    assert!(session.expires_at.is_none_or(|end| end.0 + 60 > NOW.0));
}
