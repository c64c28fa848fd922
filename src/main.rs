//! Parses the command line, runs one command, chooses the exit code.

use std::io::{IsTerminal as _, Write as _};
use std::process::ExitCode;
use std::time::Duration;

use countersign::cli::paint::Terminal;
use countersign::cli::{self, Exit};
use countersign::config::env::Mistakes;

#[cfg(feature = "mimalloc")]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let cli = match cli::parse(std::env::args_os()) {
        Ok(cli) => cli.at(Terminal { input: std::io::stdin().is_terminal(), output: std::io::stdout().is_terminal() }),
        Err(help) => {
            let _ = help.print();
            return ExitCode::from(u8::try_from(help.exit_code()).unwrap_or(2));
        }
    };
    // One provider for every TLS connection; a second call would only say that it is there already.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let ended = tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(anyhow::Error::from).and_then(
        |runtime| {
            let ended = runtime.block_on(cli::run(cli, environment(), &mut std::io::stdout()));
            // A read that hangs (a network disk) would hold the end up for ever.
            runtime.shutdown_timeout(Duration::from_secs(1));
            ended
        },
    );
    match ended {
        Ok(Exit::Well) => ExitCode::SUCCESS,
        Ok(Exit::Failed) => ExitCode::from(1),
        Ok(Exit::Wrong) => ExitCode::from(2),
        // Whoever reads has seen enough, as `head` has: no fault of anybody's.
        Err(problem) if is_broken_pipe(&problem) => ExitCode::SUCCESS,
        Err(problem) => {
            let _ = writeln!(std::io::stderr(), "countersign: {problem:#}");
            ExitCode::from(if problem.is::<Mistakes>() { 2 } else { 1 })
        }
    }
}

fn is_broken_pipe(problem: &anyhow::Error) -> bool {
    let broken = |error: &std::io::Error| error.kind() == std::io::ErrorKind::BrokenPipe;
    problem.downcast_ref::<std::io::Error>().is_some_and(broken)
}

/// The process environment. A value that is not UTF-8 cannot be a setting of ours; it is passed on damaged, so that it is
/// refused where it is used instead of being taken for absent.
#[expect(clippy::disallowed_methods, reason = "the one place that reads the process environment")]
fn environment() -> Vec<(String, String)> {
    let text = |os: std::ffi::OsString| os.to_string_lossy().into_owned();
    std::env::vars_os().map(|(name, value)| (text(name), text(value))).collect()
}
