//! Messages in the place where they matter: what happened, what was kept, what to do.

use leptos::prelude::*;

use super::icon::Icon;
use crate::client::model::{KeyNodeInfo, NodeKind, Trouble};

/// Kept and next as one line of text, if there is any.
pub(crate) fn rest_of(trouble: &Trouble) -> Option<String> {
    let parts: Vec<&str> = [trouble.kept.as_deref(), trouble.next.as_deref()]
        .into_iter()
        .flatten()
        .collect();
    (!parts.is_empty()).then(|| parts.join(" "))
}

/// Something did not work. `error` is what tests and assistive technology look for.
#[component]
pub(crate) fn TroubleNotice(trouble: Trouble) -> impl IntoView {
    let rest = rest_of(&trouble);
    view! {
        <div class="notice notice--bad" role="alert" data-testid="error">
            <Icon name="circle-x" />
            <div>
                <strong>{trouble.what}</strong>
                {rest.map(|rest| view! { <p>{rest}</p> })}
            </div>
        </div>
    }
}

/// Something works less well than it could, or waits.
#[component]
pub(crate) fn WarnNotice(
    icon: &'static str,
    what: String,
    #[prop(optional_no_strip)] rest: Option<String>,
) -> impl IntoView {
    view! {
        <div class="notice notice--warn" role="status">
            <Icon name=icon />
            <div>
                <strong>{what}</strong>
                {rest.map(|rest| view! { <p>{rest}</p> })}
            </div>
        </div>
    }
}

/// Where one operator has enough key nodes to put a key together, they are no protection from that operator, and the
/// page says so.
#[component]
pub(crate) fn EmbeddedNodesLine() -> impl IntoView {
    let bootstrap = crate::client::use_client().bootstrap;
    let warning = Memo::new(move |_| {
        bootstrap.with(|facts| match facts {
            None => one_operator(ALL, true, ""),
            Some(facts) => warning(&facts.key_nodes),
        })
    });
    view! {
        <p class="hint" hidden=move || warning.with(String::is_empty)>
            {move || warning.get()}
        </p>
    }
}

const ALL: usize = 5;
/// Shares that give a key.
const ENOUGH: usize = 3;

/// The sentence about an operator with enough nodes; empty when there is none.
fn warning(nodes: &[KeyNodeInfo]) -> String {
    if let Some(node) = nodes.first().filter(|node| node.kind.is_lighthouse()) {
        return one_host(node.host(), node.kind);
    }
    let count = |of: &KeyNodeInfo| {
        nodes
            .iter()
            .filter(|node| node.embedded == of.embedded && node.host() == of.host())
            .count()
    };
    nodes
        .iter()
        .find(|node| count(node) >= ENOUGH)
        .map(|node| one_operator(count(node), node.embedded, node.host()))
        .unwrap_or_default()
}

fn one_host(host: &str, kind: NodeKind) -> String {
    let through = match kind {
        NodeKind::LighthouseThroughServer => {
            " They are asked through this server, so whoever runs it could do the same."
        }
        NodeKind::HealthSync | NodeKind::Lighthouse => "",
    };
    format!(
        "All five key nodes are paths of one host, {host}. Whoever runs it could put every key together; five nodes of one operator are no protection from that.{through}"
    )
}

fn one_operator(count: usize, here: bool, host: &str) -> String {
    let which = if count == ALL {
        "All"
    } else {
        "Three or more of the"
    };
    let who = if here { "this server" } else { host };
    format!(
        "{which} five key nodes are run by {who}. That is fine for trying out, and no protection from whoever runs it."
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(id: u8, url: &str) -> KeyNodeInfo {
        KeyNodeInfo {
            id,
            name: String::new(),
            url: url.into(),
            embedded: url.is_empty(),
            kind: NodeKind::HealthSync,
        }
    }

    #[test]
    fn an_operator_with_three_nodes_is_named() {
        let nodes = |urls: [&str; 5]| -> Vec<KeyNodeInfo> {
            (1..).zip(urls).map(|(id, url)| node(id, url)).collect()
        };
        let apart = [
            "",
            "",
            "https://a.example",
            "https://b.example",
            "https://c.example",
        ];
        assert_eq!(warning(&nodes(apart)), "");
        assert!(warning(&nodes([""; 5])).starts_with("All five key nodes are run by this server."));
        let most = ["", "", "", "https://b.example", "https://c.example"];
        assert!(warning(&nodes(most)).starts_with("Three or more of the five"));
        let elsewhere = warning(&nodes(["https://keys.example/x"; 5]));
        assert!(elsewhere.contains("run by keys.example."), "{elsewhere}");

        let mut hosted = nodes(["https://keys.example"; 5]);
        let mut of_kind = |kind| {
            hosted.iter_mut().for_each(|node| node.kind = kind);
            warning(&hosted)
        };
        let direct = of_kind(NodeKind::Lighthouse);
        assert!(
            direct.contains("paths of one host, keys.example."),
            "{direct}"
        );
        assert!(!direct.contains("through this server"));
        let through = of_kind(NodeKind::LighthouseThroughServer);
        assert!(through.contains("through this server"), "{through}");
    }
}
