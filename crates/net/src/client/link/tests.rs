//! The connection's state machine, driven by hand.

use super::*;

const MAX_JITTER: u32 = u32::MAX;

fn at(start: Instant, ms: u64) -> Instant {
    start + Duration::from_millis(ms)
}

fn id(n: usize) -> ConnectionId {
    ConnectionId::new_unchecked(n)
}

fn auto(now: Instant) -> Link {
    Link::new(Prefer::Auto, true, now)
}

fn usable(link: &mut Link, n: usize, transport: Transport, now: Instant) {
    link.established(id(n), transport, None, now);
    assert!(!link.pinged(id(n), now));
    assert!(link.asked(id(n), now));
    assert_eq!(link.usable(), Some(transport));
    link.settled();
}

#[test]
fn both_transports_are_dialled_and_a_ping_alone_is_not_usable() {
    let start = Instant::now();
    let mut link = auto(start);
    let both = Dial {
        webrtc: true,
        websocket: true,
    };
    assert_eq!(link.tick(start, 0), Some(Order::Dial(both)));
    link.established(id(1), Transport::WebRtc, None, start);
    assert!(!link.pinged(id(1), start));
    assert_eq!(link.usable(), None);
    // Another connection's answer does not count.
    assert!(!link.asked(id(2), start));
    assert!(link.asked(id(1), start));
    assert_eq!(link.reason(), None);
}

#[test]
fn webrtc_that_carries_nothing_is_replaced_and_said_so() {
    let start = Instant::now();
    let mut link = auto(start);
    link.tick(start, 0);
    link.established(id(1), Transport::WebRtc, None, start);
    link.pinged(id(1), start);
    assert_eq!(link.tick(at(start, 1_900), 0), None);
    assert_eq!(link.tick(at(start, 2_000), 0), Some(Order::Hangup));
    let next = at(start, 2_500);
    assert_eq!(
        link.tick(next, 0),
        Some(Order::Dial(Dial {
            webrtc: false,
            websocket: true
        }))
    );
    usable(&mut link, 2, Transport::WebSocket, next);
    assert_eq!(
        link.reason(),
        Some("WebRTC connected but carried no data. WebSocket is used.")
    );
    // Ten minutes later it gets another chance.
    let later = at(start, 11 * 60_000);
    assert!(link.closed(id(2), later, 0));
    assert!(matches!(
        link.tick(at(start, 12 * 60_000), 0),
        Some(Order::Dial(Dial { webrtc: true, .. }))
    ));
}

#[test]
fn a_silent_relay_is_noticed_within_twelve_seconds() {
    let start = Instant::now();
    let mut link = auto(start);
    link.tick(start, 0);
    usable(&mut link, 1, Transport::WebSocket, start);
    let noticed = (1..)
        .find(|s| link.tick(at(start, s * 1_000), 0) == Some(Order::Hangup))
        .unwrap();
    assert!(noticed <= 12, "{noticed}");
    assert_eq!(link.reason(), Some("The relay has stopped answering."));
    assert!(link.failing());
}

#[test]
fn a_page_that_slept_first_listens_again() {
    let start = Instant::now();
    let mut link = auto(start);
    link.tick(start, 0);
    usable(&mut link, 1, Transport::WebSocket, start);
    assert_eq!(link.tick(at(start, 60_000), 0), None);
    link.heard(id(1), at(start, 60_500));
    assert_eq!(link.tick(at(start, 61_000), 0), None);
    assert!(link.usable().is_some());
}

#[test]
fn waking_up_shortens_the_wait_for_a_dead_relay() {
    let start = Instant::now();
    let mut link = auto(start);
    link.tick(start, 0);
    let up = at(start, 100_000);
    link.ticked = up;
    usable(&mut link, 1, Transport::WebSocket, up);
    link.wake(up);
    let noticed = (1..)
        .find(|s| link.tick(at(up, s * 1_000), 0) == Some(Order::Hangup))
        .unwrap();
    assert!(noticed <= 7, "{noticed}");
}

#[test]
fn backoff_grows_to_fifteen_seconds_and_wake_ends_it() {
    let start = Instant::now();
    let mut link = Link::new(Prefer::WebSocket, true, start);
    let mut now = start;
    let mut waits = Vec::new();
    for _ in 0..10 {
        assert!(matches!(link.tick(now, MAX_JITTER), Some(Order::Dial(_))));
        link.dial_failed("refused".into(), now, MAX_JITTER);
        let wait = link.next_tick(now);
        waits.push(wait.as_millis());
        now += wait;
    }
    assert_eq!(waits[0], 250);
    assert!(waits.is_sorted());
    assert_eq!(*waits.last().unwrap(), 15_000);
    link.tick(now, 0);
    link.dial_failed("refused".into(), now, 0);
    link.wake(now);
    assert!(matches!(link.tick(now, 0), Some(Order::Dial(_))));
}

#[test]
fn one_short_life_is_a_restart_two_are_a_bad_path() {
    let start = Instant::now();
    let mut link = auto(start);
    for round in 0..2 {
        let now = at(start, round * 10_000);
        assert!(matches!(
            link.tick(now, 0),
            Some(Order::Dial(Dial { webrtc: true, .. }))
        ));
        usable(&mut link, 1, Transport::WebRtc, now);
        assert!(link.closed(id(1), at(now, 5_000), 0));
    }
    assert!(matches!(
        link.tick(at(start, 30_000), 0),
        Some(Order::Dial(Dial { webrtc: false, .. }))
    ));
}

#[test]
fn a_choice_of_webrtc_without_an_address_says_what_is_used() {
    let start = Instant::now();
    let mut link = Link::new(Prefer::WebRtc, false, start);
    assert!(matches!(
        link.tick(start, 0),
        Some(Order::Dial(Dial {
            webrtc: false,
            websocket: true
        }))
    ));
    usable(&mut link, 1, Transport::WebSocket, start);
    assert_eq!(
        link.reason(),
        Some("The relay offers no WebRTC; WebSocket is used.")
    );
}
