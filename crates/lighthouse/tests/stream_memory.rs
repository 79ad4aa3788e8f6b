//! A file of 192 MiB through the cipher, both ways, in a process that never has much of it in memory. Alone in its
//! program, since what is measured is the process. Linux tells the most that a process has had in memory.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used)]

use std::fs::{File, read_to_string, remove_file};
use std::io::{BufReader, Read, sink};
use std::ops::ControlFlow;

use healthsync_lighthouse::cipher::stream::{decrypt_stream, encrypt_stream};
use healthsync_lighthouse::{MasterKey, OVERHEAD};

const LENGTH: u64 = 192 << 20;
/// Buffers, the standard library's own, and what the allocator holds back.
const MOST: u64 = 8 << 20;

/// The most bytes of memory that this process has ever had.
fn peak() -> u64 {
    let status = read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:"));
    let kilobytes = line.unwrap().split_whitespace().nth(1).unwrap();
    kilobytes.parse::<u64>().unwrap() * 1024
}

#[test]
fn a_large_file_takes_little_memory() {
    let key = MasterKey::from_hex(&"1".repeat(64)).unwrap();
    let mut on = |_| ControlFlow::Continue(());
    let path = std::env::temp_dir().join(format!("healthsync-stream-{}", std::process::id()));
    let file = File::create(&path).unwrap();
    let before = peak();
    let plain = std::io::repeat(7).take(LENGTH);
    encrypt_stream(plain, &file, &key, [1; 16], [2; 12], &mut on).unwrap();
    assert_eq!(file.metadata().unwrap().len(), LENGTH + OVERHEAD as u64);
    let file = BufReader::new(File::open(&path).unwrap());
    let written = decrypt_stream(file, sink(), &key, &mut on);
    let more = peak() - before;
    remove_file(&path).unwrap();
    assert_eq!(written.unwrap(), LENGTH);
    assert!(more < MOST, "{more} bytes more than before");
}
