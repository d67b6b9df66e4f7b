//! The process: its database, its flags, its end.

use std::path::Path;

use crate::{
    client::Client,
    raw::Connection,
    server::{Scratch, Server, command},
};

#[tokio::test]
async fn two_processes_may_start_on_one_new_file_at_once() {
    let dir = Scratch::new();
    let db = dir.file("shared.db");
    let flags = ["--db", &db];
    let (one, other) = tokio::join!(Server::start(&flags), Server::start(&flags));
    let client = Client::new();
    for server in [&one, &other] {
        let menu = client.json(server, "/menu").await;
        let items = menu["categories"].as_array().expect("a list").iter();
        let ids: Vec<_> = items
            .flat_map(|category| category["items"].as_array().expect("a list"))
            .map(|item| item["id"].as_u64().expect("a number"))
            .collect();
        assert_eq!(ids, (1..=40).collect::<Vec<_>>());
        assert_eq!(client.json(server, "/dashboard").await["orders"], 20);
    }
    let order = client
        .post(&one, "/orders", &[("item", "1"), ("quantity", "1")])
        .await;
    assert_eq!(order, "/orders/21");
    // Orders are not cached, so the other process shows it, too, and counts on from it.
    assert_eq!(client.json(&other, &order).await["id"], 21);
    let next = client
        .post(&other, "/orders", &[("item", "1"), ("quantity", "1")])
        .await;
    assert_eq!(next, "/orders/22");
}

#[tokio::test]
async fn an_existing_file_is_kept_across_a_restart() {
    let (dir, client) = (Scratch::new(), Client::new());
    let db = dir.file("kept.db");
    let mut first = Server::start(&["--db", &db]).await;
    client
        .post(
            &first,
            "/menu/items/9",
            &[("name", "Kept pasta"), ("price", "1.5")],
        )
        .await;
    client
        .post(&first, "/orders", &[("item", "9"), ("quantity", "3")])
        .await;
    first.signal("TERM");
    assert!(first.end().await.success());

    let mut second = Server::start(&["--db", &db]).await;
    let pasta = client.json(&second, "/menu/pasta").await;
    assert_eq!(
        (&pasta["items"][0]["name"], &pasta["items"][0]["price"]),
        (&"Kept pasta".into(), &"1.50".into())
    );
    assert_eq!(client.json(&second, "/dashboard").await["orders"], 21);
    second.signal("TERM");
    second.end().await;
    assert!(
        Path::new(&db).is_file(),
        "a file that was named is not removed"
    );
}

#[tokio::test]
async fn a_signal_ends_it_and_removes_the_temporary_database() {
    for signal in ["TERM", "INT"] {
        let mut server = Server::start(&[]).await;
        Client::new()
            .get(&server, "/menu")
            .await
            .assert_stored_after("uri-miss");
        let files = server.temporary.path().to_owned();
        // A connection that stays open and silent does not hold it up.
        let silent = Connection::open(server.address).await;
        let left = || {
            std::fs::read_dir(&files)
                .expect("the directory is there")
                .count()
        };
        assert_eq!(
            left(),
            1,
            "the database stands in the directory for temporary files"
        );

        server.signal(signal);
        let status = server.end().await;
        assert!(status.success(), "{signal}: {status}");
        assert_eq!(left(), 0, "{signal} left files behind");
        assert!(server.log().contains("stopping"), "{}", server.log());
        drop(silent);
    }
}

/// Flags, the exit code, and what is said.
type Refusal = (&'static [&'static str], i32, &'static [&'static str]);

#[cfg(not(feature = "redis"))]
const OF_REDIS: &[Refusal] = &[
    (
        &["--redis", "redis://127.0.0.1:6379"],
        2,
        &[
            "--redis",
            "--features redis",
            "cargo run --release --example restaurant",
        ],
    ),
    (
        &["--redis=redis://127.0.0.1:6379"],
        2,
        &[
            "--redis",
            "--features redis",
            "cargo run --release --example restaurant",
        ],
    ),
];

#[cfg(feature = "redis")]
const OF_REDIS: &[Refusal] = &[
    (
        &["--redis", "http://127.0.0.1"],
        1,
        &["option `url`", "redis://"],
    ),
    (
        &["--redis=redis://127.0.0.1/x"],
        1,
        &["option `url`", "database"],
    ),
];

#[test]
fn what_it_cannot_do_is_refused_readably() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("there is a free port");
    let taken = taken.local_addr().expect("it has an address").to_string();
    let table: &[(&[&str], i32, &[&str])] = &[
        (&["--redis"], 2, &["--redis"]),
        (&["--node", "two words"], 2, &["--node", "usage:"]),
        (
            &["--work", "soon"],
            2,
            &["--work", "milliseconds", "usage:"],
        ),
        (&["--listen", "nowhere"], 2, &["--listen", "127.0.0.1:3000"]),
        (&["--port", "80"], 2, &["--port", "usage:"]),
        (&["--listen", &taken], 1, &["cannot listen", &taken]),
        (&["--db", "/nowhere/at/all.db"], 1, &["/nowhere/at/all.db"]),
        (&["--db", "/dev/null/x.db"], 1, &["/dev/null/x.db"]),
    ];
    for (flags, code, says) in table.iter().chain(OF_REDIS) {
        let output = command(flags).output().expect("the restaurant starts");
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
    let help = command(&["--help"])
        .output()
        .expect("the restaurant starts");
    assert!(help.status.success());
    assert!(String::from_utf8_lossy(&help.stdout).contains("--listen ADDR"));
}

#[test]
fn a_file_that_is_no_database_is_refused_and_left_alone() {
    let dir = Scratch::new();
    let path = dir.file("notes.txt");
    let notes = "not a database, but dear to its owner\n".repeat(100);
    std::fs::write(&path, &notes).expect("it can be written");
    let output = command(&["--db", &path])
        .output()
        .expect("the restaurant starts");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{errors}");
    assert!(
        errors.contains(&path) && !errors.contains("panicked"),
        "{errors}"
    );
    assert_eq!(std::fs::read_to_string(&path).expect("it is there"), notes);
}
