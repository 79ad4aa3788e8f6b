//! Opening a series: its list is unlocked like a photograph, and gives the pieces with their keys. Files are shown as
//! they come, so the first image is there long before the last.

use futures::{StreamExt, future::LocalBoxFuture, stream};
use healthsync_core::series::{Files, Piece, SeriesList};
use healthsync_imaging::stage::RECEIPT_MIME;
use healthsync_lighthouse::{MasterKey, decrypt};
use js_sys::{Array, Uint8Array};

use crate::client::{
    browser::{platform::sleep, runtime::trouble},
    model::{Blobs, Trouble},
};

/// Pieces that are fetched at a time.
const AT_ONCE: usize = 3;
/// Waits before a piece is fetched again, ms.
const WAITS: [u32; 3] = [500, 2_000, 6_000];

/// Gives a piece as it is stored, by its content id and its plain length. One type for all, so that there is one reader of
/// series in the program.
pub(crate) type Fetch<'f, 'a> =
    &'f (dyn Fn(String, u64) -> LocalBoxFuture<'a, Result<Vec<u8>, Trouble>> + 'f);

/// A receipt as the viewer takes it: among the files, known by its type.
pub(super) fn receipt_blob(json: &str) -> Option<web_sys::Blob> {
    let options = web_sys::BlobPropertyBag::new();
    options.set_type(RECEIPT_MIME);
    web_sys::Blob::new_with_str_sequence_and_options(&Array::of1(&json.into()), &options).ok()
}

/// Fetches what the list names, in its order. `show` gets all files that are whole
/// by now, each time there are more.
pub(crate) async fn open_series(
    list: &[u8],
    fetch: Fetch<'_, '_>,
    show: &dyn Fn(Blobs),
) -> Result<(), Trouble> {
    let SeriesList {
        files,
        pieces,
        receipt,
        ..
    } = SeriesList::read(list).ok_or_else(contradicts)?;
    let mut files = Files::new(files);
    let mut there: Vec<web_sys::Blob> = receipt_blob(&receipt.to_string()).into_iter().collect();
    let first = there.len();
    let fetched = pieces.iter().map(|one| piece(one, fetch));
    let mut fetched = stream::iter(fetched).buffered(AT_ONCE);
    while let Some(plain) = fetched.next().await {
        for file in files.take(&plain?) {
            let parts = Array::of1(&Uint8Array::from(file.as_slice()));
            let blob = web_sys::Blob::new_with_u8_array_sequence(&parts).map_err(|_| {
                trouble(
                    "The browser has no place for more of this series.",
                    None,
                    Some("Close other pages, then try again."),
                )
            })?;
            there.push(blob);
        }
        if there.len() > first {
            show(Blobs::new(there.clone()));
        }
    }
    Ok(())
}

/// What is no list of a series, although its key opened it.
pub(super) fn contradicts() -> Trouble {
    trouble(
        "The list of this series contradicts itself, so it is not opened.",
        None,
        Some("Ask whoever shared it to share it again."),
    )
}

/// A piece in the clear; a connection that breaks is no reason to begin the series anew.
pub(super) async fn piece(piece: &Piece, fetch: Fetch<'_, '_>) -> Result<Vec<u8>, Trouble> {
    let sealed = {
        let mut waits = WAITS.into_iter();
        loop {
            match (fetch(piece.cid.clone(), piece.bytes).await, waits.next()) {
                (Ok(sealed), _) => break sealed,
                (Err(_), Some(wait)) => sleep(wait).await,
                (Err(trouble), None) => return Err(trouble),
            }
        }
    };
    let wrong = || {
        trouble(
            "A piece of this series does not open with the key that its list gives.",
            None,
            Some("Ask whoever shared it to share it again."),
        )
    };
    let key = MasterKey::from_hex(&piece.key).map_err(|_| wrong())?;
    let plain = decrypt(&sealed, &key).await.map_err(|_| wrong())?;
    if plain.len() as u64 == piece.bytes {
        Ok(plain)
    } else {
        Err(wrong())
    }
}
