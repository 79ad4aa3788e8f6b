//! Child processes: each one in a process group of its own, all stopped when we stop, and nothing else ever touched.
//! Ctrl-C and SIGTERM end them in order, last started first; `guard` does it when we are killed outright.

use std::fmt;
use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, mpsc};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group, test_kill_process_group};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

/// How long a process may take to stop by itself: the server finishes its writes, anvil saves its chain.
pub(crate) const GRACE: Duration = Duration::from_secs(10);

/// How long the children of a child that has ended may take.
const REMAINS: Duration = Duration::from_secs(3);

/// Why a command ends without having done its work, as one sentence for the person in front of it.
#[derive(Debug)]
pub(crate) struct Failure(String);

impl Failure {
    pub(crate) fn new(sentence: impl Into<String>) -> Self {
        Self(sentence.into())
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Says one line of what is going on.
pub(crate) fn say(line: impl fmt::Display) {
    println!("xtask: {line}");
}

/// A long-running child has ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) name: &'static str,
    pub(crate) status: ExitStatus,
}

/// Owns every process that we start.
#[derive(Debug)]
pub(crate) struct Supervisor {
    groups: Mutex<Vec<u32>>,
    changed: Condvar,
    guard: Mutex<Option<ChildStdin>>,
    stopping: AtomicBool,
    exit_when_stopped: AtomicI32,
}

impl Supervisor {
    /// Starts the guard and listens for signals. `lock` is kept held until the last child is gone.
    pub(crate) fn start(lock: Option<File>) -> Result<Arc<Self>, Failure> {
        let own = std::env::current_exe()
            .map_err(|error| Failure::new(format!("xtask does not know its own path: {error}.")))?;
        let mut guard = Command::new(own)
            .arg("guard")
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(lock.map_or_else(Stdio::null, Stdio::from))
            .stderr(Stdio::null())
            .spawn()
            .map_err(|error| Failure::new(format!("xtask could not start its guard: {error}.")))?;
        let supervisor = Arc::new(Self {
            groups: Mutex::new(Vec::new()),
            changed: Condvar::new(),
            guard: Mutex::new(guard.stdin.take()),
            stopping: AtomicBool::new(false),
            exit_when_stopped: AtomicI32::new(130),
        });
        let mut signals = Signals::new([SIGINT, SIGTERM, SIGHUP])
            .map_err(|error| Failure::new(format!("xtask cannot listen for Ctrl-C: {error}.")))?;
        let listener = Arc::clone(&supervisor);
        std::thread::spawn(move || {
            for _ in signals.forever() {
                if listener.stopping.swap(true, Ordering::SeqCst) {
                    listener.signal_all(Signal::KILL);
                    continue;
                }
                let stopper = Arc::clone(&listener);
                std::thread::spawn(move || {
                    stopper.stop_all();
                    std::process::exit(stopper.exit_when_stopped.load(Ordering::SeqCst));
                });
            }
        });
        Ok(supervisor)
    }

    /// From now on being asked to stop is the normal end, not an interruption.
    pub(crate) fn stopping_is_success(&self) {
        self.exit_when_stopped.store(0, Ordering::SeqCst);
    }

    fn groups(&self) -> MutexGuard<'_, Vec<u32>> {
        self.groups.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tell_guard(&self, line: &str) {
        let mut guard = self.guard.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(pipe) = guard.as_mut() {
            // Without a guard only the protection against being killed outright is gone.
            if pipe.write_all(line.as_bytes()).is_err() {
                *guard = None;
            }
        }
    }

    fn spawn(&self, command: &mut Command) -> Result<Child, Failure> {
        // Looked at under the lock, so that whoever stops everything sees either this child or no child.
        let mut groups = self.groups();
        if self.stopping.load(Ordering::SeqCst) {
            drop(groups);
            wait_for_the_end();
        }
        let child = command
            .stdin(Stdio::null())
            .process_group(0)
            .spawn()
            .map_err(|error| {
                Failure::new(format!(
                    "`{}` could not be started: {error}.",
                    command.get_program().to_string_lossy()
                ))
            })?;
        groups.push(child.id());
        self.tell_guard(&format!("+{}\n", child.id()));
        Ok(child)
    }

    /// A child has been waited for: what it left behind in its group goes, too, with a moment to clean up.
    fn finished(&self, group: u32) {
        if exists(group) {
            signal(group, Signal::TERM);
            let deadline = Instant::now() + REMAINS;
            while exists(group) && Instant::now() < deadline {
                // Not our children, so there is nothing to wait on: look again soon.
                std::thread::sleep(Duration::from_millis(20));
            }
            signal(group, Signal::KILL);
        }
        self.groups().retain(|known| *known != group);
        self.tell_guard(&format!("-{group}\n"));
        self.changed.notify_all();
        if self.stopping.load(Ordering::SeqCst) {
            wait_for_the_end();
        }
    }

    fn wait(&self, mut child: Child) -> Result<ExitStatus, Failure> {
        let status = child.wait();
        self.finished(child.id());
        status.map_err(|error| {
            Failure::new(format!(
                "A process that was started could not be waited for: {error}."
            ))
        })
    }

    /// Runs a step to its end; its output goes straight to the terminal.
    pub(crate) fn step(&self, what: &str, mut command: Command) -> Result<(), Failure> {
        let child = self.spawn(&mut command)?;
        let status = self.wait(child)?;
        if status.success() {
            Ok(())
        } else {
            Err(Failure::new(format!(
                "{what} failed ({}); the reason is above.",
                describe(status)
            )))
        }
    }

    /// Runs a step and gives what it wrote to standard output.
    pub(crate) fn capture(&self, what: &str, mut command: Command) -> Result<String, Failure> {
        let child = self.spawn(command.stdout(Stdio::piped()))?;
        let id = child.id();
        let output = child.wait_with_output();
        self.finished(id);
        let output =
            output.map_err(|error| Failure::new(format!("{what} could not be read: {error}.")))?;
        if output.status.success() {
            Ok(String::from_utf8_lossy(&output.stdout).into_owned())
        } else {
            Err(Failure::new(format!(
                "{what} failed ({}); the reason is above.",
                describe(output.status)
            )))
        }
    }

    /// Runs a step, passes every line on as it comes and shows it to `see`.
    pub(crate) fn stream(
        &self,
        mut command: Command,
        mut see: impl FnMut(&str),
    ) -> Result<ExitStatus, Failure> {
        let mut child = self.spawn(command.stdout(Stdio::piped()).stderr(Stdio::piped()))?;
        let (send, lines) = mpsc::sync_channel::<Vec<u8>>(64);
        if let Some(pipe) = child.stdout.take() {
            read_lines(pipe, send.clone());
        }
        if let Some(pipe) = child.stderr.take() {
            read_lines(pipe, send);
        }
        // A grandchild that outlives its parent may keep the pipes open: the exit of the child decides, not the pipes.
        let ended = Arc::new(AtomicBool::new(false));
        std::thread::scope(|scope| {
            let flag = Arc::clone(&ended);
            let waiting = scope.spawn(move || {
                let status = self.wait(child);
                flag.store(true, Ordering::SeqCst);
                status
            });
            loop {
                match lines.recv_timeout(Duration::from_millis(200)) {
                    Ok(line) => {
                        let line = String::from_utf8_lossy(&line);
                        println!("{line}");
                        see(&line);
                    }
                    Err(mpsc::RecvTimeoutError::Timeout) if !ended.load(Ordering::SeqCst) => {}
                    Err(_) => break,
                }
            }
            waiting.join().unwrap_or_else(|_| {
                Err(Failure::new(
                    "The thread that waits for a step has panicked.",
                ))
            })
        })
    }

    /// Starts a process that stays; its output goes to `log`, and its end is told through `ended`.
    pub(crate) fn serve(
        self: &Arc<Self>,
        name: &'static str,
        mut command: Command,
        log: File,
        ended: mpsc::SyncSender<Ended>,
    ) -> Result<(), Failure> {
        let errors = log.try_clone().map_err(|error| {
            Failure::new(format!("The log of {name} cannot be written: {error}."))
        })?;
        let child = self.spawn(command.stdout(log).stderr(errors))?;
        let supervisor = Arc::clone(self);
        std::thread::spawn(move || {
            if let Ok(status) = supervisor.wait(child) {
                // Nobody listens any more only while we are ending ourselves.
                let _ = ended.send(Ended { name, status });
            }
        });
        Ok(())
    }

    fn signal_all(&self, which: Signal) {
        for group in self.groups().iter().rev() {
            signal(*group, which);
        }
    }

    /// Stops every process that we started, the last started first, each with time to save its work.
    pub(crate) fn stop_all(&self) {
        self.stopping.store(true, Ordering::SeqCst);
        loop {
            let mut groups = self.groups();
            let Some(group) = groups.last().copied() else {
                return;
            };
            signal(group, Signal::TERM);
            let deadline = Instant::now() + GRACE;
            while groups.contains(&group) {
                let left = deadline.saturating_duration_since(Instant::now());
                if left.is_zero() {
                    signal(group, Signal::KILL);
                    groups.retain(|known| *known != group);
                    break;
                }
                groups = self
                    .changed
                    .wait_timeout(groups, left)
                    .unwrap_or_else(PoisonError::into_inner)
                    .0;
            }
        }
    }
}

/// Sends a signal to a process group that we made; that it is gone already is no matter.
pub(crate) fn signal(group: u32, which: Signal) {
    if let Some(pid) = i32::try_from(group).ok().and_then(Pid::from_raw) {
        let _ = kill_process_group(pid, which);
    }
}

/// Whether a process group that we made still has a process.
pub(crate) fn exists(group: u32) -> bool {
    i32::try_from(group)
        .ok()
        .and_then(Pid::from_raw)
        .is_some_and(|pid| test_kill_process_group(pid).is_ok())
}

/// Another thread is stopping everything and then ends the process.
fn wait_for_the_end() -> ! {
    loop {
        std::thread::park();
    }
}

fn read_lines(pipe: impl std::io::Read + Send + 'static, lines: mpsc::SyncSender<Vec<u8>>) {
    std::thread::spawn(move || {
        let mut reader = BufReader::new(pipe);
        loop {
            let mut line = Vec::new();
            match reader.read_until(b'\n', &mut line) {
                Ok(0) | Err(_) => return,
                Ok(_) => {
                    while matches!(line.last(), Some(b'\n' | b'\r')) {
                        line.pop();
                    }
                    if lines.send(line).is_err() {
                        return;
                    }
                }
            }
        }
    });
}

/// "exit status 1" or "signal 9".
pub(crate) fn describe(status: ExitStatus) -> String {
    use std::os::unix::process::ExitStatusExt;
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("exit status {code}"),
        (None, Some(signal)) => format!("ended by signal {signal}"),
        (None, None) => "ended for an unknown reason".to_owned(),
    }
}
