//! Chromium before the expenses: what people see who share a browser, and what they see in browsers of their own.
//!
//! Run by tests/browser, which installs the browser where it is missing:
//!
//! ```text
//! cargo test --test browsing -- [--without-cache-control] [--transcript FILE]
//! ```
//!
//! It drives real navigation and ends with success if no page ever showed one person what is another's. With `--without-cache-control` a proxy
//! takes that field off every answer, and the same walk must end in failure.

#[allow(dead_code, reason = "each test takes what it needs")]
#[path = "../raw/mod.rs"]
mod raw;

#[allow(dead_code, reason = "each test takes what it needs")]
#[path = "../server/mod.rs"]
mod server;

mod driver;
mod proxy;
mod transcript;
mod walk;

use std::process::ExitCode;

use driver::Driver;
use server::Server;
use transcript::Transcript;

/// What the tests start.
const EXAMPLE: &str = "expenses";

fn main() -> ExitCode {
    let mut without_cache_control = false;
    let mut path = None;
    let mut args = std::env::args().skip(1);
    while let Some(arg) = args.next() {
        match (arg.as_str(), args.len()) {
            ("--without-cache-control", _) => without_cache_control = true,
            ("--transcript", 1..) => path = args.next(),
            _ => {
                eprintln!("usage: browsing [--without-cache-control] [--transcript FILE]");
                return ExitCode::from(2);
            }
        }
    }
    let runtime = tokio::runtime::Runtime::new().expect("the runtime starts");
    let mut transcript = Transcript::default();
    let walked = runtime.block_on(run(without_cache_control, &mut transcript));
    if let Err(leak) = &walked {
        transcript.note(&format!("FAILED: {leak}"));
    }
    let saved = path.map_or(Ok(()), |path| transcript.save(&path));
    if let Err(error) = saved {
        eprintln!("the transcript could not be saved: {error}");
        return ExitCode::from(2);
    }
    match walked {
        Ok(()) => ExitCode::SUCCESS,
        // Code 3 says that somebody saw what is another's; everything else is trouble of the test's own.
        Err(walk::Leak { .. }) => ExitCode::from(3),
    }
}

async fn run(without_cache_control: bool, transcript: &mut Transcript) -> Result<(), walk::Leak> {
    let server = Server::start(&[]).await;
    let address = match without_cache_control {
        true => proxy::start(server.address).await,
        false => server.address,
    };
    transcript.note(&format!(
        "{EXAMPLE} at {address}, Cache-Control {}",
        if without_cache_control {
            "taken off"
        } else {
            "as it is"
        }
    ));
    let driver = Driver::start().await;
    transcript.note(&format!("driven by {}", driver.version().await));
    let url = format!("http://{address}");
    walk::one_browser(&driver, &url, transcript).await?;
    walk::two_browsers(&driver, &url, transcript).await
}
