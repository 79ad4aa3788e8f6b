//! The state machine of the one connection to the relay: when to dial and by what, when it counts
//! as usable, when it counts as dead. Events and time in, orders out; no I/O.
//!
//! A transport's "connected" is not enough: the connection has to carry data both ways, a ping that
//! we asked and a question that the relay asked. Only then is it usable.

use std::time::Duration;

use libp2p::swarm::ConnectionId;
use web_time::Instant;

use crate::{Prefer, Transport, behaviour::PING_INTERVAL};

const FIRST_BACKOFF: Duration = Duration::from_millis(250);
const LONGEST_BACKOFF: Duration = Duration::from_secs(15);
/// From dialling to an encrypted connection.
const DIAL_LIMIT: Duration = Duration::from_secs(10);
/// From there to data in both directions.
const VERIFY_LIMIT: Duration = Duration::from_secs(4);
/// WebRTC gets less, because a WebSocket can take over.
const VERIFY_LIMIT_WEBRTC: Duration = Duration::from_secs(2);
/// A relay that says nothing for this long is gone: two pings without an answer.
pub(super) const SILENCE: Duration = Duration::from_secs(10);
/// After a wake-up the relay has to answer the next ping.
const SILENCE_AFTER_WAKE: Duration = Duration::from_secs(6);
/// When our own clock stood still for so long, the page slept and the relay's answers wait unread.
const SLEPT: Duration = Duration::from_secs(3);
/// After WebRTC has carried nothing it is left alone for this long.
const BAN: Duration = Duration::from_secs(10 * 60);
/// A WebRTC connection that dies so young does not count as one that works.
const YOUNG: Duration = Duration::from_secs(20);

/// What the actor has to do.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Order {
    Dial(Dial),
    /// Close whatever is there, pending or open.
    Hangup,
}

/// Which addresses to dial.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Dial {
    pub(super) webrtc: bool,
    pub(super) websocket: bool,
}

#[derive(Debug)]
enum Phase {
    Waiting {
        until: Instant,
    },
    Dialing {
        deadline: Instant,
        dial: Dial,
    },
    Verifying {
        up: Up,
        deadline: Instant,
        pinged: bool,
        asked: bool,
    },
    Usable {
        up: Up,
        since: Instant,
    },
    Closed,
}

#[derive(Debug, Clone, Copy)]
struct Up {
    id: ConnectionId,
    transport: Transport,
}

#[derive(Debug)]
pub(super) struct Link {
    prefer: Prefer,
    has_webrtc: bool,
    phase: Phase,
    failures: u32,
    heard: Instant,
    ticked: Instant,
    /// Until when WebRTC is left alone, and why.
    webrtc_ban: Option<(Instant, String)>,
    /// WebRTC connections in a row that died young.
    short_lived: u32,
    reason: Option<String>,
}

impl Link {
    pub(super) fn new(prefer: Prefer, has_webrtc: bool, now: Instant) -> Self {
        Self {
            prefer,
            has_webrtc,
            phase: Phase::Waiting { until: now },
            failures: 0,
            heard: now,
            ticked: now,
            webrtc_ban: None,
            short_lived: 0,
            reason: None,
        }
    }

    /// Why it is offline, or why it is not WebRTC.
    pub(super) fn reason(&self) -> Option<&str> {
        self.reason.as_deref()
    }

    /// The transport in use, once usable.
    pub(super) fn usable(&self) -> Option<Transport> {
        match &self.phase {
            Phase::Usable { up, .. } => Some(up.transport),
            _ => None,
        }
    }

    /// Whether attempts fail, so that a person should be told.
    pub(super) fn failing(&self) -> bool {
        self.failures > 0 && !matches!(self.phase, Phase::Verifying { .. })
    }

    /// When to call [`Link::tick`] at the latest.
    pub(super) fn next_tick(&self, now: Instant) -> Duration {
        let at = match &self.phase {
            Phase::Waiting { until } => *until,
            Phase::Dialing { deadline, .. } | Phase::Verifying { deadline, .. } => *deadline,
            Phase::Usable { .. } => now + Duration::from_secs(1),
            Phase::Closed => now + LONGEST_BACKOFF,
        };
        at.saturating_duration_since(now).min(LONGEST_BACKOFF)
    }

    /// Time has passed. `jitter` is random.
    pub(super) fn tick(&mut self, now: Instant, jitter: u32) -> Option<Order> {
        let gap = now.saturating_duration_since(self.ticked);
        self.ticked = now;
        match &self.phase {
            Phase::Waiting { until } if *until <= now => Some(self.dial(now)),
            Phase::Dialing { deadline, .. } if *deadline <= now => {
                self.failed("The relay does not answer.".to_owned(), now, jitter);
                Some(Order::Hangup)
            }
            Phase::Verifying { deadline, up, .. } if *deadline <= now => {
                let reason = match up.transport {
                    Transport::WebRtc => {
                        self.ban_webrtc("WebRTC connected but carried no data.", now)
                    }
                    Transport::WebSocket => {
                        "The relay accepts connections but does not answer.".to_owned()
                    }
                };
                self.failed(reason, now, jitter);
                Some(Order::Hangup)
            }
            Phase::Usable { .. } => {
                if gap > SLEPT {
                    let grace = now.checked_sub(SILENCE - PING_INTERVAL).unwrap_or(now);
                    self.heard = self.heard.max(grace);
                }
                if now.saturating_duration_since(self.heard) <= SILENCE {
                    return None;
                }
                self.lost("The relay has stopped answering.".to_owned(), now, jitter);
                Some(Order::Hangup)
            }
            _ => None,
        }
    }

    fn dial(&mut self, now: Instant) -> Order {
        self.webrtc_ban.take_if(|(until, _)| *until <= now);
        let webrtc = match self.prefer {
            Prefer::Auto => self.has_webrtc && self.webrtc_ban.is_none(),
            Prefer::WebRtc => self.has_webrtc,
            Prefer::WebSocket => false,
        };
        let dial = Dial {
            webrtc,
            websocket: self.prefer != Prefer::WebRtc || !webrtc,
        };
        self.phase = Phase::Dialing {
            deadline: now + DIAL_LIMIT,
            dial,
        };
        Order::Dial(dial)
    }

    /// A connection is encrypted and its peer proved. `webrtc_failed` is what WebRTC said when it
    /// had failed by then.
    pub(super) fn established(
        &mut self,
        id: ConnectionId,
        transport: Transport,
        webrtc_failed: Option<String>,
        now: Instant,
    ) {
        let Phase::Dialing { dial, .. } = &self.phase else {
            return;
        };
        if transport == Transport::WebRtc {
            self.reason = None;
        } else if let Some(why) = webrtc_failed {
            self.reason = Some(format!("WebRTC failed ({why}); WebSocket is used."));
        } else if dial.webrtc {
            self.reason = Some("WebRTC did not connect in time; WebSocket is used.".to_owned());
        } else if self.prefer == Prefer::WebRtc {
            self.reason = Some("The relay offers no WebRTC; WebSocket is used.".to_owned());
        } else {
            self.reason = self.webrtc_ban.as_ref().map(|(_, why)| why.clone());
        }
        let limit = match (transport, self.prefer) {
            (Transport::WebRtc, Prefer::Auto) => VERIFY_LIMIT_WEBRTC,
            _ => VERIFY_LIMIT,
        };
        self.heard = now;
        self.phase = Phase::Verifying {
            up: Up { id, transport },
            deadline: now + limit,
            pinged: false,
            asked: false,
        };
    }

    /// Our ping came back. Returns true when the connection has become usable by that.
    pub(super) fn pinged(&mut self, id: ConnectionId, now: Instant) -> bool {
        self.heard(id, now);
        if let Phase::Verifying { up, pinged, .. } = &mut self.phase
            && up.id == id
        {
            *pinged = true;
        }
        self.verified(now)
    }

    /// The relay has asked us something and got its answer. Returns true when the connection has
    /// become usable by that.
    pub(super) fn asked(&mut self, id: ConnectionId, now: Instant) -> bool {
        self.heard(id, now);
        if let Phase::Verifying { up, asked, .. } = &mut self.phase
            && up.id == id
        {
            *asked = true;
        }
        self.verified(now)
    }

    fn verified(&mut self, now: Instant) -> bool {
        let Phase::Verifying {
            up,
            pinged: true,
            asked: true,
            ..
        } = &self.phase
        else {
            return false;
        };
        self.phase = Phase::Usable {
            up: *up,
            since: now,
        };
        true
    }

    /// Something came over the connection.
    pub(super) fn heard(&mut self, id: ConnectionId, now: Instant) {
        match &self.phase {
            Phase::Usable { up, .. } | Phase::Verifying { up, .. } if up.id == id => {
                self.heard = now;
            }
            _ => {}
        }
    }

    /// The rooms are joined again: what failed before is over.
    pub(super) fn settled(&mut self) {
        self.failures = 0;
    }

    /// The connection has closed. Returns whether it was ours.
    pub(super) fn closed(&mut self, id: ConnectionId, now: Instant, jitter: u32) -> bool {
        match &self.phase {
            Phase::Usable { up, .. } if up.id == id => {
                self.lost(
                    "The connection to the relay was cut.".to_owned(),
                    now,
                    jitter,
                );
                true
            }
            Phase::Verifying { up, .. } if up.id == id => {
                let reason = match up.transport {
                    Transport::WebRtc => self.ban_webrtc("WebRTC was cut at once.", now),
                    Transport::WebSocket => "The relay closed the connection at once.".to_owned(),
                };
                self.failed(reason, now, jitter);
                true
            }
            _ => false,
        }
    }

    /// No address led to the relay.
    pub(super) fn dial_failed(&mut self, why: String, now: Instant, jitter: u32) {
        if matches!(self.phase, Phase::Dialing { .. }) {
            self.failed(why, now, jitter);
        }
    }

    /// The browser says that the world has changed.
    pub(super) fn wake(&mut self, now: Instant) {
        match &self.phase {
            Phase::Waiting { .. } => {
                self.failures = self.failures.min(1);
                self.phase = Phase::Waiting { until: now };
            }
            Phase::Usable { .. } => {
                let strict = now.checked_sub(SILENCE - SILENCE_AFTER_WAKE).unwrap_or(now);
                self.heard = self.heard.min(strict);
            }
            _ => {}
        }
    }

    pub(super) fn close(&mut self) {
        self.phase = Phase::Closed;
    }

    fn lost(&mut self, reason: String, now: Instant, jitter: u32) {
        if let Phase::Usable { up, since } = &self.phase
            && up.transport == Transport::WebRtc
        {
            let young = now.saturating_duration_since(*since) < YOUNG;
            self.short_lived = if young { self.short_lived + 1 } else { 0 };
            // Once may be a restart of the relay; twice is a path that does not hold.
            if self.short_lived >= 2 {
                self.short_lived = 0;
                self.ban_webrtc("WebRTC did not last.", now);
            }
        }
        self.failed(reason, now, jitter);
    }

    fn ban_webrtc(&mut self, what: &str, now: Instant) -> String {
        if self.prefer != Prefer::Auto {
            return what.to_owned();
        }
        let why = format!("{what} WebSocket is used.");
        self.webrtc_ban = Some((now + BAN, why.clone()));
        why
    }

    fn failed(&mut self, reason: String, now: Instant, jitter: u32) {
        let longest = FIRST_BACKOFF
            .saturating_mul(1 << self.failures.min(8))
            .min(LONGEST_BACKOFF);
        // Between half and all of it, so that a room does not return in step after a restart.
        let wait = longest / 2 + (longest / 2).mul_f64(f64::from(jitter) / f64::from(u32::MAX));
        self.failures = self.failures.saturating_add(1);
        self.reason = Some(reason);
        self.phase = Phase::Waiting { until: now + wait };
    }
}

#[cfg(test)]
mod tests;
