//! Who holds which token, from the contract's Transfer events: for the list of one's tokens. What a token's page says
//! is asked of the chain itself.

use std::sync::Arc;
use std::time::Duration;

use alloy_primitives::Address;
use alloy_provider::Provider;
use alloy_rpc_types_eth::Filter;
use alloy_sol_types::SolEvent;
use healthsync_core::conversation::ConversationToken::Transfer;
use healthsync_core::{Person, TokenId};

use super::watcher::{OVERLAP, WINDOW, WatchError, rhythm};
use super::{Chain, ChainError, limited};
use crate::database::Database;
use crate::mailbox::{array, number, positive};

/// Tokens in one answer.
const LISTED: i64 = 200;

/// The tables.
#[derive(Clone, Debug)]
pub struct TokenIndex {
    database: Database,
}

/// A transfer and where on the chain it stands.
#[derive(Debug)]
struct Move {
    block: u64,
    /// Among all events of its block.
    position: u64,
    transfer: Transfer,
}

impl TokenIndex {
    pub fn new(database: Database) -> Self {
        Self { database }
    }

    /// The tokens that a person holds, the last minted first.
    pub async fn of(&self, person: Person) -> Result<Vec<TokenId>, sqlx::Error> {
        let rows: Vec<Vec<u8>> = sqlx::query_scalar(
            "SELECT token FROM token_moves AS last WHERE holder = ? AND NOT EXISTS \
             (SELECT 1 FROM token_moves AS later WHERE later.token = last.token \
              AND (later.block, later.position) > (last.block, last.position)) \
             ORDER BY (SELECT min(block) FROM token_moves AS first WHERE first.token = last.token) DESC, token LIMIT ?",
        )
        .bind(&person.0[..])
        .bind(LISTED)
        .fetch_all(&self.database.read)
        .await?;
        rows.into_iter()
            .map(|token| array(token).map(TokenId))
            .collect()
    }

    /// The block in which a token was minted, once it has been read.
    pub async fn minted(&self, token: TokenId) -> Result<Option<u64>, sqlx::Error> {
        let block: Option<i64> =
            sqlx::query_scalar("SELECT min(block) FROM token_moves WHERE token = ?")
                .bind(&token.0[..])
                .fetch_one(&self.database.read)
                .await?;
        Ok(block.map(positive))
    }

    async fn block(&self, chain_id: u64, contract: Address) -> Result<Option<u64>, sqlx::Error> {
        let block: Option<i64> =
            sqlx::query_scalar("SELECT block FROM token_state WHERE chain_id = ? AND contract = ?")
                .bind(number(chain_id))
                .bind(&contract[..])
                .fetch_optional(&self.database.read)
                .await?;
        Ok(block.map(positive))
    }

    async fn reset(&self, chain_id: u64, contract: Address, first: u64) -> Result<(), sqlx::Error> {
        let mut transaction = self.database.write.begin().await?;
        for table in ["DELETE FROM token_moves", "DELETE FROM token_state"] {
            sqlx::query(table).execute(&mut *transaction).await?;
        }
        sqlx::query("INSERT INTO token_state (one, chain_id, contract, block) VALUES (1, ?, ?, ?)")
            .bind(number(chain_id))
            .bind(&contract[..])
            .bind(number(first.saturating_sub(1)))
            .execute(&mut *transaction)
            .await?;
        transaction.commit().await
    }

    /// Takes in all transfers from block `from` to block `to`. What was known of these blocks, or of later ones, and is
    /// not among them has not happened.
    async fn apply(&self, from: u64, to: u64, moves: &[Move]) -> Result<(), sqlx::Error> {
        let mut transaction = self.database.write.begin().await?;
        sqlx::query("DELETE FROM token_moves WHERE block >= ?")
            .bind(number(from))
            .execute(&mut *transaction)
            .await?;
        for moved in moves {
            let token = TokenId::from(moved.transfer.tokenId);
            sqlx::query(
                "INSERT INTO token_moves (block, position, token, holder) VALUES (?, ?, ?, ?)",
            )
            .bind(number(moved.block))
            .bind(number(moved.position))
            .bind(&token.0[..])
            .bind(&moved.transfer.to[..])
            .execute(&mut *transaction)
            .await?;
        }
        sqlx::query("UPDATE token_state SET block = ?")
            .bind(number(to))
            .execute(&mut *transaction)
            .await?;
        transaction.commit().await
    }
}

/// Follows the token contract for ever. A chain that does not answer only makes the list older; the registry's watcher
/// says so.
pub async fn follow(chain: Arc<Chain>, index: TokenIndex) {
    let rhythm = rhythm(chain.chain_id());
    let mut pause = rhythm;
    loop {
        match round(&chain, &index).await {
            Ok(_) => pause = rhythm,
            Err(error) => {
                tracing::debug!(%error, "the tokens' events cannot be read");
                pause = (pause * 2).min(Duration::from_secs(60));
            }
        }
        tokio::time::sleep(pause).await;
    }
}

/// Reads what is new once; the number of transfers.
pub(super) async fn round(chain: &Chain, index: &TokenIndex) -> Result<usize, WatchError> {
    let Some(contract) = chain.token() else {
        return Ok(0);
    };
    let head = chain.check().await?;
    let last = match index.block(chain.chain_id(), contract).await? {
        Some(last) if last <= head => last,
        // As in the registry's watcher: it will grow, or it began anew.
        Some(last) if last - head <= OVERLAP => return Ok(0),
        _ => {
            let first = chain.first_token_block(contract).await?;
            index.reset(chain.chain_id(), contract, first).await?;
            first.saturating_sub(1)
        }
    };
    if last == head {
        return Ok(0);
    }
    let mut count = 0;
    let mut from = (last + 1).saturating_sub(OVERLAP);
    while from <= head {
        let to = head.min(from + WINDOW - 1);
        let moves = transfers(chain, contract, from, to).await?;
        index.apply(from, to, &moves).await?;
        count += moves.len();
        from = to + 1;
    }
    Ok(count)
}

async fn transfers(
    chain: &Chain,
    contract: Address,
    from: u64,
    to: u64,
) -> Result<Vec<Move>, ChainError> {
    let filter = Filter::new()
        .address(contract)
        .event_signature(Transfer::SIGNATURE_HASH)
        .from_block(from)
        .to_block(to);
    let logs = limited(async { chain.provider().get_logs(&filter).await }).await?;
    let moves = logs.iter().filter_map(|log| {
        let event = Transfer::decode_log(&log.inner).ok()?;
        Some(Move {
            block: log.block_number?,
            position: log.log_index?,
            transfer: event.data,
        })
    });
    Ok(moves.collect())
}
