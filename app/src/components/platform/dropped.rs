//! What was dropped on a page: files, and the files in folders at any depth.

use js_sys::{Array, Promise};
use leptos::ev;
use send_wrapper::SendWrapper;
use wasm_bindgen::{JsCast, prelude::wasm_bindgen};
use wasm_bindgen_futures::{JsFuture, spawn_local};

use crate::client::model::Files;

// What a drop holds is there during the event only, so its entries are taken at once and read after that.
#[wasm_bindgen(inline_js = "
export const dropped = (transfer, most) => {
  const entries = [...transfer.items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
  const files = [...transfer.files];
  if (!entries.some((entry) => entry.isDirectory)) return Promise.resolve(files);
  const promised = (ask) => new Promise((done, failed) => ask(done, failed));
  const found = [];
  const walk = async (entry) => {
    if (found.length >= most) return;
    if (entry.isFile) return found.push(await promised((done, failed) => entry.file(done, failed)));
    const reader = entry.createReader();
    // A folder is read a hundred entries at a time.
    for (;;) {
      const some = await promised((done, failed) => reader.readEntries(done, failed));
      if (!some.length) return;
      for (const inner of some) await walk(inner);
    }
  };
  return entries.reduce((before, entry) => before.then(() => walk(entry)).catch(() => {}), Promise.resolve()).then(() => found);
};
")]
extern "C" {
    fn dropped(transfer: &web_sys::DataTransfer, most: u32) -> Promise;
}

/// Files that are taken of one drop at most; a study has some hundreds.
const MOST: u32 = 10_000;

/// Hands over the files of a drop, with those in its folders.
pub(crate) fn dropped_deep(event: &ev::DragEvent, then: impl FnOnce(Files) + 'static) {
    let Some(transfer) = event.data_transfer() else {
        return;
    };
    let files = dropped(&transfer, MOST);
    spawn_local(async move {
        let Ok(files) = JsFuture::from(files).await else {
            return;
        };
        let files: Vec<web_sys::File> = files
            .unchecked_into::<Array>()
            .iter()
            .filter_map(|file| file.dyn_into().ok())
            .collect();
        if !files.is_empty() {
            then(Files(SendWrapper::new(files)));
        }
    });
}
