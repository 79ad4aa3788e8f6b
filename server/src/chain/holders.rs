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

/// A transfer, and the block that it is in.
type Moved = (u64, Transfer);

impl TokenIndex {
    pub fn new(database: Database) -> Self {
        Self { database }
    }

    /// The tokens that a person holds, the last minted first.
    pub async fn of(&self, person: Person) -> Result<Vec<TokenId>, sqlx::Error> {
        let rows: Vec<Vec<u8>> = sqlx::query_scalar(
            "SELECT token FROM tokens WHERE holder = ? ORDER BY minted DESC, token LIMIT ?",
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
        let block: Option<i64> = sqlx::query_scalar("SELECT minted FROM tokens WHERE token = ?")
            .bind(&token.0[..])
            .fetch_optional(&self.database.read)
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
        for table in ["DELETE FROM tokens", "DELETE FROM token_state"] {
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

    /// Applies transfers, oldest first. What is minted within the part that is read again is taken out before, so
    /// that a mint which a reorganisation has undone does not stay.
    async fn apply(&self, moved: &[Moved], again_from: u64, block: u64) -> Result<(), sqlx::Error> {
        let mut transaction = self.database.write.begin().await?;
        sqlx::query("DELETE FROM tokens WHERE minted >= ?")
            .bind(number(again_from))
            .execute(&mut *transaction)
            .await?;
        for (at, transfer) in moved {
            let token = TokenId::from(transfer.tokenId);
            sqlx::query(
                "INSERT INTO tokens (token, holder, minted) VALUES (?, ?, ?) \
                 ON CONFLICT DO UPDATE SET holder = excluded.holder",
            )
            .bind(&token.0[..])
            .bind(&transfer.to[..])
            .bind(number(*at))
            .execute(&mut *transaction)
            .await?;
        }
        sqlx::query("UPDATE token_state SET block = ?")
            .bind(number(block))
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
        // A chain that is shorter than what was read began anew.
        Some(last) if last <= head => last,
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
        let moved = transfers(chain, contract, from, to).await?;
        index.apply(&moved, from, to).await?;
        count += moved.len();
        from = to + 1;
    }
    Ok(count)
}

async fn transfers(
    chain: &Chain,
    contract: Address,
    from: u64,
    to: u64,
) -> Result<Vec<Moved>, ChainError> {
    let filter = Filter::new()
        .address(contract)
        .event_signature(Transfer::SIGNATURE_HASH)
        .from_block(from)
        .to_block(to);
    let logs = limited(async { chain.provider().get_logs(&filter).await }).await?;
    let moved = logs.iter().filter_map(|log| {
        let event = Transfer::decode_log(&log.inner).ok()?;
        Some((log.block_number.unwrap_or(to), event.data))
    });
    Ok(moved.collect())
}
