//! From the server's page to the living one, in one step that nobody sees: both have the same elements in the same
//! order, so focus stays where it was, and what was typed or picked before the scripts were there goes on.

use leptos::{mount::mount_to, prelude::*};
use wasm_bindgen::JsCast;
use web_sys::{Document, Element, FileList, HtmlElement, HtmlInputElement, HtmlTextAreaElement};

use crate::{
    App,
    app::{Begin, Go},
    client::Client,
};

/// Elements that take focus or text.
const REACHABLE: &str = "a, button, input, textarea, summary, [tabindex]";

/// Renders the app into a fresh `#app` and puts it in the place of the server's. `begin` starts the runtime.
pub fn take_over(begin: fn(Client, Go)) {
    let document = document();
    let Some(served) = document.get_element_by_id("app") else {
        return;
    };
    // Without its children.
    let Ok(fresh) = served
        .clone_node()
        .map(JsCast::unchecked_into::<HtmlElement>)
    else {
        return;
    };
    mount_to(fresh.clone(), move || {
        provide_context(Begin(begin));
        App()
    })
    .forget();
    let begun = begun(&document, &served);
    if served.replace_with_with_node_1(&fresh).is_ok() {
        go_on(&fresh, begun);
    }
}

/// What a person has begun on the served page.
#[derive(Default)]
struct Begun {
    focused: Option<u32>,
    typed: Vec<(u32, String)>,
    picked: Vec<(u32, FileList)>,
}

fn reachable(within: &Element) -> Vec<Element> {
    let found = within.query_selector_all(REACHABLE).ok();
    found.map_or_else(Vec::new, |found| {
        (0..found.length())
            .filter_map(|at| found.item(at)?.dyn_into().ok())
            .collect()
    })
}

fn begun(document: &Document, served: &Element) -> Begun {
    let active = document.active_element();
    let mut begun = Begun::default();
    for (at, element) in (0..).zip(reachable(served)) {
        if active.as_ref() == Some(&element) {
            begun.focused = Some(at);
        }
        if let Some(text) = text_of(&element).filter(|text| !text.is_empty()) {
            begun.typed.push((at, text));
        }
        let files = element
            .dyn_ref::<HtmlInputElement>()
            .and_then(HtmlInputElement::files);
        if let Some(files) = files.filter(|files| files.length() > 0) {
            begun.picked.push((at, files));
        }
    }
    begun
}

/// The text in a field for text.
fn text_of(element: &Element) -> Option<String> {
    if let Some(area) = element.dyn_ref::<HtmlTextAreaElement>() {
        return Some(area.value());
    }
    element
        .dyn_ref::<HtmlInputElement>()
        .filter(|input| input.type_() == "text")
        .map(HtmlInputElement::value)
}

fn go_on(fresh: &Element, begun: Begun) {
    let elements = reachable(fresh);
    let at = |index: u32| elements.get(index as usize);
    for (index, text) in begun.typed {
        let Some(element) = at(index).filter(|element| text_of(element).is_some()) else {
            continue;
        };
        if let Some(area) = element.dyn_ref::<HtmlTextAreaElement>() {
            area.set_value(&text);
        } else if let Some(input) = element.dyn_ref::<HtmlInputElement>() {
            input.set_value(&text);
        }
        happens(element, "input");
    }
    for (index, files) in begun.picked {
        if let Some(input) = at(index).and_then(|element| element.dyn_ref::<HtmlInputElement>()) {
            input.set_files(Some(&files));
            happens(input, "change");
        }
    }
    if let Some(element) = begun.focused.and_then(at)
        && let Some(element) = element.dyn_ref::<HtmlElement>()
    {
        let _ = element.focus();
    }
}

/// As if it happened now. Fails only for an event that is under way already.
fn happens(element: &Element, what: &str) {
    if let Ok(event) = web_sys::Event::new(what) {
        let _ = element.dispatch_event(&event);
    }
}
