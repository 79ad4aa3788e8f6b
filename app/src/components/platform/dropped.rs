//! What was dropped on a page: files, and the files in folders at any depth.

use js_sys::{Array, Promise};
use leptos::ev;
use send_wrapper::SendWrapper;
use wasm_bindgen::{JsCast, prelude::wasm_bindgen};
use wasm_bindgen_futures::{JsFuture, spawn_local};

use crate::client::model::Files;

// What a drop holds is there during the event only, so its entries are taken at once and read after that.
#[wasm_bindgen(inline_js = "
export const dropped = async (transfer, most) => {
  const entries = [...transfer.items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
  const files = [...transfer.files];
  if (!entries.some((entry) => entry.isDirectory)) return [files, 0, false];
  const promised = (ask) => new Promise((done, failed) => ask(done, failed));
  const found = [];
  let unread = 0;
  let more = false;
  const walk = async (entry) => {
    if (entry.isFile) {
      more ||= found.length >= most;
      if (more) return;
      const file = await promised((done, failed) => entry.file(done, failed));
      // Folders are called after patients: what they are called must not be in what is shared.
      file.within = entry.fullPath.slice(1);
      found.push(file);
      return;
    }
    const reader = entry.createReader();
    // A folder is read a hundred entries at a time.
    for (;;) {
      const some = await promised((done, failed) => reader.readEntries(done, failed));
      if (!some.length) return;
      await all(some);
      if (more) return;
    }
  };
  // What cannot be read says nothing about what comes after it.
  const all = async (some) => {
    for (const entry of some) {
      if (more) return;
      await walk(entry).catch(() => { unread += 1; });
    }
  };
  await all(entries);
  return [found, unread, more];
};
")]
extern "C" {
    fn dropped(transfer: &web_sys::DataTransfer, most: u32) -> Promise;
}

/// Files that are taken of one drop at most; a study has some hundreds.
const MOST: u32 = 10_000;

/// Hands over the files of a drop, with those in its folders, and a sentence when some of them are left out.
pub(crate) fn dropped_deep(
    event: &ev::DragEvent,
    then: impl FnOnce(Option<Files>, Option<String>) + 'static,
) {
    let Some(transfer) = event.data_transfer() else {
        return;
    };
    let files = dropped(&transfer, MOST);
    spawn_local(async move {
        let Ok(answer) = JsFuture::from(files).await else {
            return;
        };
        let answer: Array = answer.unchecked_into();
        let files: Vec<web_sys::File> = answer
            .get(0)
            .unchecked_into::<Array>()
            .iter()
            .filter_map(|file| file.dyn_into().ok())
            .collect();
        let unread = answer.get(1).as_f64().unwrap_or_default() as u32;
        let left_out = left_out(files.len(), unread, answer.get(2).is_truthy());
        let files = (!files.is_empty()).then(|| Files(SendWrapper::new(files)));
        then(files, left_out);
    });
}

fn left_out(taken: usize, unread: u32, more: bool) -> Option<String> {
    let unread = match unread {
        0 => None,
        1 => Some("1 file or folder of these could not be read and is left out.".to_owned()),
        several => Some(format!(
            "{several} files or folders of these could not be read and are left out."
        )),
    };
    let more = more.then(|| {
        format!("There are more than {taken} files in these folders: the first {taken} were taken. Drop the folders of the others one by one.")
    });
    let all: Vec<String> = unread.into_iter().chain(more).collect();
    (!all.is_empty()).then(|| all.join(" "))
}
