//! Key nodes of Lighthouse's kind: where theirs are, which chains they can ask, and what goes together with them.

use healthsync_lighthouse::node::MAX_BODY;
use reqwest::Url;

use crate::settings::{self, Settings};

/// The five that Lighthouse runs: `…/1` to `…/5` on this host.
pub(crate) const KEY_NODES: &str = "https://encryption.lighthouse.storage";

/// Longest body either way.
pub(super) const BODY: usize = MAX_BODY;

/// EVM chains by the names that Lighthouse documents, with their ids where the name leaves no doubt.
const CHAINS: [(&str, Option<u64>); 28] = [
    ("Ethereum", Some(1)),
    ("Filecoin", Some(314)),
    ("Polygon", Some(137)),
    ("Base", Some(8453)),
    ("Fantom", Some(250)),
    ("Optimism", Some(10)),
    ("BSC", Some(56)),
    ("AVAX", Some(43_114)),
    ("World_Chain", Some(480)),
    // Off their list of chains since September 2025, and still on their page about conditions.
    ("Calibration", Some(314_159)),
    ("Fuji", Some(43_113)),
    ("BSCTest", Some(97)),
    ("FantomTest", Some(4_002)),
    ("Goerli", Some(5)),
    ("Rinkeby", Some(4)),
    ("OptimismGoerli", Some(420)),
    ("OptimismKovan", Some(69)),
    ("Mumbai", Some(80_001)),
    ("Filecoin_Testnet", None),
    ("Base_Testnet", None),
    ("Scroll_Testnet", None),
    ("Zircuit_Testnet", None),
    ("Abstract_Testnet", None),
    ("Forma", None),
    ("Forma_Sketchpad", None),
    ("Destra", None),
    ("Shardeum_Lib1", None),
    ("Shardeum_Lib2", None),
];

/// What a chain is called by its id.
pub(crate) fn chain_of(id: u64) -> Option<&'static str> {
    let found = CHAINS.iter().find(|(_, known)| *known == Some(id));
    found.map(|(name, _)| *name)
}

/// Settings that do not go together with the key nodes.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unsuitable {
    /// Nobody in a room would get its key.
    #[error(
        "HEALTHSYNC_KEY_NODES is lighthouse, and Lighthouse's key nodes cannot ask the chain {id} under the name {name}, \
         so they would give no member of a room its key; use a chain of theirs (HEALTHSYNC_CHAIN_ID, and \
         HEALTHSYNC_CHAIN_NAME as they call it), such as 314, Filecoin, or key nodes of your own"
    )]
    Chain { id: u64, name: String },
    #[error(
        "HEALTHSYNC_KEY_NODES_THROUGH_SERVER is true, which is for nodes of Lighthouse's kind; HealthSync's own are asked \
         through this server anyway, with answers that it cannot read"
    )]
    NotTheirs,
}

/// Whether the settings go together.
pub(crate) fn check(settings: &Settings) -> Result<(), Unsuitable> {
    let settings::KeyNodes::Lighthouse(url) = &settings.key_nodes else {
        return if settings.key_nodes_through_server {
            Err(Unsuitable::NotTheirs)
        } else {
            Ok(())
        };
    };
    // What others with the same API can ask is their operator's affair.
    let theirs = Url::parse(KEY_NODES).is_ok_and(|theirs| theirs.host() == url.host());
    let (id, name) = (settings.chain_id, settings.chain_name());
    let known = CHAINS
        .iter()
        .any(|(known, of)| known.eq_ignore_ascii_case(&name) && of.is_none_or(|of| of == id));
    if theirs && !known {
        Err(Unsuitable::Chain { id, name })
    } else {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    fn said(more: &[&str]) -> Result<(), Unsuitable> {
        let args = ["healthsync", "--key-nodes", "lighthouse"];
        let args = args.iter().chain(more);
        check(&Settings::try_parse_from(args).expect("parses"))
    }

    #[test]
    fn a_chain_that_lighthouse_cannot_ask_is_refused_by_its_name() {
        assert_eq!(said(&["--chain-id", "314"]), Ok(()));
        assert_eq!(said(&["--chain-id", "314159"]), Ok(()));
        let renamed = ["--chain-id", "314159", "--chain-name", "filecoin_testnet"];
        assert_eq!(said(&renamed), Ok(()));
        assert_eq!(said(&["--chain-id", "8453"]), Ok(()));
        for wrong in [
            &["--chain-id", "31337"][..],
            &["--chain-id", "11155111"],
            &["--chain-id", "314159", "--chain-name", "Ethereum"],
            &["--chain-id", "314", "--chain-name", "Hospital chain"],
        ] {
            let why = said(wrong).expect_err("refused").to_string();
            assert!(why.contains(wrong[1]), "{why}");
        }
        let own = ["--key-nodes", "lighthouse+https://keys.example"];
        let settings = Settings::try_parse_from(["healthsync"].iter().chain(&own));
        assert_eq!(check(&settings.expect("parses")), Ok(()));
    }

    #[test]
    fn our_own_kind_needs_no_way_through_the_server() {
        let args = ["healthsync", "--key-nodes-through-server", "true"];
        let settings = Settings::try_parse_from(args).expect("parses");
        assert_eq!(check(&settings), Err(Unsuitable::NotTheirs));
    }
}
