//! `/healthz` and `/metrics`: numbers and states, no names.

use std::fmt::Write;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{StatusCode, header};
use serde_json::json;

use crate::services::Shared;

/// What the HTTP side counts.
#[derive(Debug, Default)]
pub struct Counters {
    answers: [AtomicU64; 5],
    panics: AtomicU64,
}

impl Counters {
    pub fn answered(&self, status: StatusCode) {
        let class = usize::from(status.as_u16() / 100).clamp(1, 5) - 1;
        self.answers[class].fetch_add(1, Ordering::Relaxed);
    }

    pub fn panicked(&self) {
        self.panics.fetch_add(1, Ordering::Relaxed);
    }

    /// Appends what was counted in Prometheus' text format.
    pub fn write(&self, text: &mut String) {
        let name = "healthsync_panics_total";
        let _ = writeln!(
            text,
            "# HELP {name} Requests that ended in a panic.\n# TYPE {name} counter\n{name} {}",
            self.panics.load(Ordering::Relaxed)
        );
        let name = "healthsync_http_answers_total";
        let _ = writeln!(
            text,
            "# HELP {name} HTTP answers by class.\n# TYPE {name} counter"
        );
        for (class, count) in self.answers.iter().enumerate() {
            let _ = writeln!(
                text,
                "{name}{{class=\"{}xx\"}} {}",
                class + 1,
                count.load(Ordering::Relaxed)
            );
        }
    }
}

/// 200 when mailbox, key nodes and relay run, and no contract is known to be another's. The chain is reported, but its
/// failing is not ours.
pub async fn healthz(State(services): State<Shared>) -> Response {
    let mailbox = services.mailbox.alive().await;
    let key_nodes = services.key_nodes.alive().await;
    let relay = services.relay_runs();
    let chain = &services.chain_status;
    let healthy = mailbox && key_nodes && relay && !chain.other_code();
    let body = json!({
        "status": if healthy { "ok" } else { "unhealthy" },
        "mailbox": mailbox,
        "key_nodes": key_nodes,
        "relay": relay,
        "chain": { "reachable": chain.reachable(), "block": chain.block(), "contracts": chain.contracts() },
        "version": env!("CARGO_PKG_VERSION"),
    });
    let status = if healthy {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    (status, [(header::CACHE_CONTROL, "no-store")], Json(body)).into_response()
}

/// Prometheus text format, version 0.0.4.
pub async fn metrics(State(services): State<Shared>) -> Response {
    let mut text = String::new();
    let relay = services.relay.metrics();
    let counters = &services.counters;
    let chain = &services.chain_status;
    let gauges = [
        (
            "healthsync_connections",
            "Connections of browsers to the relay.",
            relay.connections,
        ),
        (
            "healthsync_rooms_joined",
            "Rooms that somebody is connected to.",
            relay.rooms,
        ),
        (
            "healthsync_circuits",
            "Calls between browsers that are being put through.",
            relay.circuits,
        ),
        (
            "healthsync_relays_followed",
            "Other relays that this one follows.",
            relay.relays,
        ),
        (
            "healthsync_admissions",
            "Devices in rooms, each room counted.",
            relay.admissions,
        ),
        (
            "healthsync_chain_reachable",
            "1 when the chain answered the last question.",
            u64::from(chain.reachable()),
        ),
        ("healthsync_chain_block", "Last block read.", chain.block()),
        (
            "healthsync_resident_bytes",
            "Memory of this process.",
            resident_bytes(),
        ),
    ];
    for (name, help, value) in gauges {
        let _ = writeln!(
            text,
            "# HELP {name} {help}\n# TYPE {name} gauge\n{name} {value}"
        );
    }
    // A database that does not answer has no number: 0 would be read as a counter that began anew.
    if let Ok(rooms) = services.index.count().await {
        let name = "healthsync_rooms_indexed";
        let _ = writeln!(
            text,
            "# HELP {name} Rooms in the registry.\n# TYPE {name} gauge\n{name} {rooms}"
        );
    }
    if let Ok(envelopes) = services.mailbox.count().await {
        let name = "healthsync_envelopes_total";
        let _ = writeln!(
            text,
            "# HELP {name} Sealed events ever stored in the mailbox, those forgotten since included.\n\
             # TYPE {name} counter\n{name} {envelopes}"
        );
    }
    let name = "healthsync_transport_connections";
    let _ = writeln!(
        text,
        "# HELP {name} Connections by transport.\n# TYPE {name} gauge"
    );
    for (transport, value) in [("webrtc", relay.webrtc), ("websocket", relay.websocket)] {
        let _ = writeln!(text, "{name}{{transport=\"{transport}\"}} {value}");
    }
    let totals = [
        (
            "healthsync_gossip_accepted_total",
            "Gossip passed on.",
            relay.gossip_accepted,
        ),
        (
            "healthsync_gossip_ignored_total",
            "Gossip dropped without blame.",
            relay.gossip_ignored,
        ),
        (
            "healthsync_gossip_rejected_total",
            "Gossip that was wrong.",
            relay.gossip_rejected,
        ),
        (
            "healthsync_sync_requests_total",
            "Requests the relay answered.",
            relay.requests,
        ),
        (
            "healthsync_sync_refused_total",
            "Requests the relay refused.",
            relay.refused,
        ),
        (
            "healthsync_connections_cut_total",
            "Connections closed for cause.",
            relay.cut,
        ),
        (
            "healthsync_circuits_refused_total",
            "Calls between browsers that the relay did not put through.",
            relay.circuits_refused,
        ),
        (
            "healthsync_circuit_bytes_total",
            "Bytes of calls between browsers that went through the relay.",
            relay.circuit_bytes,
        ),
        (
            "healthsync_relayed_total",
            "Sealed events that came from other relays.",
            relay.relayed,
        ),
        (
            "healthsync_relayed_refused_total",
            "Sealed events of other relays that were refused.",
            relay.relayed_refused,
        ),
    ];
    for (name, help, value) in totals {
        let _ = writeln!(
            text,
            "# HELP {name} {help}\n# TYPE {name} counter\n{name} {value}"
        );
    }
    counters.write(&mut text);
    (
        [(
            header::CONTENT_TYPE,
            "text/plain; version=0.0.4; charset=utf-8",
        )],
        text,
    )
        .into_response()
}

/// Of this process; 0 where the system does not tell.
fn resident_bytes() -> u64 {
    let pages = std::fs::read_to_string("/proc/self/statm")
        .ok()
        .and_then(|statm| statm.split_whitespace().nth(1)?.parse::<u64>().ok());
    pages.unwrap_or(0) * 4096
}
