//! A `<dialog>` that follows a signal: `showModal()` gives it the focus trap, Escape and the backdrop.

use leptos::{html::Dialog, prelude::*};

/// Shows the dialog while `open` says so. The dialog's own `close` event has to set `open` back.
pub(crate) fn show_while(dialog: NodeRef<Dialog>, open: RwSignal<bool>) {
    Effect::new(move |_| {
        let Some(dialog) = dialog.get() else { return };
        if open.get() {
            if !dialog.open() {
                let _ = dialog.show_modal();
            }
        } else if dialog.open() {
            dialog.close();
        }
    });
}
