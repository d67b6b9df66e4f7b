//! The process: its flags, its database, what it says of itself, its end.

use futures_util::stream;
use tonic::Code;

use crate::{
    caller::{Caller, next},
    client::Client,
    raw::within,
    server::{Scratch, Server, command},
};

#[tokio::test]
async fn a_signal_ends_it_and_the_streams_that_are_open() {
    for signal in ["TERM", "INT"] {
        let mut server = Server::start(&[]).await;
        let caller = Caller::of(&server).await;
        let mut watches = [
            caller.watch().await,
            Caller::of(&server).await.watch().await,
        ];
        caller.update(9, "Before", 1).await.message();
        let files = server.temporary.path().to_owned();
        server.signal(signal);
        for watch in &mut watches {
            let told = next(watch).await.expect("it was told before");
            assert_eq!(told.expect("an item").name, "Before");
            let end = next(watch).await.expect_err("it is no end of changes");
            assert_eq!(end.code(), Code::Unavailable, "{end:?}");
        }
        let status = server.end().await;
        assert!(status.success(), "{signal}: {status}");
        let log = server.log();
        assert!(
            log.contains("stopping") && !log.contains("still running"),
            "{log}"
        );
        let left = std::fs::read_dir(&files).expect("the directory is there");
        assert_eq!(left.count(), 0, "{signal} left files behind");
    }
}

#[tokio::test]
async fn two_processes_may_start_on_one_new_file_and_a_change_is_there_for_the_next() {
    let dir = Scratch::new();
    let db = dir.file("shared.db");
    let flags = ["--db", &db];
    let (one, other) = tokio::join!(Server::start(&flags), Server::start(&flags));
    for server in [&one, &other] {
        let caller = Caller::of(server).await;
        assert_eq!(caller.list("pasta").await.message().len(), 8);
    }
    let caller = Caller::of(&one).await;
    caller.update(9, "Kept", 1).await.message();
    drop((one, other));
    let next = Server::start(&flags).await;
    let caller = Caller::of(&next).await;
    assert_eq!(caller.get(9).await.message().name, "Kept");
}

#[tokio::test]
async fn it_tells_what_it_serves() {
    use tonic_reflection::pb::v1::{
        ServerReflectionRequest, server_reflection_client::ServerReflectionClient,
        server_reflection_request::MessageRequest, server_reflection_response::MessageResponse,
    };

    let server = Server::start(&[]).await;
    let mut client = ServerReflectionClient::new(Caller::channel(&server).await);
    let ask = [
        MessageRequest::ListServices(String::new()),
        MessageRequest::FileContainingSymbol("catalog.Catalog".to_owned()),
    ];
    let ask = ask.map(|ask| ServerReflectionRequest {
        host: String::new(),
        message_request: Some(ask),
    });
    let call = client.server_reflection_info(stream::iter(ask));
    let answers = within("it is told", call).await.expect("it is told");
    let mut answers = answers.into_inner();
    let mut next = async || {
        let answer = within("it is told", answers.message()).await;
        let answer = answer.expect("it is told").expect("there is an answer");
        answer.message_response.expect("it says something")
    };
    let MessageResponse::ListServicesResponse(list) = next().await else {
        panic!("no services");
    };
    let mut names: Vec<_> = list.service.iter().map(|service| &*service.name).collect();
    names.sort_unstable();
    assert_eq!(
        names,
        ["catalog.Catalog", "grpc.reflection.v1.ServerReflection"]
    );
    let MessageResponse::FileDescriptorResponse(files) = next().await else {
        panic!("no files");
    };
    let file = &files.file_descriptor_proto[0];
    assert!(file.windows(10).any(|part| part == b"WatchItems"));
}

#[tokio::test]
async fn older_clients_are_told_as_well() {
    use tonic_reflection::pb::v1alpha::{
        ServerReflectionRequest, server_reflection_client::ServerReflectionClient,
        server_reflection_request::MessageRequest, server_reflection_response::MessageResponse,
    };

    let server = Server::start(&[]).await;
    let mut client = ServerReflectionClient::new(Caller::channel(&server).await);
    let ask = ServerReflectionRequest {
        host: String::new(),
        message_request: Some(MessageRequest::ListServices(String::new())),
    };
    let call = client.server_reflection_info(stream::iter([ask]));
    let answers = within("it is told", call).await.expect("it is told");
    let answer = within("it is told", answers.into_inner().message()).await;
    let answer = answer.expect("it is told").expect("there is an answer");
    let Some(MessageResponse::ListServicesResponse(list)) = answer.message_response else {
        panic!("no services");
    };
    let mut names = list.service.iter().map(|service| &*service.name);
    assert!(names.any(|name| name == "catalog.Catalog"));
}

#[tokio::test]
async fn pages_are_answered_to_who_speaks_the_older_http() {
    let server = Server::start(&[]).await;
    let answer = Client::new().get(&server, "/").await;
    assert_eq!(answer.status, 200);
    assert!(answer.body.contains("/catalog/pasta"), "{}", answer.body);
}

#[test]
fn what_it_cannot_do_is_refused_readably() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("there is a free port");
    let taken = taken.local_addr().expect("it has an address").to_string();
    let table: &[(&[&str], i32, &[&str])] = &[
        (&["--redis"], 2, &["--redis"]),
        (
            &["--work", "soon"],
            2,
            &["--work", "milliseconds", "usage:"],
        ),
        (&["--updates", "0/m"], 2, &["--updates", "usage:"]),
        (&["--calls", "many"], 2, &["--calls", "usage:"]),
        (&["--listen", "nowhere"], 2, &["--listen", "127.0.0.1:3000"]),
        (&["--cache"], 2, &["--cache needs --client"]),
        (
            &["--client", "127.0.0.1:1"],
            2,
            &["--listen does not go with --client"],
        ),
        (&["--port", "80"], 2, &["--port", "usage:"]),
        (&["--listen", &taken], 1, &["cannot listen", &taken]),
        (&["--db", "/nowhere/at/all.db"], 1, &["/nowhere/at/all.db"]),
    ];
    for (flags, code, says) in table {
        let output = command(flags).output().expect("the catalog starts");
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
    let help = command(&["--help"]).output().expect("the catalog starts");
    assert!(help.status.success());
    let help = String::from_utf8_lossy(&help.stdout);
    assert!(help.contains("--listen ADDR") && help.contains("--client ADDR"));
}
