//! Finding extension wallets: EIP-6963 announcements, `window.ethereum` as the fallback, and the demo wallet.
//!
//! Names and icons come from the wallets and are not trusted: text stays text, and only `data:` icons are passed on.

use std::{cell::RefCell, rc::Rc};

use leptos::prelude::*;
use wasm_bindgen::{JsCast, JsValue, closure::Closure};

use super::{DEMO, Injected};
use crate::client::{
    browser::platform::{field, text_field, window},
    model::{Client, WalletChoice},
};

/// Id and rdns of a wallet that only sets `window.ethereum`.
const LEGACY: &str = "window.ethereum";

#[derive(Clone)]
struct Announced {
    uuid: String,
    icon: Option<String>,
    wallet: Injected,
}

/// The wallets that have announced themselves on this page.
#[derive(Clone)]
pub(crate) struct Wallets {
    announced: Rc<RefCell<Vec<Announced>>>,
    client: Client,
}

impl std::fmt::Debug for Wallets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Wallets({})", self.announced.borrow().len())
    }
}

impl Wallets {
    /// Listens for announcements as long as the page lives, then asks for them.
    pub(crate) fn start(client: Client) -> Self {
        let wallets = Self {
            announced: Rc::default(),
            client,
        };
        let listener = {
            let wallets = wallets.clone();
            Closure::<dyn Fn(web_sys::Event)>::new(move |event: web_sys::Event| {
                wallets.announced(&event)
            })
        };
        // Fails only for a browser without events.
        let _ = window().add_event_listener_with_callback(
            "eip6963:announceProvider",
            listener.as_ref().unchecked_ref(),
        );
        listener.forget();
        wallets.look();
        wallets
    }

    /// Asks again: a wallet may have been installed or unlocked since.
    pub(crate) fn look(&self) {
        if let Ok(event) = web_sys::Event::new("eip6963:requestProvider") {
            let _ = window().dispatch_event(&event);
        }
        self.publish();
    }

    fn announced(&self, event: &web_sys::Event) {
        let detail = field(event, "detail");
        let info = field(&detail, "info");
        let provider = field(&detail, "provider");
        let (Some(uuid), Some(name)) = (text_field(&info, "uuid"), text_field(&info, "name"))
        else {
            return;
        };
        if !provider.is_object() {
            return;
        }
        let rdns = text_field(&info, "rdns").unwrap_or_else(|| uuid.clone());
        let icon = text_field(&info, "icon")
            .filter(|icon| icon.starts_with("data:image/") && icon.len() < 100_000);
        let name: String = name.chars().take(60).collect();
        let entry = Announced {
            uuid,
            icon,
            wallet: Injected {
                rdns,
                name,
                provider,
            },
        };
        let mut announced = self.announced.borrow_mut();
        match announced.iter().position(|known| known.uuid == entry.uuid) {
            Some(index) => announced[index] = entry,
            None if announced.len() < 32 => announced.push(entry),
            None => return,
        }
        drop(announced);
        self.publish();
    }

    fn legacy(&self) -> Option<Injected> {
        let provider: JsValue = field(&window(), "ethereum");
        provider.is_object().then(|| Injected {
            rdns: LEGACY.to_owned(),
            name: "Browser wallet".to_owned(),
            provider,
        })
    }

    fn publish(&self) {
        let mut choices: Vec<WalletChoice> = self
            .announced
            .borrow()
            .iter()
            .map(|entry| WalletChoice {
                id: entry.uuid.clone(),
                name: entry.wallet.name.clone(),
                icon: entry.icon.clone(),
                demo: false,
            })
            .collect();
        if choices.is_empty()
            && let Some(legacy) = self.legacy()
        {
            choices.push(WalletChoice {
                id: LEGACY.to_owned(),
                name: legacy.name,
                icon: None,
                demo: false,
            });
        }
        choices.push(WalletChoice {
            id: DEMO.to_owned(),
            name: "Demo wallet".to_owned(),
            icon: None,
            demo: true,
        });
        if self
            .client
            .wallets
            .with_untracked(|known| *known != choices)
        {
            self.client.wallets.set(choices);
        }
    }

    /// By a choice's id, or by what was remembered from an earlier visit.
    pub(crate) fn find(&self, id: &str) -> Option<Injected> {
        let announced = self.announced.borrow();
        let known = announced
            .iter()
            .find(|entry| entry.uuid == id || entry.wallet.rdns == id);
        match known {
            Some(entry) => Some(entry.wallet.clone()),
            None if id == LEGACY => self.legacy(),
            None => None,
        }
    }
}
