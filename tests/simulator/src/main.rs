//! The command line: starts one organisation, says where it is, and ends on a signal.

use std::io::Write;
use std::process::ExitCode;

use azure_devops_simulator::arguments::{self, Arguments};
use azure_devops_simulator::server::Server;
use tokio::io::AsyncReadExt;
use tokio::signal::unix::{SignalKind, signal};

fn main() -> ExitCode {
    let arguments = match arguments::parse(std::env::args().skip(1)) {
        Ok(arguments) => arguments,
        Err(message) => {
            eprintln!("{message}");
            return ExitCode::from(2);
        }
    };
    let runtime = tokio::runtime::Runtime::new().expect("threads can be started");
    let outcome = runtime.block_on(run(&arguments));
    // Stalled connections and the read of stdin must not hold up the end.
    runtime.shutdown_background();
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("azure-devops-simulator: {message}");
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: &Arguments) -> Result<(), String> {
    let mut terminated = signal(SignalKind::terminate()).map_err(|e| e.to_string())?;
    let mut interrupted = signal(SignalKind::interrupt()).map_err(|e| e.to_string())?;
    let server = Server::bind(arguments.port).await.map_err(|e| e.to_string())?;
    let address = server.address();
    server.state().create(&arguments.organization, &arguments.specification)?;
    announce(&address, arguments);
    tokio::select! {
        () = server.run() => {}
        _ = terminated.recv() => {}
        _ = interrupted.recv() => {}
        () = parent_ended(), if arguments.exit_with_parent => {}
    }
    Ok(())
}

/// A closed stdin is the sign that the process that started this one has ended.
async fn parent_ended() {
    let mut buffer = [0; 256];
    let mut stdin = tokio::io::stdin();
    while !matches!(stdin.read(&mut buffer).await, Ok(0) | Err(_)) {}
}

fn announce(address: &str, arguments: &Arguments) {
    let (organization, pat) = (&arguments.organization, &arguments.specification.pat);
    let mut out = std::io::stdout();
    // A closed stdout is no reason to stop serving.
    let _ = writeln!(
        out,
        "listening on {address}

CREATE EXTENSION IF NOT EXISTS azure_devops_fdw;
CREATE SERVER ado FOREIGN DATA WRAPPER azure_devops_fdw
    OPTIONS (base_url '{address}/{organization}');
CREATE USER MAPPING FOR CURRENT_USER SERVER ado OPTIONS (pat '{pat}');
CREATE SCHEMA ado;
IMPORT FOREIGN SCHEMA azure_devops FROM SERVER ado INTO ado;"
    );
    let _ = out.flush();
}
