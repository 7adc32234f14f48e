//! AWS emulators that others wrote, each in a process of its own that ends with the test.

use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_sqs::config::Credentials;

use super::{node, polled, python};

/// A running emulator. Dropping it, at the end of a test or when one panics, ends its process.
#[derive(Debug)]
pub(crate) struct Emulator {
    process: Child,
    port: u16,
}

impl Emulator {
    /// moto: delivers `PutEvents` from `aws.ecs`, which AWS does not, so a test can play ECS through EventBridge.
    pub(crate) fn moto() -> Self {
        Self::start("moto", |command, port| {
            command.args(["-m", "moto.server", "-H", "127.0.0.1", "-p", &port.to_string()]);
        })
    }

    /// MiniStack: refuses `PutEvents` from `aws.ecs` as AWS does; its SQS takes thousands of messages a second.
    pub(crate) fn ministack() -> Self {
        Self::start("ministack", |command, port| {
            command.args(["-m", "ministack"]).env("GATEWAY_PORT", port.to_string()).env("BIND_HOST", "127.0.0.1");
        })
    }

    /// dynalite: DynamoDB alone. A refused condition it answers without the item that refused it. `None`: Node.js is not there.
    pub(crate) fn dynalite() -> Option<Self> {
        node::dynalite()?;
        Some(Self::run("dynalite", |port| {
            let mut command = node::dynalite().expect("it was there");
            command.args(["--host", "127.0.0.1", "--createTableMs", "0", "--port", &port.to_string()]);
            command
        }))
    }

    /// Where it listens.
    pub(crate) fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// The same, to connect to.
    pub(crate) fn address(&self) -> SocketAddr {
        ([127, 0, 0, 1], self.port).into()
    }

    /// SDK settings for it.
    pub(crate) fn sdk(&self) -> SdkConfig {
        sdk(&self.endpoint())
    }

    fn start(name: &str, arguments: impl Fn(&mut Command, u16)) -> Self {
        Self::run(name, |port| {
            let mut command = python::command();
            arguments(&mut command, port);
            command
        })
    }

    /// Starts it on a free port; tries again should somebody else have taken the port in between.
    fn run(name: &str, at: impl Fn(u16) -> Command) -> Self {
        for _ in 0..5 {
            let port = free_port().expect("a free port on 127.0.0.1");
            let process = at(port).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
            let process = process.unwrap_or_else(|e| panic!("{name}: {e}"));
            let mut emulator = Self { process, port };
            if emulator.answers() {
                return emulator;
            }
        }
        panic!("{name} did not listen on any of five ports");
    }

    /// Waits until it accepts a connection; false when it ended before.
    fn answers(&mut self) -> bool {
        let (port, mut runs) = (self.port, true);
        polled::until(
            || format!("an emulator listens on port {port}"),
            || {
                runs = matches!(self.process.try_wait(), Ok(None));
                !runs || TcpStream::connect(("127.0.0.1", port)).is_ok()
            },
        );
        runs
    }
}

impl Drop for Emulator {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// SDK settings for an endpoint that checks no credentials.
pub(crate) fn sdk(endpoint: &str) -> SdkConfig {
    SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .credentials_provider(aws_sdk_sqs::config::SharedCredentialsProvider::new(Credentials::new(
            "test", "test", None, None, "test",
        )))
        .endpoint_url(endpoint)
        .build()
}

fn free_port() -> io::Result<u16> {
    Ok(TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port())
}

/// Clients of an endpoint that checks no credentials.
pub(crate) async fn clients_at(endpoint: &str) -> taskwatch::aws::Clients {
    let target = taskwatch::aws::Target {
        region: Some("us-east-1".into()),
        endpoint_url: Some(endpoint.to_owned()),
        test_credentials: true,
        ..taskwatch::aws::Target::default()
    };
    taskwatch::aws::Clients::load(&target).await.expect("no profile is named")
}
