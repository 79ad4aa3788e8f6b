//! From WebSocket to WebRTC while the WebSocket carries on: when WebRTC is tried again, and when a
//! trial has carried enough to move over. Part of [`super::Link`].

use std::time::Duration;

use libp2p::swarm::ConnectionId;
use web_time::Instant;

use super::{Proof, VERIFY_LIMIT, backoff};

/// Before the first trial; a page that is read for a moment only needs none.
const FIRST: Duration = Duration::from_secs(20);
const LONGEST: Duration = Duration::from_secs(5 * 60);
/// Failures after which [`LONGEST`] is waited.
const ENOUGH: u32 = 4;

#[derive(Debug, Default)]
enum State {
    /// Nothing to gain: WebRTC is in use, or not to be had, or nothing is usable.
    #[default]
    Off,
    /// To be waited for, from the next tick on.
    Begun,
    Waiting {
        until: Instant,
    },
    /// The transport ends a dial that comes to nothing.
    Dialing,
    Verifying {
        id: ConnectionId,
        deadline: Instant,
        proof: Proof,
    },
}

/// What a tick asks for.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Trial {
    Dial,
    /// Connected and carried nothing: what was sent on it may be lost.
    Dead,
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Upgrade {
    state: State,
    failures: u32,
}

impl Upgrade {
    /// A WebSocket is in use that might be replaced.
    pub(super) fn begin(&mut self) {
        self.state = State::Begun;
    }

    /// There is nothing to replace.
    pub(super) fn stop(&mut self) {
        self.state = State::Off;
    }

    /// WebRTC does not hold here: later trials are few.
    pub(super) fn discourage(&mut self) {
        self.failures = ENOUGH;
    }

    /// The world has changed: another try, now.
    pub(super) fn wake(&mut self, now: Instant) {
        if let State::Begun | State::Waiting { .. } = self.state {
            self.failures = 0;
            self.state = State::Waiting { until: now };
        }
    }

    pub(super) fn tick(&mut self, now: Instant, jitter: u32) -> Option<Trial> {
        match &self.state {
            State::Begun => {
                self.wait(now, jitter);
                None
            }
            State::Waiting { until } if *until <= now => {
                self.state = State::Dialing;
                Some(Trial::Dial)
            }
            State::Verifying { deadline, .. } if *deadline <= now => Some(Trial::Dead),
            _ => None,
        }
    }

    /// A WebRTC connection is there. Says whether it was asked for.
    pub(super) fn established(&mut self, id: ConnectionId, now: Instant) -> bool {
        let asked_for = matches!(self.state, State::Dialing);
        if asked_for {
            self.state = State::Verifying {
                id,
                deadline: now + VERIFY_LIMIT,
                proof: Proof::default(),
            };
        }
        asked_for
    }

    /// The proof of the connection that is being tried, if it is this one.
    pub(super) fn proof(&mut self, connection: ConnectionId) -> Option<&mut Proof> {
        match &mut self.state {
            State::Verifying { id, proof, .. } if *id == connection => Some(proof),
            _ => None,
        }
    }

    /// The trial that has carried data both ways; it is over by this.
    pub(super) fn take_proved(&mut self) -> Option<ConnectionId> {
        let State::Verifying { id, proof, .. } = &self.state else {
            return None;
        };
        let proved = proof.complete().then_some(*id)?;
        *self = Self::default();
        Some(proved)
    }

    /// The dial came to nothing.
    pub(super) fn dial_failed(&mut self, now: Instant, jitter: u32) {
        if matches!(self.state, State::Dialing) {
            self.failures += 1;
            self.wait(now, jitter);
        }
    }

    fn wait(&mut self, now: Instant, jitter: u32) {
        let until = now + backoff(FIRST, LONGEST, self.failures, jitter);
        self.state = State::Waiting { until };
    }
}
