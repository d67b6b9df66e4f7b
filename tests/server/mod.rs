//! An example as a process. The test says which one: `const EXAMPLE: &str` stands in its root, beside `mod raw`.

use std::{
    io::{BufRead, BufReader, Read},
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    sync::{
        Arc, Mutex, OnceLock,
        atomic::{AtomicUsize, Ordering},
    },
    thread::JoinHandle,
};

use crate::{EXAMPLE, raw::within};

/// A running example; killed when dropped.
pub(crate) struct Server {
    /// Where it puts its temporary files.
    pub(crate) temporary: Scratch,
    process: Child,
    pub(crate) address: SocketAddr,
    log: Arc<Mutex<String>>,
    reader: Option<JoinHandle<()>>,
}

impl Server {
    /// Starts it, and waits until it listens.
    pub(crate) async fn start(flags: &[&str]) -> Self {
        Self::begin(command(flags))
            .await
            .unwrap_or_else(|(status, log)| {
                panic!("the {EXAMPLE} ended with {status} before it listened:\n{log}")
            })
    }

    async fn begin(mut command: Command) -> Result<Self, (ExitStatus, String)> {
        let temporary = Scratch::new();
        command.env("TMPDIR", temporary.path());
        let mut process = command.spawn().expect("the example starts");
        let errors = process.stderr.take().expect("standard error is piped");
        let log = Arc::new(Mutex::new(String::new()));
        let lines = log.clone();
        let reader = std::thread::spawn(move || {
            for line in BufReader::new(errors).lines().map_while(Result::ok) {
                let mut log = lines.lock().expect("nobody panics over the log");
                log.push_str(&line);
                log.push('\n');
            }
        });
        let mut output = BufReader::new(process.stdout.take().expect("standard output is piped"));
        let mut server = Self {
            temporary,
            process,
            address: SocketAddr::from(([127, 0, 0, 1], 0)),
            log,
            reader: Some(reader),
        };
        let line = tokio::task::spawn_blocking(move || {
            let mut line = String::new();
            output.read_line(&mut line).map(|_| line)
        });
        let line = within("the example says where it listens", line).await;
        let line = line
            .expect("reading does not panic")
            .expect("the output can be read");
        match line.trim_end().strip_prefix("listening on http://") {
            Some(address) => {
                server.address = address.parse().expect("the address taken is printed");
                Ok(server)
            }
            None => Err((server.end().await, server.log())),
        }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// What it has logged so far.
    pub(crate) fn log(&self) -> String {
        self.log.lock().expect("nobody panics over the log").clone()
    }

    /// Sends a signal, such as `TERM`.
    pub(crate) fn signal(&self, name: &str) {
        let pid = self.process.id().to_string();
        let sent = Command::new("kill").args(["-s", name, &pid]).status();
        assert!(sent.expect("kill runs").success(), "kill -s {name} {pid}");
    }

    /// Waits for its end, with all that it logged.
    pub(crate) async fn end(&mut self) -> ExitStatus {
        let ended = async {
            loop {
                match self.process.try_wait().expect("its state can be asked") {
                    Some(status) => return status,
                    None => tokio::time::sleep(std::time::Duration::from_millis(5)).await,
                }
            }
        };
        let status = within("the example ends", ended).await;
        if let Some(reader) = self.reader.take() {
            reader.join().expect("the log was read");
        }
        status
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended already.
        drop(self.process.kill());
        drop(self.process.wait());
        if std::thread::panicking() {
            eprintln!("the {EXAMPLE}'s log:\n{}", self.log());
        }
    }
}

/// The example with these flags, listening on a free port unless they say otherwise.
pub(crate) fn command(flags: &[&str]) -> Command {
    let mut command = bare(&["--listen", "127.0.0.1:0"]);
    command.args(flags);
    command
}

/// The example with these flags alone.
pub(crate) fn bare(flags: &[&str]) -> Command {
    let mut command = Command::new(executable());
    command
        .args(flags)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

/// The example as it is now. `cargo test` builds an example that has tests of its own as a test alone, so its program is built here, with the
/// features of this test.
fn executable() -> &'static Path {
    static EXECUTABLE: OnceLock<PathBuf> = OnceLock::new();
    EXECUTABLE.get_or_init(|| {
        // target/debug/deps/…
        let test = std::env::current_exe().expect("a test knows its own path");
        let profile = test
            .ancestors()
            .nth(2)
            .expect("it lies in a build directory");
        let features = features();
        let build = [
            "build",
            "--quiet",
            "--example",
            EXAMPLE,
            "--features",
            &features,
            "--message-format=json-render-diagnostics",
            "--profile",
            match profile.file_name().and_then(|name| name.to_str()) {
                Some("debug") | None => "dev",
                Some(name) => name,
            },
        ];
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| env!("CARGO").into());
        let mut building = Command::new(cargo);
        // What cargo tells of this package is not for build scripts of others: one that looks at it would run again, and all that needs it
        // be built anew, here and by the next `cargo test`.
        for (name, _) in std::env::vars_os() {
            let name = name.to_string_lossy();
            if name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_") {
                building.env_remove(&*name);
            }
        }
        let mut building = building
            .args(build)
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("cargo does not start ({error}); {}", by_hand(&build)));
        let mut messages = String::new();
        let read = building
            .stdout
            .take()
            .map(|mut out| out.read_to_string(&mut messages));
        let built = building.wait().is_ok_and(|status| status.success());
        let path = messages
            .lines()
            .filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok())
            .filter(|message| message["target"]["name"] == EXAMPLE)
            .find_map(|message| message["executable"].as_str().map(PathBuf::from));
        match path {
            Some(path) if built && matches!(read, Some(Ok(_))) && path.is_file() => path,
            _ => panic!("the example was not built; {}", by_hand(&build)),
        }
    })
}

fn by_hand(build: &[&str]) -> String {
    format!("to see why: cargo {}", build.join(" "))
}

/// Those of this test beyond the default ones: all of them, or the library would be built once more for the example.
fn features() -> String {
    let on = [
        ("compression", cfg!(feature = "compression")),
        ("metrics", cfg!(feature = "metrics")),
        ("redis", cfg!(feature = "redis")),
        ("redis-cluster", cfg!(feature = "redis-cluster")),
        ("redis-tls", cfg!(feature = "redis-tls")),
        ("tonic", cfg!(feature = "tonic")),
        ("tonic-tls", cfg!(feature = "tonic-tls")),
        ("tracing", cfg!(feature = "tracing")),
    ];
    let on: Vec<_> = on
        .iter()
        .filter(|(_, on)| *on)
        .map(|(name, _)| *name)
        .collect();
    on.join(",")
}

/// A directory that is removed when dropped.
pub(crate) struct Scratch(PathBuf);

impl Scratch {
    pub(crate) fn new() -> Self {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let nth = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("larder-{}-{nth}", std::process::id());
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir(&path).expect("the directory is new");
        Self(path)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    /// A file in it, as a flag's value.
    pub(crate) fn file(&self, name: &str) -> String {
        let path = self.0.join(name);
        path.to_str().expect("temporary paths are text").to_owned()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        drop(std::fs::remove_dir_all(&self.0));
    }
}
