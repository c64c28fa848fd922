//! Keys made on the spot, and tokens signed with them the way producers sign, or the way attackers would.

#![expect(clippy::disallowed_types, reason = "tests sign as producers do, with keys that live as long as the test")]

use std::sync::OnceLock;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    self as s, EcdsaKeyPair, EcdsaSigningAlgorithm, Ed25519KeyPair, KeyPair as _, RsaEncoding, RsaKeyPair,
};
use data_encoding::{BASE64, BASE64URL, BASE64URL_NOPAD};
use serde_json::{Value, json};

/// A producer's key pair.
pub struct TestKey {
    pub kid: String,
    pub alg: &'static str,
    pair: Pair,
}

enum Pair {
    Ec(EcdsaKeyPair),
    Rsa(&'static RsaKeyPair),
    Ed(Ed25519KeyPair),
    Secret(Vec<u8>),
}

/// RSA keys take long to make, and nothing here depends on two being different but the two there are.
static RSA: [OnceLock<RsaKeyPair>; 2] = [OnceLock::new(), OnceLock::new()];

impl TestKey {
    pub fn new(alg: &'static str, kid: &str) -> Self {
        Self::numbered(alg, kid, 0)
    }

    /// A second key, for whoever signs with the wrong one.
    pub fn other(alg: &'static str, kid: &str) -> Self {
        Self::numbered(alg, kid, 1)
    }

    fn numbered(alg: &'static str, kid: &str, number: usize) -> Self {
        let ec = |algorithm: &'static EcdsaSigningAlgorithm| Pair::Ec(EcdsaKeyPair::generate(algorithm).unwrap());
        let pair = match alg {
            "ES256" => ec(&s::ECDSA_P256_SHA256_FIXED_SIGNING),
            "ES384" => ec(&s::ECDSA_P384_SHA384_FIXED_SIGNING),
            "ES512" => ec(&s::ECDSA_P521_SHA512_FIXED_SIGNING),
            "EdDSA" => Pair::Ed(Ed25519KeyPair::generate().unwrap()),
            "HS256" => Pair::Secret(vec![b'k' + u8::try_from(number).unwrap(); 40]),
            _ => Pair::Rsa(RSA[number].get_or_init(|| RsaKeyPair::generate(KeySize::Rsa2048).unwrap())),
        };
        Self { kid: kid.to_owned(), alg, pair }
    }

    /// A secret shared with the producer.
    pub fn shared(secret: &[u8]) -> Self {
        Self { kid: "shared".to_owned(), alg: "HS256", pair: Pair::Secret(secret.to_vec()) }
    }

    pub fn sign(&self, message: &[u8]) -> Vec<u8> {
        match &self.pair {
            Pair::Ec(pair) => pair.sign(&SystemRandom::new(), message).unwrap().as_ref().to_vec(),
            Pair::Ed(pair) => pair.sign(message).as_ref().to_vec(),
            Pair::Secret(secret) => {
                let key = jsonwebtoken::EncodingKey::from_secret(secret);
                let text = jsonwebtoken::crypto::sign(message, &key, jsonwebtoken::Algorithm::HS256).unwrap();
                BASE64URL_NOPAD.decode(text.as_ref()).unwrap()
            }
            Pair::Rsa(pair) => {
                let padding: &dyn RsaEncoding = match self.alg {
                    "RS256" => &s::RSA_PKCS1_SHA256,
                    "RS384" => &s::RSA_PKCS1_SHA384,
                    "RS512" => &s::RSA_PKCS1_SHA512,
                    "PS256" => &s::RSA_PSS_SHA256,
                    "PS384" => &s::RSA_PSS_SHA384,
                    "PS512" => &s::RSA_PSS_SHA512,
                    other => panic!("no such test key: {other}"),
                };
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(padding, &SystemRandom::new(), message, &mut signature).unwrap();
                signature
            }
        }
    }

    /// The public half as a JWK.
    pub fn jwk(&self) -> Value {
        let encode = |bytes: &[u8]| BASE64URL_NOPAD.encode(bytes);
        let mut jwk = match &self.pair {
            Pair::Ec(pair) => {
                let point = &pair.public_key().as_ref()[1..];
                let (x, y) = point.split_at(point.len() / 2);
                let crv = [(32, "P-256"), (48, "P-384"), (66, "P-521")].iter().find(|(size, _)| *size == x.len());
                json!({ "kty": "EC", "crv": crv.unwrap().1, "x": encode(x), "y": encode(y) })
            }
            Pair::Ed(pair) => json!({ "kty": "OKP", "crv": "Ed25519", "x": encode(pair.public_key().as_ref()) }),
            // RSAPublicKey in DER: 30 82 .. .. 02 82 01 01 00 (256 bytes of n) 02 03 (3 bytes of e).
            Pair::Rsa(pair) => {
                let der = pair.public_key().as_ref();
                json!({ "kty": "RSA", "n": encode(&der[9..265]), "e": encode(&der[der.len() - 3..]) })
            }
            Pair::Secret(secret) => json!({ "kty": "oct", "k": encode(secret) }),
        };
        jwk["kid"] = json!(self.kid);
        jwk["alg"] = json!(self.alg);
        jwk["use"] = json!("sig");
        jwk
    }

    /// The public half as PEM.
    pub fn pem(&self) -> String {
        use aws_lc_rs::encoding::AsDer as _;
        let der = match &self.pair {
            Pair::Ec(pair) => pair.public_key().as_der().unwrap().as_ref().to_vec(),
            Pair::Ed(pair) => pair.public_key().as_der().unwrap().as_ref().to_vec(),
            Pair::Rsa(pair) => pair.public_key().as_der().unwrap().as_ref().to_vec(),
            Pair::Secret(_) => panic!("a secret has no public half"),
        };
        let text = BASE64.encode(der.as_ref());
        let lines: Vec<&str> = text.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).unwrap()).collect();
        format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n", lines.join("\n"))
    }

    /// A token with this header and these claims, as this key signs them.
    pub fn token(&self, header: &Value, claims: &Value) -> String {
        self.token_of(&header.to_string(), &claims.to_string())
    }

    /// A token with exactly these texts as header and claims.
    pub fn token_of(&self, header: &str, claims: &str) -> String {
        let signed = format!("{}.{}", BASE64URL_NOPAD.encode(header.as_ref()), BASE64URL_NOPAD.encode(claims.as_ref()));
        let signature = BASE64URL_NOPAD.encode(self.sign(signed.as_bytes()).as_ref());
        format!("{signed}.{signature}")
    }

    /// The same, padded as AWS pads.
    pub fn padded_token_of(&self, header: &str, claims: &str) -> String {
        let signed = format!("{}.{}", BASE64URL.encode(header.as_ref()), BASE64URL.encode(claims.as_ref()));
        let signature = BASE64URL.encode(self.sign(signed.as_bytes()).as_ref());
        format!("{signed}.{signature}")
    }
}

/// A JWK set of these keys.
pub fn key_set(keys: &[&TestKey]) -> String {
    json!({ "keys": keys.iter().map(|key| key.jwk()).collect::<Vec<Value>>() }).to_string()
}

/// A header as this key writes it.
pub fn header_of(key: &TestKey) -> Value {
    json!({ "alg": key.alg, "typ": "JWT", "kid": key.kid })
}
