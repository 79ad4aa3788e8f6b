//! Keys, shares and files by command, to compare this crate with other implementations and to measure it.
//!
//!     keys generate                    a key and its five shares, as JSON
//!     keys recover                     the key of the shares on standard input
//!     keys encrypt|decrypt KEY IN OUT  a file, of any length
//!     keys rotate KEY IN OUT           a file under a new key; that key and its shares, as JSON
//!     keys cid FILE                    its content id
//!     keys bench                       how long each takes, as JSON, in milliseconds

use std::fs::File;
use std::io::Read;
use std::ops::ControlFlow;
use std::time::Instant;

use futures::executor::block_on;
use healthsync_lighthouse::cipher::stream::{decrypt_stream, encrypt_stream};
use healthsync_lighthouse::{
    MasterKey, Share, cid_v1, decrypt, encrypt, generate, recover, rotate,
};
use serde_json::{Value, json};

type Outcome = Result<(), Box<dyn std::error::Error>>;

fn main() -> Outcome {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let mut on = |_| ControlFlow::Continue(());
    match words[..] {
        ["generate"] => {
            let (key, shares) = generate(3, 5, |bytes| *bytes = random())?;
            println!(
                "{}",
                json!({ "masterKey": *key.hex(), "keyShards": shares })
            );
        }
        ["recover"] => {
            let mut text = String::new();
            std::io::stdin().read_to_string(&mut text)?;
            let shares: Vec<Share> = serde_json::from_str(&text)?;
            println!("{}", *recover(&shares)?.hex());
        }
        ["encrypt", key, from, to] => {
            let key = MasterKey::from_hex(key)?;
            let (from, to) = (File::open(from)?, File::create(to)?);
            encrypt_stream(from, to, &key, random(), random(), &mut on)?;
        }
        ["decrypt", key, from, to] => {
            let key = MasterKey::from_hex(key)?;
            let (from, to) = (File::open(from)?, File::create(to)?);
            decrypt_stream(from, to, &key, &mut on)?;
        }
        ["rotate", key, from, to] => {
            let old = MasterKey::from_hex(key)?;
            let file = std::fs::read(from)?;
            let rotated = block_on(rotate(&file, &old, 3, 5, |bytes| *bytes = random()))?;
            std::fs::write(to, &rotated.bytes)?;
            println!(
                "{}",
                json!({ "masterKey": *rotated.key.hex(), "keyShards": rotated.shares, "cid": rotated.cid })
            );
        }
        ["cid", file] => println!("{}", cid_v1(&std::fs::read(file)?)),
        ["bench"] => println!("{}", bench()?),
        _ => return Err("one of: generate, recover, encrypt, decrypt, rotate, cid, bench".into()),
    }
    Ok(())
}

fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).expect("the system has randomness");
    bytes
}

/// Every time that `work` took, in milliseconds.
fn times<T>(count: usize, mut work: impl FnMut() -> T) -> Vec<f64> {
    (0..count)
        .map(|_| {
            let start = Instant::now();
            std::hint::black_box(work());
            start.elapsed().as_secs_f64() * 1000.0
        })
        .collect()
}

fn bench() -> Result<Value, Box<dyn std::error::Error>> {
    let (key, shares) = generate(3, 5, |bytes| *bytes = random())?;
    let mut rows = json!({
        "generate": times(200, || generate(3, 5, |bytes| *bytes = random())),
        "recover": times(200, || recover(&shares[..3])),
    });
    for (name, megabytes, count) in [("1", 1, 10), ("75", 75, 3)] {
        let plain = vec![7; megabytes * 1_000_000];
        let sealed = block_on(encrypt(plain.clone(), &key, random(), random()))?;
        rows[format!("encrypt {name}")] = json!(times(count, || {
            block_on(encrypt(plain.clone(), &key, random(), random()))
        }));
        rows[format!("decrypt {name}")] = json!(times(count, || block_on(decrypt(&sealed, &key))));
    }
    Ok(rows)
}
