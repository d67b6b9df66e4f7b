//! The process: its flags, its log, its end.

use crate::{
    origin::{Act, Origin, Script, head, ok},
    raw::{Chunk, Connection},
    server::command,
};

#[tokio::test]
async fn a_signal_ends_it_after_the_answers_that_are_running() {
    for signal in ["INT", "TERM"] {
        let origin = Origin::start().await;
        let mut gateway = origin.gateway(&[]).await;
        // A connection that stays open and silent does not hold it up.
        let _silent = Connection::open(gateway.address).await;
        let mut client = Connection::get(gateway.address, "/").await;
        let mut line = origin.accept().await;
        line.asked().await;
        line.send(head("200 OK", &["Transfer-Encoding: chunked"]))
            .await;
        line.send("3\r\none\r\n").await;
        client.head().await;
        assert_eq!(client.chunk().await, Chunk::Data(b"one".into()));

        gateway.signal(signal);
        line.send("3\r\ntwo\r\n0\r\n\r\n").await;
        assert_eq!(client.chunk().await, Chunk::Data(b"two".into()));
        assert_eq!(client.chunk().await, Chunk::End(vec![]));
        let status = gateway.end().await;
        assert_eq!(status.code(), Some(0), "{signal}: {status}");
        let log = gateway.log();
        assert!(log.contains("stopping"), "{log}");
        assert!(!log.contains("still running"), "{log}");
    }
}

#[tokio::test]
async fn an_answer_that_never_ends_does_not_hold_up_the_end() {
    let origin = Script::start(|_| {
        vec![
            Act::Send(head("200 OK", &["Content-Length: 9"])),
            Act::Silence,
        ]
    })
    .await;
    let mut gateway = origin.gateway(&[]).await;
    let mut client = Connection::get(gateway.address, "/").await;
    client.head().await;
    gateway.signal("INT");
    assert_eq!(gateway.end().await.code(), Some(0));
}

#[tokio::test]
async fn each_request_is_a_line_without_its_query() {
    let origin = Script::start(|_| vec![Act::Send(ok(&["Cache-Control: no-store"], ""))]).await;
    for quiet in [false, true] {
        let flags: &[&str] = if quiet { &["--quiet"] } else { &[] };
        let mut gateway = origin.gateway(flags).await;
        let mut client = Connection::get(gateway.address, "/path?token=secret").await;
        client.head().await;
        drop(client);
        gateway.signal("TERM");
        gateway.end().await;
        let log = gateway.log();
        assert_eq!(log.contains("GET /path 200 "), !quiet, "{log}");
        assert!(!log.contains("secret"), "{log}");
    }
}

#[test]
fn what_it_cannot_do_is_refused_readably() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("there is a free port");
    let taken = taken.local_addr().expect("it has an address").to_string();
    let origin = "http://127.0.0.1:1";
    let table: &[(&[&str], i32, &[&str])] = &[
        (&[], 2, &["--origin", "http://127.0.0.1:8080", "usage:"]),
        (&["--origin"], 2, &["--origin needs a value"]),
        (
            &["--origin", "https://127.0.0.1"],
            2,
            &["this example speaks plain http to its origin"],
        ),
        (&["--origin", "http://a/base"], 2, &["no path", "usage:"]),
        (&["--origin", "nowhere"], 2, &["http://127.0.0.1:8080"]),
        (
            &["--origin", origin, "--timeout", "soon"],
            2,
            &["--timeout", "seconds"],
        ),
        (
            &["--origin", origin, "--memory", "-1"],
            2,
            &["--memory", "MiB"],
        ),
        (
            &["--origin", origin, "--listen", "x"],
            2,
            &["--listen", "127.0.0.1:3001"],
        ),
        (
            &["--origin", origin, "--port", "80"],
            2,
            &["--port", "usage:"],
        ),
        (
            &["--origin", origin, "--listen", &taken],
            1,
            &["cannot listen", &taken],
        ),
    ];
    for (flags, code, says) in table {
        let output = command(flags).output().expect("the gateway starts");
        let errors = String::from_utf8(output.stderr).expect("it writes text");
        assert_eq!(output.status.code(), Some(*code), "{flags:?}: {errors}");
        for part in *says {
            assert!(
                errors.contains(part),
                "{flags:?} does not say {part:?}: {errors}"
            );
        }
        assert!(
            !errors.contains("panicked") && output.stdout.is_empty(),
            "{flags:?}: {errors}"
        );
    }
    let help = command(&["--help"]).output().expect("the gateway starts");
    assert!(help.status.success());
    assert!(String::from_utf8_lossy(&help.stdout).contains("--origin URL"));
}
