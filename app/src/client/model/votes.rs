//! What a poll asks of its votes, and a vote on its way through the wallet.

use healthsync_core::{OptionId, Reveal, Signing};

use super::Trouble;

/// Chosen when asking; it can't change afterwards.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PollRules {
    pub open_options: bool,
    pub signing: Signing,
    pub reveal: Reveal,
}

/// A vote that the wallet was asked to sign.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Casting {
    pub option: OptionId,
    /// `None`: the wallet shows it. Else why it was not signed; the choice stays.
    pub failed: Option<Trouble>,
}
