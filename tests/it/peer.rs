//! Whose word about the client's address is believed.

use std::net::IpAddr;

use countersign::config::env::Env;
use countersign::net::peer::{Peer, TrustedProxies};
use http::HeaderMap;
use proptest::prelude::*;

fn proxies(list: &str) -> TrustedProxies {
    TrustedProxies::read(&mut Env::new([("TRUSTED_PROXIES", list)]))
}

fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in pairs {
        headers.append(*name, value.parse().unwrap());
    }
    headers
}

fn client(list: &str, peer: &str, pairs: &[(&'static str, &str)]) -> String {
    let peer = if peer == "unix" { Peer::Unix } else { Peer::Tcp(peer.parse().unwrap()) };
    proxies(list).client(peer, &headers(pairs)).to_string()
}

/// H-6.
#[test]
fn a_stranger_says_nothing_about_addresses() {
    assert_eq!(client("10.0.0.1", "203.0.113.9", &[("x-forwarded-for", "1.1.1.1")]), "203.0.113.9");
    assert_eq!(
        client("", "203.0.113.9", &[("x-forwarded-for", "1.1.1.1")]),
        "203.0.113.9",
        "an empty list trusts nobody"
    );
    assert_eq!(client("10.0.0.1", "203.0.113.9", &[("forwarded", "for=1.1.1.1")]), "203.0.113.9");
}

/// H-6.
#[test]
fn behind_our_proxies_the_right_most_foreign_hop_is_the_client() {
    let ours = "10.0.0.0/8,192.0.2.1";
    assert_eq!(client(ours, "10.0.0.1", &[("x-forwarded-for", "203.0.113.9")]), "203.0.113.9");
    assert_eq!(
        client(ours, "10.0.0.1", &[("x-forwarded-for", "6.6.6.6, 203.0.113.9, 10.2.2.2")]),
        "203.0.113.9",
        "what the client claimed itself is passed over"
    );
    assert_eq!(
        client(ours, "10.0.0.1", &[("x-forwarded-for", "6.6.6.6"), ("x-forwarded-for", "203.0.113.9, 192.0.2.1")]),
        "203.0.113.9"
    );
    assert_eq!(client(ours, "unix", &[("x-forwarded-for", "203.0.113.9")]), "203.0.113.9");
    assert_eq!(
        client(ours, "10.0.0.1", &[("forwarded", "for=6.6.6.6, for=\"[2001:db8::9]:4711\";proto=https")]),
        "2001:db8::9"
    );
    assert_eq!(client(ours, "10.0.0.1", &[]), "10.0.0.1");
    assert_eq!(client(ours, "unix", &[]), "-");
}

#[test]
fn a_hop_that_is_no_address_ends_the_search() {
    let ours = "10.0.0.0/8";
    assert_eq!(client(ours, "10.0.0.1", &[("x-forwarded-for", "203.0.113.9, unknown, 10.1.1.1")]), "10.0.0.1");
    assert_eq!(client(ours, "10.0.0.1", &[("x-forwarded-for", "")]), "10.0.0.1");
}

/// H-6.
#[test]
fn two_headers_that_contradict_each_other_are_both_passed_over() {
    let found = proxies("10.0.0.1").client(
        Peer::Tcp("10.0.0.1".parse().unwrap()),
        &headers(&[("x-forwarded-for", "203.0.113.9"), ("forwarded", "for=198.51.100.7")]),
    );
    assert!(found.contradiction);
    assert_eq!(found.to_string(), "10.0.0.1");
    let agree = proxies("10.0.0.1").client(
        Peer::Tcp("10.0.0.1".parse().unwrap()),
        &headers(&[("x-forwarded-for", "203.0.113.9"), ("forwarded", "for=203.0.113.9")]),
    );
    assert_eq!((agree.contradiction, agree.to_string().as_str()), (false, "203.0.113.9"));
}

#[test]
fn an_ipv4_address_in_ipv6_clothes_is_the_same_address() {
    assert_eq!(client("10.0.0.1", "::ffff:10.0.0.1", &[("x-forwarded-for", "203.0.113.9")]), "203.0.113.9");
}

proptest! {
    /// H-6.
    #[test]
    fn what_a_client_claims_itself_never_becomes_its_address(claimed in proptest::collection::vec(any::<u32>(), 0..5), real in any::<u32>()) {
        let real = IpAddr::from(real.to_be_bytes());
        prop_assume!(!real.to_string().starts_with("10."));
        let chain: Vec<String> = claimed.iter().map(|n| IpAddr::from(n.to_be_bytes()).to_string()).chain([real.to_string(), "10.9.9.9".to_owned()]).collect();
        prop_assert_eq!(client("10.0.0.0/8", "10.0.0.1", &[("x-forwarded-for", &chain.join(", "))]), real.to_string());
    }

    #[test]
    fn no_chain_brings_the_reader_down(text in "[ -~]{0,80}") {
        client("10.0.0.0/8", "10.0.0.1", &[("x-forwarded-for", &text), ("forwarded", &text)]);
    }
}

#[test]
fn where_no_proxy_is_named_this_machine_and_private_networks_speak_for_many() {
    let speaks = |list: &str, peer: &str| proxies(list).speaks_for_many(Peer::Tcp(peer.parse().unwrap()));
    for peer in ["127.0.0.1", "::1", "::ffff:10.0.0.7", "172.18.0.2", "fd00::7"] {
        assert!(speaks("", peer), "{peer}");
        assert!(!speaks("192.0.2.7", peer), "{peer}, where another is named");
    }
    assert!(!speaks("", "203.0.113.7"), "a visitor is one");
    assert!(speaks("203.0.113.7", "203.0.113.7"), "a proxy that is named is many");
    assert!(TrustedProxies::default().speaks_for_many(Peer::Unix));
}
