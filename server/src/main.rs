//! The server's entry point: settings, logs, listening, and a clean end on SIGTERM or Ctrl-C; or one of the commands
//! that need no server.

use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::Duration;

use axum::Router;
use axum::serve::ListenerExt;
use clap::{Parser, Subcommand};
use healthsync_server::key_nodes::LoneNode;
use healthsync_server::services::Services;
use healthsync_server::settings::{self, Role, Settings};
use healthsync_server::verify::Verify;
use healthsync_server::{http, logging};
use tokio::net::TcpListener;

/// How long requests on their way may take after the signal.
const GRACE: Duration = Duration::from_secs(8);

#[derive(Parser)]
#[command(name = "healthsync", version, args_conflicts_with_subcommands = true)]
struct Program {
    #[command(flatten)]
    settings: Settings,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    Verify(Verify),
}

#[tokio::main]
async fn main() -> ExitCode {
    let program: Program =
        settings::parse(std::env::args_os()).unwrap_or_else(|error| error.exit());
    if let Some(Command::Verify(verify)) = program.command {
        return verify.run().await;
    }
    match run(program.settings).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("healthsync cannot run: {why}");
            ExitCode::from(2)
        }
    }
}

async fn run(settings: Settings) -> Result<(), String> {
    logging::start(&settings.log)?;
    let listener = TcpListener::bind(settings.addr).await.map_err(|error| {
        format!(
            "HEALTHSYNC_ADDR is {}: {error}. Choose a free port.",
            settings.addr
        )
    })?;
    let listening = listener.local_addr().map_err(|error| error.to_string())?;
    if settings.role == Role::KeyNode {
        let node = LoneNode::start(&settings)
            .await
            .map_err(|error| error.to_string())?;
        tracing::info!(address = %listening, node = settings.node, "listening as a key node");
        serve(listener, node.router()).await?;
        node.stop().await;
    } else {
        let services = Services::start(settings, listening)
            .await
            .map_err(|error| error.to_string())?;
        tracing::info!(address = %listening, peer_id = services.bootstrap.peer_id, "listening");
        serve(listener, http::router(services.clone())).await?;
        services.stop().await;
    }
    tracing::info!("stopped");
    Ok(())
}

/// Answers until the signal, and then what is on its way.
async fn serve(listener: TcpListener, app: Router) -> Result<(), String> {
    let app = app.into_make_service_with_connect_info::<SocketAddr>();
    let (ending, ended) = tokio::sync::watch::channel(false);
    // Without this the kernel holds small messages back until the last one is acknowledged: 44 ms a round trip.
    let listener = listener.tap_io(|connection| {
        if let Err(error) = connection.set_nodelay(true) {
            tracing::debug!(%error, "a connection stays without TCP_NODELAY");
        }
    });
    let serve = axum::serve(listener, app).with_graceful_shutdown(async move {
        signal().await;
        let _ = ending.send(true);
    });
    let mut deadline = ended.clone();
    tokio::select! {
        served = serve.into_future() => served.map_err(|error| error.to_string())?,
        () = async {
            let _ = deadline.wait_for(|ending| *ending).await;
            tokio::time::sleep(GRACE).await;
        } => tracing::warn!("some requests were cut off"),
    }
    Ok(())
}

/// SIGTERM or Ctrl-C.
async fn signal() {
    let interrupt = async {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    };
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        match signal(SignalKind::terminate()) {
            Ok(mut terminate) => tokio::select! {
                () = interrupt => {}
                _ = terminate.recv() => {}
            },
            Err(_) => interrupt.await,
        }
    }
    #[cfg(not(unix))]
    interrupt.await;
}
