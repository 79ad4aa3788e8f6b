//! From an operator's text to a value, or to the sentence that says what would be right and names the setting: clap
//! names the flag only, also when the value came from the environment.

use std::net::{IpAddr, SocketAddr};

use healthsync_core::Person;
use reqwest::Url;

use super::values::{
    ApiKey, ConditionChain, Database, KeyNodes, PostgresUrl, PublicHost, Relays, Role, Storage,
};
use crate::key_nodes::lighthouse;

pub(super) fn addr(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| {
        "HEALTHSYNC_ADDR takes an IP address and a port, such as 127.0.0.1:3000 or 0.0.0.0:3000"
            .into()
    })
}

pub(super) fn database(text: &str) -> Result<Database, String> {
    let right = "HEALTHSYNC_DATABASE_URL takes sqlite:FILE, such as sqlite:/var/lib/healthsync/mailbox.db, or \
                 postgres://USER:PASSWORD@HOST/DATABASE, with / as %2F, @ as %40 and # as %23 in the password";
    if text.starts_with("postgres://") || text.starts_with("postgresql://") {
        let url = Url::parse(text).map_err(|_| right)?;
        // What stands before an @ behind the host is the rest of a password, and would be shown as the database's name.
        if url.path().contains('@') {
            return Err(right.into());
        }
        return Ok(Database::Postgres(PostgresUrl(url)));
    }
    let path = text
        .strip_prefix("sqlite://")
        .or_else(|| text.strip_prefix("sqlite:"))
        .ok_or(right)?;
    if path.is_empty() || path.contains('?') || path.contains(":memory:") {
        return Err(right.into());
    }
    Ok(Database::Sqlite(path.into()))
}

pub(super) fn retention_days(text: &str) -> Result<u64, String> {
    text.parse().ok().filter(|days| (1..=36_500).contains(days)).ok_or_else(|| {
        "HEALTHSYNC_RETENTION_DAYS takes a number of days from 1 to 36500, or is left out to keep all".into()
    })
}

fn http_url(text: &str) -> Option<Url> {
    let url = Url::parse(text).ok()?;
    let usable = matches!(url.scheme(), "http" | "https")
        && url.has_host()
        && url.username().is_empty()
        && url.password().is_none()
        && url.fragment().is_none();
    usable.then_some(url)
}

pub(super) fn storage(text: &str) -> Result<Storage, String> {
    let right = "HEALTHSYNC_STORAGE_URL takes nothing (the data folder), lighthouse, or an http or https URL without \
                 user name and query, such as https://storage.example.org; before it lighthouse+ for Lighthouse's API, \
                 kubo+ for an IPFS node; or s3://bucket/folder";
    let base = |text: &str| {
        http_url(text)
            .filter(|url| url.query().is_none())
            .ok_or(right)
    };
    if text.is_empty() {
        return Ok(Storage::Embedded);
    }
    if text == "lighthouse" {
        return Ok(Storage::Lighthouse {
            upload: base("https://upload.lighthouse.storage")?,
            gateway: base("https://gateway.lighthouse.storage")?,
        });
    }
    if let Some(url) = text.strip_prefix("lighthouse+") {
        return Ok(Storage::Lighthouse {
            upload: base(url)?,
            gateway: base(url)?,
        });
    }
    if let Some(url) = text.strip_prefix("kubo+") {
        return Ok(Storage::Kubo(base(url)?));
    }
    if let Some(place) = text.strip_prefix("s3://") {
        let (bucket, folder) = place.split_once('/').unwrap_or((place, ""));
        let named = |text: &str| {
            text.bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"-._/".contains(&byte))
        };
        if bucket.is_empty() || !named(bucket) || !named(folder) {
            return Err(right.into());
        }
        return Ok(Storage::S3 {
            bucket: bucket.to_owned(),
            folder: folder.trim_matches('/').to_owned(),
        });
    }
    Ok(Storage::Remote(base(text)?))
}

pub(super) fn key_nodes(text: &str) -> Result<KeyNodes, String> {
    let right = "HEALTHSYNC_KEY_NODES takes one base URL or five of them separated by commas, such as \
                 https://keys.example.org, with the word `here` for a node in this process, or nothing for all \
                 five in this process; or lighthouse, or lighthouse+ and one base URL";
    let base = |text: &str| {
        http_url(text)
            .filter(|url| url.query().is_none())
            .ok_or(right)
    };
    if text.is_empty() {
        return Ok(KeyNodes::default());
    }
    let parts: Vec<&str> = text.split(',').map(str::trim).collect();
    if parts.iter().any(|part| part.starts_with("lighthouse")) {
        return match parts.as_slice() {
            ["lighthouse"] => Ok(KeyNodes::Lighthouse(base(lighthouse::KEY_NODES)?)),
            [only] => {
                let url = only.strip_prefix("lighthouse+").ok_or(right)?;
                Ok(KeyNodes::Lighthouse(base(url)?))
            }
            // Keys would be as safe as the weaker kind, and a person would have to sign for it all the same.
            _ => Err(
                "HEALTHSYNC_KEY_NODES names Lighthouse's kind beside others; it takes the five nodes of one \
                 lighthouse host, or five of HealthSync's own kind"
                    .into(),
            ),
        };
    }
    let mut nodes = Vec::new();
    for part in parts {
        nodes.push(match part {
            "here" => None,
            url => Some(base(url)?),
        });
    }
    if nodes.len() == 1 {
        nodes = vec![nodes[0].clone(); 5];
    }
    let nodes: [Option<Url>; 5] = nodes.try_into().map_err(|_| right)?;
    Ok(KeyNodes::Ours(Box::new(nodes)))
}

pub(super) fn through_server(text: &str) -> Result<bool, String> {
    text.parse()
        .map_err(|_| "HEALTHSYNC_KEY_NODES_THROUGH_SERVER takes true or false".into())
}

pub(super) fn api_key(text: &str) -> Result<ApiKey, String> {
    if text.is_empty() || !text.chars().all(|c| c.is_ascii_graphic()) {
        return Err("HEALTHSYNC_STORAGE_API_KEY takes the key as the service gave it".into());
    }
    Ok(ApiKey(text.into()))
}

pub(super) fn role(text: &str) -> Result<Role, String> {
    match text {
        "server" => Ok(Role::Server),
        "key-node" => Ok(Role::KeyNode),
        _ => Err("HEALTHSYNC_ROLE takes server or key-node".into()),
    }
}

pub(super) fn node(text: &str) -> Result<u8, String> {
    text.parse()
        .ok()
        .filter(|number| (1..=5).contains(number))
        .ok_or_else(|| "HEALTHSYNC_NODE takes a number from 1 to 5".into())
}

pub(super) fn condition_chain(text: &str) -> Result<ConditionChain, String> {
    let right = "HEALTHSYNC_CONDITION_CHAINS takes NAME=ID@URL, several separated by commas, such as \
                 Ethereum=1@https://rpc.example.org";
    let (name, rest) = text.split_once('=').ok_or(right)?;
    let (id, url) = rest.split_once('@').ok_or(right)?;
    Ok(ConditionChain {
        name: chain_name(name).map_err(|_| right)?,
        id: chain_id(id).map_err(|_| right)?,
        rpc: http_url(url).ok_or(right)?,
    })
}

/// The URL of a chain's RPC on the command line.
pub(crate) fn rpc_url(text: &str) -> Result<Url, String> {
    http_url(text).ok_or_else(|| {
        "--rpc takes an http or https URL without user name, such as http://127.0.0.1:8545".into()
    })
}

pub(super) fn chain_rpc(text: &str) -> Result<Url, String> {
    http_url(text).ok_or_else(|| {
        "HEALTHSYNC_CHAIN_RPC takes an http or https URL without user name, such as http://127.0.0.1:8545".into()
    })
}

pub(super) fn chain_id(text: &str) -> Result<u64, String> {
    text.parse().ok().filter(|id| *id > 0).ok_or_else(|| {
        "HEALTHSYNC_CHAIN_ID takes a decimal number above 0, such as 31337 (local) or 314159 (Calibration)".into()
    })
}

pub(super) fn chain_name(text: &str) -> Result<String, String> {
    let name = text.trim();
    if name.is_empty() || name.chars().count() > 40 || name.chars().any(char::is_control) {
        return Err("HEALTHSYNC_CHAIN_NAME takes 1 to 40 characters, such as Calibration".into());
    }
    Ok(name.into())
}

fn contract(name: &str, text: &str) -> Result<Person, String> {
    text.parse::<Person>()
        .map_err(|error| format!("{name} takes a contract address, 0x and 40 hex digits. {error}"))
}

pub(super) fn registry(text: &str) -> Result<Person, String> {
    contract("HEALTHSYNC_REGISTRY", text)
}

pub(super) fn token(text: &str) -> Result<Person, String> {
    contract("HEALTHSYNC_TOKEN", text)
}

pub(super) fn webrtc_port(text: &str) -> Result<u16, String> {
    text.parse().map_err(|_| {
        "HEALTHSYNC_P2P_WEBRTC_PORT takes a UDP port from 1 to 65535, or 0 for any free one".into()
    })
}

pub(super) fn stun_url(text: &str) -> Result<String, String> {
    let right = "HEALTHSYNC_STUN takes addresses of STUN servers separated by commas, such as \
                 stun:stun.example.org:3478, or nothing";
    let text = text.trim();
    let place = text
        .strip_prefix("stun:")
        .or_else(|| text.strip_prefix("stuns:"));
    let usable = place
        .is_some_and(|place| public_host(place).is_ok() && !place.chars().any(char::is_whitespace));
    if text.is_empty() || usable {
        Ok(text.to_owned())
    } else {
        Err(right.into())
    }
}

pub(super) fn relays(text: &str) -> Result<Relays, String> {
    let right = "HEALTHSYNC_RELAYS takes the addresses of the other servers as https://host or https://host:port, \
                 separated by commas, each once and at most 16, or nothing; http:// only for servers on this machine, \
                 because whoever stands between could pass for the other one";
    let mut origins: Vec<Url> = Vec::new();
    for part in text.split(',').map(str::trim) {
        if part.is_empty() && text.is_empty() {
            continue;
        }
        let url = http_url(part).filter(|url| url.path() == "/" && url.query().is_none());
        let url = url.ok_or(right)?;
        let here = match url.host_str().unwrap_or_default() {
            "localhost" => true,
            host => host
                .trim_matches(['[', ']'])
                .parse::<IpAddr>()
                .is_ok_and(|ip| ip.is_loopback()),
        };
        if (url.scheme() != "https" && !here) || origins.contains(&url) || origins.len() >= 16 {
            return Err(right.into());
        }
        origins.push(url);
    }
    Ok(Relays(origins))
}

pub(super) fn public_host(text: &str) -> Result<PublicHost, String> {
    let right = "HEALTHSYNC_PUBLIC_HOST takes a name or an address with an optional port, such as \
                 rooms.example.org:443 or 192.0.2.7";
    // A lone IPv6 address has colons of its own.
    if let Ok(ip) = text.parse::<IpAddr>() {
        return Ok(PublicHost {
            host: ip.to_string(),
            port: None,
        });
    }
    let url = Url::parse(&format!("http://{text}/")).map_err(|_| right)?;
    let plain = url.path() == "/"
        && url.username().is_empty()
        && url.query().is_none()
        && url.fragment().is_none();
    let host = url
        .host_str()
        .filter(|_| plain && !text.contains('/') && !text.is_empty())
        .ok_or(right)?;
    // `Url` drops the default port 80, so look at the text.
    let port = text
        .rsplit_once(':')
        .and_then(|(_, port)| port.parse().ok());
    Ok(PublicHost {
        host: host.trim_matches(['[', ']']).to_owned(),
        port,
    })
}

pub(super) fn behind_proxy(text: &str) -> Result<bool, String> {
    text.parse()
        .map_err(|_| "HEALTHSYNC_BEHIND_PROXY takes true or false".into())
}

pub(super) fn max_upload(text: &str) -> Result<u64, String> {
    text.parse().ok().filter(|bytes| (1024..=64 << 30).contains(bytes)).ok_or_else(|| {
        "HEALTHSYNC_MAX_UPLOAD takes a number of bytes from 1024 to 68719476736, such as 104857644".into()
    })
}

pub(super) fn storage_quota(text: &str) -> Result<u64, String> {
    text.parse()
        .map_err(|_| "HEALTHSYNC_STORAGE_QUOTA takes a number of bytes, such as 21474836480".into())
}

pub(super) fn storage_total(text: &str) -> Result<u64, String> {
    text.parse().map_err(|_| {
        "HEALTHSYNC_STORAGE_TOTAL takes a number of bytes, such as 1099511627776".into()
    })
}
