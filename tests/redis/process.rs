//! Redis servers as processes, and a proxy that mistreats what passes between a server and its clients.

use std::{
    io::Read,
    net::{Ipv4Addr, SocketAddr, TcpListener as StdListener},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream, UnixStream, tcp},
    sync::watch,
    task::JoinSet,
};

/// Longer than a server takes to start, on any machine.
const PATIENCE: Duration = Duration::from_secs(20);

/// How a server is started.
#[derive(Clone, Debug, Default)]
pub(crate) struct Options {
    /// The password of the default user.
    pub(crate) password: Option<&'static str>,
    /// The port on this machine of the server to replicate.
    pub(crate) replica_of: Option<u16>,
    /// Whether its port speaks TLS, by certificates from [`Redis::authority`].
    pub(crate) tls: bool,
    /// Further flags.
    pub(crate) flags: &'static [&'static str],
}

/// A running server; killed when dropped.
#[derive(Debug)]
pub(crate) struct Redis {
    port: u16,
    dir: PathBuf,
    options: Options,
    process: Mutex<Child>,
}

impl Redis {
    /// Starts a server without persistence on a free port, and waits until it answers.
    pub(crate) async fn start(options: Options) -> Self {
        let mut failed = String::new();
        // Between the choice of a port and its use, somebody else may take it.
        for _ in 0..10 {
            let (dir, port) = (directory(), free_port());
            if options.tls {
                certificates(&dir);
            }
            let process = Mutex::new(spawn(&dir, port, &options));
            let redis = Self {
                port,
                dir,
                options: options.clone(),
                process,
            };
            if redis.is_up().await {
                return redis;
            }
            failed = log(&redis.dir);
        }
        panic!("redis-server does not start:\n{failed}");
    }

    /// Starts it again after [`kill`](Self::kill): on the same port, and empty.
    pub(crate) async fn restart(&self) {
        self.kill();
        for _ in 0..50 {
            *self.process() = spawn(&self.dir, self.port, &self.options);
            if self.is_up().await {
                return;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!("redis-server does not start again:\n{}", log(&self.dir));
    }

    pub(crate) const fn port(&self) -> u16 {
        self.port
    }

    pub(crate) fn address(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.port).into()
    }

    /// Its URL, with the password if it has one.
    pub(crate) fn url(&self) -> String {
        let scheme = if self.options.tls { "rediss" } else { "redis" };
        let login = self
            .options
            .password
            .map(|password| format!(":{password}@"));
        format!(
            "{scheme}://{}127.0.0.1:{}",
            login.unwrap_or_default(),
            self.port
        )
    }

    /// Its unix socket.
    pub(crate) fn socket(&self) -> PathBuf {
        self.dir.join("redis.sock")
    }

    /// The certificate, in PEM, of the authority that its own comes from.
    pub(crate) fn authority(&self) -> Vec<u8> {
        std::fs::read(self.dir.join("ca.pem")).expect("a server with TLS has certificates")
    }

    /// Pauses it: it accepts connections, and answers nothing.
    pub(crate) fn pause(&self) {
        self.signal("STOP");
    }

    /// Lets it go on.
    pub(crate) fn resume(&self) {
        self.signal("CONT");
    }

    /// Ends it at once.
    pub(crate) fn kill(&self) {
        let mut process = self.process();
        // It may have ended already.
        drop(process.kill());
        drop(process.wait());
    }

    /// Sends a command past all that is tested, and answers the reply as text: elements of an array on lines of their own.
    pub(crate) async fn ask(&self, command: &[&str]) -> String {
        let asked = tokio::time::timeout(PATIENCE, self.exchange(command)).await;
        asked
            .unwrap_or_else(|_| panic!("{command:?} is not answered:\n{}", log(&self.dir)))
            .unwrap_or_else(|error| panic!("{command:?}: {error}"))
    }

    /// A connection past all that is tested, which stays open.
    pub(crate) async fn hold(&self) -> Held {
        self.open().await.expect("the server accepts")
    }

    async fn exchange(&self, command: &[&str]) -> std::io::Result<String> {
        self.open().await?.exchange(command).await
    }

    async fn open(&self) -> std::io::Result<Held> {
        let stream = UnixStream::connect(self.socket()).await?;
        let mut held = Held(BufReader::new(stream));
        if let Some(password) = self.options.password {
            held.exchange(&["AUTH", password]).await?;
        }
        Ok(held)
    }

    async fn is_up(&self) -> bool {
        let up = async {
            loop {
                if let Ok(Some(_)) = self.process().try_wait() {
                    return false;
                }
                match self.exchange(&["PING"]).await {
                    Ok(answer) if answer == "PONG" => return true,
                    _ => tokio::time::sleep(Duration::from_millis(5)).await,
                }
            }
        };
        tokio::time::timeout(PATIENCE, up).await.unwrap_or(false)
    }

    fn signal(&self, name: &str) {
        let id = self.process().id().to_string();
        let sent = Command::new("kill").args(["-s", name, &id]).status();
        assert!(sent.expect("kill runs").success(), "kill -s {name} {id}");
    }

    fn process(&self) -> std::sync::MutexGuard<'_, Child> {
        self.process.lock().expect("nobody panics over a process")
    }
}

/// A connection by hand.
#[derive(Debug)]
pub(crate) struct Held(BufReader<UnixStream>);

impl Held {
    /// Sends a command, as [`Redis::ask`] does.
    pub(crate) async fn ask(&mut self, command: &[&str]) -> String {
        let asked = tokio::time::timeout(PATIENCE, self.exchange(command)).await;
        asked
            .unwrap_or_else(|_| panic!("{command:?} is not answered"))
            .unwrap_or_else(|error| panic!("{command:?}: {error}"))
    }

    async fn exchange(&mut self, command: &[&str]) -> std::io::Result<String> {
        self.0.write_all(&packed(command)).await?;
        reply(&mut self.0).await
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        if let Ok(process) = self.process.get_mut() {
            drop(process.kill());
            drop(process.wait());
        }
        if std::thread::panicking() {
            eprintln!("the server's log:\n{}", log(&self.dir));
        }
        drop(std::fs::remove_dir_all(&self.dir));
    }
}

/// A port on which nothing listens, and nothing will for a while.
pub(crate) fn free_port() -> u16 {
    let listener = StdListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port is free");
    listener.local_addr().expect("it has an address").port()
}

/// A new directory, with a short path: that of a unix socket has at most 107 bytes.
fn directory() -> PathBuf {
    static COUNT: AtomicUsize = AtomicUsize::new(0);
    let nth = COUNT.fetch_add(1, Ordering::Relaxed);
    let dir = std::env::temp_dir().join(format!("redis-{}-{nth}", std::process::id()));
    std::fs::create_dir(&dir).expect("the directory is new");
    dir
}

fn spawn(dir: &Path, port: u16, options: &Options) -> Child {
    let port = port.to_string();
    let file = |name: &str| dir.join(name).to_str().expect("paths are text").to_owned();
    let log = std::fs::File::create(dir.join("log")).expect("the log can be written");
    let mut command = Command::new("redis-server");
    command
        .args(["--bind", "127.0.0.1", "--save", "", "--appendonly", "no"])
        .args(["--dir", &file(""), "--unixsocket", &file("redis.sock")])
        .args(["--enable-debug-command", "local"])
        .stdin(Stdio::null())
        .stdout(log)
        .stderr(Stdio::null());
    if options.tls {
        command
            .args(["--port", "0", "--tls-port", &port])
            .args(["--tls-cert-file", &file("server.pem")])
            .args(["--tls-key-file", &file("server.key")])
            .args(["--tls-ca-cert-file", &file("ca.pem")])
            .args(["--tls-auth-clients", "no"]);
    } else {
        command.args(["--port", &port]);
    }
    if let Some(password) = options.password {
        command.args(["--requirepass", password]);
    }
    if let Some(primary) = options.replica_of {
        command.args(["--replicaof", "127.0.0.1", &primary.to_string()]);
    }
    command.args(options.flags);
    command
        .spawn()
        .expect("redis-server is installed: apt-get install redis-server")
}

fn log(dir: &Path) -> String {
    let mut text = String::new();
    if let Ok(mut file) = std::fs::File::open(dir.join("log")) {
        drop(file.read_to_string(&mut text));
    }
    text
}

/// An authority, and a certificate from it for this machine.
fn certificates(dir: &Path) {
    const KEY: &str = "ec -pkeyopt ec_paramgen_curve:P-256 -nodes";
    std::fs::write(
        dir.join("names"),
        "subjectAltName=IP:127.0.0.1,DNS:localhost\nbasicConstraints=CA:FALSE\n",
    )
    .expect("the file can be written");
    for command in [
        format!("req -x509 -newkey {KEY} -keyout ca.key -out ca.pem -subj /CN=authority -days 2"),
        format!("req -newkey {KEY} -keyout server.key -out server.csr -subj /CN=localhost"),
        "x509 -req -in server.csr -CA ca.pem -CAkey ca.key -CAcreateserial -out server.pem -days 2 -extfile names".to_owned(),
    ] {
        let output = Command::new("openssl")
            .args(command.split(' '))
            .current_dir(dir)
            .output()
            .expect("openssl is installed");
        assert!(output.status.success(), "openssl {command}: {output:?}");
    }
}

fn packed(command: &[&str]) -> Vec<u8> {
    let mut bytes = format!("*{}\r\n", command.len()).into_bytes();
    for argument in command {
        bytes.extend_from_slice(format!("${}\r\n{argument}\r\n", argument.len()).as_bytes());
    }
    bytes
}

/// Reads one reply of the protocol, version 2.
async fn reply(stream: &mut BufReader<UnixStream>) -> std::io::Result<String> {
    let (mut missing, mut lines) = (1, Vec::new());
    while missing > 0 {
        missing -= 1;
        let mut line = String::new();
        stream.read_line(&mut line).await?;
        let line = line.trim_end();
        let (kind, rest) = line.split_at_checked(1).unwrap_or_default();
        match (kind, rest.parse::<i64>()) {
            ("*", Ok(count)) => missing += usize::try_from(count).unwrap_or(0),
            ("$", Ok(length)) => match usize::try_from(length) {
                Ok(length) => {
                    let mut bytes = vec![0; length + 2];
                    stream.read_exact(&mut bytes).await?;
                    lines.push(String::from_utf8_lossy(&bytes[..length]).into_owned());
                }
                Err(_) => lines.push("(nil)".to_owned()),
            },
            ("", _) => return Err(std::io::ErrorKind::UnexpectedEof.into()),
            _ => lines.push(rest.to_owned()),
        }
    }
    Ok(lines.join("\n"))
}

/// What a [`Proxy`] does with the bytes that pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Hands them on.
    None,
    /// Hands the server's on after a while.
    Delay(Duration),
    /// Hands that many of the server's next bytes on, and ends the connection.
    CutAfter(usize),
    /// Takes all, and hands nothing on; nor later what comes over a connection that has lost something so.
    BlackHole,
}

/// A proxy in front of a server, ended when dropped.
#[derive(Debug)]
pub(crate) struct Proxy {
    address: SocketAddr,
    fault: watch::Sender<Fault>,
    _tasks: JoinSet<()>,
}

impl Proxy {
    /// Listens on a free port, in front of `server`.
    pub(crate) async fn start(server: SocketAddr) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await;
        let listener = listener.expect("a port is free");
        let address = listener.local_addr().expect("it has an address");
        let (fault, watched) = watch::channel(Fault::None);
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((client, _)) = listener.accept().await {
                let watched = watched.clone();
                connections.spawn(async move {
                    if let Ok(server) = TcpStream::connect(server).await {
                        pass(client, server, watched).await;
                    }
                });
            }
        });
        Self {
            address,
            fault,
            _tasks: tasks,
        }
    }

    pub(crate) const fn port(&self) -> u16 {
        self.address.port()
    }

    /// From now on, on all connections.
    pub(crate) fn set(&self, fault: Fault) {
        self.fault.send_replace(fault);
    }
}

async fn pass(client: TcpStream, server: TcpStream, fault: watch::Receiver<Fault>) {
    drop(client.set_nodelay(true));
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    // The end of one direction ends both.
    tokio::select! {
        () = requests(from_client, to_server, &fault) => {}
        () = answers(from_server, to_client, &fault) => {}
    }
}

async fn requests(
    mut from: tcp::OwnedReadHalf,
    mut to: tcp::OwnedWriteHalf,
    fault: &watch::Receiver<Fault>,
) {
    let mut buffer = vec![0; 16 << 10];
    // Nothing arrives behind a gap.
    let mut gap = false;
    while let Ok(count @ 1..) = from.read(&mut buffer).await {
        gap |= *fault.borrow() == Fault::BlackHole;
        if !gap && to.write_all(&buffer[..count]).await.is_err() {
            return;
        }
    }
}

async fn answers(
    mut from: tcp::OwnedReadHalf,
    mut to: tcp::OwnedWriteHalf,
    fault: &watch::Receiver<Fault>,
) {
    let mut buffer = vec![0; 16 << 10];
    let mut gap = false;
    while let Ok(count @ 1..) = from.read(&mut buffer).await {
        let now = *fault.borrow();
        gap |= now == Fault::BlackHole;
        let bytes = match now {
            Fault::None => &buffer[..count],
            Fault::Delay(delay) => {
                tokio::time::sleep(delay).await;
                &buffer[..count]
            }
            Fault::CutAfter(left) => &buffer[..count.min(left)],
            Fault::BlackHole => continue,
        };
        if gap {
            continue;
        }
        let written = to.write_all(bytes).await;
        if written.is_err() || matches!(now, Fault::CutAfter(_)) {
            return;
        }
    }
}
