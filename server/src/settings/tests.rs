use std::ffi::OsString;

use clap::{Parser, Subcommand};
use reqwest::Url;

use super::read::{condition_chain, key_nodes, public_host, relays};
use super::{KeyNodes, LOCAL_CHAIN, Relays, Settings, Storage};

fn parse(args: &[&str]) -> Result<Settings, String> {
    let args = std::iter::once(&"healthsync").chain(args);
    super::parse(args.map(OsString::from)).map_err(|error| error.to_string())
}

#[test]
fn a_bad_value_is_refused_with_name_value_and_what_is_right() {
    let cases = [
        ("--addr", "localhost", "HEALTHSYNC_ADDR", "127.0.0.1:3000"),
        (
            "--storage-url",
            "ftp://x",
            "HEALTHSYNC_STORAGE_URL",
            "https://storage.example.org",
        ),
        (
            "--key-nodes",
            "https://a,https://b",
            "HEALTHSYNC_KEY_NODES",
            "five",
        ),
        ("--role", "cook", "HEALTHSYNC_ROLE", "key-node"),
        ("--node", "6", "HEALTHSYNC_NODE", "1 to 5"),
        (
            "--chain-rpc",
            "8545",
            "HEALTHSYNC_CHAIN_RPC",
            "http://127.0.0.1:8545",
        ),
        ("--chain-id", "0x7a69", "HEALTHSYNC_CHAIN_ID", "31337"),
        (
            "--registry",
            "0x1234",
            "HEALTHSYNC_REGISTRY",
            "40 hex digits",
        ),
        (
            "--p2p-webrtc-port",
            "70000",
            "HEALTHSYNC_P2P_WEBRTC_PORT",
            "65535",
        ),
        (
            "--public-host",
            "http://a/b",
            "HEALTHSYNC_PUBLIC_HOST",
            "rooms.example.org",
        ),
        (
            "--stun",
            "https://stun.example.org",
            "HEALTHSYNC_STUN",
            "stun:stun.example.org:3478",
        ),
        (
            "--relays",
            "http://rooms.example.org",
            "HEALTHSYNC_RELAYS",
            "https://host",
        ),
        (
            "--max-upload",
            "100MB",
            "HEALTHSYNC_MAX_UPLOAD",
            "104857644",
        ),
        (
            "--behind-proxy",
            "maybe",
            "HEALTHSYNC_BEHIND_PROXY",
            "true or false",
        ),
    ];
    for (flag, value, name, right) in cases {
        let said = parse(&[flag, value]).expect_err(flag);
        assert!(
            said.contains(value) && said.contains(name) && said.contains(right),
            "{said}"
        );
    }
}

/// Settings beside commands, as the binary has them.
#[derive(Debug, Parser)]
#[command(args_conflicts_with_subcommands = true)]
struct Program {
    #[command(flatten)]
    _settings: Settings,
    #[command(subcommand)]
    _command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    Verify,
}

#[test]
fn what_may_be_a_secret_is_not_repeated_when_it_is_refused() {
    let cases = [
        (
            "--storage-api-key",
            "5ecr3t\n",
            "HEALTHSYNC_STORAGE_API_KEY",
        ),
        (
            "--database-url",
            "mysql://hs:5ecr3t@db/hs",
            "HEALTHSYNC_DATABASE_URL",
        ),
        (
            "--database-url",
            "postgres://hs:5ec/r3t@db/hs",
            "HEALTHSYNC_DATABASE_URL",
        ),
        (
            "--database-url",
            "postgres://hs:5/ec5ecr3tr3t@db/hs",
            "HEALTHSYNC_DATABASE_URL",
        ),
        (
            "--condition-chains",
            "Base=8453@https://rpc.example,Ethereum=https://rpc.example/5ecr3t",
            "HEALTHSYNC_CONDITION_CHAINS",
        ),
        (
            "--chain-rpc",
            "https://me:5ecr3t@rpc.example",
            "HEALTHSYNC_CHAIN_RPC",
        ),
        (
            "--s3-endpoint",
            "http://me:5ecr3t@minio.example:x",
            "s3-endpoint",
        ),
    ];
    for (flag, value, name) in cases {
        for args in [
            vec!["healthsync".to_owned(), flag.into(), value.into()],
            vec!["healthsync".to_owned(), format!("{flag}={value}")],
        ] {
            let args = args.into_iter().map(OsString::from);
            let error = super::parse::<Program>(args).expect_err(flag);
            let said = error.to_string();
            assert!(said.contains(name) && said.contains("not shown"), "{said}");
            for piece in ["5ec", "r3t", "mysql"] {
                assert!(!said.contains(piece), "{said}");
            }
        }
    }
}

#[test]
fn the_defaults_are_those_of_the_design() {
    let settings = parse(&[]).expect("defaults parse");
    assert_eq!(settings.addr.to_string(), "127.0.0.1:3000");
    assert_eq!(
        (settings.chain_id, settings.key_nodes),
        (LOCAL_CHAIN, KeyNodes::default())
    );
    assert_eq!(settings.storage_url, Storage::Embedded);
}

#[test]
fn stun_servers_are_a_list_and_none_by_default() {
    let stun = |args: &[&str]| parse(args).expect("they parse").stun_servers();
    assert_eq!(stun(&[]), Vec::<String>::new());
    assert_eq!(
        stun(&["--stun", "stun:a.example:3478,stuns:b.example"]),
        ["stun:a.example:3478", "stuns:b.example"]
    );
}

#[test]
fn other_servers_are_named_by_their_origins() {
    let read = |text: &str| {
        let origins = |found: Relays| found.0.iter().map(Url::to_string).collect::<Vec<_>>();
        relays(text).map(origins)
    };
    assert_eq!(read(""), Ok(vec![]));
    assert_eq!(
        read("https://b.example, https://c.example:8443,http://127.0.0.1:3001"),
        Ok(vec![
            "https://b.example/".into(),
            "https://c.example:8443/".into(),
            "http://127.0.0.1:3001/".into()
        ])
    );
    for wrong in [
        "b.example",
        "http://10.0.0.2:3000",
        "https://b.example/rooms",
        "https://b.example,",
        "https://b.example,https://b.example/",
        "/dns4/b.example/tcp/443/tls/ws",
        "https://me:secret@b.example",
    ] {
        assert!(read(wrong).is_err(), "{wrong}");
    }
}

#[test]
fn key_nodes_may_be_here_and_elsewhere() {
    let places = |text: &str| {
        key_nodes(text).map(|nodes| match nodes {
            KeyNodes::Ours(places) => places.map(|url| url.is_some()),
            KeyNodes::Lighthouse(url) => panic!("{url}"),
        })
    };
    assert_eq!(places(""), Ok([false; 5]));
    assert_eq!(places("https://a.example"), Ok([true; 5]));
    assert_eq!(
        places("here, https://b.example,here,https://d.example/x,here"),
        Ok([false, true, false, true, false])
    );
    assert!(places("here,there,here,here,here").is_err());
    let chain = condition_chain("Base=8453@https://rpc.example/v1?key=secret").expect("reads");
    assert_eq!((chain.name.as_str(), chain.id), ("Base", 8453));
    assert!(!format!("{chain:?}").contains("secret"));
}

#[test]
fn key_nodes_of_lighthouses_kind_are_one_host_and_no_mixture() {
    let url = |text: &str| match key_nodes(text) {
        Ok(KeyNodes::Lighthouse(url)) => Ok(url.to_string()),
        Ok(KeyNodes::Ours(_)) => Err("ours".to_owned()),
        Err(why) => Err(why),
    };
    assert_eq!(
        url("lighthouse"),
        Ok("https://encryption.lighthouse.storage/".into())
    );
    assert_eq!(
        url("lighthouse+https://keys.example/x"),
        Ok("https://keys.example/x".into())
    );
    for wrong in [
        "lighthouse,here,here,here,here",
        "https://a.example,lighthouse+https://b.example",
        "lighthouse+https://a.example,lighthouse+https://b.example",
    ] {
        let why = url(wrong).expect_err(wrong);
        assert!(why.contains("beside others"), "{why}");
    }
    assert!(url("lighthouse+ftp://keys.example").is_err());
    assert!(url("lighthouse+").is_err());
    let origins = |more: &[&str]| parse(more).expect("parses").page_origins();
    let there = ["--key-nodes", "lighthouse+https://keys.example/x"];
    assert_eq!(origins(&there), ["https://keys.example"]);
    let through = [&there[..], &["--key-nodes-through-server", "true"]].concat();
    assert!(origins(&through).is_empty());
}

#[test]
fn public_hosts_are_read_with_and_without_port() {
    let host = |text: &str| public_host(text).map(|h| (h.host, h.port));
    assert_eq!(
        host("rooms.example.org:443"),
        Ok(("rooms.example.org".into(), Some(443)))
    );
    assert_eq!(
        host("rooms.example.org:80"),
        Ok(("rooms.example.org".into(), Some(80)))
    );
    assert_eq!(host("192.0.2.7"), Ok(("192.0.2.7".into(), None)));
    assert_eq!(host("::1"), Ok(("::1".into(), None)));
    assert_eq!(host("[::1]:3000"), Ok(("::1".into(), Some(3000))));
    assert!(host("").is_err());
}
