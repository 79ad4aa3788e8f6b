//! `/verify`: result files of closed polls, re-counted in this browser from the signatures alone. Nothing is uploaded
//! and no server is asked; what only a chain can say is said to be unchecked.

use healthsync_core::bundle;
use leptos::{ev, prelude::*, task::spawn_local, web_sys};
use leptos_meta::Title;

use crate::{
    client::{model::Files, use_client},
    components::{
        agreement::AgreementTable,
        footer::Footer,
        icon::Icon,
        platform,
        top_bar::TopBar,
        verdict::{Verdict, VerdictCard},
    },
};

#[component]
pub(crate) fn VerifyPage() -> impl IntoView {
    let live = use_client().live;
    let verdicts = RwSignal::new(Vec::<Verdict>::new());
    let over = RwSignal::new(false);
    let take = move |files: Option<Files>| {
        over.set(false);
        let Some(files) = files else { return };
        spawn_local(async move {
            let mut found = Vec::new();
            for (name, bytes) in
                platform::contents(files, healthsync_core::limits::BUNDLE_BYTES).await
            {
                let outcome = bytes
                    .and_then(|bytes| bundle::verify(&bytes).map_err(|error| error.to_string()));
                found.push(Verdict::new(name, outcome));
            }
            verdicts.set(found);
        });
    };
    view! {
        <Title text="Verify a result" />
        <TopBar />
        <main id="main" class="page" tabindex="-1">
            <div class="page__head">
                <div>
                    <h1>"Verify a result"</h1>
                    <p>
                        "Drop a result file. It is re-counted in this browser, from the signatures alone. Nothing is uploaded."
                    </p>
                </div>
            </div>
            <label
                class="drop"
                data-over=move || over.get().then_some("")
                on:dragover=move |event: ev::DragEvent| {
                    if platform::drags_files(&event) {
                        event.prevent_default();
                        over.set(true);
                    }
                }
                on:dragleave=move |_| over.set(false)
                on:drop=move |event: ev::DragEvent| {
                    event.prevent_default();
                    take(platform::dropped_files(&event));
                }
            >
                <Icon name="file-check" />
                <strong>"Drop a result file here, or choose one"</strong>
                <span class="small muted">
                    "A .json file from a closed poll, up to 20 MB. Several at once are compared."
                </span>
                <input
                    type="file"
                    accept=".json,application/json"
                    multiple
                    aria-label="Result files"
                    data-testid="verify-file"
                    disabled=move || !live.get()
                    on:change=move |event: web_sys::Event| take(platform::picked_files(&event))
                />
            </label>
            <noscript>
                <p class="small muted">
                    "Re-counting needs JavaScript and WebAssembly here. On a command line it does not: healthsync verify FILE."
                </p>
            </noscript>
            <div class="stack" aria-live="polite">
                {move || {
                    verdicts
                        .with(|verdicts| {
                            verdicts.iter().cloned().map(|verdict| view! { <VerdictCard verdict /> }).collect_view()
                        })
                }}
                <Compared verdicts />
            </div>
            <section class="section" aria-labelledby="how">
                <h2 id="how">"What is checked"</h2>
                <p class="small">
                    "Each vote, the question and the close carry the signature of a reader's browser, and each browser one of a wallet. The close names the votes that count, so a vote that came later, or was dated back, changes nothing, and a vote that is missing is missed. Who was a member on that day stands on the chain: "
                    <code>"healthsync verify FILE --rpc URL"</code> " asks it."
                </p>
            </section>
        </main>
        <Footer />
    }
}

/// Agreement over the files that hold, where some ask with the same options.
#[component]
fn Compared(verdicts: RwSignal<Vec<Verdict>>) -> impl IntoView {
    move || {
        let polls: Vec<_> =
            verdicts.with(|verdicts| verdicts.iter().filter_map(Verdict::poll).collect());
        let groups = healthsync_core::agreement::of_polls(&polls);
        (!groups.is_empty()).then(|| {
            view! {
                <section class="section" aria-labelledby="compared">
                    <h2 id="compared">"Agreement over these files"</h2>
                    {groups.into_iter().map(|agreement| view! { <AgreementTable agreement /> }).collect_view()}
                </section>
            }
        })
    }
}
