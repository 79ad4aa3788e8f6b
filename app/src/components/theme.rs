//! Light, dark, or as the system says.

use leptos::prelude::*;

use super::{
    icon::Icon,
    platform::{self, Theme},
};

/// A row of three; `name` keeps the radio buttons of two such rows on one page apart.
#[component]
pub(crate) fn ThemeChoice(name: &'static str) -> impl IntoView {
    let chosen = RwSignal::new(Theme::System);
    Effect::new(move |_| chosen.set(platform::saved_theme()));

    let choice = move |theme: Theme, icon: &'static str, word: &'static str| {
        view! {
            <label>
                <input
                    type="radio"
                    name=name
                    prop:checked=move || chosen.get() == theme
                    on:change=move |_| {
                        chosen.set(theme);
                        platform::set_theme(theme);
                    }
                />
                <Icon name=icon small=true />
                <span>{word}</span>
            </label>
        }
    };
    view! {
        <fieldset class="seg">
            <legend class="visually-hidden">"Theme"</legend>
            {choice(Theme::System, "sun-moon", "System")}
            {choice(Theme::Light, "sun", "Light")}
            {choice(Theme::Dark, "moon", "Dark")}
        </fieldset>
    }
}
