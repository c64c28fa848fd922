//! Others' examples: those of RFC 7515 and RFC 7519, and Wycheproof's JSON web signatures and keys.

use countersign::base::clock::UnixTime;
use countersign::jose::algorithm::Algorithm;
use countersign::jose::jwks::key::{Key, KeySet};
use countersign::jose::jws::examine::{Expectation, verify};
use countersign::jose::jws::rejected::Rejected;
use data_encoding::BASE64URL_NOPAD;
use secrecy::SecretSlice;
use serde_json::{Value, json};

/// What RFC 7515 appendix A signs: `iss` is joe, and `exp` is 1300819380.
const CLAIMS: &str = "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ";
const BEFORE_ITS_END: UnixTime = UnixTime(1_300_819_379);

fn key_set(key: &Value) -> Option<KeySet> {
    if key.get("keys").is_some() {
        return KeySet::from_json(key.to_string().as_bytes());
    }
    if key["kty"] == "oct" {
        let secret = BASE64URL_NOPAD.decode(key["k"].as_str()?.as_ref()).ok()?;
        let algorithm = Algorithm::named(key["alg"].as_str()?)?;
        return Some(KeySet::of(vec![Key::shared(&SecretSlice::from(secret), algorithm)]));
    }
    Key::from_jwk(key).map(|key| KeySet::of(vec![key]))
}

/// The verdict on a token under this key, when `algorithm` was agreed on.
fn verdict(key: &Value, algorithm: &str, token: &str, required: Vec<&'static str>) -> Result<(), Rejected> {
    let (keys, algorithm) = key_set(key).zip(Algorithm::named(algorithm)).ok_or(Rejected::UnknownKey)?;
    let expected = Expectation { required, ..Expectation::of(algorithm, vec![&keys]) };
    verify(token, &expected, BEFORE_ITS_END).map(drop)
}

/// Appendices A.1 (which is section 3.1 of RFC 7519), A.2 and A.3.
fn examples() -> [(&'static str, Value, String); 3] {
    let rsa = "ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ";
    [
        (
            "HS256",
            json!({ "kty": "oct", "alg": "HS256",
                "k": "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow" }),
            format!("eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9.{CLAIMS}.dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"),
        ),
        (
            "RS256",
            json!({ "kty": "RSA", "e": "AQAB", "n": rsa }),
            format!(
                "eyJhbGciOiJSUzI1NiJ9.{CLAIMS}.cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw"
            ),
        ),
        (
            "ES256",
            json!({ "kty": "EC", "crv": "P-256", "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
                "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0" }),
            format!(
                "eyJhbGciOiJFUzI1NiJ9.{CLAIMS}.DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q"
            ),
        ),
    ]
}

#[test]
fn the_examples_of_rfc_7515_and_rfc_7519_hold() {
    for (algorithm, key, token) in examples() {
        assert_eq!(verdict(&key, algorithm, &token, vec!["exp"]), Ok(()), "{algorithm}");
        for (other, _, _) in examples().iter().filter(|(other, _, _)| *other != algorithm) {
            assert!(verdict(&key, other, &token, vec!["exp"]).is_err(), "{algorithm} is taken for {other}");
        }
        let keys = key_set(&key).unwrap();
        let expected = Expectation::of(Algorithm::named(algorithm).unwrap(), vec![&keys]);
        assert_eq!(verify(&token, &expected, UnixTime(1_300_819_411)).err(), Some(Rejected::Expired));
    }
}

/// RFC 7515 appendix A.4: what is signed is no JSON, which is looked at after the signature.
#[test]
fn the_p521_example_of_rfc_7515_is_signed_and_is_no_token() {
    let key = json!({ "kty": "EC", "crv": "P-521",
        "x": "AekpBQ8ST8a8VcfVOTNl353vSrDCLLJXmPk06wTjxrrjcBpXp5EOnYG_NjFZ6OvLFV1jSfS9tsz4qUxcWceqwQGk",
        "y": "ADSmRA43Z1DSNx_RvcLI87cdL07l6jQyyBXMoxVg_l2Th-x3S1WDhjDly79ajL4Kkd0AZMaZmh9ubmf63e3kyMj2" });
    let token = "eyJhbGciOiJFUzUxMiJ9.UGF5bG9hZA.AdwMgeerwtHoh-l192l60hp9wAHZFVJbLfD_UxMi70cwnZOYaRI1bKPWROc-mZZqwqT2SI-KGDKB34XO0aw_7XdtAG8GaSwFKdCAPZgoXD2YBJZCPEX3xKpRwcdOO8KpEHwJjyqOgzDO7iKvU8vcnwNrmxYbSW9ERBXukOXolLzeO_Jn";
    assert_eq!(verdict(&key, "ES512", token, Vec::new()), Err(Rejected::Claims));
}

/// RFC 7515 appendix A.5, which is section 6.1 of RFC 7519.
#[test]
fn the_unsecured_example_is_never_accepted() {
    let unsecured = format!("eyJhbGciOiJub25lIn0.{CLAIMS}.");
    for (algorithm, key, token) in examples() {
        assert_eq!(verdict(&key, algorithm, &unsecured, vec!["exp"]), Err(Rejected::Malformed));
        let signature = token.rsplit('.').next().unwrap();
        assert_eq!(verdict(&key, algorithm, &format!("{unsecured}{signature}"), vec![]), Err(Rejected::Algorithm));
    }
}

/// Where we differ from Wycheproof's signatures on purpose.
const SIGNATURES: &[&str] = &[
    // A token is three parts that hold something: these sign nothing.
    "rs256: emptyPayload",
    "rs384: emptyPayload",
    "rs512: emptyPayload",
    "ps256: emptyPayload",
    "ps384: emptyPayload",
    "ps512: emptyPayload",
    // The key says PS256, and the token PS384; and ES521 is no algorithm.
    "rfc7520: Figure20",
    "rfc7520: Figure27",
    "rfc7520WithKeyOps: Figure20",
    "rfc7520WithKeyOps: Figure27",
    // Called invalid, and letter for letter the token that is called valid as ValidMac.
    "base64: invalidBase64Padding",
    "base64: invalidBase64PaddingInPayload",
    // Called valid, with a question mark in them.
    "base64: InvalidCharacterInsertedInHeader",
    "base64: InvalidCharacterInsertedInPayload",
];

/// Where we differ from Wycheproof's keys on purpose.
const KEYS: &[&str] = &[
    // A shared secret is a setting and is read from no key set; nor are the long ones below.
    "jws_keyset: acceptsValid",
    // What a producer's key was made with cannot be seen from here.
    "jws_rsa_roca_key: rejectsKeyWithRocaVulnerability",
    "HS256: long_key",
    "HS384: long_key",
    "HS512: long_key",
];

/// Every vector of a file on which we and Wycheproof differ. What it signs is no JSON: where the signature holds that is what is
/// left to say.
fn differences(text: &str) -> (usize, Vec<String>) {
    let groups: Vec<Value> = serde_json::from_str(text).unwrap();
    let (mut count, mut different) = (0, Vec::new());
    for group in &groups {
        for test in group["tests"].as_array().unwrap() {
            count += 1;
            let token = test["jws"].as_str().unwrap();
            let verdict = verdict(&group["key"], &agreed(&group["key"], token), token, Vec::new());
            let holds = matches!(verdict, Ok(()) | Err(Rejected::Claims));
            if holds != (test["result"] == "valid") {
                let name = format!("{}: {}", group["comment"].as_str().unwrap(), test["comment"].as_str().unwrap());
                different.push(name);
            }
        }
    }
    (count, different)
}

/// The algorithm that the key is for; the token's where the key does not say.
fn agreed(key: &Value, token: &str) -> String {
    let named = key["alg"].as_str().map(str::to_owned);
    named.unwrap_or_else(|| {
        let header = BASE64URL_NOPAD.decode(token.split('.').next().unwrap().as_ref()).unwrap_or_default();
        let header: Value = serde_json::from_slice(&header).unwrap_or_default();
        header["alg"].as_str().unwrap_or_default().to_owned()
    })
}

#[test]
fn wycheproofs_signatures_are_judged_as_wycheproof_judges_them() {
    let (count, different) = differences(include_str!("data/wycheproof/json_web_signature.json"));
    assert_eq!(count, 401);
    assert_eq!(different, SIGNATURES);
}

#[test]
fn wycheproofs_keys_are_used_as_wycheproof_uses_them() {
    let (count, different) = differences(include_str!("data/wycheproof/json_web_key.json"));
    assert_eq!(count, 26);
    assert_eq!(different, KEYS);
}
