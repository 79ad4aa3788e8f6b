//! Every doubt denies: a chain that is down, an unknown one, an unreadable aggregator. The chain here is a table,
//! because what is judged is the combination of answers, not the chain.

use futures::executor::block_on;
use serde_json::json;

use super::*;

const MEMBER: Person = Person([1; 20]);
const STRANGER: Person = Person([2; 20]);

/// A chain where the member has a balance of 5 and is allowed in, at block 100; "down" does not answer.
struct Table;

#[async_trait]
impl ChainReader for Table {
    async fn call(&self, chain: &str, _: Address, data: Vec<u8>) -> Result<Vec<u8>, ChainError> {
        reach(chain)?;
        let mut word = vec![0; 32];
        word[31] = data.ends_with(&MEMBER.0).into();
        Ok(word)
    }

    async fn balance(&self, chain: &str, of: Address) -> Result<U256, ChainError> {
        reach(chain)?;
        Ok(U256::from(if of == Address::from(MEMBER) { 5 } else { 0 }))
    }

    async fn block_number(&self, chain: &str) -> Result<u64, ChainError> {
        reach(chain)?;
        Ok(100)
    }
}

fn reach(chain: &str) -> Result<(), ChainError> {
    match chain {
        "anvil" => Ok(()),
        "down" => Err(ChainError::Unavailable("connection refused".into())),
        _ => Err(ChainError::UnknownChain),
    }
}

fn allowed_in(id: u64, chain: &str) -> Value {
    let address = Address::from(STRANGER);
    let mut list = crate::room_member_condition(chain, address, &healthsync_core::RoomId([7; 32]));
    list[0]["id"] = json!(id);
    list[0].take()
}

fn native(id: u64, method: &str, comparator: &str, value: u64) -> Value {
    json!({
        "id": id, "chain": "anvil", "standardContractType": "", "method": method,
        "returnValueTest": { "comparator": comparator, "value": value },
    })
}

fn verdict(conditions: Vec<Value>, aggregator: Option<&str>, reader: Person) -> Result<(), Denial> {
    let rules = Rules {
        chain_type: ChainType::Evm,
        conditions,
        aggregator: aggregator.map(str::to_owned),
    };
    block_on(allows(&rules, reader, &Map::new(), &Table))
}

#[test]
fn a_member_is_let_in_and_a_stranger_is_not() {
    assert_eq!(verdict(vec![allowed_in(1, "anvil")], None, MEMBER), Ok(()));
    assert_eq!(
        verdict(vec![allowed_in(1, "anvil")], None, STRANGER),
        Err(Denial::DoNotHold)
    );
    assert_eq!(
        verdict(vec![allowed_in(1, "anvil")], Some("([1])"), MEMBER),
        Ok(())
    );
}

#[test]
fn balances_and_blocks_count() {
    for (conditions, aggregator, expected) in [
        (vec![native(1, "getBalance", ">=", 5)], None, Ok(())),
        (
            vec![native(1, "getBalance", ">", 5)],
            None,
            Err(Denial::DoNotHold),
        ),
        (vec![native(1, "getBlockNumber", ">=", 100)], None, Ok(())),
        (
            vec![
                native(1, "getBalance", ">", 5),
                native(2, "getBlockNumber", "<", 101),
            ],
            Some("[1] or [2]"),
            Ok(()),
        ),
        (
            vec![
                native(1, "getBalance", ">", 5),
                native(2, "getBlockNumber", "<", 101),
            ],
            Some("[1] and [2]"),
            Err(Denial::DoNotHold),
        ),
    ] {
        assert_eq!(
            verdict(conditions, aggregator, MEMBER),
            expected,
            "{aggregator:?}"
        );
    }
}

#[test]
fn every_doubt_denies() {
    let down = Denial::Undecided(ConditionError::Chain(ChainError::Unavailable(
        "connection refused".into(),
    )));
    let unknown = Denial::Undecided(ConditionError::Chain(ChainError::UnknownChain));
    assert_eq!(
        verdict(vec![allowed_in(1, "down")], None, MEMBER),
        Err(down.clone())
    );
    assert_eq!(
        verdict(vec![allowed_in(1, "down")], Some("!([1])"), STRANGER),
        Err(down.clone())
    );
    assert_eq!(
        verdict(vec![allowed_in(1, "elsewhere")], None, MEMBER),
        Err(unknown)
    );
    let both = || vec![allowed_in(1, "down"), allowed_in(2, "anvil")];
    assert_eq!(verdict(both(), Some("[1] and [2]"), MEMBER), Err(down));
    assert_eq!(verdict(both(), Some("[1] or [2]"), MEMBER), Ok(()));

    assert_eq!(verdict(vec![], None, MEMBER), Err(Denial::NoConditions));
    assert_eq!(
        verdict(vec![], Some("[1]"), MEMBER),
        Err(Denial::NoConditions)
    );
    let one = || vec![allowed_in(1, "anvil")];
    assert_eq!(
        verdict(one(), Some("xyz"), MEMBER),
        Err(Denial::Aggregator(AggregatorError::Syntax))
    );
    assert_eq!(
        verdict(one(), Some(""), MEMBER),
        Err(Denial::Aggregator(AggregatorError::Syntax))
    );
    assert_eq!(
        verdict(one(), Some("[1] or [9]"), MEMBER),
        Err(Denial::UnknownCondition)
    );
    assert_eq!(verdict(both(), None, MEMBER), Err(Denial::UnknownCondition));
    assert_eq!(
        verdict(vec![json!("x")], None, MEMBER),
        Err(Denial::UnknownCondition)
    );

    let solana = Rules {
        chain_type: ChainType::Solana,
        conditions: one(),
        aggregator: None,
    };
    assert_eq!(
        block_on(allows(&solana, MEMBER, &Map::new(), &Table)),
        Err(Denial::Network)
    );
}
