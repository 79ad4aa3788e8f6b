//! Tokens against a real chain: the code at the addresses, what a token says, who holds it.

use std::sync::Arc;

use alloy_primitives::{Address, U256};
use alloy_sol_types::SolCall;
use healthsync_core::conversation::ConversationToken::{mintCall, transferFromCall};
use healthsync_core::eth::{person_of_secret, sign_hash};
use healthsync_core::{Contributor, Person, Terms, TokenId};
use serde_json::json;

use super::holders::round;
use super::tests::LocalChain;
use super::*;
use crate::mailbox::Mailbox;

const ANA: [u8; 32] = [11; 32];
const BEN: [u8; 32] = [12; 32];

fn person(secret: &[u8; 32]) -> Person {
    person_of_secret(secret).expect("a secret")
}

fn terms(holder: Person) -> Terms {
    let mut contributors = [ANA, BEN].map(|secret| Contributor {
        person: person(&secret),
        share: 5_000,
    });
    contributors.sort_by_key(|contributor| contributor.person);
    Terms {
        commitment: [1; 32],
        pointer: [2; 32],
        contributors: contributors.to_vec(),
        holder,
        editions: vec![person(&BEN)],
        quorum: 1,
        royalty: 750,
        deadline: u64::MAX,
        nonce: [3; 32],
    }
}

fn minted(terms: &Terms, contract: Person) -> Vec<u8> {
    let hash = terms.signing_hash(31337, &contract);
    let signatures = terms.contributors.iter().map(|contributor| {
        let secret = [ANA, BEN]
            .into_iter()
            .find(|secret| person(secret) == contributor.person);
        let signature = sign_hash(&hash, &secret.expect("one of two")).expect("signs");
        signature.0.to_vec().into()
    });
    mintCall {
        terms: terms.to_sol(),
        signatures: signatures.collect(),
    }
    .abi_encode()
}

fn hex_of(data: &[u8]) -> String {
    format!("0x{}", hex::encode(data))
}

#[tokio::test]
async fn a_token_from_mint_to_another_holder() {
    let Some(program) = LocalChain::program() else {
        return;
    };
    let local = LocalChain::start(&program).await;
    let at = local.deploy("ConversationToken").await;
    let contract = Person::from(at);
    let chain = |token| Arc::new(local.chain().with_token(Some(token)));
    let ours = chain(contract);
    assert_eq!(ours.registry_code().await.expect("answers"), Code::Ours);
    assert_eq!(ours.token_code().await.expect("answers"), Code::Ours);
    let registry = Person::from(local.registry);
    let other = chain(registry).token_code().await;
    assert_eq!(other.expect("answers"), Code::Other);
    let nothing = chain(Person([9; 20])).token_code().await;
    assert_eq!(nothing.expect("answers"), Code::Missing);

    let holder = Person::from(local.account);
    let terms = terms(holder);
    let token = terms.token(31337, &contract);
    assert_eq!(ours.describe(token).await.expect("answers"), None);
    let sent = local
        .send(json!({ "to": at, "data": hex_of(&minted(&terms, contract)) }))
        .await;
    assert_eq!(sent["status"], "0x1", "the contract takes what core signs");

    let found = ours.describe(token).await.expect("answers").expect("there");
    assert_eq!(found.holder, Some(holder));
    assert_eq!(found.conversation.royalty, 750);
    assert_eq!(found.conversation.commitment.0, [1; 32]);
    assert_eq!(found.contributors.len(), 2);
    assert_eq!(found.contributors[0].share, 5_000);
    assert_eq!(found.contributors[0].due, U256::ZERO);
    let mut edition = token;
    edition.0[31] = 1;
    let found = ours
        .describe(edition)
        .await
        .expect("answers")
        .expect("there");
    assert_eq!(found.holder, Some(person(&BEN)));
    edition.0[31] = 2;
    let found = ours
        .describe(edition)
        .await
        .expect("answers")
        .expect("there");
    assert_eq!(found.holder, None);

    let folder = tempfile::tempdir().expect("a folder");
    let mailbox = Mailbox::open(&folder.path().join("m.db"))
        .await
        .expect("opens");
    let index = TokenIndex::new(mailbox.database().clone());
    assert_eq!(round(&ours, &index).await.expect("reads"), 2);
    let of = async |person| index.of(person).await.expect("answers");
    let mut edition = token;
    edition.0[31] = 1;
    assert_eq!(of(holder).await, [token]);
    assert_eq!(of(person(&BEN)).await, [edition]);
    assert!(index.minted(token).await.expect("answers").is_some());

    let sold = transferFromCall {
        from: local.account,
        to: Address::from([7; 20]),
        tokenId: token.number(),
    };
    local
        .send(json!({ "to": at, "data": hex_of(&sold.abi_encode()) }))
        .await;
    round(&ours, &index).await.expect("reads");
    assert_eq!(of(holder).await, Vec::<TokenId>::new());
    assert_eq!(of(Person([7; 20])).await, [token]);
    // Reading the same blocks again changes nothing.
    local.send(json!({ "to": local.account })).await;
    round(&ours, &index).await.expect("reads");
    assert_eq!(of(Person([7; 20])).await, [token]);
}

#[tokio::test]
async fn a_sale_and_a_mint_in_replaced_blocks_have_not_happened() {
    let Some(program) = LocalChain::program() else {
        return;
    };
    let local = LocalChain::start(&program).await;
    let at = local.deploy("ConversationToken").await;
    let contract = Person::from(at);
    let chain = Arc::new(local.chain().with_token(Some(contract)));
    let holder = Person::from(local.account);
    let folder = tempfile::tempdir().expect("a folder");
    let mailbox = Mailbox::open(&folder.path().join("m.db"))
        .await
        .expect("opens");
    let index = TokenIndex::new(mailbox.database().clone());
    let of = async |person| index.of(person).await.expect("answers");
    let read = async || round(&chain, &index).await.expect("reads");
    let buyer = Person([7; 20]);

    let before_mint = local.snapshot().await;
    let terms = terms(holder);
    let token = terms.token(31337, &contract);
    let mint = json!({ "to": at, "data": hex_of(&minted(&terms, contract)) });
    local.send(mint.clone()).await;
    read().await;
    assert_eq!(of(holder).await, [token]);
    local.replace(&before_mint, 3).await;
    read().await;
    assert_eq!(of(holder).await, Vec::<TokenId>::new());
    assert_eq!(index.minted(token).await.expect("answers"), None);

    local.send(mint).await;
    let before_sale = local.snapshot().await;
    let sold = transferFromCall {
        from: local.account,
        to: Address::from(buyer.0),
        tokenId: token.number(),
    };
    local
        .send(json!({ "to": at, "data": hex_of(&sold.abi_encode()) }))
        .await;
    read().await;
    assert_eq!(of(buyer).await, [token]);
    local.replace(&before_sale, 2).await;
    read().await;
    assert_eq!(of(holder).await, [token]);
    assert_eq!(of(buyer).await, Vec::<TokenId>::new());
}
