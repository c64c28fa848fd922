//! `countersign serve`.

use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};

use super::{CliContext, Exit};
use crate::app::config::Settings;
use crate::app::supervisor::{Inherited, Supervisor};
use crate::app::{App, END_WITHIN, Listeners, ReadSettings, descriptors};
use crate::observe::logs;

/// The signal that a file would become larger than it may (`man 7 signal`).
const SIGXFSZ: i32 = 25;
/// How long the last lines of the log may take.
const LAST_LINES: Duration = Duration::from_millis(500);

/// Runs the service until it is told to stop (SIGTERM or SIGINT).
///
/// # Errors
/// Every mistake of the configuration, a failed self-test, or an address that cannot be listened on.
pub async fn run(context: &mut CliContext<'_>) -> anyhow::Result<Exit> {
    // From here on it asks for a reload; by itself it would end the process.
    let _hangups = signal(SignalKind::hangup())?;
    // A limit on the size of files is a full disk to the audit log, and no reason to end.
    let _too_large = signal(SignalKind::from_raw(SIGXFSZ))?;
    logs::start(&mut context.env(), std::io::stderr());
    let settings = context.settings()?;
    for warning in &settings.reading.warnings {
        tracing::warn!("{warning}");
    }
    descriptors::raise();
    let listeners = Listeners::bind(&settings, Inherited::of(&context.vars.all())?)?;
    announce(&settings, &listeners);
    let delay = settings.shutdown_delay + settings.connections.grace;
    let proxy = settings.shared.outbound.proxy_host.clone();
    let mut app = App::new(settings, &context.clock)?;
    app.supervisor = Supervisor::of(&context.vars.all()).into();
    announce_vendors(&app, proxy.as_deref());
    let vars = context.vars.clone();
    let reread: ReadSettings = Box::new(move || Settings::read(vars.env()));
    app.serve(listeners, reread, stop_signal(delay)?).await?;
    tracing::info!("stopped");
    logs::flush(LAST_LINES);
    Ok(Exit::Well)
}

fn announce(settings: &Settings, listeners: &Listeners) {
    let address = listeners.public.local_addr().map_or_else(|| settings.listen.to_string(), |a| a.to_string());
    let admin = settings.admin_listen.as_ref().map_or_else(|| "off".to_owned(), ToString::to_string);
    let widgets: Vec<&str> = settings.widgets.iter().map(|w| w.name.as_str()).collect();
    let sources = settings.sources.names.join(",");
    tracing::info!(%address, %admin, widgets = widgets.join(","), sources, "listening");
}

fn announce_vendors(app: &App, proxy: Option<&str>) {
    let snapshot = app.state.snapshot();
    let connectors = snapshot.widgets.iter().filter_map(|widget| widget.connector.as_ref());
    let hosts: Vec<String> = connectors.flat_map(|connector| connector.egress()).collect();
    if !hosts.is_empty() {
        tracing::info!(hosts = hosts.join(","), proxy, "vendors called");
    }
}

/// Whatever hangs (a disk, a store, a log), the process ends: those that wait for it would end it harder.
fn end_by_all_means(delay: Duration) {
    std::thread::spawn(move || {
        std::thread::sleep(END_WITHIN + delay);
        tracing::error!("stopped by force: something did not end in time");
        logs::flush(LAST_LINES);
        std::process::exit(1);
    });
}

/// Completes when the process is told to stop. It ends by force when it has not ended in time, counted from `delay` later.
///
/// # Errors
/// The system's, when it does not let us listen for signals.
pub fn stop_signal(delay: Duration) -> std::io::Result<impl Future<Output = ()>> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        tracing::info!("stopping: finishing the requests in flight");
        end_by_all_means(delay);
    })
}
