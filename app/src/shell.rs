//! The HTML document around the app: what the server sends for every page.

use leptos::{config::LeptosOptions, hydration::AutoReload, nonce::use_nonce, prelude::*};
use leptos_meta::MetaTags;

use crate::{app::App, client::model::Bootstrap, components::icon::SPRITE};

/// Addresses of the built files, with their content hashes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Assets {
    pub js: String,
    pub wasm: String,
    /// WebAssembly that the page needs a moment after it has started.
    pub later: Vec<String>,
    pub css: String,
    /// The first script of the picture workspace, loaded with the first picture.
    pub imaging: String,
}

/// The whole document of one page.
pub fn shell(options: LeptosOptions, assets: Assets, bootstrap: Bootstrap) -> impl IntoView {
    let facts = serde_json::to_string(&bootstrap).expect("a bootstrap has only text and numbers");
    provide_context(bootstrap);
    let Assets {
        js,
        wasm,
        later,
        css,
        imaging,
    } = assets;
    view! {
        <!DOCTYPE html>
        <html lang="en">
            <head>
                <meta charset="utf-8" />
                <meta name="viewport" content="width=device-width, initial-scale=1, viewport-fit=cover" />
                <meta name="color-scheme" content="light dark" />
                <meta
                    name="description"
                    content="A second opinion from the colleagues you choose: closed rooms, shared images, signed votes."
                />
                <meta name="healthsync-bootstrap" content=facts />
                <meta name="healthsync-imaging" content=imaging />
                <link rel="icon" href="/favicon.svg" type="image/svg+xml" />
                // Before the first paint, or a chosen theme would flash.
                <script src="/theme.js"></script>
                <link
                    rel="preload"
                    href="/fonts/ibm-plex-sans-latin-wght-normal.woff2"
                    r#as="font"
                    r#type="font/woff2"
                    crossorigin="anonymous"
                />
                <link rel="stylesheet" href=css />
                <AutoReload options />
                <StartScript js wasm later />
                <MetaTags />
            </head>
            <body>
                <div id="app" class="app">
                    <App />
                </div>
                // Our own file, not text from anybody.
                <div hidden inner_html=SPRITE></div>
                <noscript>
                    <p class="stuck">"Rooms need JavaScript and WebAssembly. Reading these pages does not."</p>
                </noscript>
                <div class="stuck" id="stuck" role="alert" hidden>
                    <span>"The scripts of this page could not be loaded. What you had not sent is kept in this browser."</span>
                    <a class="btn" href="">
                        "Reload"
                    </a>
                </div>
            </body>
        </html>
    }
}

/// Loads and starts the page's WebAssembly, and says when it could not be loaded or has stopped: a panic in it is a
/// trap, after which nothing of it may run any more.
///
/// A file that is dropped where nothing takes it would be shown in the place of the page, and what was typed be gone.
/// Before the page has started, it is picked instead, and what is picked is kept.
const START: &str = "\
const stuck = (text) => {
  const bar = document.getElementById('stuck');
  if (text) bar.firstElementChild.textContent = text;
  bar.hidden = false;
};
const fell = (reason) => {
  const trap = reason instanceof WebAssembly.RuntimeError;
  if (trap) stuck('This page has stopped. What was stored or kept is still there; reload to go on.');
  return trap;
};
addEventListener('error', (event) => fell(event.error));
addEventListener('unhandledrejection', (event) => fell(event.reason));
let alive = false;
const drag = (event) => {
  if (event.defaultPrevented || !event.dataTransfer.types.includes('Files') || event.target.type === 'file') return;
  event.preventDefault();
  const picker = alive ? null : document.querySelector('input[type=file][multiple]:enabled');
  if (!picker) event.dataTransfer.dropEffect = 'none';
  else if (event.type === 'drop') picker.files = event.dataTransfer.files;
};
addEventListener('dragover', drag);
addEventListener('drop', drag);
import(JS)
  .then(async (page) => {
    await page.default({ module_or_path: WASM });
    page.start();
    alive = true;
  })
  .catch((reason) => {
    console.error(reason);
    if (!fell(reason)) stuck();
  });
";

/// Instead of leptos' `HydrationScripts`, which has no `.catch`: a download that fails must be seen.
#[component]
fn StartScript(js: String, wasm: String, later: Vec<String>) -> impl IntoView {
    // Both are names that our own build made; quoted as JSON, and `<` cannot end the element.
    let quoted = |name: &str| {
        serde_json::to_string(name)
            .expect("text is JSON")
            .replace('<', "\\u003c")
    };
    let start = START
        .replace("JS", &quoted(&js))
        .replace("WASM", &quoted(&wasm));
    view! {
        <link rel="modulepreload" href=js />
        <link rel="preload" href=wasm r#as="fetch" r#type="application/wasm" crossorigin="anonymous" />
        {later
            .into_iter()
            .map(|file| view! { <link rel="preload" href=file r#as="fetch" r#type="application/wasm" crossorigin="anonymous" /> })
            .collect_view()}
        <script type="module" nonce=use_nonce()>
            {start}
        </script>
    }
}
