use std::error::Error;
use std::future::Future;

use deadpool_redis::redis::pipe;

use super::*;
use crate::store::redis::process::{Fault, Options, Proxy, Redis, free_port};
use crate::store::redis::{RedisStore, RedisStoreBuilder};

/// Far above every timeout here: only what is not bounded takes longer.
const PATIENCE: Duration = Duration::from_secs(10);

fn on(url: impl Into<String>) -> RedisStoreBuilder {
    // A pause short enough to be waited for.
    let pause = Duration::from_millis(50);
    RedisStore::builder(url).breaker_pause(pause, pause)
}

fn made(builder: RedisStoreBuilder) -> Connections {
    Connections::new(&builder.config().unwrap())
}

async fn bounded<T>(call: impl Future<Output = T>) -> T {
    timeout(PATIENCE, call).await.expect("the call is bounded")
}

fn command(words: &[&str]) -> Cmd {
    let mut command = cmd(words[0]);
    command.arg(&words[1..]);
    command
}

impl Connections {
    async fn ask_for(&self, words: &[&str]) -> Result<String, Failure> {
        match bounded(self.send(&command(words))).await {
            Ok(Value::Okay) => Ok("OK".into()),
            Ok(Value::Nil) => Ok("(nil)".into()),
            Ok(Value::Int(number)) => Ok(number.to_string()),
            Ok(value) => Ok(server::text(&value).expect("a text")),
            Err(error) => Err(cause(&error)),
        }
    }

    /// Asks until there is an answer: the server is back, and the breaker's pause over.
    async fn comes_back(&self) {
        bounded(async {
            while self.ask_for(&["PING"]).await.is_err() {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        })
        .await;
        assert_eq!(self.state(), Circuit::Closed);
    }

    /// Fails until the breaker opens, and answers what the calls before that failed of.
    async fn opens(&self) -> Vec<Failure> {
        let mut failures = Vec::new();
        for _ in 0..5 {
            assert_eq!(self.state(), Circuit::Closed, "{failures:?}");
            failures.push(self.ask_for(&["PING"]).await.unwrap_err());
        }
        let next = self.ask_for(&["PING"]).await.unwrap_err();
        // The pause may be over by now.
        if self.state() == Circuit::Open {
            assert!(matches!(next, Failure::LeftAlone(_)), "{next}");
        }
        failures
    }
}

fn cause(error: &StoreError) -> Failure {
    let source = error.source().expect("it has a cause");
    source.downcast_ref::<Failure>().expect("a failure").clone()
}

#[tokio::test]
async fn commands_are_answered_in_their_order() {
    let redis = Redis::start(Options::default()).await;
    let connections = made(on(redis.url()));
    assert_eq!(connections.servers(), 0);
    assert_eq!(connections.ask_for(&["SET", "a", "1"]).await.unwrap(), "OK");
    assert_eq!(connections.ask_for(&["GET", "a"]).await.unwrap(), "1");
    let commands = [
        command(&["INCR", "a"]),
        command(&["LPUSH", "a", "x"]),
        command(&["GET", "b"]),
        command(&["GET", "a"]),
    ];
    let answers = bounded(connections.send_many(&commands)).await.unwrap();
    let mut answers = answers.into_iter();
    assert_eq!(answers.next().unwrap().unwrap(), Value::Int(2));
    let error = answers.next().unwrap().unwrap_err();
    assert_eq!(Failure::code(&error), Some("WRONGTYPE"));
    assert_eq!(answers.next().unwrap().unwrap(), Value::Nil);
    assert_eq!(
        answers.next().unwrap().unwrap(),
        Value::BulkString(b"2".to_vec())
    );
    assert!(answers.next().is_none());
    assert!(connections.send_many(&[]).await.unwrap().is_empty());
    assert_eq!(connections.servers(), 1);
}

#[tokio::test]
async fn two_connections_with_a_name_carry_many_calls() {
    let redis = Redis::start(Options::default()).await;
    let connections = made(on(redis.url()).client_name("shop"));
    let calls = (0..50).map(|_| connections.ask_for(&["INCR", "n"]));
    for answer in futures_util::future::join_all(calls).await {
        answer.unwrap();
    }
    assert_eq!(connections.ask_for(&["GET", "n"]).await.unwrap(), "50");
    let clients = redis.ask(&["CLIENT", "LIST"]).await;
    assert_eq!(clients.matches("name=shop ").count(), 2, "{clients}");
}

#[tokio::test]
async fn a_pool_of_its_own_is_no_larger_than_was_said() {
    let redis = Redis::start(Options::default()).await;
    let builder = on(redis.url())
        .pooled(3)
        .acquire_timeout(Duration::from_secs(5));
    let connections = made(builder);
    let calls = (0..30).map(|_| connections.ask_for(&["INCR", "n"]));
    for answer in futures_util::future::join_all(calls).await {
        answer.unwrap();
    }
    let clients = redis.ask(&["CLIENT", "LIST"]).await;
    let count = clients.matches("name=larder ").count();
    assert!((1..=3).contains(&count), "{clients}");
    assert_eq!(connections.servers(), 1);
}

#[tokio::test]
async fn a_server_that_refuses_is_left_alone_until_it_is_there() {
    let port = free_port();
    let connections = made(on(format!("redis://127.0.0.1:{port}")));
    for failure in connections.opens().await {
        assert!(matches!(failure, Failure::Connect { .. }), "{failure}");
        let text = failure.to_string();
        assert!(text.contains(&format!("127.0.0.1:{port}")), "{text}");
    }
    let redis = Redis::start(Options::default()).await;
    let connections = made(on(redis.url()));
    redis.kill();
    connections.opens().await;
    redis.restart().await;
    connections.comes_back().await;
    assert_eq!(connections.servers(), 1);
}

#[tokio::test]
async fn a_paused_server_costs_each_call_its_timeout_and_then_none() {
    let redis = Redis::start(Options::default()).await;
    let connections = made(on(redis.url()));
    connections.ask_for(&["PING"]).await.unwrap();
    redis.pause();
    for failure in connections.opens().await {
        let expected = match &failure {
            Failure::NoAnswer(_) | Failure::NoConnection(_) => true,
            // The second connection, which was to be made before the server was paused.
            Failure::Connect { why, .. } => why.contains("not within"),
            _ => false,
        };
        assert!(expected, "{failure}");
    }
    redis.resume();
    connections.comes_back().await;
    assert_eq!(connections.servers(), 1, "it is the same server");
}

#[tokio::test]
async fn a_connection_that_breaks_in_the_middle_of_an_answer_is_replaced() {
    let redis = Redis::start(Options::default()).await;
    let proxy = Proxy::start(redis.address()).await;
    let connections = made(on(format!("redis://127.0.0.1:{}", proxy.port())).connections(1));
    let text = "x".repeat(100);
    connections.ask_for(&["SET", "a", &text]).await.unwrap();
    proxy.set(Fault::CutAfter(10));
    let failure = connections.ask_for(&["GETSET", "a", "new"]).await;
    assert!(matches!(failure, Err(Failure::Broken(_))), "{failure:?}");
    proxy.set(Fault::None);
    assert_eq!(connections.ask_for(&["GET", "a"]).await.unwrap(), "new");
    assert_eq!(connections.state(), Circuit::Closed);
}

#[tokio::test]
async fn a_restart_between_two_reads_is_noticed_and_costs_no_call() {
    let redis = Redis::start(Options::default()).await;
    for builder in [on(redis.url()), on(redis.url()).pooled(2)] {
        let connections = made(builder);
        for _ in 0..2 {
            connections.ask_for(&["SET", "a", "1"]).await.unwrap();
        }
        assert_eq!(connections.servers(), 1);
        redis.restart().await;
        for _ in 0..2 {
            assert_eq!(connections.ask_for(&["GET", "a"]).await.unwrap(), "(nil)");
        }
        assert_eq!(connections.servers(), 2);
    }
}

#[tokio::test]
async fn what_writes_is_never_sent_twice() {
    let redis = Redis::start(Options::default()).await;
    let proxy = Proxy::start(redis.address()).await;
    let connections = made(on(format!("redis://127.0.0.1:{}", proxy.port())));
    for _ in 0..2 {
        connections.ask_for(&["INCR", "n"]).await.unwrap();
    }
    proxy.set(Fault::CutAfter(0));
    let failure = connections.ask_for(&["INCR", "n"]).await;
    assert!(matches!(failure, Err(Failure::Broken(_))), "{failure:?}");
    assert_eq!(redis.ask(&["GET", "n"]).await, "3");
}

#[tokio::test]
async fn a_crowd_makes_one_connection_for_each_slot() {
    let redis = Redis::start(Options::default()).await;
    let connections = made(on(redis.url()).acquire_timeout(Duration::from_secs(5)));
    for _ in 0..2 {
        let calls = (0..100).map(|_| connections.ask_for(&["PING"]));
        for answer in futures_util::future::join_all(calls).await {
            answer.unwrap();
        }
        let clients = redis.ask(&["CLIENT", "LIST"]).await;
        let ids = clients.matches("name=larder ").count();
        assert_eq!(ids, 2, "{clients}");
        redis.restart().await;
    }
}

#[tokio::test]
async fn a_wrong_password_is_an_error_that_does_not_show_it() {
    let options = Options {
        password: Some("right"),
        ..Options::default()
    };
    let redis = Redis::start(options).await;
    assert_eq!(
        made(on(redis.url())).ask_for(&["PING"]).await.unwrap(),
        "PONG"
    );
    let address = redis.address();
    for url in [
        format!("redis://:sesame@{address}"),
        format!("redis://alibaba:sesame@{address}"),
        format!("redis://alib%61ba:ses%61me@{address}"),
    ] {
        let connections = made(on(url));
        let error = bounded(connections.send(&command(&["PING"]))).await;
        let error = error.unwrap_err();
        let mut text = format!("{error:?} {connections:?}");
        let mut next: Option<&dyn Error> = Some(&error);
        while let Some(error) = next {
            text.push_str(&format!(" {error} {error:?}"));
            next = error.source();
        }
        for secret in ["sesame", "alibaba", "ses%61me", "alib%61ba"] {
            assert!(!text.contains(secret), "{text}");
        }
        assert!(
            text.contains("WRONGPASS") || text.contains("uthent"),
            "{text}"
        );
        connections.opens_after(4).await;
    }
    let failure = made(on(format!("redis://{address}")))
        .ask_for(&["PING"])
        .await;
    assert!(failure.unwrap_err().to_string().contains("NOAUTH"));
}

impl Connections {
    async fn opens_after(&self, failures: usize) {
        for _ in 0..failures {
            assert_eq!(self.state(), Circuit::Closed);
            self.ask_for(&["PING"]).await.unwrap_err();
        }
        assert_ne!(self.state(), Circuit::Closed);
    }
}

#[tokio::test]
async fn a_replica_is_refused() {
    let primary = Redis::start(Options::default()).await;
    let options = Options {
        replica_of: Some(primary.port()),
        ..Options::default()
    };
    let replica = Redis::start(options).await;
    for builder in [on(replica.url()), on(replica.url()).pooled(2)] {
        let failure = made(builder).ask_for(&["GET", "a"]).await;
        assert_eq!(failure.unwrap_err(), Failure::Replica);
    }
}

#[tokio::test]
async fn a_primary_that_was_made_a_replica_is_no_longer_read() {
    let primary = Redis::start(Options::default()).await;
    let redis = Redis::start(Options::default()).await;
    let port = primary.port().to_string();
    for builder in [on(redis.url()), on(redis.url()).pooled(2)] {
        redis.ask(&["REPLICAOF", "NO", "ONE"]).await;
        let connections = made(builder.breaker_failures(1000));
        for _ in 0..2 {
            connections.ask_for(&["GET", "a"]).await.unwrap();
        }
        redis.ask(&["REPLICAOF", "127.0.0.1", &port]).await;
        // Shared connections are checked every second.
        bounded(async {
            while connections.ask_for(&["GET", "a"]).await != Err(Failure::Replica) {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        })
        .await;
        let failure = connections.ask_for(&["SET", "a", "1"]).await.unwrap_err();
        assert_eq!(failure, Failure::Replica, "the connection was let go");
        redis.ask(&["REPLICAOF", "NO", "ONE"]).await;
        connections.comes_back().await;
        assert_eq!(connections.servers(), 2, "it has a new history");
    }
}

#[tokio::test]
async fn a_write_to_a_replica_ends_the_connection() {
    let redis = Redis::start(Options::default()).await;
    let connections = made(on(redis.url()).connections(1));
    connections.ask_for(&["SET", "a", "1"]).await.unwrap();
    redis.ask(&["REPLICAOF", "127.0.0.1", "1"]).await;
    let failure = connections.ask_for(&["SET", "a", "1"]).await.unwrap_err();
    assert!(failure.is_answer("READONLY"), "{failure}");
    let failure = connections.ask_for(&["GET", "a"]).await.unwrap_err();
    assert_eq!(failure, Failure::Replica);
}

#[tokio::test]
async fn an_exhausted_pool_of_the_application_fails_in_time() {
    let redis = Redis::start(Options::default()).await;
    let pool = deadpool_redis::Config::from_url(redis.url());
    let pool = pool.builder().unwrap().max_size(1).build().unwrap();
    let connections =
        made(RedisStore::from_pool(pool.clone()).acquire_timeout(Duration::from_millis(50)));
    assert_eq!(connections.ask_for(&["SET", "a", "1"]).await.unwrap(), "OK");
    let held = pool.get().await.unwrap();
    for _ in 0..5 {
        let failure = connections.ask_for(&["GET", "a"]).await.unwrap_err();
        assert!(matches!(failure, Failure::NoConnection(_)), "{failure}");
    }
    assert_eq!(connections.state(), Circuit::Open);
    drop(held);
    connections.comes_back().await;
    assert_eq!(connections.ask_for(&["GET", "a"]).await.unwrap(), "1");
    assert_eq!(pool.status().size, 1);
}

#[tokio::test]
async fn a_pool_gets_no_connection_back_on_which_answers_are_due() {
    let redis = Redis::start(Options::default()).await;
    let pool = deadpool_redis::Config::from_url(redis.url());
    let pool = pool.builder().unwrap().max_size(1).build().unwrap();
    let connections = made(RedisStore::from_pool(pool.clone()));
    connections.ask_for(&["PING"]).await.unwrap();
    redis.pause();
    connections.ask_for(&["PING"]).await.unwrap_err();
    assert_eq!(pool.status().size, 0);
    redis.resume();
    connections.ask_for(&["PING"]).await.unwrap();
}

#[tokio::test]
async fn scripts_are_loaded_where_the_server_does_not_know_them() {
    static SCRIPT: Script = Script::new("return {KEYS[1], ARGV[1], redis.call('INCR', KEYS[1])}");
    let redis = Redis::start(Options::default()).await;
    let connections = made(on(redis.url()));
    for count in 1..=4 {
        if count % 2 == 0 {
            redis.ask(&["SCRIPT", "FLUSH"]).await;
        }
        let answer = bounded(connections.run(&SCRIPT, &[b"k"], &[b"v"])).await;
        let expected = vec![
            Value::BulkString(b"k".to_vec()),
            Value::BulkString(b"v".to_vec()),
            Value::Int(count),
        ];
        assert_eq!(answer.unwrap(), Value::Array(expected));
    }
    static WRONG: Script = Script::new("return redis.call('NONE')");
    let error = bounded(connections.run(&WRONG, &[], &[]))
        .await
        .unwrap_err();
    assert!(cause(&error).answer().is_some(), "{error:?}");
    assert_eq!(connections.state(), Circuit::Closed);
}

#[tokio::test]
async fn a_full_server_is_a_healthy_server() {
    let options = Options {
        flags: &["--maxmemory", "2mb", "--maxmemory-policy", "noeviction"],
        ..Options::default()
    };
    let redis = Redis::start(options).await;
    let connections = made(on(redis.url()));
    let text = "x".repeat(100_000);
    let mut refused = 0;
    for nth in 0..40 {
        let set = connections.ask_for(&["SET", &nth.to_string(), &text]).await;
        if let Err(failure) = set {
            assert!(failure.is_answer("OOM"), "{failure}");
            refused += 1;
        }
    }
    assert!(refused > 5, "{refused}");
    assert_eq!(connections.state(), Circuit::Closed);
    assert_eq!(connections.ask_for(&["GET", "0"]).await.unwrap(), text);
}

#[tokio::test]
async fn unix_sockets_databases_and_users_are_reached() {
    let options = Options {
        password: Some("p@ss/word"),
        ..Options::default()
    };
    let redis = Redis::start(options).await;
    let path = redis.socket();
    let path = path.to_str().unwrap();
    for (url, database) in [
        (format!("unix://{path}?db=3&pass=p%40ss%2Fword"), 3),
        (
            format!("redis+unix://{path}?db=4&user=default&pass=p%40ss%2Fword"),
            4,
        ),
        (format!("redis://:p%40ss%2Fword@{}/5", redis.address()), 5),
        (
            format!("redis://default:p%40ss%2Fword@localhost:{}", redis.port()),
            0,
        ),
    ] {
        let connections = made(on(url));
        connections.ask_for(&["SET", "a", "1"]).await.unwrap();
        let info = redis.ask(&["INFO", "keyspace"]).await;
        assert!(info.contains(&format!("db{database}:keys=1")), "{info}");
    }
    let redis_url = format!("redis://{}", redis.address());
    let connections = made(on(redis_url).user("default").password("p@ss/word"));
    assert_eq!(connections.ask_for(&["GET", "a"]).await.unwrap(), "1");
}

#[cfg(feature = "redis-tls")]
#[tokio::test]
async fn tls_is_spoken_with_servers_of_a_private_authority_and_no_others() {
    let options = Options {
        tls: true,
        password: Some("right"),
        ..Options::default()
    };
    let (redis, other) = tokio::join!(Redis::start(options.clone()), Redis::start(options));
    let wait = Duration::from_secs(5);
    let patient =
        |builder: RedisStoreBuilder| made(builder.acquire_timeout(wait).connect_timeout(wait));
    let connections = patient(on(redis.url()).ca_certificate(redis.authority()));
    assert_eq!(connections.ask_for(&["SET", "a", "1"]).await.unwrap(), "OK");
    for builder in [
        on(redis.url()),
        on(redis.url()).ca_certificate(other.authority()),
    ] {
        let failure = patient(builder).ask_for(&["PING"]).await.unwrap_err();
        assert!(matches!(failure, Failure::Connect { .. }), "{failure}");
        assert!(failure.to_string().contains("certificate"), "{failure}");
    }
}

#[tokio::test]
async fn a_connection_that_is_slow_to_make_is_there_for_later_calls() {
    let redis = Redis::start(Options::default()).await;
    let proxy = Proxy::start(redis.address()).await;
    proxy.set(Fault::Delay(Duration::from_millis(150)));
    for pooled in [false, true] {
        let builder = on(format!("redis://127.0.0.1:{}", proxy.port()))
            .acquire_timeout(Duration::from_millis(50))
            .connect_timeout(PATIENCE)
            .answer_timeout(Duration::from_secs(2))
            .breaker_failures(1000);
        let connections = made(match pooled {
            true => builder.pooled(1),
            false => builder.connections(1),
        });
        let failure = connections.ask_for(&["PING"]).await.unwrap_err();
        assert!(matches!(failure, Failure::NoConnection(_)), "{failure}");
        if !pooled {
            connections.comes_back().await;
        }
    }
}

#[tokio::test]
async fn a_black_hole_is_bounded_before_and_after_the_connection_stands() {
    let redis = Redis::start(Options::default()).await;
    let proxy = Proxy::start(redis.address()).await;
    let url = format!("redis://127.0.0.1:{}", proxy.port());
    let connected = made(on(url.clone()));
    connected.ask_for(&["PING"]).await.unwrap();
    proxy.set(Fault::BlackHole);
    connected.opens().await;
    let new = made(on(url));
    new.opens().await;
    proxy.set(Fault::None);
    connected.comes_back().await;
    new.comes_back().await;
}

#[tokio::test]
async fn callers_in_a_hurry_open_the_breaker_too() {
    let redis = Redis::start(Options::default()).await;
    let connections = made(on(redis.url()));
    connections.ask_for(&["PING"]).await.unwrap();
    redis.pause();
    for _ in 0..5 {
        assert_eq!(connections.state(), Circuit::Closed);
        let hurry = Duration::from_millis(150);
        timeout(hurry, connections.send(&command(&["PING"])))
            .await
            .unwrap_err();
    }
    assert_ne!(connections.state(), Circuit::Closed);
    redis.resume();
    connections.comes_back().await;
}

#[tokio::test]
async fn callers_who_leave_at_once_say_nothing_about_the_server() {
    let redis = Redis::start(Options::default()).await;
    let connections = made(on(redis.url()).answer_timeout(Duration::from_secs(10)));
    connections.ask_for(&["PING"]).await.unwrap();
    redis.pause();
    for _ in 0..20 {
        let ping = command(&["PING"]);
        let call = connections.send(&ping);
        let answer = futures_util::future::poll_immediate(call).await;
        assert!(answer.is_none(), "the server is paused");
    }
    assert_eq!(connections.state(), Circuit::Closed);
    redis.resume();
    connections.ask_for(&["PING"]).await.unwrap();
}

#[tokio::test]
async fn a_node_starts_while_its_server_is_away() {
    let url = format!("redis://127.0.0.1:{}", free_port());
    let store = bounded(RedisStore::connect(url)).await;
    assert!(store.is_ok(), "{store:?}");
}

/// What the client library does with one error among many answers decides how batches are read.
#[tokio::test]
async fn the_client_gives_errors_in_a_batch_as_values() {
    let redis = Redis::start(Options::default()).await;
    let client = deadpool_redis::redis::Client::open(redis.url()).unwrap();
    let mut connection = client.get_multiplexed_async_connection().await.unwrap();
    let mut batch = pipe();
    batch.cmd("NONE").cmd("PING");
    let answers = connection.send_packed_commands(&batch, 0, 2).await.unwrap();
    assert!(matches!(
        &answers[..],
        [Value::ServerError(_), Value::SimpleString(_)]
    ));
}
