//! Two machines with a cable, in network namespaces that a test makes for itself: no packet leaves them. Where that
//! is not allowed, or a tool is missing, the test says so and is skipped.

use std::{
    io::{BufRead, BufReader, Read},
    process::{Child, Command, Stdio},
    sync::mpsc::{Receiver, channel},
    thread,
    time::{Duration, Instant},
};

use serde_json::Value;

/// More than anything here takes on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// Two namespaces with a cable between them: 10.99.0.1 on `va`, 10.99.0.2 on `vb`.
pub(crate) struct Lab {
    pub(crate) ours: String,
    pub(crate) theirs: String,
}

impl Lab {
    /// Makes one; `None`, with a word why, where that cannot be.
    pub(crate) fn new(name: &str, tools: &[&str]) -> Option<Self> {
        let missing = tools.iter().find(|tool| Command::new(tool).arg("--version").output().is_err());
        if let Some(tool) = missing {
            eprintln!("skipped: there is no `{tool}` here");
            return None;
        }
        let id = format!("tl{}{name}", std::process::id());
        let lab = Self { ours: format!("{id}b"), theirs: format!("{id}a") };
        let (a, b) = (&lab.theirs, &lab.ours);
        for step in [
            format!("netns add {a}"),
            format!("netns add {b}"),
            format!("link add va netns {a} type veth peer name vb netns {b}"),
            format!("-n {a} addr add 10.99.0.1/24 dev va"),
            format!("-n {b} addr add 10.99.0.2/24 dev vb"),
            format!("-n {a} link set va up"),
            format!("-n {b} link set vb up"),
            format!("-n {b} link set lo up"),
        ] {
            match Command::new("ip").args(step.split(' ')).output() {
                Ok(output) if output.status.success() => {}
                Ok(output) => {
                    let why = String::from_utf8_lossy(&output.stderr);
                    eprintln!("skipped: no network namespaces here: {}", why.trim());
                    return None;
                }
                Err(why) => {
                    eprintln!("skipped: `ip` does not run here: {why}");
                    return None;
                }
            }
        }
        Some(lab)
    }

    /// A command inside one of the namespaces.
    pub(crate) fn inside(namespace: &str, program: &str) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", namespace, program]);
        command
    }

    /// Watches `vb` and waits until it says that it does.
    pub(crate) fn watch(&self, arguments: &[&str]) -> Watch {
        let mut command = Self::inside(&self.ours, env!("CARGO_BIN_EXE_tripline"));
        command.args(["watch", "-i", "vb"]).args(arguments);
        Watch::start(command)
    }

    /// One more cable: `name`a at their end, `name`b at ours, without addresses, as a span port is.
    pub(crate) fn cable(&self, name: &str) {
        let (a, b) = (&self.theirs, &self.ours);
        for step in [
            format!("link add {name}a netns {a} type veth peer name {name}b netns {b}"),
            format!("-n {a} link set {name}a up"),
            format!("-n {b} link set {name}b up"),
        ] {
            assert!(Command::new("ip").args(step.split(' ')).status().unwrap().success(), "ip {step}");
        }
    }

    /// Who is at 10.99.0.1 scans who is at 10.99.0.2.
    pub(crate) fn scan(&self, arguments: &[&str]) {
        let output = Self::inside(&self.theirs, "nmap").args(arguments).arg("10.99.0.2").output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        for namespace in [&self.ours, &self.theirs] {
            let _ = Command::new("ip").args(["netns", "del", namespace]).output();
        }
    }
}

/// A program that is ended when a test is over.
pub(crate) struct Running(pub(crate) Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A watch at work.
pub(crate) struct Watch {
    pub(crate) child: Child,
    events: Receiver<(Instant, String)>,
    words: Receiver<(Instant, String)>,
    /// All of standard error so far.
    pub(crate) said: String,
}

impl Watch {
    /// Starts what is a watch, and waits until it says that it watches.
    pub(crate) fn start(mut command: Command) -> Self {
        let mut child = command
            .env("TZ", "UTC")
            .env_remove("NO_COLOR")
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let events = lines(child.stdout.take().unwrap());
        let words = lines(child.stderr.take().unwrap());
        let mut watch = Self { child, events, words, said: String::new() };
        watch.wait_for(": watching ");
        watch
    }

    pub(crate) fn next(&self) -> (Instant, Value) {
        let (at, line) = self.events.recv_timeout(PATIENCE).expect("an event");
        (at, serde_json::from_str(&line).unwrap())
    }

    /// The next event of this phase.
    pub(crate) fn next_of(&self, phase: &str) -> Value {
        loop {
            let (_, event) = self.next();
            if event["scan"]["phase"] == phase {
                return event;
            }
        }
    }

    /// Asks it to end and waits: the events that were left, its status, and all that it said.
    pub(crate) fn finish(mut self) -> (Vec<Value>, Option<i32>, String) {
        self.signal("TERM");
        let mut events = Vec::new();
        while let Ok((_, line)) = self.events.recv_timeout(PATIENCE) {
            events.push(serde_json::from_str(&line).unwrap());
        }
        while let Ok((_, line)) = self.words.recv_timeout(PATIENCE) {
            self.said.extend([line.as_str(), "\n"]);
        }
        (events, self.child.wait().unwrap().code(), std::mem::take(&mut self.said))
    }

    /// Reads standard error until a line has this in it.
    pub(crate) fn wait_for(&mut self, part: &str) {
        loop {
            let Ok((_, line)) = self.words.recv_timeout(PATIENCE) else { panic!("no `{part}` in:\n{}", self.said) };
            self.said.extend([line.as_str(), "\n"]);
            if line.contains(part) {
                return;
            }
        }
    }

    pub(crate) fn signal(&self, name: &str) {
        assert!(Command::new("kill").args(["-s", name, &self.child.id().to_string()]).status().unwrap().success());
    }

    /// Asks it to end: how long it took, its status and all that it said on standard error.
    pub(crate) fn end(mut self) -> (Duration, Option<i32>, String) {
        let asked = Instant::now();
        self.signal("TERM");
        while asked.elapsed() < PATIENCE {
            if let Some(status) = self.child.try_wait().unwrap() {
                let took = asked.elapsed();
                while let Ok((_, line)) = self.words.recv_timeout(PATIENCE) {
                    self.said.extend([line.as_str(), "\n"]);
                }
                return (took, status.code(), std::mem::take(&mut self.said));
            }
            thread::sleep(Duration::from_millis(5));
        }
        panic!("it does not end");
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Lines as they come, each with the time at which it came.
pub(crate) fn lines(from: impl Read + Send + 'static) -> Receiver<(Instant, String)> {
    let (send, receive) = channel();
    thread::spawn(move || {
        for line in BufReader::new(from).lines().map_while(Result::ok) {
            if send.send((Instant::now(), line)).is_err() {
                return;
            }
        }
    });
    receive
}
