//! Encryption around signed tokens: its reader finds the signed token in it, and nobody else anything.

use std::sync::LazyLock;

use countersign::issuance::verifier::{expectation, opened};
use countersign::jose::algorithm::Algorithm;
use countersign::jose::jwe::{ContentKey, Decryption, Encryption, KEY_LEN, NotAKey, Sealed};
use countersign::jose::jws::examine::verify;
use countersign::jose::jws::rejected::Rejected;
use countersign::jose::signer::{HeaderOptions, Proof, Signer, generate_pem};
use data_encoding::BASE64URL_NOPAD;
use proptest::prelude::*;
use secrecy::{SecretSlice, SecretString};
use serde_json::Value;

use crate::introspection::{FULL, house, introspect, token};
use crate::kit::{BEHIND_PROXY, START, mistakes, read, settings};

const KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8";

/// A pair of RSA keys: private and public, in PEM.
static PAIR: LazyLock<(String, String)> = LazyLock::new(|| {
    let private = generate_pem(Algorithm::RS256).unwrap();
    let bytes = SecretSlice::from(private.clone().into_bytes());
    let signer = Signer::new(Algorithm::RS256, &bytes, &HeaderOptions::default()).unwrap();
    (private, signer.public_pem().unwrap())
});

fn proof(text: &str) -> Proof {
    Proof::of_vendor(&SecretString::from(text))
}

fn key() -> Encryption {
    Encryption::direct(&SecretSlice::from(BASE64URL_NOPAD.decode(KEY.as_bytes()).unwrap())).unwrap()
}

fn header(token: &str) -> Value {
    let first = token.split('.').next().unwrap();
    serde_json::from_slice(&BASE64URL_NOPAD.decode(first.as_bytes()).unwrap()).unwrap()
}

#[tokio::test]
async fn an_encrypted_token_shows_its_claims_to_nobody_but_its_reader() {
    for (setting, alg) in
        [(KEY, "dir"), (PAIR.1.as_str(), "RSA-OAEP-256"), (&PAIR.1.replace('\n', "\\n"), "RSA-OAEP-256")]
    {
        let house = house(&[("WIDGET_ENCRYPTION_KEY", setting)]);
        let token = token(&house, "alice").await;
        let said = header(&token);
        assert_eq!((&said["alg"], &said["enc"], &said["cty"]), (&alg.into(), &"A256GCM".into(), &"JWT".into()));
        assert!(!token.contains(&BASE64URL_NOPAD.encode(b"alice")[..5]));
        let decryption = if alg == "dir" { None } else { Some(Decryption::rsa(&PAIR.0.as_str().into()).unwrap()) };
        let own = key();
        let signed = decryption.or_else(|| own.decryption()).unwrap().open(&token).unwrap();
        let snapshot = house.app.state.snapshot();
        let widget = snapshot.widgets.get(None).unwrap();
        assert_eq!(verify(&signed, &expectation(widget, START).unwrap(), START).unwrap()["sub"], "alice");
        assert_eq!(opened(widget, &signed).unwrap(), signed, "what the reader has opened is taken as it is");
        assert_eq!(opened(widget, &token).is_ok(), alg == "dir", "the public half opens nothing");
    }
}

#[tokio::test]
async fn a_server_may_ask_about_an_encrypted_token_as_it_came_and_it_counts_once() {
    let house = house(&[("WIDGET_ENCRYPTION_KEY", KEY), ("INTROSPECTION_ONE_TIME", "true")]);
    let token = token(&house, "alice").await;
    let signed = key().decryption().unwrap().open(&token).unwrap();
    assert_eq!(introspect(&house, &token).await["sub"], "alice");
    for again in [&token, &signed] {
        assert_eq!(introspect(&house, again).await["active"], false, "in its encryption or out of it");
    }
    let foreign = Encryption::direct(&SecretSlice::from(vec![9; KEY_LEN])).unwrap();
    let foreign = foreign.around(&proof(&signed)).unwrap();
    let snapshot = house.app.state.snapshot();
    assert_eq!(opened(snapshot.widgets.get(None).unwrap(), foreign.reveal()).unwrap_err(), Rejected::Sealed);
    assert_eq!(introspect(&house, foreign.reveal()).await["active"], false);
}

/// RFC 7520 section 5.2: its content encryption, `A256GCM` under the protected header as it stands.
#[test]
fn content_is_opened_as_the_cookbook_says() {
    let decode = |text: &str| BASE64URL_NOPAD.decode(text.as_bytes()).unwrap();
    let key = ContentKey::new(&decode("mYMfsggkTAm0TbvtlFh2hyoXnbEzJQjMxmgLN3d8xXA")).unwrap();
    let header = "eyJhbGciOiJSU0EtT0FFUCIsImtpZCI6InNhbXdpc2UuZ2FtZ2VlQGhvYmJpdG9uLmV4YW1wbGUiLCJlbmMiOiJBMjU2R0NNIn0";
    let content = decode(
        "o4k2cnGN8rSSw3IDo1YuySkqeS_t2m1GXklSgqBdpACm6UJuJowOHC5ytjqYgRL-I-soPlwqMUf4UgRWWeaOGNw6vGW-xyM01lTYxrXfVzIIaRdhYtEMRBvBWbEwP7ua1DRfvaOjgZv6Ifa3brcAM64d8p5lhhNcizPersuhw5f-pGYzseva-TUaL8iWnctc-sSwy7SQmRkfhDjwbz0fz6kFovEgj64X1I5s7E6GLp5fnbYGLa1QUiML7Cc2GxgvI7zqWo0YIEc7aCflLG1-8BboVWFdZKLK9vNoycrYHumwzKluLWEbSVmaPpOslY2n525DxDfWaVFUfKQxMF56vn4B9QMpWAbnypNimbM8zVOw",
    );
    let (nonce, tag) = (decode("-nBoKLH0YkLZPSI9"), decode("UCGiqJxhBI3IFVdPalHHvA"));
    let text = key.open(header, &nonce, content.clone(), &tag).unwrap();
    assert!(text.starts_with("You can trust us to stick with you") && text.ends_with("We are your friends, Frodo."));
    assert_eq!(key.open(&header[1..], &nonce, content.clone(), &tag), Err(Sealed));
    assert_eq!(key.open(header, &nonce, content.clone(), &tag[..15]), Err(Sealed), "a tag has its whole length");
    assert_eq!(key.open(header, &nonce[1..], content, &tag), Err(Sealed));
}

#[test]
fn what_cannot_be_a_key_is_named_at_the_start() {
    let elliptic = generate_pem(Algorithm::ES256).unwrap();
    for (setting, says) in [
        ("AAECAwQF", "is 6 bytes long; A256GCM takes 32"),
        ("not base64!", "countersign keygen"),
        (elliptic.as_str(), "is no RSA key of 2048 to 8192 bits in PEM"),
        (PAIR.0.as_str(), "is no RSA key of 2048 to 8192 bits in PEM"),
    ] {
        let said = mistakes(&settings(&BEHIND_PROXY, &[&FULL[..], &[("WIDGET_ENCRYPTION_KEY", setting)]].concat()));
        assert!(said.contains("WIDGET_ENCRYPTION_KEY") && said.contains(says), "{says}: {said}");
    }
    assert!(matches!(Encryption::rsa("nothing"), Err(NotAKey::Rsa)));
}

#[test]
fn one_reader_may_have_several_widgets_by_its_public_key_and_a_shared_key_is_one_widgets_own() {
    let two = |key: &str| {
        let mut vars = settings(&BEHIND_PROXY, &[("WIDGETS", "a,b")]);
        vars.retain(|(name, _)| name == "WIDGETS" || !name.starts_with("WIDGET_"));
        for name in ["A", "B"] {
            let secret = format!("the secret of widget {name}, longer than 32 bytes");
            for (setting, value) in [
                ("PRESET", "userinfo"),
                ("ALGORITHM", "HS256"),
                ("AUDIENCE", "chat"),
                ("ISSUER", "clinic"),
                ("SECRET", &secret),
                ("ENCRYPTION_KEY", key),
            ] {
                vars.push((format!("WIDGET_{name}_{setting}"), value.to_owned()));
            }
        }
        vars
    };
    read(&two(&PAIR.1)).unwrap();
    let said = mistakes(&two(KEY));
    assert!(said.contains("WIDGET_B_ENCRYPTION_KEY") && said.contains("every secret must be its own"), "{said}");
}

#[test]
fn a_header_that_is_not_ours_opens_nothing() {
    let sealed = key().around(&proof("a.b.c")).unwrap();
    let (_, rest) = sealed.reveal().split_once('.').unwrap();
    for header in [
        r#"{"alg":"dir","enc":"A256GCM"}"#,
        r#"{"alg":"dir","enc":"A256GCM","cty":"JWT","zip":"DEF"}"#,
        r#"{"alg":"RSA-OAEP-256","enc":"A256GCM","cty":"JWT"}"#,
        "{}",
        "",
    ] {
        let changed = format!("{}.{rest}", BASE64URL_NOPAD.encode(header.as_bytes()));
        assert_eq!(key().decryption().unwrap().open(&changed), Err(Sealed), "{header}");
    }
}

proptest! {
    #[test]
    fn what_was_changed_on_the_way_is_not_opened(text in "[a-zA-Z0-9_.-]{0,80}", place in any::<prop::sample::Index>(), to in "[a-zA-Z0-9_.=-]") {
        let sealed = key().around(&proof(&text)).unwrap();
        let sealed = sealed.reveal();
        let opened = key().decryption().unwrap().open(sealed);
        prop_assert_eq!(opened, Ok(text));
        let at = place.index(sealed.len());
        let changed = format!("{}{to}{}", &sealed[..at], &sealed[at + 1..]);
        prop_assume!(changed != sealed);
        prop_assert_eq!(key().decryption().unwrap().open(&changed), Err(Sealed));
    }

    #[test]
    fn no_text_opens(text in "\\PC{0,200}") {
        prop_assert_eq!(key().decryption().unwrap().open(&text), Err(Sealed));
    }
}
