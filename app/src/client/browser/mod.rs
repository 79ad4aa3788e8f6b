//! The runtime in the browser.
