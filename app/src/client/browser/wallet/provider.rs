//! An extension wallet as EIP-1193 describes it: requests, error codes, and the two events that matter.

use std::rc::Rc;

use healthsync_core::Person;
use serde_json::{Value, json};
use wasm_bindgen::{JsCast, JsValue, closure::Closure};
use wasm_bindgen_futures::JsFuture;

use super::WalletError;
use crate::client::{
    browser::platform::{error_text, field, to_js, to_json},
    model::ChainInfo,
};

#[derive(Clone)]
pub(crate) struct Injected {
    pub rdns: String,
    pub name: String,
    pub provider: JsValue,
}

impl std::fmt::Debug for Injected {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Injected({})", self.name)
    }
}

impl Injected {
    fn method(&self, name: &str) -> Option<js_sys::Function> {
        field(&self.provider, name).dyn_into().ok()
    }

    pub(crate) async fn request(&self, method: &str, params: Value) -> Result<Value, WalletError> {
        let request = self.method("request").ok_or(WalletError::Disconnected)?;
        let asked = request
            .call1(
                &self.provider,
                &to_js(&json!({ "method": method, "params": params })),
            )
            .map_err(|error| wallet_error(&error))?;
        let promise = js_sys::Promise::resolve(&asked);
        JsFuture::from(promise)
            .await
            .map(|answer| to_json(&answer))
            .map_err(|error| wallet_error(&error))
    }

    pub(crate) async fn account(&self, ask: bool) -> Result<Option<Person>, WalletError> {
        let method = if ask {
            "eth_requestAccounts"
        } else {
            "eth_accounts"
        };
        Ok(first_account(&self.request(method, json!([])).await?))
    }

    pub(crate) async fn chain_id(&self) -> Result<u64, WalletError> {
        let answer = self.request("eth_chainId", json!([])).await?;
        chain_number(&answer).ok_or_else(|| {
            WalletError::Other("The wallet does not say which chain it is on".into())
        })
    }

    /// The wallet's signature of EIP-712 typed data, as text.
    pub(crate) async fn sign_typed_data(
        &self,
        person: Person,
        typed_data: &str,
    ) -> Result<String, WalletError> {
        let params = json!([person.to_string(), typed_data]);
        self.sign("eth_signTypedData_v4", params).await
    }

    /// The wallet's signature of a text (EIP-191), as text.
    pub(crate) async fn sign_text(
        &self,
        person: Person,
        text: &str,
    ) -> Result<String, WalletError> {
        let params = json!([format!("0x{}", hex::encode(text)), person.to_string()]);
        self.sign("personal_sign", params).await
    }

    async fn sign(&self, method: &str, params: Value) -> Result<String, WalletError> {
        let signature = self.request(method, params).await?;
        signature.as_str().map(str::to_owned).ok_or_else(|| {
            WalletError::Other("The wallet answered with something that is no signature".into())
        })
    }

    pub(crate) async fn ensure_chain(
        &self,
        chain: &ChainInfo,
        asking: impl FnOnce(),
    ) -> Result<(), WalletError> {
        if self.chain_id().await? == chain.id {
            return Ok(());
        }
        asking();
        let id = format!("{:#x}", chain.id);
        let switch = json!([{ "chainId": id }]);
        match self
            .request("wallet_switchEthereumChain", switch.clone())
            .await
        {
            Ok(_) => {}
            Err(WalletError::UnknownChain) => {
                let mut add = json!({
                    "chainId": id,
                    "chainName": chain.name,
                    "rpcUrls": [chain.rpc],
                    "nativeCurrency": { "name": chain.currency, "symbol": chain.currency, "decimals": 18 },
                });
                if let Some(explorer) = &chain.explorer {
                    add["blockExplorerUrls"] = json!([explorer]);
                }
                self.request("wallet_addEthereumChain", json!([add]))
                    .await?;
                // Adding may or may not have switched.
                if self.chain_id().await? != chain.id {
                    self.request("wallet_switchEthereumChain", switch).await?;
                }
            }
            Err(error) => return Err(error),
        }
        if self.chain_id().await? == chain.id {
            Ok(())
        } else {
            Err(WalletError::Other(format!(
                "The wallet is still on another chain than {}",
                chain.name
            )))
        }
    }

    /// Calls back on every `accountsChanged` and `chainChanged` until the returned guard is dropped.
    pub(crate) fn watch(&self, on_change: impl Fn(WalletChange) + 'static) -> Watch {
        let on_change = Rc::new(on_change);
        let accounts = {
            let on_change = on_change.clone();
            Closure::<dyn Fn(JsValue)>::new(move |list: JsValue| {
                on_change(WalletChange::Account(first_account(&to_json(&list))));
            })
        };
        let chain = Closure::<dyn Fn(JsValue)>::new(move |id: JsValue| {
            if let Some(id) = chain_number(&to_json(&id)) {
                on_change(WalletChange::Chain(id));
            }
        });
        let watch = Watch {
            wallet: self.clone(),
            accounts,
            chain,
        };
        watch.call("on");
        watch
    }
}

/// What a wallet reports by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WalletChange {
    /// `None`: the wallet has disconnected the page.
    Account(Option<Person>),
    Chain(u64),
}

/// Keeps the listeners registered as long as it lives.
#[derive(Debug)]
pub(crate) struct Watch {
    pub wallet: Injected,
    accounts: Closure<dyn Fn(JsValue)>,
    chain: Closure<dyn Fn(JsValue)>,
}

impl Watch {
    fn call(&self, method: &str) {
        let Some(method) = self.wallet.method(method) else {
            return;
        };
        for (event, closure) in [
            ("accountsChanged", &self.accounts),
            ("chainChanged", &self.chain),
        ] {
            // A provider without events still answers requests; then changes are seen at the next one.
            let _ = method.call2(
                &self.wallet.provider,
                &JsValue::from_str(event),
                closure.as_ref(),
            );
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.call("removeListener");
    }
}

fn first_account(list: &Value) -> Option<Person> {
    // Lower case or checksummed, compared by its bytes; a wrong checksum is the wallet's own affair.
    list.as_array()?
        .first()?
        .as_str()?
        .to_ascii_lowercase()
        .parse()
        .ok()
}

/// Hex text by the standard; some wallets send a number.
fn chain_number(value: &Value) -> Option<u64> {
    match value {
        Value::Number(number) => number.as_u64(),
        Value::String(text) => match text.strip_prefix("0x") {
            Some(digits) => u64::from_str_radix(digits, 16).ok(),
            None => text.parse().ok(),
        },
        _ => None,
    }
}

fn wallet_error(error: &JsValue) -> WalletError {
    let code_of = |value: &JsValue| field(value, "code").as_f64().map(|code| code as i64);
    let inner = field(&field(error, "data"), "originalError");
    let codes = [code_of(error), code_of(&inner)];
    let has = |code: i64| codes.contains(&Some(code));
    if has(4001) {
        WalletError::Declined
    } else if has(-32002) {
        WalletError::Busy
    } else if has(4902) {
        WalletError::UnknownChain
    } else if has(4100) || has(4900) || has(4901) {
        WalletError::Disconnected
    } else {
        WalletError::Other(error_text(error))
    }
}
