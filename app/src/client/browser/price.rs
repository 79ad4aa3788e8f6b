//! What a transaction would cost, asked of the chain before the wallet is: gas differs between chains by more than a
//! hundred times, so no amount of it is known beforehand.

use std::rc::Rc;

use alloy_primitives::{Address, FixedBytes};
use alloy_sol_types::SolCall;
use healthsync_core::{Person, registry::RoomRegistry};
use leptos::prelude::*;
use serde_json::json;
use wasm_bindgen_futures::spawn_local;

use super::{
    chain::{ChainError, quantity},
    platform::random,
    runtime::Runtime,
};
use crate::{client::model::Priced, components::money::in_units};

/// Gas of creating an empty room where gas counts as in Ethereum, by an estimate on a local chain: what an estimate of
/// the same call says elsewhere, in proportion, scales gas that was measured here.
const EMPTY_ROOM: u128 = 118_000;

impl Runtime {
    /// Says what an action would cost, once the chain has answered; without an answer the wallet says it.
    pub(super) fn price(self: &Rc<Self>, priced: Priced, persons: &[Person]) {
        let (Some(me), Some(registry)) = (self.me(), self.bootstrap.contracts.registry) else {
            return;
        };
        let room = self.open_room().map(|room| FixedBytes(room.id.0));
        let people = || {
            persons
                .iter()
                .map(|person| Address::from(*person))
                .collect()
        };
        let call = match (priced, room, persons) {
            (Priced::Create, _, _) => RoomRegistry::createRoomCall {
                salt: FixedBytes(random()),
                members: people(),
            }
            .abi_encode(),
            (Priced::Add, Some(room), _) => RoomRegistry::addMembersCall {
                room,
                persons: people(),
            }
            .abi_encode(),
            (Priced::Remove, Some(room), _) => RoomRegistry::removeMembersCall {
                room,
                persons: people(),
            }
            .abi_encode(),
            (Priced::Role, Some(room), [person]) => RoomRegistry::transferOwnershipCall {
                room,
                to: Address::from(*person),
            }
            .abi_encode(),
            (Priced::Accept, Some(room), _) => {
                RoomRegistry::acceptOwnershipCall { room }.abi_encode()
            }
            (Priced::Leave, Some(room), _) => RoomRegistry::leaveCall { room }.abi_encode(),
            (Priced::Archive, Some(room), _) => RoomRegistry::archiveCall { room }.abi_encode(),
            _ => return,
        };
        let runtime = self.clone();
        spawn_local(async move {
            let Ok((gas, price)) = runtime.estimate(me.person, registry, &call).await else {
                return;
            };
            let cost = runtime.amount(gas * price);
            runtime
                .client
                .prices
                .update(|prices| drop(prices.insert(priced, cost)));
        });
    }

    /// What a call would cost of which only the gas on a local chain is known.
    pub(super) async fn price_of_gas(&self, local: u128) -> Option<String> {
        let (me, registry) = (self.me()?, self.bootstrap.contracts.registry?);
        let empty_room = RoomRegistry::createRoomCall {
            salt: FixedBytes(random()),
            members: Vec::new(),
        };
        let call = empty_room.abi_encode();
        let (gas, price) = self.estimate(me.person, registry, &call).await.ok()?;
        Some(self.amount(gas.saturating_mul(local) / EMPTY_ROOM * price))
    }

    /// Gas of a call, and the price of one unit of gas.
    async fn estimate(
        &self,
        from: Person,
        to: Person,
        data: &[u8],
    ) -> Result<(u128, u128), ChainError> {
        let data = format!("0x{}", hex::encode(data));
        let call = json!({ "from": from.to_string(), "to": to.to_string(), "data": data });
        let [gas, price] = self
            .chain
            .rpc_all([
                ("eth_estimateGas", json!([call])),
                ("eth_gasPrice", json!([])),
            ])
            .await?;
        Ok((quantity(&gas?)?, quantity(&price?)?))
    }

    fn amount(&self, smallest: u128) -> String {
        format!(
            "about {} {}",
            in_units(smallest),
            self.bootstrap.chain.currency
        )
    }
}
