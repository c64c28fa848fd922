//! `countersign serve`.

use std::sync::Arc;
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};

use super::{CliContext, Exit};
use crate::app::config::Config;
use crate::app::{App, Listeners, ReadConfig};
use crate::config::env::Env;
use crate::observe::logs;

/// The end of everything, counted from being told to stop: the listener's grace, the audit log's, and a little.
const LAST_MOMENT: Duration = Duration::from_secs(40);
/// How long the last lines of the log may take.
const LAST_LINES: Duration = Duration::from_millis(500);

/// Runs the service until it is told to stop (SIGTERM or SIGINT).
///
/// # Errors
/// Every mistake of the configuration, a failed self-test, or an address that cannot be listened on.
pub async fn run(context: &mut CliContext<'_>) -> anyhow::Result<Exit> {
    // From here on it asks for a reload; by itself it would end the process.
    let _hangups = signal(SignalKind::hangup())?;
    logs::start(&mut context.env(), std::io::stderr());
    let config = context.config()?;
    for warning in &config.reading.warnings {
        tracing::warn!("{warning}");
    }
    let kept = config.kept.clone();
    let listeners = Listeners::bind(&config).await?;
    announce(&config, &listeners);
    let app = App::new(config, &context.clock)?;
    let (vars, clock) = (Arc::new(context.vars.clone()), context.clock.clone());
    let reread: ReadConfig = Box::new(move || Config::read_again(Env::new(vars.iter().cloned()), &clock, &kept));
    app.serve(listeners, reread, stop_signal()?).await?;
    tracing::info!("stopped");
    logs::flush(LAST_LINES);
    Ok(Exit::Well)
}

fn announce(config: &Config, listeners: &Listeners) {
    let address = listeners.public.local_addr().map_or_else(|| config.listen.to_string(), |a| a.to_string());
    let admin = config.admin_listen.as_ref().map_or_else(|| "off".to_owned(), ToString::to_string);
    let widgets: Vec<&str> = config.widgets.iter().map(|w| w.name.as_str()).collect();
    let sources: Vec<&str> = config.issuer.chain().names().collect();
    let connectors = config.widgets.iter().filter_map(|w| w.connector.as_ref());
    let egress: Vec<String> = connectors.flat_map(|connector| connector.egress()).collect();
    if !egress.is_empty() {
        tracing::info!(
            hosts = egress.join(","),
            proxy = config.shared.outbound.proxy_host.as_deref(),
            "vendors called"
        );
    }
    tracing::info!(%address, %admin, widgets = widgets.join(","), sources = sources.join(","), "listening");
}

/// Whatever hangs (a disk, a store, a log), the process ends: those that wait for it would end it harder.
fn end_by_all_means() {
    std::thread::spawn(|| {
        std::thread::sleep(LAST_MOMENT);
        tracing::error!("stopped by force: something did not end in time");
        logs::flush(LAST_LINES);
        std::process::exit(1);
    });
}

/// Completes when the process is told to stop.
///
/// # Errors
/// The system's, when it does not let us listen for signals.
pub fn stop_signal() -> std::io::Result<impl Future<Output = ()>> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        tracing::info!("stopping: finishing the requests in flight");
        end_by_all_means();
    })
}
