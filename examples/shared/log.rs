//! One line per request on standard error.

use std::{
    fmt,
    io::{self, Write},
    sync::{
        OnceLock,
        mpsc::{self, Receiver, RecvTimeoutError, SyncSender},
    },
    thread,
    time::{Duration, Instant},
};

use axum::{extract::Request, http::HeaderName, middleware::Next, response::Response};

const CACHE_STATUS: HeaderName = HeaderName::from_static("cache-status");

/// A thread of its own writes the lines: whoever reads standard error slowly, or not at all, does not hold up requests.
/// Lines beyond the queue are dropped.
static QUEUE: OnceLock<SyncSender<Line>> = OnceLock::new();
const QUEUED_LINES: usize = 4096;

enum Line {
    Text(String),
    /// Answered when every line before it is written.
    Flush(SyncSender<()>),
}

/// Starts the writer.
pub(crate) fn start() -> io::Result<()> {
    let (lines, queue) = mpsc::sync_channel(QUEUED_LINES);
    thread::Builder::new()
        .name("log".to_owned())
        .spawn(move || write_all(&queue))?;
    QUEUE
        .set(lines)
        .map_err(|_| io::ErrorKind::AlreadyExists.into())
}

/// Waits a moment for the lines that are queued.
pub(crate) fn finish() {
    let (done, written) = mpsc::sync_channel(1);
    if let Some(queue) = QUEUE.get()
        && queue.try_send(Line::Flush(done)).is_ok()
    {
        // Nobody may be reading; then the last lines are lost and the process still ends.
        let (Ok(()) | Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected)) =
            written.recv_timeout(Duration::from_millis(500));
    }
}

pub(crate) fn info(text: &str) {
    push(text.to_owned());
}

pub(crate) fn error(error: &impl fmt::Display) {
    push(format!("error: {error}"));
}

/// Writes `GET /menu 200 0.2 ms, cache: larder; hit; ttl=1790`.
pub(crate) async fn requests(req: Request, next: Next) -> Response {
    let start = Instant::now();
    let method = req.method().clone();
    let uri = req.uri().clone();

    let res = next.run(req).await;

    let ms = start.elapsed().as_secs_f64() * 1000.0;
    let status = res.status().as_u16();
    let cache = res.headers().get(CACHE_STATUS).map_or("-".into(), |value| {
        String::from_utf8_lossy(value.as_bytes())
    });
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    push(format!(
        "{method} {} {status} {ms:.1} ms, cache: {cache}",
        path.escape_debug()
    ));
    res
}

fn push(text: String) {
    if let Some(queue) = QUEUE.get() {
        // A full queue drops the line.
        let _ = queue.try_send(Line::Text(text));
    }
}

fn write_all(queue: &Receiver<Line>) {
    for line in queue {
        match line {
            // Not `eprintln!`: it panics when standard error is closed.
            Line::Text(text) => drop(writeln!(io::stderr(), "{text}")),
            Line::Flush(done) => drop(done.send(())),
        }
    }
}
