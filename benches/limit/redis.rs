//! Checks in Redis beside raw `EVALSHA` of a script that does nothing, and of one that counts by GCRA in doubles and checks nothing, over one
//! pipelined connection each; and leased checks of hot keys beside the latter.
//!
//! The targets, 0.8 of the rate of that script at least, and 20 times it for leases, are for 64 tasks.

use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, Instant};

use deadpool_redis::redis::aio::MultiplexedConnection;
use deadpool_redis::redis::{AsyncConnectionConfig, Client, Value, cmd};
use larder::limit::{Action, Ask, Leased, LimitKey, Limiter, Quota, RedisLimiter};

use super::median;

const ROUNDS: usize = 7;
const CALLS: usize = 32_000;

/// One unit in 10 µs, and never refused.
const GCRA: &str = "
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local tat = math.max(tonumber(redis.call('GET', KEYS[1]) or 0), now) + tonumber(ARGV[1])
if tat - now > tonumber(ARGV[2]) then
  return {0, tat - now}
end
redis.call('SET', KEYS[1], string.format('%.0f', tat), 'PX', math.ceil((tat - now) / 1000))
return {1, tat - now}";

/// Prints thousands of checks each second.
pub(crate) fn measure(redis: bool, leased: bool) {
    let server = Server::start();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(async {
        let raw = Raw::new(&server.url).await;
        for tasks in [1, 64] {
            if redis {
                against_redis(&server.url, &raw, tasks).await;
            }
            if leased {
                against_leases(&server.url, &raw, tasks).await;
            }
        }
    });
}

async fn against_redis(url: &str, raw: &Raw, tasks: usize) {
    let limiter = limiter(url);
    let mut rounds = [const { Vec::new() }; 5];
    for _ in 0..ROUNDS {
        let checks = |quotas| checks(tasks, CALLS, limiter.clone(), quotas);
        rounds[0].push(raw.calls(tasks, &raw.nothing).await);
        rounds[1].push(raw.calls(tasks, &raw.gcra).await);
        rounds[2].push(checks(1).await);
        rounds[3].push(checks(2).await);
        rounds[4].push(checks(4).await);
    }
    let [nothing, gcra, one, two, four] = rounds.map(median);
    println!(
        "Redis, {tasks} tasks, thousands each second: {nothing:.1} EVALSHA of nothing, {gcra:.1} of GCRA; {one:.1} checks of one quota \
         ({:.2} of GCRA), {two:.1} of two, {four:.1} of four",
        one / gcra
    );
}

/// One hot key for each task.
async fn against_leases(url: &str, raw: &Raw, tasks: usize) {
    let leased = Leased::new(limiter(url));
    let mut rounds = [const { Vec::new() }; 2];
    for _ in 0..ROUNDS {
        rounds[0].push(raw.calls(tasks, &raw.gcra).await);
        rounds[1].push(checks(tasks, CALLS * 32, leased.clone(), 1).await);
    }
    let [gcra, checks] = rounds.map(median);
    println!(
        "leased, {tasks} tasks, thousands each second: {gcra:.1} EVALSHA of GCRA, {checks:.1} checks ({:.1} of GCRA)",
        checks / gcra
    );
}

fn limiter(url: &str) -> RedisLimiter {
    let limiter = RedisLimiter::builder(url).server(|server| {
        let patience = Duration::from_secs(10);
        server.connections(1).answer_timeout(patience)
    });
    limiter.build().expect("a limiter")
}

/// A connection, and scripts that it has loaded.
struct Raw {
    connection: MultiplexedConnection,
    nothing: Arc<str>,
    gcra: Arc<str>,
}

impl Raw {
    async fn new(url: &str) -> Self {
        let client = Client::open(url).expect("a URL");
        let config = AsyncConnectionConfig::new().set_response_timeout(None);
        let connection = client.get_multiplexed_async_connection_with_config(&config);
        let connection = connection.await.expect("a connection");
        Self {
            nothing: load(connection.clone(), "return 1").await,
            gcra: load(connection.clone(), GCRA).await,
            connection,
        }
    }

    async fn calls(&self, tasks: usize, script: &Arc<str>) -> f64 {
        let (connection, script) = (self.connection.clone(), script.clone());
        let call = move |task| evalsha(connection.clone(), script.clone(), task);
        timed(tasks, CALLS, call).await
    }
}

async fn checks(tasks: usize, calls: usize, limiter: impl Limiter + Clone, quotas: usize) -> f64 {
    let quota: Quota = "1000000000/s".parse().expect("a quota");
    let call = move |task| check(limiter.clone(), quota.clone(), task, quotas);
    timed(tasks, calls, call).await
}

async fn load(mut connection: MultiplexedConnection, script: &str) -> Arc<str> {
    let mut load = cmd("SCRIPT");
    load.arg("LOAD").arg(script);
    let digest: String = load.query_async(&mut connection).await.expect("it loads");
    digest.into()
}

async fn evalsha(mut connection: MultiplexedConnection, script: Arc<str>, task: usize) {
    let mut command = cmd("EVALSHA");
    command.arg(&*script).arg(1).arg(format!("raw:{task}"));
    command.arg(10).arg(1_000_000_000);
    let _: Value = command
        .query_async(&mut connection)
        .await
        .expect("it is there");
}

async fn check(limiter: impl Limiter, quota: Quota, task: usize, quotas: usize) {
    let name = task.to_le_bytes();
    let groups = ["a", "b", "c", "d"];
    let asks = groups.map(|group| Ask::new(LimitKey::new(group, &name), &quota));
    let asks = &asks[..quotas];
    let decided = match limiter.decide_now(Action::Acquire, asks) {
        Poll::Ready(decided) => decided,
        Poll::Pending => limiter.decide(Action::Acquire, asks).await,
    };
    assert!(decided.expect("it decides").is_admitted());
}

/// Thousands of calls each second.
async fn timed<F>(
    tasks: usize,
    calls: usize,
    call: impl Fn(usize) -> F + Clone + Send + 'static,
) -> f64
where
    F: Future<Output = ()> + Send,
{
    let calls = if tasks == 1 { calls / 8 } else { calls };
    let start = Instant::now();
    let mut running = tokio::task::JoinSet::new();
    for task in 0..tasks {
        let call = call.clone();
        running.spawn(async move {
            for _ in 0..calls / tasks {
                call(task).await;
            }
        });
    }
    running.join_all().await;
    calls as f64 / start.elapsed().as_secs_f64() / 1_000.0
}

struct Server {
    process: Child,
    url: String,
}

impl Server {
    fn start() -> Self {
        let port = TcpListener::bind("127.0.0.1:0")
            .and_then(|listener| listener.local_addr())
            .expect("a free port")
            .port();
        let process = Command::new("redis-server")
            .args(["--port", &port.to_string(), "--save", ""])
            .args(["--bind", "127.0.0.1"])
            .stdout(Stdio::null())
            .spawn()
            .expect("redis-server is installed");
        for _ in 0..200 {
            if std::net::TcpStream::connect(("127.0.0.1", port)).is_ok() {
                break;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Self {
            process,
            url: format!("redis://127.0.0.1:{port}"),
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
