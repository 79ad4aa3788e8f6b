//! The browsers that write for this person in the room, and ending the right of one.

use healthsync_core::DeviceKey;
use leptos::prelude::*;

use super::{icon::Icon, room_scope::use_room, time::local_date};
use crate::client::{
    model::{DeviceRow, Intent},
    use_client,
};

#[component]
pub(crate) fn MyDevices() -> impl IntoView {
    let room = use_room();
    let devices = Memo::new(move |_| room.talk.with(|talk| talk.devices.clone()));
    view! {
        <Show when=move || devices.with(|devices| !devices.is_empty())>
            <details class="profile" data-testid="my-devices">
                <summary>
                    <Icon name="key-round" small=true />
                    {move || match devices.with(|devices| devices.len()) {
                        1 => " 1 browser writes for you here".to_owned(),
                        more => format!(" {more} browsers write for you here"),
                    }}
                </summary>
                <ul class="devices">
                    <For each=move || devices.get().to_vec() key=|row| (row.device, row.revoked) let(row)>
                        <Device row />
                    </For>
                </ul>
                <p class="hint">
                    "Revoking is one wallet signature and no transaction. Everybody leaves out what the browser writes afterwards; what it has read it may have kept."
                </p>
            </details>
        </Show>
    }
}

#[component]
fn Device(row: DeviceRow) -> impl IntoView {
    let client = use_client();
    let DeviceRow {
        device,
        here,
        until,
        revoked,
    } = row;
    let state = match revoked {
        Some(at) => format!("revoked {}", local_date(at)),
        None => format!("until {}", local_date(until)),
    };
    let may = !here && revoked.is_none();
    let label = |device: DeviceKey| format!("Revoke the browser {}", device.short());
    view! {
        <li data-testid="device">
            <span class="addr">{device.short()}</span>
            <span class="tiny faint">
                {if here { "this browser, " } else { "" }} {state}
            </span>
            {may
                .then(|| {
                    view! {
                        <button
                            class="msg__act"
                            type="button"
                            data-testid="device-revoke"
                            aria-label=label(device)
                            on:click=move |_| client.send(Intent::RevokeDevice(device))
                        >
                            "Revoke"
                        </button>
                    }
                })}
        </li>
    }
}
