//! Files as JavaScript holds them. They are made and read in the browser only.

#[cfg(feature = "hydrate")]
use std::sync::Arc;

/// Files from the picker, a drop or the clipboard. JS objects: made and read in the browser only.
#[derive(Clone, Debug)]
pub struct Files(
    #[cfg(feature = "hydrate")] pub send_wrapper::SendWrapper<Vec<web_sys::File>>,
    #[cfg(not(feature = "hydrate"))] (),
);

/// Files of a series. JS objects: made and read in the browser only.
#[derive(Clone, Debug)]
pub struct Blobs(
    #[cfg(feature = "hydrate")] pub Arc<send_wrapper::SendWrapper<Vec<web_sys::Blob>>>,
    #[cfg(not(feature = "hydrate"))] (),
);

impl PartialEq for Blobs {
    /// A series only grows, so its length says whether it is the same.
    fn eq(&self, other: &Self) -> bool {
        self.len() == other.len()
    }
}

impl Eq for Blobs {}

impl Default for Blobs {
    #[cfg(feature = "hydrate")]
    fn default() -> Self {
        Self::new(Vec::new())
    }

    #[cfg(not(feature = "hydrate"))]
    fn default() -> Self {
        Self(())
    }
}

#[cfg(feature = "hydrate")]
impl Blobs {
    pub(crate) fn new(blobs: Vec<web_sys::Blob>) -> Self {
        Self(Arc::new(send_wrapper::SendWrapper::new(blobs)))
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// Without the first ones.
    pub(crate) fn after(&self, first: usize) -> Self {
        Self::new(self.0.iter().skip(first).cloned().collect())
    }
}

#[cfg(not(feature = "hydrate"))]
impl Blobs {
    pub(crate) fn len(&self) -> usize {
        0
    }

    pub(crate) fn after(&self, _first: usize) -> Self {
        Self::default()
    }
}
