//! Keys of conversations at the key nodes.
//!
//! The key of a conversation has no owner there: it is saved under an account that is made for that and thrown away,
//! so that the condition alone decides, for whoever minted it, too. Images stay their author's; a token's holders are
//! let in beside the room's members.

use std::rc::Rc;

use alloy_primitives::Address;
use futures::future::join_all;
use healthsync_core::{
    Delegation, DeviceSecret, DeviceToken, Person, RoomId, Scope, SignedDelegation, TokenId,
};
use healthsync_lighthouse::{
    Share,
    kavach::{rules, with_share},
    parse_cid,
};
use serde_json::{Value, json};

use crate::client::{
    browser::{
        hosted::AtHost,
        http::{HttpError, send_json},
        platform::{now, random, sleep},
        rooms::key::{NEEDED, list_names},
        runtime::{Runtime, trouble},
        wallet::{DemoWallet, Wallet},
    },
    model::{KeyNodeInfo, Trouble},
};

const ANSWER_MS: u32 = 15_000;
const TRIES: u32 = 3;
/// A throw-away account's delegation, in seconds: as long as the calls take.
const MOMENT: u64 = 600;

/// CIDv1 of a raw block with this SHA-256 digest.
pub(super) fn raw_cid(digest: &[u8; 32]) -> String {
    cid_text(0x55, digest)
}

/// The ids that a stored file with this digest can have: a single block, or a tree of them.
pub(super) fn file_cids(digest: &[u8; 32]) -> [String; 2] {
    [cid_text(0x55, digest), cid_text(0x70, digest)]
}

fn cid_text(codec: u8, digest: &[u8; 32]) -> String {
    let binary = [&[1, codec, 0x12, 0x20], digest.as_slice()].concat();
    let text = format!("f{}", hex::encode(binary));
    // The one text form that everybody uses; a CID made here always reads.
    parse_cid(&text).map_or(text, |cid| cid.to_string())
}

/// The digest in a CID.
pub(super) fn digest_of(cid: &str) -> Option<[u8; 32]> {
    parse_cid(cid).ok()?.to_bytes()[4..].try_into().ok()
}

/// "Holds a token of this conversation, and it is not withdrawn".
fn holder_condition(id: u64, chain_name: &str, contract: Person, token: TokenId) -> Value {
    json!({
        "id": id,
        "chain": chain_name,
        "standardContractType": "Custom",
        "contractAddress": Address::from(contract).to_checksum(None),
        "method": "canOpen",
        "parameters": [token.number().to_string(), ":userAddress"],
        "inputArrayType": ["uint256", "address"],
        "outputType": "bool",
        "returnValueTest": { "comparator": "==", "value": "true" },
    })
}

/// Signs for one call to a node.
struct Caller {
    wallet: Wallet,
    person: Person,
    delegation: SignedDelegation,
    device: DeviceSecret,
}

impl Caller {
    /// An account that nobody will have again.
    fn throw_away(chain_id: u64) -> Option<Self> {
        let wallet = DemoWallet::new(random::<32>()).ok()?;
        let person = wallet.person;
        let device = DeviceSecret::from_bytes(random::<32>());
        let issued_at = now().seconds();
        let delegation = Delegation {
            person,
            device: device.public(),
            issued_at,
            expires_at: issued_at + MOMENT,
            chain_id,
        };
        let signature = wallet.sign(&delegation.signing_hash()).ok()?;
        Some(Self {
            wallet: Wallet::Demo(wallet),
            person,
            delegation: SignedDelegation {
                delegation,
                signature,
            },
            device,
        })
    }

    fn bearer(&self, cid: &str, node: u8) -> String {
        let scope = Scope::SaveKey {
            cid: cid.to_owned(),
            node,
        };
        let delegation = self.delegation.clone();
        DeviceToken::sign(delegation, scope, now(), random::<16>(), &self.device).to_bearer()
    }
}

impl Runtime {
    /// Saves the shares of a conversation's key, for holders of its tokens and for nobody else.
    pub(super) async fn save_token_shares(
        self: &Rc<Self>,
        cid: &str,
        shares: &[Share],
        contract: Person,
        token: TokenId,
    ) -> Result<(), Trouble> {
        let Some(caller) = Caller::throw_away(self.bootstrap.chain.id) else {
            return Err(trouble(
                "A key could not be made.",
                None,
                Some("Try again."),
            ));
        };
        let condition = holder_condition(1, &self.bootstrap.chain.name, contract, token);
        let rules = rules(caller.person, cid, &json!([condition]), "([1])");
        self.at_nodes(cid, &caller, &rules, shares).await
    }

    /// Lets the holders of these conversations open an image, beside the members of the room.
    pub(super) async fn open_image_to_holders(
        self: &Rc<Self>,
        cid: &str,
        room: RoomId,
        contract: Person,
        tokens: &[TokenId],
    ) -> Result<(), Trouble> {
        let Some((me, delegation)) = self.signer() else {
            return Err(trouble(
                "This browser may not sign for you yet.",
                None,
                Some("Sign in the wallet, then try again."),
            ));
        };
        let caller = Caller {
            wallet: me.wallet.clone(),
            person: me.person,
            delegation,
            device: me.device.clone(),
        };
        let chain = &self.bootstrap.chain.name;
        let mut conditions = vec![self.members_of(&room)[0].clone()];
        for (token, id) in tokens.iter().zip(2..) {
            conditions.push(holder_condition(id, chain, contract, *token));
        }
        let any: Vec<String> = (1..=conditions.len()).map(|id| format!("[{id}]")).collect();
        let any = format!("({})", any.join(" or "));
        let rules = rules(caller.person, cid, &Value::Array(conditions), &any);
        self.at_nodes(cid, &caller, &rules, &[]).await
    }

    /// One call to each node, all at once, with its share if there are any. Good when enough nodes to open the file have
    /// taken it.
    async fn at_nodes(
        self: &Rc<Self>,
        cid: &str,
        caller: &Caller,
        rules: &Value,
        shares: &[Share],
    ) -> Result<(), Trouble> {
        let host = self.at_host_as(caller.person, &caller.wallet);
        let nodes = &self.bootstrap.key_nodes;
        let calls = nodes
            .iter()
            .enumerate()
            .map(|(i, node)| at_node(host.as_ref(), node, cid, caller, (rules, shares.get(i))));
        let failed: Vec<(String, HttpError)> =
            join_all(calls).await.into_iter().flatten().collect();
        if nodes.len() - failed.len() >= NEEDED {
            return Ok(());
        }
        let names: Vec<String> = failed.iter().map(|(name, _)| name.clone()).collect();
        let why = failed.first().map(|(_, error)| error.to_string());
        Err(trouble(
            format!(
                "{} did not take the key: {}.",
                list_names(&names),
                why.unwrap_or_default()
            ),
            None,
            Some("Try again when the key nodes answer."),
        ))
    }
}

/// The node's name and why, when it did not take the call.
async fn at_node(
    host: Option<&AtHost>,
    node: &KeyNodeInfo,
    cid: &str,
    caller: &Caller,
    (rules, share): (&Value, Option<&Share>),
) -> Option<(String, HttpError)> {
    let url = format!("{}/api/fileAccessConditions/{}", node.url, node.id);
    let mut attempt = 1;
    loop {
        let sent = match host {
            Some(host) => host.save(node.id, rules, share).await,
            None => {
                // Each node takes a token once, so each try has its own.
                let bearer = caller.bearer(cid, node.id);
                let method = if share.is_some() { "POST" } else { "PUT" };
                let body = with_share(rules, share);
                send_json(method, &url, &body, Some(&bearer), ANSWER_MS).await
            }
        };
        match sent {
            Ok(_) => return None,
            Err(error) if attempt < TRIES && error.is_temporary() => sleep(400 * attempt).await,
            Err(error) => return Some((node.name.clone(), error)),
        }
        attempt += 1;
    }
}
