//! The process: its database, its flags, its end.

use reqwest::Method;

use crate::{
    client::{Client, send},
    server::{Scratch, Server, command},
    visitor::{Visitor, assert_leads_to},
};

#[tokio::test]
async fn an_existing_file_is_kept_across_a_restart_with_its_sessions() {
    let dir = Scratch::new();
    let db = dir.file("kept.db");
    let mut first = Server::start(&["--db", &db]).await;
    let ann = Visitor::sign_in(&first, "Ann").await;
    let bob = Visitor::sign_in(&first, "Bob").await;
    ann.spend(&first, "4.20", "food", "kept pears").await;
    bob.post(&first, "/sign-out", &[]).await;
    first.signal("TERM");
    assert!(first.end().await.success());

    let second = Server::start(&["--db", &db]).await;
    let page = ann.dashboard(&second).await;
    ann.assert_sees_own(&page);
    assert!(page.body.contains("kept pears") && page.body.contains("4.20"));
    assert_leads_to(&bob.dashboard(&second).await, "/");
    let bob = Visitor::sign_in(&second, "Bob").await;
    assert!(!bob.dashboard(&second).await.body.contains("kept pears"));
}

/// Whoever waits for a lock must not wait on a connection that readers need, of which there are few.
#[tokio::test]
async fn while_the_database_is_locked_for_writers_pages_are_shown() {
    let dir = Scratch::new();
    let db = dir.file("locked.db");
    let server = Server::start(&["--db", &db]).await;
    let ann = Visitor::sign_in(&server, "Ann").await;
    ann.fill(&server).await;

    let other = rusqlite::Connection::open(&db).expect("the file is there");
    let lock = other.execute_batch("BEGIN IMMEDIATE");
    lock.expect("nobody else writes");
    let form = [
        ("amount", "1"),
        ("category", "food"),
        ("description", "pears"),
    ];
    let writers: Vec<_> = (0..12)
        .map(|_| {
            tokio::spawn(send(
                ann.ask(Method::POST, &server, "/expenses").form(&form),
            ))
        })
        .collect();
    // They have come before whoever reads.
    for _ in 0..3 {
        ann.dashboard(&server).await.assert_hit();
    }
    assert!(writers.iter().all(|writer| !writer.is_finished()));

    other
        .execute_batch("COMMIT")
        .expect("it is this one's lock");
    for writer in writers {
        assert_leads_to(&writer.await.expect("it is answered"), "/dashboard");
    }
}

#[tokio::test]
async fn no_session_can_be_read_from_the_database_or_the_log() {
    let dir = Scratch::new();
    let db = dir.file("expenses.db");
    let mut server = Server::start(&["--db", &db]).await;
    let ann = Visitor::sign_in(&server, "Ann").await;
    ann.dashboard(&server).await;
    ann.spend(&server, "1", "food", "secret pears").await;
    let token = ann.cookie.strip_prefix("session=").expect("its name");
    let mut found = false;
    for entry in std::fs::read_dir(dir.path()).expect("the directory is there") {
        let file = std::fs::read(entry.expect("a file").path()).expect("it can be read");
        let contains = |text: &str| {
            let mut windows = file.windows(text.len());
            windows.any(|window| window == text.as_bytes())
        };
        found |= contains("secret pears");
        assert!(!contains(token));
    }
    assert!(found, "what the files hold is seen");
    server.signal("TERM");
    server.end().await;
    let log = server.log();
    assert!(
        !log.contains(token) && !log.contains("secret pears"),
        "{log}"
    );
    assert!(log.contains("GET /dashboard 200"), "{log}");
}

#[tokio::test]
async fn a_signal_ends_it_and_removes_the_temporary_database() {
    let mut server = Server::start(&[]).await;
    Client::new().get(&server, "/").await;
    let files = server.temporary.path().to_owned();
    let left = || {
        std::fs::read_dir(&files)
            .expect("the directory is there")
            .count()
    };
    assert_eq!(left(), 1);
    server.signal("INT");
    assert!(server.end().await.success());
    assert_eq!(left(), 0);
}

#[test]
fn what_it_cannot_do_is_refused_readably() {
    let table: &[(&[&str], i32, &str)] = &[
        (&["--listen", "nowhere"], 2, "127.0.0.1:3002"),
        (&["--port", "80"], 2, "usage:"),
        (&["--db"], 2, "--db needs a value"),
        (&["--db", "/nowhere/at/all.db"], 1, "/nowhere/at/all.db"),
    ];
    for (flags, code, says) in table {
        let output = command(flags).output().expect("the example starts");
        let errors = String::from_utf8(output.stderr).expect("it writes text");
        assert_eq!(output.status.code(), Some(*code), "{flags:?}: {errors}");
        assert!(
            errors.contains(says) && !errors.contains("panicked"),
            "{flags:?}: {errors}"
        );
    }
    let help = command(&["--help"]).output().expect("the example starts");
    assert!(help.status.success());
    let usage = String::from_utf8_lossy(&help.stdout);
    assert!(
        usage.contains("--db PATH") && usage.contains("127.0.0.1:3002"),
        "{usage}"
    );
}
