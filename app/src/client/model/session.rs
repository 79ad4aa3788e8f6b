//! The network, the wallet and who uses this browser.

use healthsync_core::{DeviceKey, Millis, Person};

use super::Trouble;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    WebRtc,
    WebSocket,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Network {
    /// Before the script has started, and while the first connection is being made.
    Starting,
    Connected {
        transport: Transport,
        rtt_ms: Option<u32>,
        /// Why the preferred transport is not used.
        fallback: Option<String>,
        since: Millis,
    },
    Offline {
        since: Millis,
        reason: String,
    },
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WalletChoice {
    /// EIP-6963 uuid, `window.ethereum`, or `demo`.
    pub id: String,
    pub name: String,
    /// Only `data:` URLs get here.
    pub icon: Option<String>,
    pub demo: bool,
}

/// Who is using this browser, and how far the sign-in has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Session {
    /// Server rendering, and the first moments in the browser.
    Restoring,
    SignedOut,
    /// The wallet has been asked for its accounts.
    Connecting {
        wallet: String,
    },
    /// The wallet is on another chain and has been asked to switch (or to add ours).
    Switching {
        wallet: String,
        person: Person,
    },
    /// The wallet shows the delegation; these are the values to compare.
    Signing {
        wallet: String,
        person: Person,
        device: DeviceKey,
        issued_at: Millis,
        expires_at: Millis,
    },
    /// Connected, but this browser may not sign: it can read, and what is written waits.
    ReadOnly {
        wallet: String,
        person: Person,
        why: Trouble,
    },
    Ready {
        wallet: String,
        person: Person,
        device: DeviceKey,
        expires_at: Millis,
        demo: bool,
        /// What the wallet shall be asked for next, when that is the sign-in at key nodes of Lighthouse's kind.
        keys: Option<String>,
    },
}

impl Session {
    pub fn person(&self) -> Option<Person> {
        match self {
            Session::Switching { person, .. }
            | Session::Signing { person, .. }
            | Session::ReadOnly { person, .. }
            | Session::Ready { person, .. } => Some(*person),
            Session::Restoring | Session::SignedOut | Session::Connecting { .. } => None,
        }
    }

    pub fn is_ready(&self) -> bool {
        matches!(self, Session::Ready { .. })
    }
}
