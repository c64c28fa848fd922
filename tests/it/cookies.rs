//! Cookies: whose they are, and that none stands in the light of another.

mod jar;

use countersign::net::cookies::{OwnCookie, SameSite, is_contradicted, one, pairs};
use http::header::COOKIE;
use http::{HeaderMap, HeaderValue};
use proptest::prelude::*;

use self::jar::{Host, Jar};

const OURS: &str = "__Host-countersign";

fn headers(lines: &[&[u8]]) -> HeaderMap {
    lines.iter().map(|line| (COOKIE, HeaderValue::from_bytes(line).unwrap())).collect()
}

fn found(line: &str) -> Option<String> {
    one(&headers(&[line.as_bytes()]), OURS).map(|value| String::from_utf8(value.to_vec()).unwrap())
}

/// CK-3. What Unicode calls space is part of a name; a browser takes such a name from any neighbouring host.
#[test]
fn a_neighbouring_host_cannot_plant_our_cookie_under_a_name_that_only_looks_like_it() {
    let spaces = "\u{85}\u{A0}\u{1680}\u{2000}\u{2003}\u{2007}\u{2028}\u{2029}\u{202F}\u{205F}\u{3000}\u{FEFF}\u{200B}";
    for space in spaces.chars() {
        for planted in [format!("{space}{OURS}"), format!("{OURS}{space}"), format!("{space}{OURS}{space}")] {
            assert_eq!(found(&format!("{planted}=evil")), None, "{planted:?}");
            assert_eq!(found(&format!("{planted}=evil; {OURS}=mine")).as_deref(), Some("mine"), "{planted:?}");
            assert_eq!(found(&format!("{OURS}=mine; {planted}=evil")).as_deref(), Some("mine"), "{planted:?}");
        }
    }
    for planted in ["__host-countersign", "__HOST-COUNTERSIGN", "__Host-countersign ", "\"__Host-countersign\""] {
        assert_eq!(found(&format!("{planted}=evil")), None, "{planted:?}");
    }
    assert_eq!(found(&format!("a=1;\t {OURS}=mine \t;b=2")).as_deref(), Some("mine"), "space of HTTP is space");
}

#[test]
fn no_number_of_other_cookies_hides_ours() {
    let junk: Vec<String> = (0..400).map(|n| format!("j{n}=x")).collect();
    assert_eq!(found(&format!("{}; {OURS}=mine", junk.join("; "))).as_deref(), Some("mine"));
    let split = headers(&[junk.join("; ").as_bytes(), b"__Host-countersign=mine"]);
    assert_eq!(one(&split, OURS), Some(&b"mine"[..]), "in a line of its own");
}

#[test]
fn a_byte_that_is_no_text_hides_only_the_cookie_it_stands_in() {
    for broken in
        [&b"a=\xFF; __Host-countersign=mine"[..], b"\xFFa=1; __Host-countersign=mine", b"__Host-countersign=mine; \xC3"]
    {
        assert_eq!(one(&headers(&[broken]), OURS), Some(&b"mine"[..]));
    }
    let own = OwnCookie::new(OURS, SameSite::Strict).unwrap();
    assert_eq!(own.value(&headers(&[b"__Host-countersign=\xFF"])), None, "nothing that we have set");
}

/// CK-3.
#[test]
fn two_equal_copies_are_one_cookie_and_different_ones_are_none() {
    assert_eq!(found(&format!("{OURS}=mine; a=b; {OURS}=mine")).as_deref(), Some("mine"));
    assert_eq!(found(&format!("{OURS}=mine; {OURS}=evil")), None);
    let split = headers(&[b"__Host-countersign=mine", b"__Host-countersign=\xFF"]);
    assert_eq!((one(&split, OURS), is_contradicted(&split, OURS)), (None, true), "also where one is no text");
    assert!(!is_contradicted(&headers(&[b"__Host-countersign=a; __Host-countersign=a"]), OURS));
}

/// A `Set-Cookie` line made of what matters to a reader of cookies.
fn set_cookie() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        Just(OURS.as_bytes().to_vec()),
        Just(b"__host-countersign".to_vec()),
        Just(b"sid".to_vec()),
        Just(b"=".to_vec()),
        Just(b" ".to_vec()),
        Just(b"\t".to_vec()),
        Just("\u{2000}".as_bytes().to_vec()),
        Just(b"\xA0".to_vec()),
        Just(b"\"".to_vec()),
        Just(b",".to_vec()),
        "[a-z]{1,3}".prop_map(String::into_bytes),
        proptest::collection::vec(any::<u8>(), 1..4),
    ];
    proptest::collection::vec(piece, 0..6).prop_map(|pieces| pieces.concat())
}

proptest! {
    /// CK-1, CK-3.
    #[test]
    fn only_our_own_host_can_say_what_our_cookie_is(
        planted in proptest::collection::vec(set_cookie(), 0..80),
        mine in proptest::option::of("[A-Za-z0-9_-]{1,8}"),
        at in any::<prop::sample::Index>(),
    ) {
        let mut jar = Jar::default();
        let at = at.index(planted.len() + 1);
        for (n, line) in planted.iter().enumerate() {
            if let Some(mine) = mine.as_ref().filter(|_| n == at) {
                jar.set(Host::Ours, format!("{OURS}={mine}; Path=/; Secure").as_bytes());
            }
            jar.set(Host::Neighbour, line);
        }
        if let Some(mine) = mine.as_ref().filter(|_| at == planted.len()) {
            jar.set(Host::Ours, format!("{OURS}={mine}; Path=/; Secure").as_bytes());
        }
        let sent = headers(&[&jar.line()]);
        prop_assert_eq!(one(&sent, OURS), mine.as_deref().map(str::as_bytes));
    }

    /// CK-3.
    #[test]
    fn the_reader_finds_what_the_browser_keeps(
        ours in proptest::collection::vec(set_cookie(), 0..20),
        planted in proptest::collection::vec(set_cookie(), 0..20),
    ) {
        let mut jar = Jar::default();
        for (host, lines) in [(Host::Ours, &ours), (Host::Neighbour, &planted)] {
            for line in lines {
                jar.set(host, line);
            }
        }
        let sent = headers(&[&jar.line()]);
        for name in ["sid", OURS].into_iter().chain(pairs(&sent).map(|(name, _)| name)) {
            let values = jar.values(name.as_bytes());
            let only = (values.len() == 1).then(|| values[0].as_slice());
            prop_assert_eq!(one(&sent, name), only, "{}", name);
            prop_assert_eq!(is_contradicted(&sent, name), values.len() > 1);
        }
    }
}
