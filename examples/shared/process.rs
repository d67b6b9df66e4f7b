//! The process of an example: how it begins, what it prints, which signals end it.

use std::{
    io::{self, Write},
    process::ExitCode,
};

use crate::flags::{ArgsError, Command};

pub(crate) type AnyError = Box<dyn std::error::Error + Send + Sync>;

/// Does what the command line says; what fails ends it with a sentence and a code above zero.
pub(crate) fn begin<Args>(
    command: Result<Command<Args>, ArgsError>,
    usage: &str,
    run: impl FnOnce(Args) -> Result<(), AnyError>,
) -> ExitCode {
    match command {
        Ok(Command::Run(args)) => match run(args) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                say(io::stderr(), format_args!("error: {error}"));
                ExitCode::FAILURE
            }
        },
        Ok(Command::Help) => {
            say(io::stdout(), format_args!("{usage}"));
            ExitCode::SUCCESS
        }
        Err(error) => {
            say(io::stderr(), format_args!("error: {error}\n\n{usage}"));
            ExitCode::from(2)
        }
    }
}

/// Prints a line and flushes it; a closed pipe is no reason to panic.
pub(crate) fn say(mut to: impl Write, line: std::fmt::Arguments<'_>) {
    let _ = writeln!(to, "{line}").and_then(|()| to.flush());
}

/// Ends when the process is asked to end. The signals are caught from this call on, not from the first poll.
#[cfg(unix)]
pub(crate) fn stop_signal() -> io::Result<impl Future<Output = ()> + Send + 'static> {
    use tokio::signal::unix::{SignalKind, signal};

    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    })
}

#[cfg(not(unix))]
pub(crate) fn stop_signal() -> io::Result<impl Future<Output = ()> + Send + 'static> {
    Ok(async {
        // Without a handler there is no clean stop; the system then ends the process as it does any other.
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    })
}
