//! Short ways to the DOM.

use js_sys::Promise;
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::{
    Document, Element, HtmlCanvasElement, HtmlElement, ImageBitmap, ImageBitmapRenderingContext,
    Window,
};

pub(crate) fn window() -> Window {
    js_sys::global().unchecked_into()
}

pub(crate) fn document() -> Document {
    window().document().expect("a page has a document")
}

/// Waits so many milliseconds.
pub(crate) async fn pause(ms: i32) {
    let waits = Promise::new(&mut |done, _| {
        // Without a timer the promise is kept at once.
        if window()
            .set_timeout_with_callback_and_timeout_and_arguments_0(&done, ms)
            .is_err()
        {
            let _ = done.call0(&JsValue::NULL);
        }
    });
    let _ = JsFuture::from(waits).await;
}

/// The first element inside `root` that the selector finds.
pub(crate) fn find<T: JsCast>(root: &Element, selector: &str) -> Option<T> {
    root.query_selector(selector).ok()??.dyn_into().ok()
}

pub(crate) fn all(root: &Element, selector: &str) -> Vec<Element> {
    let Ok(list) = root.query_selector_all(selector) else {
        return Vec::new();
    };
    (0..list.length())
        .filter_map(|at| list.item(at)?.dyn_into().ok())
        .collect()
}

pub(crate) fn set(element: &Element, name: &str, value: &str) {
    let _ = element.set_attribute(name, value);
}

/// Present exactly when `on`.
pub(crate) fn flag(element: &Element, name: &str, on: bool) {
    let _ = element.toggle_attribute_with_force(name, on);
}

pub(crate) fn pressed(element: &Element, on: bool) {
    set(element, "aria-pressed", if on { "true" } else { "false" });
}

/// Text of the element that the selector finds; unchanged text is not written again.
pub(crate) fn text(root: &Element, selector: &str, text: &str) {
    if let Some(element) = find::<Element>(root, selector)
        && element.text_content().as_deref() != Some(text)
    {
        element.set_text_content(Some(text));
    }
}

pub(crate) fn style(element: &HtmlElement, name: &str, value: &str) {
    let _ = element.style().set_property(name, value);
}

pub(crate) fn element(name: &str, class: &str) -> Option<Element> {
    let element = document().create_element(name).ok()?;
    if !class.is_empty() {
        element.set_class_name(class);
    }
    Some(element)
}

pub(crate) fn svg(name: &str) -> Option<Element> {
    document()
        .create_element_ns(Some("http://www.w3.org/2000/svg"), name)
        .ok()
}

pub(crate) fn append(parent: &Element, child: &Element) {
    let _ = parent.append_child(child);
}

/// Shows a bitmap on a canvas, which becomes as large; its memory is the canvas's from then on.
pub(crate) fn put(canvas: &HtmlCanvasElement, bitmap: &ImageBitmap) {
    let size = (bitmap.width(), bitmap.height());
    if (canvas.width(), canvas.height()) != size {
        canvas.set_width(size.0);
        canvas.set_height(size.1);
    }
    let context = canvas.get_context("bitmaprenderer").ok().flatten();
    if let Some(context) = context {
        context
            .unchecked_into::<ImageBitmapRenderingContext>()
            .transfer_from_image_bitmap(bitmap);
    }
}

/// A property of a JavaScript object.
pub(crate) fn get(object: &JsValue, name: &str) -> JsValue {
    js_sys::Reflect::get(object, &JsValue::from_str(name)).unwrap_or(JsValue::UNDEFINED)
}
