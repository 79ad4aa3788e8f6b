//! One peer's DTLS, and SCTP inside it: a state machine without I/O. Datagrams and the time go in, datagrams
//! come out.

use std::{
    collections::VecDeque,
    sync::Arc,
    task::{Context, Poll, Waker},
    time::Instant,
};

use dimpl::{Dtls, Output};

use super::{
    certificate::Certificate,
    channels::Channels,
    error::{SILENCE, SessionError},
    limits::Limits,
};
use crate::webrtc::Fingerprint;

/// What all sessions of a listener share.
#[derive(Debug, Clone)]
pub(super) struct Settings {
    dtls: Arc<dimpl::Config>,
    limits: Limits,
    certificate: Certificate,
}

impl Settings {
    pub(super) fn new(certificate: Certificate) -> Result<Self, dimpl::Error> {
        // Its defaults want the client's certificate, which noise is bound to, and a cookie, without which
        // a forged address could be flooded.
        Ok(Self {
            dtls: Arc::new(dimpl::Config::builder().build()?),
            limits: Limits::default(),
            certificate,
        })
    }

    pub(super) fn fingerprint(&self) -> Fingerprint {
        self.certificate.fingerprint()
    }
}

/// See the module.
pub(super) struct Session {
    pub(super) channels: Channels,
    dtls: Dtls,
    dtls_timeout: Option<Instant>,
    encrypted: bool,
    peer: Option<Fingerprint>,
    outgoing: VecDeque<Vec<u8>>,
    scratch: Vec<u8>,
    heard: Instant,
    ended: Option<SessionError>,
    watcher: Option<Waker>,
}

impl Session {
    pub(super) fn new(settings: &Settings, now: Instant) -> Self {
        let certificate = settings.certificate.dtls();
        let mut session = Self {
            channels: Channels::new(&settings.limits),
            dtls: Dtls::new_12(settings.dtls.clone(), certificate, now),
            dtls_timeout: None,
            encrypted: false,
            peer: None,
            outgoing: VecDeque::new(),
            scratch: vec![0; 2_048],
            heard: now,
            ended: None,
            watcher: None,
        };
        session.tick(now);
        session
    }

    /// The dialling side, which our tests need.
    #[cfg(test)]
    pub(super) fn dialling(settings: &Settings, now: Instant) -> Self {
        let mut session = Self::new(settings, now);
        session.dtls.set_active(true);
        session.channels = Channels::dialling(&settings.limits);
        session
    }

    /// Whether DTLS is done. Before that nothing is proved; even the address may be forged.
    pub(super) fn is_encrypted(&self) -> bool {
        self.encrypted
    }

    pub(super) fn is_over(&self) -> bool {
        self.ended.is_some()
    }

    /// The peer's certificate, once DTLS is done.
    pub(super) fn peer(&self) -> Option<Fingerprint> {
        self.peer
    }

    /// A datagram of DTLS.
    pub(super) fn receive(&mut self, now: Instant, datagram: &[u8]) {
        if self.is_over() {
            return;
        }
        match self.dtls.handle_packet(datagram) {
            Ok(()) => self.tick(now),
            Err(error) => self.end(dtls(error)),
        }
    }

    /// Something proves that the peer is there.
    pub(super) fn hear(&mut self, now: Instant) {
        self.heard = now;
    }

    /// Lets time pass, and collects what there is to send.
    pub(super) fn tick(&mut self, now: Instant) {
        if self.is_over() {
            return;
        }
        let outcome = match now.saturating_duration_since(self.heard) >= SILENCE {
            true => Err(SessionError::Silent),
            false => self.advance(now),
        };
        if let Err(error) = outcome {
            self.end(error);
        }
    }

    /// When [`Session::tick`] is due.
    pub(super) fn next_tick(&self) -> Instant {
        [self.dtls_timeout, self.channels.next_tick()]
            .into_iter()
            .flatten()
            .fold(self.heard + SILENCE, Instant::min)
    }

    /// A datagram for the peer.
    pub(super) fn next_datagram(&mut self) -> Option<Vec<u8>> {
        self.outgoing.pop_front()
    }

    /// Ends the session and tells the peer, if it can be told.
    pub(super) fn close(&mut self, now: Instant, why: SessionError) {
        if self.is_over() {
            return;
        }
        if self.dtls.close().is_ok() {
            // This is the last that is sent; whether the peer has said more does not matter.
            let _ = self.drain_dtls(now);
        }
        self.end(why);
    }

    fn end(&mut self, why: SessionError) {
        self.channels.end(why.clone());
        self.ended = Some(why);
        if let Some(waker) = self.watcher.take() {
            waker.wake();
        }
    }

    /// Ready when the session is over.
    pub(super) fn poll_over(&mut self, cx: &mut Context<'_>) -> Poll<SessionError> {
        match &self.ended {
            Some(error) => Poll::Ready(error.clone()),
            None => {
                self.watcher = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }

    fn advance(&mut self, now: Instant) -> Result<(), SessionError> {
        self.dtls.handle_timeout(now).map_err(dtls)?;
        self.drain_dtls(now)?;
        if !self.encrypted {
            return Ok(());
        }
        self.channels.tick(now);
        loop {
            let packets = self.channels.packets(now)?;
            if packets.is_empty() {
                return Ok(());
            }
            for packet in packets {
                self.dtls.send_application_data(&packet).map_err(dtls)?;
                self.drain_dtls(now)?;
            }
        }
    }

    fn drain_dtls(&mut self, now: Instant) -> Result<(), SessionError> {
        let mut buffer = std::mem::take(&mut self.scratch);
        let drained = loop {
            match self.dtls.poll_output(&mut buffer) {
                Output::Packet(packet) => self.outgoing.push_back(packet.to_vec()),
                Output::BufferTooSmall { needed } => buffer.resize(needed, 0),
                Output::PeerCert(der) => self.peer = Some(Fingerprint::of_certificate(der)),
                Output::Connected if self.peer.is_none() => {
                    break Err(SessionError::NoCertificate);
                }
                Output::Connected => self.encrypted = true,
                Output::ApplicationData(data) => {
                    self.heard = now;
                    self.channels.receive(now, data);
                }
                Output::CloseNotify => break Err(SessionError::ClosedByPeer),
                Output::Timeout(at) => {
                    self.dtls_timeout = Some(at);
                    break Ok(());
                }
                // Keys for media, of which there is none.
                _ => {}
            }
        };
        self.scratch = buffer;
        drained
    }
}

fn dtls(error: dimpl::Error) -> SessionError {
    SessionError::Dtls(error.to_string())
}
