//! The suite on PostgreSQL: a server of this test's own in a temporary folder, reached by a socket in it, run by an
//! unprivileged user where the test is root, ended with it. Without PostgreSQL on this machine it says so.

use std::io::{BufRead, BufReader};
use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, ChildStderr, Command, Stdio};

use sqlx::{Connection, Executor, PgConnection};

use super::{suite, *};

struct Server {
    process: Child,
    folder: tempfile::TempDir,
}

impl Drop for Server {
    fn drop(&mut self) {
        // The others end with their parent; nothing in the folder is needed any more.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Server {
    /// `None`: there is no PostgreSQL here.
    async fn start() -> Option<Self> {
        let programs = programs()?;
        let folder = tempfile::Builder::new()
            .prefix("hs-pg-")
            .tempdir()
            .expect("a folder");
        let who = unprivileged();
        if let Some((user, group)) = who {
            chown(folder.path(), Some(user), Some(group)).expect("handed over");
        }
        let data = folder.path().join("data");
        let run = |program: &str| {
            let mut command = Command::new(programs.join(program));
            command.current_dir(folder.path()).stdin(Stdio::null());
            if let Some((user, group)) = who {
                command.uid(user).gid(group);
            }
            command
        };
        let made = run("initdb")
            .args([
                "-U",
                "healthsync",
                "-A",
                "trust",
                "-E",
                "UTF8",
                "--no-sync",
                "-D",
            ])
            .arg(&data)
            .output()
            .expect("initdb runs");
        assert!(
            made.status.success(),
            "{}",
            String::from_utf8_lossy(&made.stderr)
        );
        let mut process = run("postgres")
            .arg("-D")
            .arg(&data)
            .arg("-k")
            .arg(folder.path())
            .args(["-c", "listen_addresses=", "-c", "lc_messages=C"])
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("postgres runs");
        let log = process.stderr.take().expect("a log");
        let server = Self { process, folder };
        wait_until_ready(log);
        Some(server)
    }

    fn url(&self, database: &str) -> String {
        format!(
            "postgres://healthsync@localhost/{database}?host={}",
            self.folder.path().display()
        )
    }

    async fn database(&self, name: &str) -> String {
        let mut connection = PgConnection::connect(&self.url("postgres"))
            .await
            .expect("connects");
        connection
            .execute(sqlx::AssertSqlSafe(format!("CREATE DATABASE {name}")))
            .await
            .expect("made");
        self.url(name)
    }
}

/// Reads PostgreSQL's log until it says that it takes connections, and the rest of it in a thread, so that it never waits
/// for a reader.
fn wait_until_ready(log: ChildStderr) {
    let mut lines = BufReader::new(log).lines().map_while(Result::ok);
    let mut said = String::new();
    let is_ready = lines.by_ref().any(|line| {
        said += &line;
        said.push('\n');
        line.contains("database system is ready to accept connections")
    });
    assert!(is_ready, "PostgreSQL ended instead of starting:\n{said}");
    std::thread::spawn(move || lines.for_each(drop));
}

/// Where Debian puts it, the newest first; or beside the `postgres` on PATH.
fn programs() -> Option<PathBuf> {
    let mut versions: Vec<(u32, PathBuf)> = std::fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| {
            Some((
                entry.file_name().to_str()?.parse().ok()?,
                entry.path().join("bin"),
            ))
        })
        .collect();
    versions.sort();
    let on_path = std::env::var_os("PATH");
    let on_path: Vec<PathBuf> = on_path.iter().flat_map(std::env::split_paths).collect();
    let mut folders = versions
        .into_iter()
        .rev()
        .map(|(_, bin)| bin)
        .chain(on_path);
    folders.find(|bin| {
        ["initdb", "postgres"]
            .iter()
            .all(|name| bin.join(name).is_file())
    })
}

/// PostgreSQL does not run as root: Debian's package brings a user of its own.
fn unprivileged() -> Option<(u32, u32)> {
    let is_root = std::os::unix::fs::MetadataExt::uid(&std::fs::metadata("/proc/self").ok()?) == 0;
    if !is_root {
        return None;
    }
    let users = std::fs::read_to_string("/etc/passwd").ok()?;
    ["postgres", "nobody"].iter().find_map(|name| {
        let line = users
            .lines()
            .find(|line| line.split(':').next() == Some(name))?;
        let mut numbers = line.split(':').skip(2);
        Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
    })
}

#[tokio::test]
async fn the_suite_on_postgresql() {
    let Some(server) = Server::start().await else {
        println!("SKIPPED: PostgreSQL is not installed here (Debian: apt-get install postgresql)");
        return;
    };
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("embedded.db");
    let postgres = async |url: &str| {
        let embedded = crate::mailbox::embedded(&file).await.expect("opens");
        Mailbox::postgres(url, embedded).await
    };
    for (n, check) in suite::ALL.into_iter().enumerate() {
        let url = server.database(&format!("suite_{n}")).await;
        let mailbox = postgres(&url).await.expect("opens");
        check(mailbox.clone()).await;
        mailbox.close().await;
    }
    // Opening again finds tables and content.
    let url = server.url("suite_0");
    let mailbox = postgres(&url).await.expect("opens again");
    assert_eq!(mailbox.count().await.expect("a count"), 2);
    mailbox.close().await;
    let nowhere = postgres(&server.url("no_such_database")).await;
    assert!(nowhere.is_err());
}
