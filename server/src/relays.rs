//! The other servers that the operator has named (`HEALTHSYNC_RELAYS`): finds out who is at each origin, and follows it
//! for as long as both run. Who is there is its TLS certificate's word, which is why plain http is for this machine only.

use std::time::{Duration, Instant};

use healthsync_app::client::model::Bootstrap;
use healthsync_core::Person;
use healthsync_net::{FollowError, Multiaddr, PeerId, RelayHandle, websocket_multiaddr};
use reqwest::Url;
use tokio::task::JoinHandle;

use crate::settings::Settings;

/// Between two attempts: at least, and at most however often it fails.
const PAUSE: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(30));
/// Of what another server says of itself.
const BOOTSTRAP_BYTES: usize = 64 * 1024;

/// Why another server is not followed at the moment.
#[derive(Debug, thiserror::Error)]
enum Trouble {
    #[error("{0}")]
    Http(#[from] reqwest::Error),
    #[error("what it says at /api/bootstrap is not what a HealthSync server says")]
    NoServer,
    #[error("it is this server itself")]
    Itself,
    #[error("it is of other rooms: chain {chain}, registry {registry:?}")]
    OtherRooms {
        chain: u64,
        registry: Option<Person>,
    },
    #[error("{0}")]
    Follow(#[from] FollowError),
}

/// Starts a task for each server that is named.
pub(crate) fn follow(
    settings: &Settings,
    relay: &RelayHandle,
    http: &reqwest::Client,
) -> Vec<JoinHandle<()>> {
    let follow = |origin: &Url| {
        let neighbour = Neighbour {
            origin: origin.clone(),
            chain_id: settings.chain_id,
            registry: settings.registry,
            relay: relay.clone(),
            http: http.clone(),
        };
        tokio::spawn(neighbour.keep_following())
    };
    settings.relays.0.iter().map(follow).collect()
}

struct Neighbour {
    origin: Url,
    chain_id: u64,
    registry: Option<Person>,
    relay: RelayHandle,
    http: reqwest::Client,
}

impl Neighbour {
    async fn keep_following(self) {
        let mut knocks = self.relay.knocks();
        let mut pause = PAUSE.0;
        let mut said = String::new();
        loop {
            let begun = Instant::now();
            let trouble = self.follow_once().await;
            if matches!(trouble, Trouble::Follow(FollowError::Stopped)) {
                return;
            }
            let lasted = begun.elapsed() > PAUSE.1;
            if lasted {
                pause = PAUSE.0;
            }
            // Once for each kind of trouble, not once for each attempt.
            let why = trouble.to_string();
            if lasted || why != said {
                tracing::warn!(origin = %self.origin, why, "another relay is not followed; it is tried again");
                said = why;
            }
            // A little longer or shorter each time, so that two servers do not keep missing each other.
            tokio::time::sleep(PAUSE.0).await;
            let more = pause.mul_f64(rand::random_range(0.75..1.25));
            tokio::select! {
                () = tokio::time::sleep(more) => pause = (pause * 2).min(PAUSE.1),
                // Somebody is there, perhaps the one that was down.
                Ok(()) = knocks.changed() => {}
            }
        }
    }

    /// Ends with what went wrong.
    async fn follow_once(&self) -> Trouble {
        match self.find().await {
            Ok((peer, address)) => self
                .relay
                .follow(self.origin.as_str(), peer, address)
                .await
                .into(),
            Err(trouble) => trouble,
        }
    }

    /// Who is at the origin, and that it is a server of the same rooms.
    async fn find(&self) -> Result<(PeerId, Multiaddr), Trouble> {
        let url = self.origin.join("api/bootstrap");
        let url = url.map_err(|_| Trouble::NoServer)?;
        let mut answer = self.http.get(url).send().await?.error_for_status()?;
        // Not led on to another host, or from https to http.
        if answer.url().origin() != self.origin.origin() {
            return Err(Trouble::NoServer);
        }
        let mut bytes = Vec::new();
        while let Some(chunk) = answer.chunk().await? {
            bytes.extend_from_slice(&chunk);
            if bytes.len() > BOOTSTRAP_BYTES {
                return Err(Trouble::NoServer);
            }
        }
        let found: Bootstrap = serde_json::from_slice(&bytes).map_err(|_| Trouble::NoServer)?;
        let peer: PeerId = found.peer_id.parse().map_err(|_| Trouble::NoServer)?;
        if peer == self.relay.peer_id() {
            return Err(Trouble::Itself);
        }
        let (chain, registry) = (found.chain.id, found.contracts.registry);
        if chain != self.chain_id || (registry.is_some() && registry != self.registry) {
            return Err(Trouble::OtherRooms { chain, registry });
        }
        let host = self.origin.host_str().unwrap_or_default();
        let port = self.origin.port_or_known_default().unwrap_or(443);
        let tls = self.origin.scheme() == "https";
        Ok((peer, websocket_multiaddr(host, port, tls, "/p2p")))
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use tokio::net::TcpListener;

    use super::*;
    use crate::test_support::TestServer;

    /// Reached only by a failure.
    const PATIENCE: Duration = Duration::from_secs(60);

    struct Place {
        listener: TcpListener,
        origin: String,
    }

    async fn place() -> Place {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("bound");
        Place {
            listener,
            origin: format!("http://{address}"),
        }
    }

    fn serve(place: Place, server: &TestServer) {
        let app = server.router();
        let app = app.into_make_service_with_connect_info::<SocketAddr>();
        tokio::spawn(async move { axum::serve(place.listener, app).await });
    }

    async fn follow(server: &TestServer, origin: &str, chain_id: u64) -> Trouble {
        let neighbour = Neighbour {
            origin: origin.parse().expect("a URL"),
            chain_id,
            registry: None,
            relay: server.services.relay.clone(),
            http: server.services.http.clone(),
        };
        let followed = tokio::time::timeout(PATIENCE, neighbour.follow_once());
        followed.await.expect("ends in time")
    }

    #[tokio::test]
    async fn servers_follow_each_other_when_both_are_named_and_are_of_the_same_rooms() {
        let (a, b) = (place().await, place().await);
        let origin = a.origin.clone();
        let ada = TestServer::start(&["--relays", &b.origin]).await;
        let ben = TestServer::start(&["--relays", &origin]).await;
        serve(a, &ada);
        serve(b, &ben);
        let both = async {
            let followed = |server: &TestServer| server.services.relay.metrics().relays;
            while followed(&ada) + followed(&ben) < 2 {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(PATIENCE, both).await.expect("in time");

        let stranger = TestServer::start(&[]).await;
        let trouble = follow(&stranger, &origin, 31337).await;
        assert!(
            matches!(trouble, Trouble::Follow(FollowError::Refused)),
            "{trouble}"
        );
        let trouble = follow(&stranger, &origin, 1).await;
        assert!(matches!(trouble, Trouble::OtherRooms { .. }), "{trouble}");
        let trouble = follow(&ada, &origin, 31337).await;
        assert!(matches!(trouble, Trouble::Itself), "{trouble}");
        let other = place().await;
        let origin = other.origin.clone();
        let page = axum::Router::new().fallback(async || "a page of something else");
        tokio::spawn(async move { axum::serve(other.listener, page).await });
        let trouble = follow(&stranger, &origin, 31337).await;
        assert!(matches!(trouble, Trouble::NoServer), "{trouble}");
    }
}
