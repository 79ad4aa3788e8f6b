//! What the platforms do differently, with the same signatures on both sides. Browsers have WebCrypto: it runs off
//! the page's thread, in machine code, and costs no bytes of our own. Native builds have RustCrypto.

#[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
mod browser;
#[cfg(not(all(target_arch = "wasm32", target_os = "unknown")))]
mod native;

#[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
pub(crate) use browser::{decrypt, digests, encrypt};
#[cfg(not(all(target_arch = "wasm32", target_os = "unknown")))]
pub(crate) use native::{decrypt, derive, digests, encrypt};
