//! Conversations as tokens: the terms that contributors sign, the id that follows from them, and the token contract
//! as seen from outside. `contracts/` holds the contract itself; [`commitment`] says what its root is over, and
//! [`bundle`] what a token's holder opens.

use std::str::FromStr;

use alloy_primitives::{B256, U256, keccak256};
use alloy_sol_types::sol;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::{
    bytes::lower_hex,
    ids::{ParseIdError, Person},
    limits::{self, LimitError},
    typed::Words,
};

pub mod bundle;
pub mod commitment;
pub mod selection;

pub use bundle::{Bundle, BundleError};
pub use commitment::commitment;
pub use selection::{contributors, conversation, holds_taken_back};

/// The shares of all contributors together, in hundredths of a percent.
pub const WHOLE: u32 = 10_000;
/// The highest royalty that the contract takes: 10 %.
pub const MAX_ROYALTY: u16 = 1_000;

const NAME: &str = "HealthSync Conversation";
const VERSION: &str = "1";
const DOMAIN_TYPE: &str =
    "EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)";
const TERMS_TYPE: &str = "MintTerms(bytes32 commitment,bytes32 pointer,address[] contributors,uint16[] shares,address holder,address[] editions,uint8 quorum,uint16 royalty,uint64 deadline,uint256 nonce)";

sol! {
    /// A conversation that can be owned.
    #[sol(all_derives)]
    interface ConversationToken {
        struct MintTerms {
            bytes32 commitment;
            bytes32 pointer;
            address[] contributors;
            uint16[] shares;
            address holder;
            address[] editions;
            uint8 quorum;
            uint16 royalty;
            uint64 deadline;
            uint256 nonce;
        }

        struct Conversation {
            address splitter;
            uint16 royalty;
            uint16 editions;
            uint8 quorum;
            uint8 retractions;
            bool withdrawn;
            bytes32 commitment;
            bytes32 pointer;
        }

        event Transfer(address indexed from, address indexed to, uint256 indexed tokenId);
        event Withdrawn(uint256 indexed id);

        error AlreadyMinted(uint256 id);
        error NoSuchConversation(uint256 id);
        error Expired(uint64 deadline);
        error NoConsent(address person);
        error NotAContributor(uint256 id, address person);
        error RetractedBefore(uint256 id, address person);
        error IsWithdrawn(uint256 id);
        error ERC721InvalidReceiver(address receiver);

        function mint(MintTerms terms, bytes[] signatures) external returns (uint256 id);
        function retract(uint256 id) external;
        function transferFrom(address from, address to, uint256 tokenId) external;

        /// The block that the contract was deployed in: a reader of its events starts here.
        function firstBlock() external view returns (uint256);
        function royaltyInfo(uint256 token, uint256 price) external view returns (address receiver, uint256 amount);
        function splitterCode() external view returns (address);
        function canOpen(uint256 token, address person) external view returns (bool);
        function hasRetracted(uint256 id, address person) external view returns (bool);
        function describe(uint256 token) external view returns (address holder, Conversation conversation, address[] contributors, uint16[] shares);
    }

    /// The royalties of one conversation.
    #[sol(all_derives)]
    interface RoyaltySplitter {
        error NothingDue(address asset, address person);

        function claim(address asset, address to) external returns (uint256 amount);
        function accounts(address asset) external view returns (address[] people, uint16[] shares, uint256[] paid, uint256[] open);
    }
}

/// A token, or the conversation that it stands for (its last 16 bits are zero then). Text form `0x` and 64 hex digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TokenId(pub [u8; 32]);

impl TokenId {
    /// The id of the conversation: the token of the original.
    pub fn conversation(mut self) -> Self {
        self.0[30..].fill(0);
        self
    }

    /// 0 for the original, else the number of the edition.
    pub fn edition(&self) -> u16 {
        u16::from_be_bytes([self.0[30], self.0[31]])
    }

    /// `0x58d2…` and the edition: for people, who need to tell a few apart.
    pub fn short(&self) -> String {
        let head = hex::encode(&self.0[..4]);
        match self.edition() {
            0 => format!("#{head}"),
            edition => format!("#{head}/{edition}"),
        }
    }

    /// The number as the contract takes it.
    pub fn number(&self) -> U256 {
        U256::from_be_bytes(self.0)
    }

    /// Under which id the key nodes hold the key of this conversation: the digest of a CIDv1 (raw, SHA-256) that
    /// belongs to no file.
    pub fn key_digest(&self, chain_id: u64, contract: &Person) -> [u8; 32] {
        let mut hash = Sha256::new();
        hash.update(b"healthsync/token-key/1\0");
        hash.update(chain_id.to_be_bytes());
        hash.update(contract.0);
        hash.update(self.conversation().0);
        hash.finalize().into()
    }
}

impl From<U256> for TokenId {
    fn from(number: U256) -> Self {
        Self(number.to_be_bytes())
    }
}

impl std::fmt::Display for TokenId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "0x{}", hex::encode(self.0))
    }
}

impl FromStr for TokenId {
    type Err = ParseIdError;

    fn from_str(text: &str) -> Result<Self, ParseIdError> {
        text.strip_prefix("0x")
            .and_then(lower_hex)
            .map(Self)
            .ok_or_else(|| ParseIdError::new("A token is 0x and 64 lower-case hex digits."))
    }
}

impl TryFrom<String> for TokenId {
    type Error = ParseIdError;

    fn try_from(text: String) -> Result<Self, ParseIdError> {
        text.parse()
    }
}

impl From<TokenId> for String {
    fn from(token: TokenId) -> Self {
        token.to_string()
    }
}

/// One who has a part in a conversation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Contributor {
    /// Whose consent is needed.
    pub person: Person,
    /// Of the royalties, in hundredths of a percent.
    pub share: u16,
}

/// What every contributor signs. The contract's `MintTerms`, with contributors and shares side by side.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Terms {
    /// See [`commitment()`].
    #[serde(with = "crate::bytes")]
    pub commitment: [u8; 32],
    /// See [`pointer`].
    #[serde(with = "crate::bytes")]
    pub pointer: [u8; 32],
    /// Ascending by address.
    pub contributors: Vec<Contributor>,
    /// Gets the original.
    pub holder: Person,
    /// Each gets an edition.
    pub editions: Vec<Person>,
    /// How many contributors it takes to withdraw the conversation.
    pub quorum: u8,
    /// Of each resale, in hundredths of a percent.
    pub royalty: u16,
    /// Seconds since 1970; not minted after it.
    pub deadline: u64,
    /// Random: makes a second proposal for the same conversation another one.
    #[serde(with = "crate::bytes")]
    pub nonce: [u8; 32],
}

impl Terms {
    /// Checks what the contract would refuse, and what does not fit an event; a sentence for whoever proposes.
    pub fn check(&self) -> Result<(), LimitError> {
        let contributors = self.contributors.len();
        let most = limits::CONTRIBUTORS;
        limits::check_count("The proposal", "contributors", contributors, most)?;
        limits::check_count(
            "The proposal",
            "editions",
            self.editions.len(),
            limits::EDITIONS,
        )?;
        if contributors == 0 {
            return Err(LimitError::Empty("The list of contributors"));
        }
        let total: u32 = self.contributors.iter().map(|c| u32::from(c.share)).sum();
        let ascending = self
            .contributors
            .windows(2)
            .all(|two| two[0].person < two[1].person);
        let shared = total == WHOLE && self.contributors.iter().all(|c| c.share > 0);
        if !ascending || !shared {
            return Err(LimitError::Wrong(
                "The shares of a proposal are of different people, each above 0, and 100 % together.",
            ));
        }
        if self.quorum == 0 || usize::from(self.quorum) > contributors {
            return Err(LimitError::Wrong(
                "Withdrawal takes at least one contributor and at most all of them.",
            ));
        }
        if self.royalty > MAX_ROYALTY {
            return Err(LimitError::Wrong("A royalty is at most 10 %."));
        }
        Ok(())
    }

    /// The terms as the contract takes them.
    pub fn to_sol(&self) -> ConversationToken::MintTerms {
        ConversationToken::MintTerms {
            commitment: B256::from(self.commitment),
            pointer: B256::from(self.pointer),
            contributors: self.contributors.iter().map(|c| c.person.into()).collect(),
            shares: self.contributors.iter().map(|c| c.share).collect(),
            holder: self.holder.into(),
            editions: self
                .editions
                .iter()
                .map(|person| (*person).into())
                .collect(),
            quorum: self.quorum,
            royalty: self.royalty,
            deadline: self.deadline,
            nonce: U256::from_be_bytes(self.nonce),
        }
    }

    /// The EIP-712 hash that contributors sign: bound to the chain and the contract.
    pub fn signing_hash(&self, chain_id: u64, contract: &Person) -> [u8; 32] {
        let mut domain = Words::of(DOMAIN_TYPE);
        domain.text(NAME);
        domain.text(VERSION);
        domain.number(chain_id);
        domain.right(&contract.0);

        let people = self.contributors.iter().map(|c| &c.person.0[..]);
        let shares: Vec<[u8; 2]> = self
            .contributors
            .iter()
            .map(|c| c.share.to_be_bytes())
            .collect();
        let editions = self.editions.iter().map(|person| &person.0[..]);
        let mut terms = Words::of(TERMS_TYPE);
        terms.right(&self.commitment);
        terms.right(&self.pointer);
        terms.right(&Words::list(people).hash());
        terms.right(&Words::list(shares.iter().map(|share| &share[..])).hash());
        terms.right(&self.holder.0);
        terms.right(&Words::list(editions).hash());
        terms.number(self.quorum.into());
        terms.number(self.royalty.into());
        terms.number(self.deadline);
        terms.right(&self.nonce);
        terms.signing_hash_in(&domain)
    }

    /// The id that the conversation has, minted or not.
    pub fn token(&self, chain_id: u64, contract: &Person) -> TokenId {
        TokenId(self.signing_hash(chain_id, contract)).conversation()
    }

    /// The JSON text to pass to `eth_signTypedData_v4`. Wallets show it to the person.
    pub fn typed_data_json(&self, chain_id: u64, contract: &Person) -> String {
        let field = |name: &str, kind: &str| serde_json::json!({ "name": name, "type": kind });
        let people = |people: &mut dyn Iterator<Item = &Person>| -> Vec<String> {
            people.map(Person::checksummed).collect()
        };
        serde_json::json!({
            "types": {
                "EIP712Domain": [
                    field("name", "string"), field("version", "string"),
                    field("chainId", "uint256"), field("verifyingContract", "address"),
                ],
                "MintTerms": [
                    field("commitment", "bytes32"), field("pointer", "bytes32"),
                    field("contributors", "address[]"), field("shares", "uint16[]"),
                    field("holder", "address"), field("editions", "address[]"),
                    field("quorum", "uint8"), field("royalty", "uint16"),
                    field("deadline", "uint64"), field("nonce", "uint256"),
                ],
            },
            "primaryType": "MintTerms",
            "domain": {
                "name": NAME, "version": VERSION, "chainId": chain_id,
                "verifyingContract": contract.checksummed(),
            },
            "message": {
                "commitment": format!("0x{}", hex::encode(self.commitment)),
                "pointer": format!("0x{}", hex::encode(self.pointer)),
                "contributors": people(&mut self.contributors.iter().map(|c| &c.person)),
                "shares": self.contributors.iter().map(|c| c.share).collect::<Vec<_>>(),
                "holder": self.holder.checksummed(),
                "editions": people(&mut self.editions.iter()),
                "quorum": self.quorum,
                "royalty": self.royalty,
                "deadline": self.deadline,
                "nonce": format!("0x{}", hex::encode(self.nonce)),
            },
        })
        .to_string()
    }
}

/// Turns the digest of the sealed bundle's CID (v1, raw, SHA-256) into what stands on chain, and back: a pad made of
/// the bundle's key, which is used for this and for nothing else. Who has the key finds the bundle; for everybody
/// else it is noise.
pub fn pointer(digest: &[u8; 32], bundle_key: &[u8]) -> [u8; 32] {
    let pad = keccak256([b"healthsync/token-pointer/1\0", bundle_key].concat());
    std::array::from_fn(|i| digest[i] ^ pad[i])
}
