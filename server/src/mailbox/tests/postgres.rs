//! The suite on PostgreSQL: a server of this test's own in a temporary folder, reached by a socket in it, run by an
//! unprivileged user where the test is root, ended with it. Without PostgreSQL on this machine it says so.

use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

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
        let process = run("postgres")
            .arg("-D")
            .arg(&data)
            .arg("-k")
            .arg(folder.path())
            .args(["-c", "listen_addresses="])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("postgres runs");
        let server = Self { process, folder };
        server.ready().await;
        Some(server)
    }

    fn url(&self, database: &str) -> String {
        format!(
            "postgres://healthsync@localhost/{database}?host={}",
            self.folder.path().display()
        )
    }

    /// It accepts connections when its socket answers; there is nothing to wait on but the socket itself.
    async fn ready(&self) {
        for _ in 0..600 {
            if PgConnection::connect(&self.url("postgres")).await.is_ok() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("PostgreSQL does not come up within 30 s");
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
    for (n, check) in suite::ALL.into_iter().enumerate() {
        let url = server.database(&format!("suite_{n}")).await;
        let mailbox = Mailbox::postgres(&url, &file).await.expect("opens");
        check(mailbox.clone()).await;
        mailbox.close().await;
    }
    // Opening again finds tables and content.
    let url = server.url("suite_0");
    let mailbox = Mailbox::postgres(&url, &file).await.expect("opens again");
    assert_eq!(mailbox.count().await.expect("a count"), 2);
    mailbox.close().await;
    let nowhere = Mailbox::postgres(&server.url("no_such_database"), &file).await;
    assert!(nowhere.is_err());
}
