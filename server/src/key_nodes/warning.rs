//! Three of five shares are a key: an operator who has three nodes could put every key together, and the page says so.

use healthsync_app::client::model::KeyNodeInfo;

use super::passing;

const ALL: usize = 5;
/// Shares that give a key.
const ENOUGH: usize = 3;

/// The sentence about an operator with enough nodes; empty when there is none. `hosted`: what the page's calls begin with,
/// if the nodes are of Lighthouse's kind.
pub(super) fn warning(nodes: &[KeyNodeInfo], hosted: Option<&str>) -> String {
    let place = |node: &KeyNodeInfo| {
        let host = node.url.split_once("://").map_or("", |(_, rest)| rest);
        host.split('/').next().unwrap_or_default().to_owned()
    };
    if let Some((base, node)) = hosted.zip(nodes.first()) {
        return one_host(&place(node), base == passing::AT);
    }
    let count = |of: &KeyNodeInfo| {
        nodes
            .iter()
            .filter(|node| node.embedded == of.embedded && place(node) == place(of))
            .count()
    };
    nodes
        .iter()
        .find(|node| count(node) >= ENOUGH)
        .map(|node| one_operator(count(node), node.embedded, &place(node)))
        .unwrap_or_default()
}

fn one_host(host: &str, through_server: bool) -> String {
    let through = if through_server {
        " They are asked through this server, so whoever runs it could do the same."
    } else {
        ""
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

    fn nodes(urls: [&str; 5]) -> Vec<KeyNodeInfo> {
        let node = |(id, url): (u8, &str)| KeyNodeInfo {
            id,
            name: String::new(),
            url: url.into(),
            embedded: url.is_empty(),
        };
        (1..).zip(urls).map(node).collect()
    }

    #[test]
    fn an_operator_with_three_nodes_is_named() {
        let warning = |urls| super::warning(&nodes(urls), None);
        let [b, c] = ["https://b.example", "https://c.example"];
        assert_eq!(warning(["", "", "https://a.example", b, c]), "");
        assert!(warning([""; 5]).starts_with("All five key nodes are run by this server."));
        assert!(warning(["", "", "", b, c]).starts_with("Three or more of the five"));
        let elsewhere = warning(["https://keys.example/x"; 5]);
        assert!(elsewhere.contains("run by keys.example."), "{elsewhere}");
    }

    #[test]
    fn five_paths_of_one_host_are_one_operator_and_the_server_another() {
        let url = "https://keys.example";
        let direct = warning(&nodes([url; 5]), Some(url));
        assert!(direct.contains("paths of one host, keys.example."));
        assert!(!direct.contains("through this server"));
        let through = warning(&nodes([url; 5]), Some(passing::AT));
        assert!(through.contains("through this server"), "{through}");
    }
}
