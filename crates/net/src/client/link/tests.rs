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
    assert_eq!(link.closed(id(2), later, 0), Closed::Ours);
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
        assert_eq!(link.closed(id(1), at(now, 5_000), 0), Closed::Ours);
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

/// A link that fell back to WebSocket, with connection 1, at `start`.
fn fallen_back(start: Instant) -> Link {
    let mut link = auto(start);
    link.tick(start, 0);
    let failed = Some("no path".to_owned());
    assert!(link.established(id(1), Transport::WebSocket, failed, start));
    link.pinged(id(1), start);
    assert!(link.asked(id(1), start));
    link.settled();
    link
}

/// Lets time pass second by second, with a relay that answers on connection 1, until there is an order.
fn next_order(link: &mut Link, start: Instant) -> (u64, Order) {
    (0..1_000)
        .find_map(|s| {
            let now = at(start, s * 1_000);
            link.heard(id(1), now);
            link.tick(now, MAX_JITTER).map(|order| (s, order))
        })
        .unwrap()
}

#[test]
fn webrtc_is_tried_again_and_takes_over_when_it_has_carried_data_both_ways() {
    let start = Instant::now();
    let mut link = fallen_back(start);
    let (waited, order) = next_order(&mut link, start);
    assert_eq!((waited, order), (20, Order::Upgrade));
    let now = at(start, 20_500);
    assert!(!link.established(id(2), Transport::WebSocket, None, now));
    assert!(link.established(id(3), Transport::WebRtc, None, now));
    assert!(!link.established(id(4), Transport::WebRtc, None, now));
    assert!(!link.pinged(id(3), now));
    assert_eq!(link.usable(), Some(Transport::WebSocket));
    assert_eq!(link.retire(), None);
    assert!(!link.asked(id(3), now), "the rooms are joined already");
    assert_eq!(link.usable(), Some(Transport::WebRtc));
    assert_eq!(link.reason(), None);
    assert!(link.is_in_use(id(3)));
    assert_eq!(link.retire(), Some(id(1)));
    assert_eq!(link.retire(), None, "once");
    assert_eq!(link.closed(id(1), now, 0), Closed::Replaced);
    // From here on it is a link as any other.
    assert_eq!(link.tick(at(now, 9_000), 0), None);
    assert_eq!(link.closed(id(3), at(now, 9_500), 0), Closed::Ours);
    assert_eq!(link.usable(), None);
}

#[test]
fn failed_trials_wait_longer_each_time_and_a_changed_network_ends_the_wait() {
    let start = Instant::now();
    let mut link = fallen_back(start);
    let mut now = start;
    let mut waits = Vec::new();
    for _ in 0..6 {
        let (waited, order) = next_order(&mut link, now);
        assert_eq!(order, Order::Upgrade);
        waits.push(waited);
        now = at(now, waited * 1_000);
        link.dial_failed("no path".into(), now, MAX_JITTER);
        assert_eq!(link.usable(), Some(Transport::WebSocket));
        assert_eq!(
            link.reason(),
            Some("WebRTC failed (no path); WebSocket is used.")
        );
    }
    assert_eq!(waits, [20, 40, 80, 160, 300, 300]);
    link.wake(now);
    assert_eq!(link.tick(now, 0), Some(Order::Upgrade));
}

#[test]
fn a_trial_that_carries_nothing_ends_both_and_is_not_soon_repeated() {
    for cut in [true, false] {
        let start = Instant::now();
        let mut link = fallen_back(start);
        let (waited, _) = next_order(&mut link, start);
        let now = at(start, waited * 1_000);
        assert!(link.established(id(2), Transport::WebRtc, None, now));
        let end = at(now, 4_000);
        link.heard(id(1), end);
        if cut {
            assert_eq!(link.closed(id(2), end, 0), Closed::Ours);
        } else {
            assert_eq!(link.tick(end, 0), Some(Order::Hangup));
        }
        let again = at(end, 1_000);
        let websocket_only = Dial {
            webrtc: false,
            websocket: true,
        };
        assert_eq!(link.tick(again, 0), Some(Order::Dial(websocket_only)));
        usable(&mut link, 1, Transport::WebSocket, again);
        assert_eq!(
            link.reason(),
            Some("WebRTC connected but carried no data. WebSocket is used.")
        );
        assert_eq!(next_order(&mut link, again), (300, Order::Upgrade));
    }
}

#[test]
fn who_chose_a_transport_keeps_it() {
    let start = Instant::now();
    for (prefer, has_webrtc) in [(Prefer::WebSocket, true), (Prefer::WebRtc, false)] {
        let mut link = Link::new(prefer, has_webrtc, start);
        link.tick(start, 0);
        usable(&mut link, 1, Transport::WebSocket, start);
        for s in 1..1_000 {
            link.heard(id(1), at(start, s * 1_000));
            assert_eq!(link.tick(at(start, s * 1_000), 0), None);
        }
    }
}
