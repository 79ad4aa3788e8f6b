//! The place of the picture workspace in a case: loads it, tells it what there is, and passes on what it asks. What
//! the workspace shows and how it is used is `crates/viewer`, which comes with the first picture that is opened.

use std::sync::Arc;

use healthsync_core::EventId;
use healthsync_imaging::stage::{Mark, PhotoReceipt, PictureFacts, Say, Tell};
use leptos::{html::Div, prelude::*};

use super::{icon::Icon, platform::Workspace};
use crate::client::{
    model::{Blobs, ImageLock, ImageRow, Intent},
    use_client,
};

#[component]
pub(crate) fn Viewer(
    case: EventId,
    images: Memo<Vec<ImageRow>>,
    marks: Memo<Arc<Vec<Mark>>>,
    index: RwSignal<usize>,
) -> impl IntoView {
    let client = use_client();
    let root = NodeRef::<Div>::new();
    let fault = RwSignal::new(None::<String>);
    let workspace = StoredValue::new_local(None::<Workspace>);
    // How many files of each picture the workspace has been told of.
    let told = StoredValue::new(Vec::<usize>::new());

    Effect::new(move |_| {
        let Some(root) = root.get() else { return };
        client.send(Intent::LookAt(case));
        let host = move |say| match say {
            Say::Choose { picture } => {
                if picture < images.with_untracked(Vec::len) {
                    index.set(picture);
                }
            }
            say => client.send(Intent::Look { case, say }),
        };
        let opened = Workspace::open(&root, host, move |why| fault.set(Some(why)));
        workspace.set_value(Some(opened));
    });
    let tell = move |tell: &Tell, files: Blobs| {
        workspace.with_value(|workspace| {
            if let Some(workspace) = workspace {
                workspace.tell(tell, &files);
            }
        });
    };
    Effect::new(move |_| {
        root.track();
        let chosen = index.get();
        images.with(|images| {
            let pictures = images.iter().map(facts).collect();
            tell(&Tell::Pictures { pictures, chosen }, Blobs::default());
            told.update_value(|told| told.resize(images.len(), 0));
            for (picture, image) in images.iter().enumerate() {
                let files = files_of(image);
                let from = told.with_value(|told| told[picture]);
                if files.len() > from {
                    let expected = image.series.as_ref().map_or(1, |series| series.slices);
                    tell(&Tell::Files { picture, expected }, files.after(from));
                    told.update_value(|told| told[picture] = files.len());
                }
            }
        });
    });
    Effect::new(move |_| {
        root.track();
        let marks = marks.with(|marks| marks.to_vec());
        tell(&Tell::Marks { marks }, Blobs::default());
    });
    Effect::new(move |_| {
        root.track();
        let pointers = client.pointers.with(|all| {
            all.iter()
                .filter(|(of, _)| *of == case)
                .map(|(_, pointer)| pointer.clone())
                .collect()
        });
        tell(&Tell::Pointers { pointers }, Blobs::default());
    });
    on_cleanup(move || {
        workspace.try_update_value(|workspace| workspace.take().map(Workspace::close));
    });

    let photo = move || {
        images.with(
            |images| match images.get(index.get()).map(|image| &image.lock) {
                Some(ImageLock::Open { url, .. }) if !url.is_empty() => Some(url.clone()),
                _ => None,
            },
        )
    };
    view! {
        <div class="viewer reading" node_ref=root></div>
        {move || {
            fault
                .get()
                .map(|why| {
                    view! {
                        <div class="viewer__plain reading" role="alert" data-testid="error">
                            <p class="hint hint--bad">
                                <Icon name="circle-x" small=true />
                                <span>{why}</span>
                            </p>
                            {photo().map(|url| view! { <img src=url alt="Image of this case" /> })}
                        </div>
                    }
                })
        }}
    }
}

fn facts(image: &ImageRow) -> PictureFacts {
    let url = match &image.lock {
        ImageLock::Open { url, .. } if !url.is_empty() => Some(url.clone()),
        _ => None,
    };
    PictureFacts {
        title: image.name.clone(),
        url,
        size: [image.width, image.height],
        receipt: image.receipt.as_ref().map(|receipt| PhotoReceipt {
            tool: receipt.tool.clone(),
            format: image.mime.clone(),
            removed: receipt.removed.clone(),
        }),
    }
}

fn files_of(image: &ImageRow) -> Blobs {
    match &image.lock {
        ImageLock::Open { files, .. } => files.clone(),
        _ => Blobs::default(),
    }
}
