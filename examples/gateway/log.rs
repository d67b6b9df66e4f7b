//! Lines on standard error.

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

use axum::http::{HeaderName, Request, Response};

const CACHE_STATUS: HeaderName = HeaderName::from_static("cache-status");

/// A thread of its own writes the lines: whoever reads standard error slowly, or not at all, does not hold up requests.
/// Lines beyond the queue are dropped.
static LOG: OnceLock<Log> = OnceLock::new();
const QUEUED_LINES: usize = 4096;

struct Log {
    queue: SyncSender<Line>,
    requests: Requests,
}

/// Is there a line for each request?
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Requests {
    Shown,
    Hidden,
}

enum Line {
    Text(String),
    /// Answered when every line before it is written.
    Flush(SyncSender<()>),
}

/// Starts the writer.
pub(crate) fn start(requests: Requests) -> io::Result<()> {
    let (queue, lines) = mpsc::sync_channel(QUEUED_LINES);
    thread::Builder::new()
        .name("log".to_owned())
        .spawn(move || write_all(&lines))?;
    LOG.set(Log { queue, requests })
        .map_err(|_| io::ErrorKind::AlreadyExists.into())
}

/// Waits a moment for the lines that are queued.
pub(crate) fn finish() {
    let (done, written) = mpsc::sync_channel(1);
    if let Some(log) = LOG.get()
        && log.queue.try_send(Line::Flush(done)).is_ok()
    {
        // Nobody may be reading; then the last lines are lost and the process still ends.
        let (Ok(()) | Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected)) =
            written.recv_timeout(Duration::from_millis(500));
    }
}

pub(crate) fn info(text: impl fmt::Display) {
    if let Some(log) = LOG.get() {
        log.push(text.to_string());
    }
}

/// Why a request could not be answered.
pub(crate) fn failure(text: impl fmt::Display) {
    if let Some(log) = shown() {
        log.push(format!("failed: {text}"));
    }
}

/// A request that is being answered.
pub(crate) struct Asked {
    /// Without the query: it may hold what is nobody's business.
    what: String,
    start: Instant,
}

impl Asked {
    /// `None` when nobody wants to know.
    pub(crate) fn start<B>(request: &Request<B>) -> Option<Self> {
        shown()?;
        Some(Self {
            what: format!("{} {}", request.method(), request.uri().path()),
            start: Instant::now(),
        })
    }

    /// Writes `GET /menu 200 0.2 ms, cache: larder; hit; ttl=1790`.
    pub(crate) fn answered<B>(self, response: &Response<B>) {
        let ms = self.start.elapsed().as_secs_f64() * 1000.0;
        let status = response.status().as_u16();
        let cache = response
            .headers()
            .get(CACHE_STATUS)
            .map_or("-".into(), |value| {
                String::from_utf8_lossy(value.as_bytes())
            });
        let (what, cache) = (self.what.escape_debug(), cache.escape_debug());
        info(format_args!("{what} {status} {ms:.1} ms, cache: {cache}"));
    }
}

fn shown() -> Option<&'static Log> {
    LOG.get().filter(|log| log.requests == Requests::Shown)
}

impl Log {
    fn push(&self, text: String) {
        // A full queue drops the line.
        let _ = self.queue.try_send(Line::Text(text));
    }
}

fn write_all(lines: &Receiver<Line>) {
    for line in lines {
        match line {
            // Not `eprintln!`: it panics when standard error is closed.
            Line::Text(text) => drop(writeln!(io::stderr(), "{text}")),
            Line::Flush(done) => drop(done.send(())),
        }
    }
}
