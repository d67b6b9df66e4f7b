//! The example as a client.

use crate::server::{Server, bare};

/// What a run prints: for each line the call, whether it was a hit, and the rest.
async fn run(server: &Server, flags: &[&str]) -> Vec<(String, String, String)> {
    let address = server.address.to_string();
    let mut client = bare(&["--client", &address]);
    client.args(flags);
    let output = tokio::task::spawn_blocking(move || client.output());
    let output = output.await.expect("it does not panic").expect("it starts");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    let text = String::from_utf8(output.stdout).expect("it prints text");
    text.lines().map(columns).collect()
}

fn columns(line: &str) -> (String, String, String) {
    let (call, rest) = line.split_at_checked(20).unwrap_or((line, ""));
    let (outcome, rest) = rest.split_at_checked(6).unwrap_or((rest, ""));
    (
        call.trim().into(),
        outcome.trim().into(),
        rest.trim().into(),
    )
}

#[tokio::test]
async fn it_prints_what_came_and_whether_it_was_a_hit() {
    let server = Server::start(&[]).await;
    let lines = run(&server, &[]).await;
    let calls: Vec<_> = lines
        .iter()
        .map(|(call, outcome, _)| (&**call, &**outcome))
        .collect();
    assert_eq!(
        calls,
        [
            ("GetItem 9", "miss"),
            ("GetItem 9", "hit"),
            ("ListCategory pasta", "miss"),
            ("ListCategory pasta", "hit"),
            ("GetItem 999999", "miss"),
            ("GetItem 999999", "hit"),
            ("UpdateItem 9", ""),
            ("WatchItems", ""),
            ("GetItem 9", "miss"),
            ("GetItem 9", "hit"),
            ("ListCategory pasta", "miss"),
        ]
    );
    let said = |nth: usize| &*lines[nth].2;
    assert!(
        said(0).starts_with("Spaghetti aglio e olio, 9.99 "),
        "{}",
        said(0)
    );
    assert!(
        said(0).ends_with("larder; fwd=uri-miss; stored"),
        "{}",
        said(0)
    );
    assert!(said(2).starts_with("8 items "), "{}", said(2));
    assert!(
        said(5).starts_with("NotFound: there is no such item "),
        "{}",
        said(5)
    );
    for changed in [6, 7, 8, 9] {
        assert!(said(changed).contains(", 9.98"), "{}", said(changed));
    }
}

#[tokio::test]
async fn what_its_own_cache_has_does_not_leave_the_process() {
    let server = Server::start(&[]).await;
    let lines = run(&server, &["--cache"]).await;
    let of_client: Vec<_> = lines
        .iter()
        .filter_map(|(call, _, said)| {
            let (_, said) = said.split_once("client; ")?;
            Some((&**call, said.split(';').next().unwrap_or_default()))
        })
        .collect();
    assert_eq!(
        of_client,
        [
            ("GetItem 9", "fwd=uri-miss"),
            ("GetItem 9", "hit"),
            ("ListCategory pasta", "fwd=uri-miss"),
            ("ListCategory pasta", "hit"),
            ("GetItem 999999", "fwd=uri-miss"),
            ("GetItem 999999", "fwd=uri-miss"),
            ("GetItem 9", "fwd=uri-miss"),
            ("GetItem 9", "hit"),
            ("ListCategory pasta", "fwd=uri-miss"),
        ],
        "errors are not kept, and its own update frees what it has"
    );
    let log = server.log();
    let reached = |call: &str| log.matches(&format!("/catalog.Catalog/{call} ")).count();
    assert_eq!(
        (reached("GetItem"), reached("ListCategory")),
        (4, 2),
        "{log}"
    );
}

#[tokio::test]
async fn it_shows_how_a_limit_refuses() {
    let server = Server::start(&["--updates", "3/h"]).await;
    let lines = run(&server, &["--until-refused"]).await;
    let (call, _, said) = lines.last().expect("it prints");
    assert_eq!(call, "UpdateItem 9");
    assert!(said.starts_with("ResourceExhausted: "), "{said}");
    assert!(said.contains("again in "), "{said}");
}

#[test]
fn a_catalog_that_is_not_there_is_told_readably() {
    let port = crate::redis::free_port();
    let address = format!("127.0.0.1:{port}");
    let client = bare(&["--client", &address]).output();
    let output = client.expect("it starts");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{errors}");
    assert!(
        errors.contains(&address) && errors.contains("refused"),
        "{errors}"
    );
}
