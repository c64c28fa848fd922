//! Pseudonyms: unique, constant, unidentifiable, and readable by the holder of the key alone.

use std::collections::BTreeSet;

use aes_siv::KeyInit as _;
use aes_siv::siv::Aes128Siv;
use countersign::base::siv::Key;
use countersign::claims::pseudonym::{Namespaces, Pseudonyms, Realm, UnmaskError, Unmasked};
use countersign::config::env::{Env, Mistakes};
use countersign::session::identity::Subject;
use data_encoding::{BASE64URL_NOPAD, HEXLOWER, HEXLOWER_PERMISSIVE};
use proptest::prelude::*;

const CLINIC: Realm<'static> = Realm { namespace: "default", audience: "clinic" };
const SUPPORT: Realm<'static> = Realm { namespace: "default", audience: "support" };
const PATIENTS: Realm<'static> = Realm { namespace: "patients", audience: "clinic" };

fn key(first: u8) -> Key {
    let bytes: Vec<u8> = (0..64).map(|i| first.wrapping_add(i)).collect();
    Key::from_bytes(&bytes).unwrap()
}

fn pseudonyms() -> Pseudonyms {
    Pseudonyms::new(key(0), Vec::new())
}

fn subject(text: &str) -> Subject {
    Subject::new(text).unwrap()
}

fn encoded(first: u8) -> String {
    BASE64URL_NOPAD.encode((0..64).map(|i| first.wrapping_add(i)).collect::<Vec<u8>>().as_ref())
}

fn read(vars: &[(&str, &str)]) -> Result<Option<Pseudonyms>, Mistakes> {
    let mut env = Env::new(vars.iter().copied());
    let read = Pseudonyms::read(&mut env);
    env.finish(&BTreeSet::new(), &[]).map(|_| read)
}

/// RFC 5297 appendix A.1.
#[test]
fn the_cipher_agrees_with_the_rfc_on_deterministic_encryption() {
    let key = HEXLOWER_PERMISSIVE
        .decode("fffefdfcfbfaf9f8f7f6f5f4f3f2f1f0f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff".as_ref())
        .unwrap();
    let ad = HEXLOWER_PERMISSIVE.decode("101112131415161718191a1b1c1d1e1f2021222324252627".as_ref()).unwrap();
    let text = HEXLOWER_PERMISSIVE.decode("112233445566778899aabbccddee".as_ref()).unwrap();
    let mut cipher = Aes128Siv::new(key.as_slice().try_into().unwrap());
    let sealed = cipher.encrypt([&ad], &text).unwrap();
    assert_eq!(HEXLOWER.encode(sealed.as_ref()), "85632d07c6e8f37f950acd320a2ecc9340c02b9690c4dc04daef7f6afe5c");
    assert_eq!(cipher.decrypt([&ad], &sealed).unwrap(), text);
}

/// RFC 5297 appendix A.2.
#[test]
fn the_cipher_agrees_with_the_rfc_on_several_associated_texts() {
    let key = HEXLOWER_PERMISSIVE
        .decode("7f7e7d7c7b7a79787776757473727170404142434445464748494a4b4c4d4e4f".as_ref())
        .unwrap();
    let ads = [
        "00112233445566778899aabbccddeeffdeaddadadeaddadaffeeddccbbaa99887766554433221100",
        "102030405060708090a0",
        "09f911029d74e35bd84156c5635688c0",
    ]
    .map(|ad| HEXLOWER_PERMISSIVE.decode(ad.as_ref()).unwrap());
    let text = b"this is some plaintext to encrypt using SIV-AES";
    let mut cipher = Aes128Siv::new(key.as_slice().try_into().unwrap());
    let sealed = cipher.encrypt(&ads, text).unwrap();
    let published = "7bdb6e3b432667eb06f4d14bff2fbd0fcb900f2fddbe404326601965c889bf17dba77ceb094fa663b7a3f748ba8af829\
                     ea64ad544a272e9c485b62a3fd5c0d";
    assert_eq!(HEXLOWER.encode(sealed.as_ref()), published);
    assert_eq!(cipher.decrypt(&ads, &sealed).unwrap(), text);
}

/// Worked out by another implementation (HKDF and AESSIV of Python's `cryptography` 48).
#[test]
fn a_derived_key_seals_what_another_implementation_seals() {
    let key = Key::derive(b"a secret", "a purpose");
    let sealed = key.seal([b"a", b"bc"], b"text");
    assert_eq!(HEXLOWER.encode(sealed.as_ref()), "29964fe4e49efc1d7aea974c51e4653206c6ea61");
    assert_eq!(key.open([b"a", b"bc"], &sealed).unwrap().as_slice(), b"text");
    assert!(key.open([b"ab", b"c"], &sealed).is_none());
    assert!(Key::derive(b"a secret", "another purpose").open([b"a", b"bc"], &sealed).is_none());
}

/// Worked out by another implementation (AESSIV of Python's `cryptography` 48). A change here changes everyone's id.
#[test]
fn ids_never_change() {
    let known = [
        (
            CLINIC,
            "248289761001",
            "p16a1bgbi5qjzwguw66twjoggahff77bndn3zlasr64kwiidiyep72hthj4uuumgsfquyaebnuerkqgbw5m4fyxhi7c2x43szceatsyirfvuy",
        ),
        (
            PATIENTS,
            "248289761001",
            "p16a1bu5ns2qw6ld45bdstxurhxt4nhvdm6t2ygn4wjxpd3zxbqtu7ydrh6xnrt62lholcxylzy2ozxyri3rp5k6soghw5ew5lo42jzlbchtq",
        ),
        (
            SUPPORT,
            "248289761001",
            "p16a1bcw3rgvakt5sh6ihes3km5qm64fpm5kurzjhuz5lp4of6yre7sydahuyrkxwpaqafesgreebfny6qdwu3kdbccwbvceqhatkr64yd4ly",
        ),
        (
            CLINIC,
            "zo\u{eb}@example.org",
            "p16a1bb6y6tc5broubkar2cl3jqo7wrbpojdzhsyljm6yuqqnpkv6tlkabp6oilekff2jesr44owz5syaqwi3q3bf4x3nrbqnguhotbswkb7i",
        ),
        (
            CLINIC,
            "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
            "p16a1br5uaeyvmpvfef4xyz75egszmgb2ntrsrjqh5lfnm4gh4pmyo6l3l6lw5s5srkw4bhl3ebobituipgrlwgag2wv6berqd7e6rlp4sq7soue4xrs2kjhqo3wth34fcdx5up624gxn53m5g642opwez5pqafiaqxx72ftn5pz7vv347ueojuwka",
        ),
    ];
    for (realm, text, id) in known {
        assert_eq!(pseudonyms().mask(realm, &subject(text)).as_str(), id);
    }
}

/// R2.
#[test]
fn a_replica_and_a_restart_give_the_same_id() {
    let key = encoded(7);
    let vars = [("PSEUDONYM_KEY", key.as_str())];
    let (one, other) = (read(&vars).unwrap().unwrap(), read(&vars).unwrap().unwrap());
    let subject = subject("jane");
    assert_eq!(one.mask(CLINIC, &subject), other.mask(CLINIC, &subject));
}

#[test]
fn the_length_tells_nothing() {
    let long = "x".repeat(48);
    for text in ["a", "248289761001", "2f1c8a0e-6a55-4d8f-9c59-5f0f0e6f2c11", &long] {
        let id = pseudonyms().mask(CLINIC, &subject(text));
        assert_eq!(id.as_str().len(), 109);
        assert_eq!(countersign::claims::pseudonym::Pseudonym::length(text.len()), 109);
    }
}

/// `external_id` takes 200 characters.
#[test]
fn subjects_of_96_bytes_fit_two_hundred_characters() {
    assert_eq!(pseudonyms().mask(CLINIC, &subject(&"x".repeat(96))).as_str().len(), 186);
    assert!(pseudonyms().mask(CLINIC, &subject(&"x".repeat(97))).as_str().len() > 200);
}

#[test]
fn an_id_is_read_back_whatever_the_vendor_did_to_its_case_and_beginning() {
    let id = pseudonyms().mask(CLINIC, &subject("jane"));
    for text in
        [id.as_str().to_owned(), format!("dl_{}", id.as_str()), format!(" DL_{} \n", id.as_str().to_uppercase())]
    {
        let unmasked = pseudonyms().unmask(&text, [SUPPORT, CLINIC]);
        assert_eq!(unmasked, Ok(Unmasked { realm: CLINIC, subject: subject("jane") }));
    }
}

#[test]
fn old_ids_stay_readable_after_a_key_is_added_and_new_ones_use_the_new_key() {
    let before = pseudonyms().mask(CLINIC, &subject("jane"));
    let rotated = Pseudonyms::new(key(1), vec![key(0)]);
    let after = rotated.mask(CLINIC, &subject("jane"));
    assert_ne!(before, after);
    for id in [&before, &after] {
        assert_eq!(rotated.unmask(id.as_str(), [CLINIC]).unwrap().subject, subject("jane"));
    }
    let missing = pseudonyms().unmask(after.as_str(), [CLINIC]);
    assert!(matches!(missing, Err(UnmaskError::UnknownKey { key_id }) if key_id == after.as_str()[2..6]));
}

#[test]
fn what_is_not_a_pseudonym_is_said_to_be_none() {
    let id = pseudonyms().mask(CLINIC, &subject("jane"));
    let id = id.as_str();
    let texts = [
        "",
        "p1",
        "jane",
        "p16a1b",
        "p16a1ba",
        "p26a1bgbi5",
        "p1zzzzgbi5",
        &id[..id.len() - 1],
        "p1\u{e9}\u{e9}\u{e9}",
    ];
    for text in texts {
        assert_eq!(pseudonyms().unmask(text, [CLINIC]), Err(UnmaskError::NotAPseudonym), "{text}");
    }
}

#[test]
fn an_id_of_another_widget_or_login_system_is_not_read() {
    let id = pseudonyms().mask(CLINIC, &subject("jane"));
    assert_eq!(pseudonyms().unmask(id.as_str(), [SUPPORT, PATIENTS]), Err(UnmaskError::NotGenuine));
}

#[test]
fn neither_ids_nor_keys_nor_people_are_printed() {
    let id = pseudonyms().mask(CLINIC, &subject("jane"));
    let unmasked = pseudonyms().unmask(id.as_str(), [CLINIC]).unwrap();
    let printed = format!("{id:?} {unmasked:?} {:?}", pseudonyms());
    assert!(!printed.contains(id.as_str()) && !printed.contains("jane") && !printed.contains("AAECAw"), "{printed}");
}

#[test]
fn a_key_that_is_no_key_stops_the_start_and_is_not_shown() {
    let short = &encoded(0)[..43];
    let (same, other) = (encoded(3), encoded(4));
    let (twice, both) = (format!("{other},{other}"), format!("{same},{other}"));
    for vars in [
        vec![("PSEUDONYM_KEY", short)],
        vec![("PSEUDONYM_KEY", &same), ("PSEUDONYM_KEYS_OLD", short)],
        vec![("PSEUDONYM_KEYS_OLD", &same)],
        vec![("PSEUDONYM_KEY", &same), ("PSEUDONYM_KEYS_OLD", &twice)],
    ] {
        let mistakes = read(&vars).unwrap_err();
        assert_eq!(mistakes.0.len(), 1, "{mistakes}");
        assert!(!mistakes.to_string().contains(&short[..10]) && !mistakes.to_string().contains(&same[..10]));
    }
    for old in [&same, &both] {
        let pseudonyms = read(&[("PSEUDONYM_KEY", &same), ("PSEUDONYM_KEYS_OLD", old)]).unwrap();
        assert!(pseudonyms.is_some(), "the key in force may be on its way out");
    }
    assert!(read(&[]).unwrap().is_none());
    assert!(
        read(&[("PSEUDONYM_KEY", &same), ("PSEUDONYM_KEYS_OLD", &format!("{short}{}, {other}", &encoded(0)[43..]))])
            .unwrap()
            .is_some()
    );
}

fn namespaces(text: &str) -> Result<Namespaces, Mistakes> {
    let mut env = Env::new([("SUBJECT_NAMESPACE", text)]);
    let read = Namespaces::read(&mut env);
    env.finish(&BTreeSet::new(), &[]).map(|_| read)
}

#[test]
fn every_source_shares_one_login_system_unless_it_is_given_its_own() {
    let plain = namespaces("").unwrap();
    assert_eq!((plain.of("forwarded"), plain.of("assertion")), ("default", "default"));
    let split = namespaces("staff, accounts=patients").unwrap();
    assert_eq!((split.of("forwarded"), split.of("accounts")), ("staff", "patients"));
    assert_eq!(split.all().collect::<Vec<_>>(), ["patients", "staff"]);
    assert_eq!(split.sources().collect::<Vec<_>>(), ["accounts"]);
    let own_only = namespaces("accounts=patients").unwrap();
    assert_eq!(own_only.all().collect::<Vec<_>>(), ["default", "patients"]);
    for wrong in ["a,b", "a b", "accounts=", "=x", "a=b=c"] {
        assert!(namespaces(wrong).is_err(), "{wrong}");
    }
}

proptest! {
    #[test]
    fn every_subject_comes_back(text in "[^\\p{C}]{1,256}", namespace in "[a-z]{1,9}", audience in "[a-z-]{1,40}") {
        let Ok(subject) = Subject::new(&text) else { return Ok(()) };
        let realm = Realm { namespace: &namespace, audience: &audience };
        let id = pseudonyms().mask(realm, &subject);
        prop_assert!(id.as_str().bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit()));
        prop_assert_eq!(id.as_str().len(), countersign::claims::pseudonym::Pseudonym::length(subject.as_str().len()));
        prop_assert_eq!(pseudonyms().unmask(id.as_str(), [realm]), Ok(Unmasked { realm, subject }));
    }

    #[test]
    fn different_people_widgets_login_systems_and_keys_have_different_ids(
        a in ("[a-z0-9@|.-]{1,60}", "[a-c]{1,3}", "[a-c]{1,3}", 0_u8..3),
        b in ("[a-z0-9@|.-]{1,60}", "[a-c]{1,3}", "[a-c]{1,3}", 0_u8..3),
    ) {
        let id = |(text, namespace, audience, first): &(String, String, String, u8)| {
            Pseudonyms::new(key(*first), Vec::new()).mask(Realm { namespace, audience }, &subject(text))
        };
        prop_assert_eq!(a == b, id(&a) == id(&b));
    }

    #[test]
    fn no_altered_id_is_ever_read(text in "[a-z0-9]{1,60}", at in any::<prop::sample::Index>(), to in "[a-z0-9_]") {
        let id = pseudonyms().mask(CLINIC, &subject(&text));
        let mut altered = id.as_str().to_owned();
        let at = at.index(altered.len());
        altered.replace_range(at..=at, &to);
        prop_assume!(altered != id.as_str());
        prop_assert!(pseudonyms().unmask(&altered, [CLINIC, SUPPORT, PATIENTS]).is_err());
    }

    #[test]
    fn nothing_hostile_crashes_the_reading(text in ".{0,300}") {
        prop_assert!(pseudonyms().unmask(&text, [CLINIC]).is_err());
    }
}
