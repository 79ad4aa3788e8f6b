//! Photographs on their way into a room, freed of metadata. This runs in a worker (`photos.js`), which loads the module a
//! second time: it is there anyhow for whoever looks at pictures, and a file of 100 MB does not hold up the page.

use healthsync_imaging::{clean, intake::Photographed};
use js_sys::{Array, Uint8Array};
use wasm_bindgen::JsValue;
use web_sys::{Blob, BlobPropertyBag};

use crate::digest::{bytes, sha256};

/// The JSON of [`Photographed`] and, if it is clean, the file.
pub(crate) async fn clean_photo(file: &Blob) -> Array {
    let (became, cleaned) = cleaned(file).await.unwrap_or_else(|what| {
        let refused = Photographed::Refused { what };
        (refused, JsValue::UNDEFINED)
    });
    let json = serde_json::to_string(&became).unwrap_or_default();
    Array::of2(&json.into(), &cleaned)
}

async fn cleaned(file: &Blob) -> Result<(Photographed, JsValue), String> {
    let file = bytes(file)
        .await
        .ok_or("The browser could not read this file. It may have been moved; choose it again.")?;
    let cleaned = clean(&file).map_err(|error| error.to_string())?;
    drop(file);
    let sha256 = sha256(&cleaned.bytes).await.ok_or(
        "The browser computes no SHA-256 here. Open the page over https in a current browser.",
    )?;
    let options = BlobPropertyBag::new();
    options.set_type(cleaned.photo.mime);
    let parts = Array::of1(&Uint8Array::from(cleaned.bytes.as_slice()));
    let blob = Blob::new_with_u8_array_sequence_and_options(&parts, &options)
        .map_err(|_| "The browser has no room for the cleaned photograph. Attach a smaller one.")?;
    let became = Photographed::Clean {
        mime: cleaned.photo.mime.to_owned(),
        width: cleaned.photo.width,
        height: cleaned.photo.height,
        removed: (cleaned.removed.iter())
            .map(|removed| removed.code().to_owned())
            .collect(),
        sha256,
    };
    Ok((became, blob.into()))
}
