//! ChromeDriver, spoken to in WebDriver's JSON (W3C WebDriver, level 2).

use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};

use crate::raw::within;
use crate::server::Scratch;

/// The key under which elements are named.
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";

/// A running ChromeDriver; killed when dropped, and with it its browsers.
pub(crate) struct Driver {
    process: Child,
    base: String,
    client: reqwest::Client,
    profiles: Scratch,
}

impl Driver {
    /// Starts it on a free port, and waits until it answers.
    pub(crate) async fn start() -> Self {
        let port = free_port();
        let profiles = Scratch::new();
        let process = Command::new("chromedriver")
            .arg(format!("--port={port}"))
            .env("TMPDIR", profiles.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("chromedriver starts: run this by tests/browser, which installs it");
        let client = reqwest::Client::builder()
            .no_proxy()
            .timeout(Duration::from_secs(60))
            .build()
            .expect("the options make sense");
        let driver = Self {
            process,
            base: format!("http://127.0.0.1:{port}"),
            client,
            profiles,
        };
        let ready = async {
            while driver
                .client
                .get(driver.url("/status"))
                .send()
                .await
                .is_err()
            {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        within("chromedriver answers", ready).await;
        driver
    }

    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }

    pub(crate) async fn version(&self) -> String {
        let status = self.ask("GET", "/status", Value::Null).await;
        format!("ChromeDriver {}", status["build"]["version"])
    }

    /// Opens a browser of its own, with nothing in it.
    pub(crate) async fn browser(&self, name: &str) -> Browser<'_> {
        let profile = self.profiles.path().join(name);
        let options = json!({
            "args": [
                "--headless=new",
                "--no-sandbox",
                "--disable-gpu",
                "--disable-dev-shm-usage",
                "--disable-quic",
                "--no-first-run",
                "--disable-background-networking",
                "--disable-component-update",
                "--disable-sync",
                format!("--user-data-dir={}", profile.display()),
            ],
        });
        let wanted = json!({
            "capabilities": { "alwaysMatch": { "goog:chromeOptions": options } },
        });
        let session = self.ask("POST", "/session", wanted).await;
        let id = session["sessionId"].as_str().expect("a session has an id");
        Browser {
            driver: self,
            path: format!("/session/{id}"),
        }
    }

    async fn ask(&self, method: &str, path: &str, body: Value) -> Value {
        match self.try_ask(method, path, body).await {
            Ok(value) => value,
            Err(error) => panic!("{method} {path}: {error}"),
        }
    }

    async fn try_ask(&self, method: &str, path: &str, body: Value) -> Result<Value, String> {
        let method = method.parse().expect("a method");
        let mut request = self.client.request(method, self.url(path));
        if !body.is_null() {
            request = request
                .header("content-type", "application/json")
                .body(body.to_string());
        }
        let answer = request.send().await.map_err(|error| error.to_string())?;
        let text = answer.text().await.map_err(|error| error.to_string())?;
        let mut answer: Value = serde_json::from_str(&text).map_err(|error| error.to_string())?;
        let value = answer["value"].take();
        match value.get("error").and_then(Value::as_str) {
            Some(error) => Err(format!("{error}: {}", value["message"])),
            None => Ok(value),
        }
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        // Its browsers end when it is asked to, and not when it is killed.
        let pid = self.process.id().to_string();
        drop(Command::new("kill").args(["-s", "TERM", &pid]).status());
        drop(self.process.wait());
    }
}

/// A page that a browser shows.
pub(crate) struct Page {
    /// Everything that it shows or hides.
    pub(crate) source: String,
    pub(crate) address: String,
    pub(crate) title: String,
}

/// One browser with a profile of its own.
pub(crate) struct Browser<'a> {
    driver: &'a Driver,
    path: String,
}

impl Browser<'_> {
    async fn post(&self, what: &str, body: Value) -> Value {
        let path = format!("{}{what}", self.path);
        self.driver.ask("POST", &path, body).await
    }

    pub(crate) async fn open(&self, url: &str) {
        self.post("/url", json!({ "url": url })).await;
    }

    pub(crate) async fn back(&self) {
        self.post("/back", json!({})).await;
    }

    pub(crate) async fn forward(&self) {
        self.post("/forward", json!({})).await;
    }

    pub(crate) async fn reload(&self) {
        self.post("/refresh", json!({})).await;
    }

    /// Opens a second tab, and names it.
    pub(crate) async fn new_tab(&self) -> String {
        let tab = self.post("/window/new", json!({ "type": "tab" })).await;
        tab["handle"].as_str().expect("a tab has a name").to_owned()
    }

    pub(crate) async fn tab(&self) -> String {
        let path = format!("{}/window", self.path);
        let name = self.driver.ask("GET", &path, Value::Null).await;
        name.as_str().expect("a tab has a name").to_owned()
    }

    pub(crate) async fn switch_to(&self, tab: &str) {
        self.post("/window", json!({ "handle": tab })).await;
    }

    async fn element(&self, css: &str) -> String {
        let using = json!({ "using": "css selector", "value": css });
        let found = self.post("/element", using).await;
        let id = found[ELEMENT].as_str().expect("an element has a name");
        format!("/element/{id}")
    }

    pub(crate) async fn type_into(&self, css: &str, text: &str) {
        let element = self.element(css).await;
        self.post(&format!("{element}/value"), json!({ "text": text }))
            .await;
    }

    /// Clicks, and waits for the page that comes of it: the driver may be back before that has begun to come.
    pub(crate) async fn click(&self, css: &str) {
        self.script("window.isLeft = true").await;
        let element = self.element(css).await;
        self.post(&format!("{element}/click"), json!({})).await;
        let come = async {
            let script = "return !window.isLeft && document.readyState === 'complete'";
            // While one page gives way to the other, there is none to run it in.
            while self.try_script(script).await != Ok(Value::Bool(true)) {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        within("the page after a click comes", come).await;
    }

    async fn try_script(&self, script: &str) -> Result<Value, String> {
        let run = json!({ "script": script, "args": [] });
        let path = format!("{}/execute/sync", self.path);
        self.driver.try_ask("POST", &path, run).await
    }

    async fn script(&self, script: &str) -> Value {
        let ran = self.try_script(script).await;
        ran.unwrap_or_else(|error| panic!("{script}: {error}"))
    }

    /// The page that is shown, at one moment.
    pub(crate) async fn page(&self) -> Page {
        let script =
            "return [document.documentElement.outerHTML, location.pathname, document.title]";
        let page = self.script(script).await;
        let text = |place: usize| page[place].as_str().unwrap_or_default().to_owned();
        Page {
            source: text(0),
            address: text(1),
            title: text(2),
        }
    }

    pub(crate) async fn close(&self) {
        let path = self.path.clone();
        drop(self.driver.try_ask("DELETE", &path, Value::Null).await);
    }
}

fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).expect("a port is free");
    listener.local_addr().expect("it has one").port()
}
