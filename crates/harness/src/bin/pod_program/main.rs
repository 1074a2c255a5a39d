//! What the Pods run in the tests of the kubelet: a server whose answers show what its
//! container is like, and which ends when it is told to.

use std::convert::Infallible;
use std::io::Write as _;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::Context as _;
use clap::Parser;
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use k8s_openapi::api::core::v1::ServiceAccount;
use kube::{Api, Client};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

/// Where hooks leave notes for the server.
const NOTES: &str = "/notes/hook";

/// A program for Pods.
#[derive(Debug, Parser)]
enum Arguments {
    /// Serves on a port until SIGTERM.
    Serve {
        port: u16,
        /// SIGTERM is noted, and nothing else happens.
        #[arg(long)]
        stay: bool,
    },
    /// Leaves a note for the server, as a hook.
    Note { text: String },
    /// Succeeds if the note is there, as an init container or a probe.
    Check { text: String },
}

#[tokio::main]
async fn main() -> anyhow::Result<ExitCode> {
    match Arguments::parse() {
        Arguments::Serve { port, stay } => serve(port, stay).await,
        Arguments::Note { text } => {
            std::fs::OpenOptions::new().append(true).create(true).open(NOTES)?.write_all(text.as_bytes())?;
            Ok(ExitCode::SUCCESS)
        }
        Arguments::Check { text } => {
            let there = std::fs::read_to_string(NOTES).unwrap_or_default().contains(&text);
            Ok(if there { ExitCode::SUCCESS } else { ExitCode::FAILURE })
        }
    }
}

async fn serve(port: u16, stay: bool) -> anyhow::Result<ExitCode> {
    let mut terminated = signal(SignalKind::terminate())?;
    let listener = TcpListener::bind(("0.0.0.0", port)).await?;
    println!("serving as {}", std::env::var("POD_NAME").unwrap_or_default());
    let healthy = Arc::new(AtomicBool::new(true));
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                let (stream, _) = accepted?;
                let healthy = healthy.clone();
                let service = service_fn(move |request| {
                    let healthy = healthy.clone();
                    async move { Ok::<_, Infallible>(answer(&request, &healthy).await) }
                });
                // A client that goes away is no trouble.
                tokio::spawn(hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service));
            }
            _ = terminated.recv() => {
                println!("terminated after: {}", std::fs::read_to_string(NOTES).unwrap_or_default());
                if !stay {
                    return Ok(ExitCode::SUCCESS);
                }
            }
        }
    }
}

async fn answer(request: &Request<Incoming>, healthy: &AtomicBool) -> Response<Full<Bytes>> {
    let (status, text) = match page(request, healthy).await {
        Ok(text) => (200, text),
        Err(error) => (503, format!("{error:#}")),
    };
    let mut response = Response::new(Full::new(Bytes::from(text)));
    *response.status_mut() = http::StatusCode::from_u16(status).unwrap_or_default();
    response
}

async fn page(request: &Request<Incoming>, healthy: &AtomicBool) -> anyhow::Result<String> {
    let query = request.uri().query().unwrap_or_default();
    match request.uri().path() {
        "/healthy" => {
            anyhow::ensure!(healthy.load(Ordering::Relaxed), "not healthy");
            Ok("healthy".to_owned())
        }
        "/fail" => {
            healthy.store(false, Ordering::Relaxed);
            Ok("no more".to_owned())
        }
        "/crash" => std::process::exit(3),
        "/env" => std::env::var(query).with_context(|| format!("no variable {query}")),
        "/file" => std::fs::read_to_string(query).with_context(|| format!("no file {query}")),
        "/write" => std::fs::write(query, "x").map(|()| "written".to_owned()).context("not written"),
        "/account" => account(query).await,
        _ => anyhow::bail!("no such page"),
    }
}

/// Reads a service account, with what a client finds in a Pod.
async fn account(name: &str) -> anyhow::Result<String> {
    let client = Client::try_from(kube::Config::incluster()?)?;
    let accounts: Api<ServiceAccount> = Api::default_namespaced(client);
    let account = accounts.get(name).await?;
    Ok(format!(
        "{}/{}",
        account.metadata.namespace.unwrap_or_default(),
        account.metadata.name.unwrap_or_default()
    ))
}
