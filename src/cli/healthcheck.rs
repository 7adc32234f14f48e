//! `taskwatch healthcheck`: asks the cell on this machine, so that an image needs no curl.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use clap::Args;
use serde_json::Value;

use super::error::CliError;
use super::output;
use super::settings::Settings;

/// Less than the 5 s that ECS and Docker give a health check by default.
const PATIENCE: Duration = Duration::from_secs(4);

/// `taskwatch healthcheck`.
#[derive(Debug, Args)]
pub(super) struct HealthcheckArgs {
    /// Ask also whether the cell receives from its queues and its store takes changes
    #[arg(long)]
    ready: bool,
}

pub(super) async fn healthcheck(arguments: HealthcheckArgs, settings: &Settings) -> Result<u8, CliError> {
    let path = if arguments.ready { "readyz" } else { "healthz" };
    let url = format!("http://{}/{path}", near(settings.listen()?));
    let client = reqwest::Client::builder().no_proxy().timeout(PATIENCE).build();
    let client = client.map_err(|e| CliError::other(format!("cannot make an HTTP client: {e}")))?;
    match client.get(&url).send().await {
        Ok(answer) => {
            let status = answer.status();
            judge(status.is_success(), &answer.text().await.unwrap_or_default())
                .map_or(Ok(0), |why| Err(CliError::other(format!("{url}: {status}: {why}"))))
        }
        Err(error) => Err(CliError::other(format!("{url}: {}", super::client::root(&error)))),
    }
}

/// What is wrong with an answer; nothing, if a cell says that it is well.
fn judge(success: bool, body: &str) -> Option<String> {
    let answer: Value = serde_json::from_str(body).unwrap_or_default();
    match (success, answer["status"].as_str(), answer["message"].as_str()) {
        (true, Some("ok" | "ready"), _) => None,
        (false, _, Some(message)) => Some(output::plain(message).into_owned()),
        _ => Some("not the answer of a taskwatch cell; see TASKWATCH_LISTEN".to_owned()),
    }
}

/// The address to ask: a cell that listens on every interface is asked on loopback.
fn near(listen: SocketAddr) -> SocketAddr {
    let ip = match listen.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, listen.port())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_cell_that_says_so_is_healthy() {
        assert_eq!((judge(true, r#"{"status": "ok"}"#), judge(true, r#"{"status": "ready"}"#)), (None, None));
        for body in ["", "ok", "{}", r#"{"status": "up"}"#, "<html></html>"] {
            assert!(judge(true, body).is_some_and(|why| why.contains("not the answer of a taskwatch cell")), "{body}");
        }
        let refusal = r#"{"error": "NotReady", "message": "its store does not take changes"}"#;
        assert_eq!(judge(false, refusal).as_deref(), Some("its store does not take changes"));
    }

    #[test]
    fn every_interface_is_asked_on_loopback() {
        for (listen, asked) in
            [("0.0.0.0:7717", "127.0.0.1:7717"), ("[::]:80", "[::1]:80"), ("10.0.0.7:7717", "10.0.0.7:7717")]
        {
            assert_eq!(near(listen.parse().unwrap()).to_string(), asked);
        }
    }
}
