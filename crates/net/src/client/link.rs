//! The state machine of the one connection to the relay: when to dial and by what, when it counts
//! as usable, when it counts as dead. Events and time in, orders out; no I/O.
//!
//! A transport's "connected" is not enough: the connection has to carry data both ways, a ping that
//! we asked and a question that the relay asked. Only then is it usable. While it goes by WebSocket though
//! WebRTC would be preferred, WebRTC is tried again beside it and takes over when it has proved the same
//! (`upgrade`).

mod upgrade;

use std::time::Duration;

use libp2p::swarm::ConnectionId;
use web_time::Instant;

use crate::{Prefer, Transport, behaviour::PING_INTERVAL};
use upgrade::{Trial, Upgrade};

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
    /// Dial WebRTC beside the WebSocket in use.
    Upgrade,
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
        proof: Proof,
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

/// What a connection has carried.
#[derive(Debug, Clone, Copy, Default)]
struct Proof {
    pinged: bool,
    asked: bool,
}

impl Proof {
    fn complete(self) -> bool {
        self.pinged && self.asked
    }
}

/// Which connection has closed.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Closed {
    /// The one in use; or one on its trial, with which something may be lost. Everything begins anew.
    Ours,
    /// The one that another has replaced. What was under way on it may be lost.
    Replaced,
    /// None that matters.
    Other,
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
    upgrade: Upgrade,
    /// The connection that was replaced, and whether it has been told to close.
    replaced: Option<(ConnectionId, bool)>,
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
            upgrade: Upgrade::default(),
            replaced: None,
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

    /// Whether this is the connection in use.
    pub(super) fn is_in_use(&self, id: ConnectionId) -> bool {
        matches!(&self.phase, Phase::Usable { up, .. } if up.id == id)
    }

    /// The connection that was replaced, once: it is to be closed when nothing is under way on it.
    pub(super) fn retire(&mut self) -> Option<ConnectionId> {
        let (id, told) = self.replaced.as_mut()?;
        (!std::mem::replace(told, true)).then_some(*id)
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
                if now.saturating_duration_since(self.heard) > SILENCE {
                    self.lost("The relay has stopped answering.".to_owned(), now, jitter);
                    return Some(Order::Hangup);
                }
                match self.upgrade.tick(now, jitter)? {
                    Trial::Dial => Some(Order::Upgrade),
                    Trial::Dead => {
                        self.trial_failed(now, jitter);
                        Some(Order::Hangup)
                    }
                }
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
    /// had failed by then. Returns whether it is wanted.
    pub(super) fn established(
        &mut self,
        id: ConnectionId,
        transport: Transport,
        webrtc_failed: Option<String>,
        now: Instant,
    ) -> bool {
        let Phase::Dialing { dial, .. } = &self.phase else {
            return transport == Transport::WebRtc && self.upgrade.established(id, now);
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
            proof: Proof::default(),
        };
        true
    }

    /// Our ping came back. Returns true when a first connection has become usable by that.
    pub(super) fn pinged(&mut self, id: ConnectionId, now: Instant) -> bool {
        self.heard(id, now);
        if let Some(proof) = self.proof(id) {
            proof.pinged = true;
        }
        self.verified(now)
    }

    /// The relay has asked us something and got its answer. Returns true when a first connection has
    /// become usable by that.
    pub(super) fn asked(&mut self, id: ConnectionId, now: Instant) -> bool {
        self.heard(id, now);
        if let Some(proof) = self.proof(id) {
            proof.asked = true;
        }
        self.verified(now)
    }

    fn proof(&mut self, id: ConnectionId) -> Option<&mut Proof> {
        match &mut self.phase {
            Phase::Verifying { up, proof, .. } if up.id == id => Some(proof),
            Phase::Usable { .. } => self.upgrade.proof(id),
            _ => None,
        }
    }

    fn verified(&mut self, now: Instant) -> bool {
        match &mut self.phase {
            Phase::Verifying { up, proof, .. } if proof.complete() => {
                let up = *up;
                let better = self.prefer == Prefer::Auto && self.has_webrtc;
                if better && up.transport == Transport::WebSocket {
                    self.upgrade.begin();
                }
                self.phase = Phase::Usable { up, since: now };
                true
            }
            Phase::Usable { up, since } => {
                if let Some(id) = self.upgrade.take_proved() {
                    let transport = Transport::WebRtc;
                    let old = std::mem::replace(up, Up { id, transport });
                    *since = now;
                    self.replaced = Some((old.id, false));
                    self.heard = now;
                    self.reason = None;
                    self.webrtc_ban = None;
                }
                false
            }
            _ => false,
        }
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

    /// A connection has closed.
    pub(super) fn closed(&mut self, id: ConnectionId, now: Instant, jitter: u32) -> Closed {
        if self.replaced.take_if(|(old, _)| *old == id).is_some() {
            return Closed::Replaced;
        }
        match &self.phase {
            Phase::Usable { up, .. } if up.id == id => {
                self.lost(
                    "The connection to the relay was cut.".to_owned(),
                    now,
                    jitter,
                );
                Closed::Ours
            }
            Phase::Usable { .. } if self.upgrade.proof(id).is_some() => {
                self.trial_failed(now, jitter);
                Closed::Ours
            }
            Phase::Verifying { up, .. } if up.id == id => {
                let reason = match up.transport {
                    Transport::WebRtc => self.ban_webrtc("WebRTC was cut at once.", now),
                    Transport::WebSocket => "The relay closed the connection at once.".to_owned(),
                };
                self.failed(reason, now, jitter);
                Closed::Ours
            }
            _ => Closed::Other,
        }
    }

    /// No address led to the relay.
    pub(super) fn dial_failed(&mut self, why: String, now: Instant, jitter: u32) {
        match self.phase {
            Phase::Dialing { .. } => self.failed(why, now, jitter),
            _ => self.upgrade.dial_failed(now, jitter),
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
                self.upgrade.wake(now);
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
                self.upgrade.discourage();
                self.ban_webrtc("WebRTC did not last.", now);
            }
        }
        self.failed(reason, now, jitter);
    }

    /// Both connections go: a message may have taken the way of the one that carried nothing, and what
    /// was said once (who listens to which topic) would never be said again.
    fn trial_failed(&mut self, now: Instant, jitter: u32) {
        self.upgrade.discourage();
        let reason = self.ban_webrtc("WebRTC connected but carried no data.", now);
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
        let wait = backoff(FIRST_BACKOFF, LONGEST_BACKOFF, self.failures, jitter);
        self.failures = self.failures.saturating_add(1);
        self.reason = Some(reason);
        self.upgrade.stop();
        self.replaced = None;
        self.phase = Phase::Waiting { until: now + wait };
    }
}

/// How long to wait after so many failures: between half and all of what doubles with each, so that a room
/// does not return in step after a restart.
fn backoff(first: Duration, longest: Duration, failures: u32, jitter: u32) -> Duration {
    let most = first.saturating_mul(1 << failures.min(8)).min(longest);
    most / 2 + (most / 2).mul_f64(f64::from(jitter) / f64::from(u32::MAX))
}

#[cfg(test)]
mod tests;
