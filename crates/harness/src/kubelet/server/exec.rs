//! `/exec/{namespace}/{pod}/{container}`: what `kubectl exec` runs.
//!
//! kubectl speaks WebSocket with the API server, in the protocol `v5.channel.k8s.io`. The API
//! server passes that on as it is to a node that declares `ExtendWebSocketsToKubelet`; to
//! others it speaks SPDY, which this kubelet does not know. Every message begins with the number
//! of a channel.

use std::process::{ExitStatus, Stdio};

use bytes::Bytes;
use futures::stream::{self, SplitSink, SplitStream};
use futures::{SinkExt as _, Stream, StreamExt as _};
use http::header::{CONNECTION, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_PROTOCOL, UPGRADE};
use http::{HeaderValue, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Empty};
use hyper::body::Incoming;
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::{Child, ChildStdin};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Role};

use super::super::runs::Directory;
use super::super::sandbox::inside;
use super::{Answer, Refusal, Session, is_true, parameters};

const PROTOCOL: &str = "v5.channel.k8s.io";

const STDIN: u8 = 0;
const STDOUT: u8 = 1;
const STDERR: u8 = 2;
/// How the command ended.
const ERROR: u8 = 3;
/// The client closes the channel whose number follows.
const CLOSE: u8 = 255;

/// What is read of a command's output at once.
const PIECE: usize = 16 << 10;

type Socket = WebSocketStream<TokioIo<Upgraded>>;

/// The answer that makes the connection a WebSocket, and what is done with it then.
pub(super) fn answer(
    mut request: Request<Incoming>,
    pods: &Directory,
    [namespace, pod, container]: [&str; 3],
) -> Result<(Answer, Session), Refusal> {
    let (command, has_input) = command(&parameters(&request))?;
    let runs = pods.find(namespace, pod).ok_or_else(|| Refusal::no_pod(namespace, pod))?;
    let target = runs.of(container).and_then(|run| run.target);
    let target = target
        .ok_or_else(|| Refusal::bad(format!("container \"{container}\" of pod \"{pod}\" is not running")))?;
    // After the others: kubectl asks once more by SPDY, and shows why that was refused.
    let accepted = accept(&request)?;
    let inside = inside(target.process, target.has_user, &target.env, &command);
    let mut process = inside.map_err(|error| Refusal::bad(format!("{error:#}")))?;
    process.stdin(if has_input { Stdio::piped() } else { Stdio::null() });
    let process = process.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let process = process.map_err(|error| Refusal::bad(format!("running {command:?}: {error}")))?;
    let session = converse(hyper::upgrade::on(&mut request), process);
    Ok((accepted, Box::pin(session)))
}

/// The answer to a client that asks for a WebSocket of the protocol.
fn accept(request: &Request<Incoming>) -> Result<Answer, Refusal> {
    let words = |name| {
        let values = request.headers().get_all(name).into_iter().filter_map(|value| value.to_str().ok());
        values
            .flat_map(|value| value.split(','))
            .map(|word| word.trim().to_ascii_lowercase())
            .collect::<Vec<_>>()
    };
    let key = request.headers().get(SEC_WEBSOCKET_KEY);
    let asks = words(UPGRADE).contains(&"websocket".to_owned())
        && words(SEC_WEBSOCKET_PROTOCOL).contains(&PROTOCOL.to_owned());
    let (Some(key), true) = (key, asks) else {
        return Err(Refusal::bad(format!("this kubelet has exec by WebSocket with {PROTOCOL} alone")));
    };
    let accepted = HeaderValue::from_str(&derive_accept_key(key.as_bytes()));
    let accepted = accepted.map_err(|error| Refusal::bad(error.to_string()))?;
    let mut answer = Response::new(Empty::new().map_err(|never| match never {}).boxed_unsync());
    *answer.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    answer.headers_mut().extend([
        (CONNECTION, HeaderValue::from_static("Upgrade")),
        (UPGRADE, HeaderValue::from_static("websocket")),
        (SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(PROTOCOL)),
        (SEC_WEBSOCKET_ACCEPT, accepted),
    ]);
    Ok(answer)
}

/// The words of the command, and whether it reads what the user types.
fn command(parameters: &[(String, String)]) -> Result<(Vec<String>, bool), Refusal> {
    let (mut command, mut has_input) = (Vec::new(), false);
    for (name, value) in parameters {
        match name.as_str() {
            "command" => command.push(value.clone()),
            "input" => has_input = is_true(value),
            // Both are sent, whoever wants them.
            "output" | "error" => {}
            "tty" if !is_true(value) => {}
            _ => return Err(Refusal::bad(format!("this kubelet has no exec with {name}={value}"))),
        }
    }
    if command.is_empty() {
        return Err(Refusal::bad("there is no command to run"));
    }
    Ok((command, has_input))
}

/// Carries what is said between the client and the process until one of them ends. A process
/// whose client is gone is killed.
async fn converse(upgrade: OnUpgrade, mut process: Child) {
    let Ok(upgraded) = upgrade.await else { return };
    let socket = WebSocketStream::from_raw_socket(TokioIo::new(upgraded), Role::Server, None).await;
    let (mut sink, from_client) = socket.split();
    let input = process.stdin.take();
    let outcome = async {
        say(&mut process, &mut sink).await?;
        process.wait().await.ok()
    };
    let status = tokio::select! {
        status = outcome => status,
        () = hear(from_client, input) => None,
    };
    if let Some(status) = status {
        // kubectl takes any other end of the connection for a fault.
        let end = CloseFrame { code: CloseCode::Normal, reason: "".into() };
        let last = [message(ERROR, outcome_of(status).to_string().as_bytes()), Message::Close(Some(end))];
        // Whoever is gone need not know.
        let _ = sink.send_all(&mut stream::iter(last.map(Ok))).await;
    }
}

/// Sends all output; none if nobody takes it.
async fn say(process: &mut Child, sink: &mut SplitSink<Socket, Message>) -> Option<()> {
    let out = process.stdout.take().map(|stdout| pieces(STDOUT, stdout));
    let err = process.stderr.take().map(|stderr| pieces(STDERR, stderr));
    let mut output = std::pin::pin!(stream::select(stream::iter(out).flatten(), stream::iter(err).flatten()));
    while let Some(piece) = output.next().await {
        sink.send(piece).await.ok()?;
    }
    Some(())
}

fn pieces(channel: u8, from: impl AsyncRead + Unpin) -> impl Stream<Item = Message> {
    stream::unfold((channel, from), async |(channel, mut from)| {
        let mut piece = vec![0; PIECE];
        // An error is an end, too.
        let length = from.read(&mut piece).await.unwrap_or(0);
        (length > 0).then(|| (message(channel, &piece[..length]), (channel, from)))
    })
}

fn message(channel: u8, text: &[u8]) -> Message {
    Message::Binary(Bytes::from([&[channel], text].concat()))
}

/// Writes what is typed; returns when the client is gone.
async fn hear(mut from_client: SplitStream<Socket>, mut input: Option<ChildStdin>) {
    while let Some(Ok(message)) = from_client.next().await {
        let Message::Binary(message) = message else { continue };
        match &message[..] {
            [STDIN, typed @ ..] => {
                // A command that reads no more is no trouble.
                if let Some(open) = &mut input
                    && open.write_all(typed).await.is_err()
                {
                    input = None;
                }
            }
            [CLOSE, STDIN] => input = None,
            _ => {}
        }
    }
}

/// The Status by which kubectl knows the exit code.
fn outcome_of(status: ExitStatus) -> Value {
    if status.success() {
        return json!({"metadata": {}, "status": "Success"});
    }
    let code = super::super::worker::exit_code(status);
    json!({
        "metadata": {}, "status": "Failure", "reason": "NonZeroExitCode",
        "message": format!("command terminated with non-zero exit code: {code}"),
        "details": {"causes": [{"reason": "ExitCode", "message": code.to_string()}]},
    })
}
