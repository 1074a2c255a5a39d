//! A headless Chromium, driven by the DevTools protocol as far as a test of a
//! page needs it.

use std::io::Write as _;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use ako_harness::eventually;
use futures::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio::process::{Child, Command};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

const NAMES: [&str; 4] = ["chromium", "chromium-browser", "google-chrome", "chrome"];
const STARTED_WITHIN: Duration = Duration::from_secs(30);

/// An open page. The browser ends when this is dropped.
pub(crate) struct Browser {
    _process: Child,
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
    /// The page among the browser's targets.
    session: Value,
    asked: u64,
    _profile: TempDir,
}

impl Browser {
    /// Opens a page; `None`, and a reason printed, where there is no browser.
    pub(crate) async fn open(url: &str) -> Option<Self> {
        let Some(program) = find() else {
            skip(&format!("none of {} is installed; set CHROMIUM", NAMES.join(", ")));
            return None;
        };
        let profile = tempfile::tempdir().unwrap();
        let process = Command::new(program)
            .args(["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"])
            .args(["--remote-debugging-port=0", "--remote-allow-origins=*"])
            .arg(format!("--user-data-dir={}", profile.path().display()))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let socket = eventually(STARTED_WITHIN, async || {
            let file = std::fs::read_to_string(profile.path().join("DevToolsActivePort"));
            let file = file.map_err(|e| e.to_string())?;
            let (port, path) = file.trim().split_once('\n').ok_or("half a file")?;
            tokio_tungstenite::connect_async(format!("ws://127.0.0.1:{port}{path}"))
                .await
                .map_err(|e| e.to_string())
        })
        .await;
        let (socket, _) = match socket {
            Ok(connected) => connected,
            Err(error) => {
                skip(&format!("it does not start: {error:#}"));
                return None;
            }
        };
        let mut browser =
            Self { _process: process, socket, session: Value::Null, asked: 0, _profile: profile };
        let target = browser.ask("Target.createTarget", json!({"url": url})).await["targetId"].clone();
        let attach = json!({"targetId": target, "flatten": true});
        browser.session = browser.ask("Target.attachToTarget", attach).await["sessionId"].clone();
        Some(browser)
    }

    /// Makes the page so wide.
    pub(crate) async fn resize(&mut self, width: u32, height: u32) {
        let size = json!({"width": width, "height": height, "deviceScaleFactor": 1, "mobile": false});
        self.ask("Emulation.setDeviceMetricsOverride", size).await;
    }

    /// The value of an expression in the page.
    pub(crate) async fn value(&mut self, expression: &str) -> Value {
        let question = json!({"expression": expression, "returnByValue": true});
        self.ask("Runtime.evaluate", question).await["result"]["value"].clone()
    }

    /// A picture of what is to be seen, PNG in base64.
    pub(crate) async fn picture(&mut self) -> String {
        let answer = self.ask("Page.captureScreenshot", json!({"format": "png"})).await;
        answer["data"].as_str().unwrap().to_owned()
    }

    async fn ask(&mut self, method: &str, params: Value) -> Value {
        self.asked += 1;
        let mut message = json!({"id": self.asked, "method": method, "params": params});
        if self.session.is_string() {
            message["sessionId"] = self.session.clone();
        }
        self.socket.send(Message::text(message.to_string())).await.unwrap();
        loop {
            let answer = self.socket.next().await.unwrap().unwrap();
            let Ok(text) = answer.to_text() else { continue };
            let Ok(answer) = serde_json::from_str::<Value>(text) else { continue };
            if answer["id"] == self.asked {
                return answer["result"].clone();
            }
        }
    }
}

fn skip(why: &str) {
    // Not `println!`: who runs tests by themselves would not see it.
    let _ = writeln!(std::io::stderr(), "\nSKIPPED: no browser: {why}");
}

fn find() -> Option<std::path::PathBuf> {
    if let Some(path) = std::env::var_os("CHROMIUM").filter(|path| !path.is_empty()) {
        return Some(path.into());
    }
    let path = std::env::var_os("PATH")?;
    let folders: Vec<_> = std::env::split_paths(&path).collect();
    NAMES.iter().find_map(|name| folders.iter().map(|f| f.join(name)).find(|p| Path::is_file(p)))
}
