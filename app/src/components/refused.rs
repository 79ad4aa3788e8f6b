//! What the relay refused of this room, whether it shows anywhere or not: a vote, a close, a profile, a measurement.

use leptos::prelude::*;

use super::{icon::Icon, room_scope::use_room};
use crate::client::{model::Intent, use_client};

#[component]
pub(crate) fn Refused() -> impl IntoView {
    let client = use_client();
    let room = use_room();
    move || {
        room.refused.get().map(|(count, last)| {
            let said = if count == 1 {
                format!("1 thing was refused and is kept in this browser. {last}")
            } else {
                format!("{count} things were refused and are kept in this browser. The last one: {last}")
            };
            view! {
                <p class="unsent" role="alert" data-testid="refused">
                    <Icon name="circle-x" small=true />
                    <span>
                        {said} " "
                        <button class="msg__act" type="button" on:click=move |_| client.send(Intent::RetryAll)>
                            "Send again"
                        </button>
                    </span>
                </p>
            }
        })
    }
}
