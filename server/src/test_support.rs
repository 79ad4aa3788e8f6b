//! What several tests need: a server in a temporary folder, a person with a device, requests without a socket.

use std::net::SocketAddr;

use axum::Router;
use axum::body::Body;
use clap::Parser;
use healthsync_core::eth::{person_of_secret, sign_hash};
use healthsync_core::{
    Delegation, DeviceKey, DeviceSecret, DeviceToken, Envelope, Event, EventId, Kind, Millis,
    Person, Revocation, RoomId, RoomKey, Scope, SignedDelegation, SignedEvent, SignedRevocation,
};
use http::{Request, Response, StatusCode};
use tempfile::TempDir;
use tower::ServiceExt;

use crate::clock;
use crate::services::{Services, Shared};
use crate::settings::Settings;

/// Nothing listens there: a chain that does not answer, found out at once.
pub(crate) const NO_CHAIN: &str = "http://127.0.0.1:9";

/// A running server, without a listening socket for HTTP.
pub(crate) struct TestServer {
    pub(crate) services: Shared,
    pub(crate) folder: TempDir,
}

impl TestServer {
    pub(crate) async fn start(more: &[&str]) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let mut args = vec!["healthsync", "--p2p-webrtc-port", "0"];
        let data = folder.path().join("data").display().to_string();
        let site = folder.path().join("site").display().to_string();
        args.extend(["--data-dir", &data, "--site-root", &site]);
        if !more.contains(&"--chain-rpc") {
            args.extend(["--chain-rpc", NO_CHAIN]);
        }
        args.extend(more);
        let settings = Settings::parse_from(args);
        let listening = SocketAddr::from(([127, 0, 0, 1], 3000));
        let services = Services::start(settings, listening).await.expect("starts");
        Self { services, folder }
    }

    pub(crate) fn router(&self) -> Router {
        crate::http::router(self.services.clone())
    }

    pub(crate) async fn send(&self, request: Request<Body>) -> Response<Body> {
        self.router().oneshot(request).await.expect("infallible")
    }

    pub(crate) async fn get(&self, path: &str) -> Response<Body> {
        self.send(
            Request::get(path)
                .header("host", "127.0.0.1:3000")
                .body(Body::empty())
                .expect("a request"),
        )
        .await
    }
}

/// Status and body.
pub(crate) async fn whole(response: Response<Body>) -> (StatusCode, Vec<u8>) {
    let status = response.status();
    let bytes = axum::body::to_bytes(response.into_body(), 64 << 20)
        .await
        .expect("a body");
    (status, bytes.to_vec())
}

/// Status and JSON body.
pub(crate) async fn json(response: Response<Body>) -> (StatusCode, serde_json::Value) {
    let (status, bytes) = whole(response).await;
    let value = serde_json::from_slice(&bytes)
        .unwrap_or_else(|_| panic!("no JSON: {}", String::from_utf8_lossy(&bytes)));
    (status, value)
}

/// Somebody with a wallet and a device.
pub(crate) struct Someone {
    pub(crate) person: Person,
    pub(crate) device: DeviceSecret,
    pub(crate) delegation: SignedDelegation,
    wallet: [u8; 32],
    last: Option<EventId>,
    seq: u64,
}

impl Someone {
    pub(crate) fn new(number: u8) -> Self {
        Self::with_wallet([number; 32], number)
    }

    pub(crate) fn with_wallet(wallet: [u8; 32], number: u8) -> Self {
        let person = person_of_secret(&wallet).expect("a secret");
        let device = DeviceSecret::from_bytes([number ^ 0x55; 32]);
        let now = clock::now().seconds();
        let delegation = Delegation {
            person,
            device: device.public(),
            issued_at: now,
            expires_at: now + 3600,
            chain_id: 31337,
        };
        let signature = sign_hash(&delegation.signing_hash(), &wallet).expect("signs");
        Self {
            person,
            device,
            delegation: SignedDelegation {
                delegation,
                signature,
            },
            wallet,
            last: None,
            seq: 0,
        }
    }

    pub(crate) fn bearer(&self, scope: Scope) -> String {
        let nonce = rand::random();
        DeviceToken::sign(
            self.delegation.clone(),
            scope,
            clock::now(),
            nonce,
            &self.device,
        )
        .to_bearer()
    }

    /// What her wallet signs for a device, whosever it is.
    pub(crate) fn delegates(&self, device: DeviceKey) -> SignedDelegation {
        let delegation = Delegation {
            device,
            ..self.delegation.delegation.clone()
        };
        let signature = sign_hash(&delegation.signing_hash(), &self.wallet).expect("signs");
        SignedDelegation {
            delegation,
            signature,
        }
    }

    /// What her wallet signs to end a device's right to speak for her.
    pub(crate) fn revokes(&self, device: DeviceKey) -> SignedRevocation {
        let revocation = Revocation {
            person: self.person,
            device,
            revoked_at: clock::now().seconds(),
            chain_id: 31337,
        };
        let signature = sign_hash(&revocation.signing_hash(), &self.wallet).expect("signs");
        SignedRevocation {
            revocation,
            signature,
        }
    }

    /// The next event of this device in `room`, sealed.
    pub(crate) fn says(&mut self, room: RoomId, text: &str) -> Envelope {
        let event = Event {
            v: 1,
            room,
            person: self.person,
            device: self.device.public(),
            seq: self.seq + 1,
            prev: self.last,
            lamport: self.seq + 1,
            at: Millis(1),
            kind: Kind::message(text),
        };
        let signed = SignedEvent::sign(event, &self.device);
        self.last = Some(signed.id());
        self.seq += 1;
        let key = RoomKey::from_master(&[7; 32], &room, 0);
        Envelope::seal(&signed, &key, 0, rand::random(), &self.device)
    }
}
