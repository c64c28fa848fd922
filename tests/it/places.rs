//! Places for connections: nobody can take them all, and nobody keeps them for long when they are scarce.

use std::sync::Arc;
use std::time::Duration;

use countersign::app::descriptors::shared;
use countersign::http::listen::places::Places;
use countersign::http::listen::{ConnectionLimits, ListenerOptions};
use countersign::net::peer::Peer;
use countersign::observe::metrics::{Connections, Shed};

fn places(most: usize, per_address: usize) -> Arc<Places> {
    counted(most, per_address).0
}

fn counted(most: usize, per_address: usize) -> (Arc<Places>, Connections) {
    let counts = Connections::default();
    let limits = ConnectionLimits { most, per_address, memory: 1000, ..ConnectionLimits::DEFAULT };
    let proxy = Peer::Tcp([10, 0, 0, 1].into());
    let is_proxy = Arc::new(move |peer| peer == proxy);
    (Places::new(ListenerOptions { limits, is_proxy, counts: counts.clone(), ..ListenerOptions::default() }), counts)
}

fn from(address: &str) -> Peer {
    Peer::Tcp(address.parse().unwrap())
}

#[test]
fn one_address_leaves_places_to_others_and_gets_its_own_back() {
    let places = places(10, 2);
    let mut held = vec![places.take(from("192.0.2.1")).unwrap(), places.take(from("192.0.2.1")).unwrap()];
    assert_eq!(places.take(from("192.0.2.1")).err(), Some(Shed::Address));
    assert_eq!(places.take(from("::ffff:192.0.2.1")).err(), Some(Shed::Address), "however it is written");
    assert!(places.take(from("192.0.2.2")).is_ok());
    held.pop();
    assert!(places.take(from("192.0.2.1")).is_ok());
}

#[test]
fn a_network_of_64_bits_is_one_address() {
    let places = places(10, 1);
    let _held = places.take(from("2001:db8:1:2::1")).unwrap();
    assert_eq!(places.take(from("2001:db8:1:2:3::9")).err(), Some(Shed::Address));
    assert!(places.take(from("2001:db8:1:3::1")).is_ok());
}

#[test]
fn a_proxy_may_have_every_place_and_nobody_more_than_there_are() {
    let (places, counts) = counted(3, 1);
    let held: Vec<_> = (0..3).map(|_| places.take(from("10.0.0.1")).unwrap()).collect();
    assert_eq!(counts.open.get(), 3);
    assert_eq!(places.take(from("10.0.0.1")).err(), Some(Shed::Full));
    assert_eq!(places.take(Peer::Unix).err(), Some(Shed::Full));
    drop(held);
    assert!(places.take(Peer::Unix).is_ok());
    assert_eq!(counts.open.get(), 0);
}

#[test]
fn a_connection_may_rest_for_less_time_as_places_become_scarce() {
    let places = places(8, 8);
    let whole = Duration::from_mins(2);
    let mut held = Vec::new();
    let mut rests = || {
        held.push(places.take(Peer::Unix).unwrap());
        places.patience(whole).as_secs()
    };
    let rests: Vec<_> = (0..8).map(|_| rests()).collect();
    assert_eq!(rests, [120, 120, 120, 120, 90, 60, 30, 1]);
    drop(held);
    assert_eq!(places.patience(whole), whole);
    places.set_scarce(true);
    assert_eq!(places.patience(whole), Duration::from_secs(1), "when descriptors are short");
}

#[test]
fn unfinished_heads_share_one_memory_and_give_it_back() {
    let (places, counts) = counted(8, 8);
    let (a, b) = (places.take(Peer::Unix).unwrap(), places.take(Peer::Unix).unwrap());
    let (mut first, mut second) = (a.room(), b.room());
    assert!(first.set(600));
    assert!(!second.set(600));
    assert!(first.set(300) && second.set(600));
    drop((first, second));
    assert_eq!(counts.head_bytes.get(), 0);
}

#[test]
fn visitors_never_take_the_last_descriptors() {
    assert_eq!(shared(usize::MAX, 4096), 4096);
    assert_eq!(shared(4608, 4096), 4096);
    assert_eq!(shared(1024, 4096), 512);
    assert_eq!(shared(256, 4096), 128);
}
