//! Checks in Redis beside raw `EVALSHA` of a script that does nothing, and of one that counts by GCRA in doubles and checks nothing, over one
//! pipelined connection each; and by leases. The targets, 0.8 of the rate of the latter at least, and 20 times that by leases, are for 64 tasks.

use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, Instant};

use deadpool_redis::redis::aio::MultiplexedConnection;
use deadpool_redis::redis::{Client, Value, cmd};
use larder::limit::{Action, Ask, Leased, LimitKey, Limiter, Quota, RedisLimiter};

const ROUNDS: usize = 7;
const CALLS: usize = 32_000;
/// So many times as many calls by leases, which are over too soon otherwise.
const LEASED: usize = 16;

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
pub(crate) fn measure() {
    let server = Server::start();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(run(&server.url));
}

async fn run(url: &str) {
    let limiter = RedisLimiter::builder(url).server(|server| {
        let patience = Duration::from_secs(10);
        server.connections(1).answer_timeout(patience)
    });
    let limiter = limiter.build().expect("a limiter");
    let client = Client::open(url).expect("a URL");
    let connection = client.get_multiplexed_async_connection().await;
    let connection = connection.expect("a connection");
    let (nothing, gcra) = (
        load(connection.clone(), "return 1").await,
        load(connection.clone(), GCRA).await,
    );
    for tasks in [1, 64] {
        let leased = Leased::new(limiter.clone());
        let mut rounds = [const { Vec::new() }; 6];
        for _ in 0..ROUNDS {
            let raw = |script: &Arc<str>| {
                let (connection, script) = (connection.clone(), script.clone());
                timed(tasks, 1, move |task| {
                    evalsha(connection.clone(), script.clone(), task)
                })
            };
            let check = |count| {
                let limiter = limiter.clone();
                timed(tasks, 1, move |task| check(limiter.clone(), task, count))
            };
            rounds[0].push(raw(&nothing).await);
            rounds[1].push(raw(&gcra).await);
            rounds[2].push(check(1).await);
            rounds[3].push(check(2).await);
            rounds[4].push(check(4).await);
            let leased = leased.clone();
            let spend = move |task| spend(leased.clone(), task);
            rounds[5].push(timed(tasks, LEASED, spend).await);
        }
        let [nothing, gcra, one, two, four, leased] = rounds.map(median);
        println!(
            "Redis, {tasks} tasks, thousands each second: {nothing:.1} EVALSHA of nothing, {gcra:.1} of GCRA; {one:.1} checks of one quota \
             ({:.2} of GCRA), {two:.1} of two, {four:.1} of four; {leased:.0} by leases ({:.0} times GCRA)",
            one / gcra,
            leased / gcra
        );
    }
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

async fn check(limiter: RedisLimiter, task: usize, quotas: usize) {
    let quota: Quota = "100000/s".parse().expect("a quota");
    let name = task.to_le_bytes();
    let groups = ["a", "b", "c", "d"];
    let asks = groups.map(|group| Ask::new(LimitKey::new(group, &name), &quota));
    let decided = limiter.decide(Action::Acquire, &asks[..quotas]).await;
    assert!(decided.expect("it decides").is_admitted());
}

/// A check of one quota, as a handle on the limiter makes it.
async fn spend(leased: Leased, task: usize) {
    let quota: Quota = "1000000000/s".parse().expect("a quota");
    let name = task.to_le_bytes();
    let asks = [Ask::new(LimitKey::new("leased", &name), &quota)];
    let decided = match leased.decide_now(Action::Acquire, &asks) {
        Poll::Ready(decided) => decided,
        Poll::Pending => leased.decide(Action::Acquire, &asks).await,
    };
    assert!(decided.expect("it decides").is_admitted());
}

/// Thousands of calls each second, of so many times the usual number.
async fn timed<F>(
    tasks: usize,
    times: usize,
    call: impl Fn(usize) -> F + Clone + Send + 'static,
) -> f64
where
    F: Future<Output = ()> + Send,
{
    let calls = times * if tasks == 1 { CALLS / 8 } else { CALLS };
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

fn median(mut rounds: Vec<f64>) -> f64 {
    rounds.sort_by(f64::total_cmp);
    rounds[rounds.len() / 2]
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
