//! The cell: a process of its own.

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use super::Result;

pub(crate) struct Serving {
    child: Child,
    url: String,
}

impl Serving {
    pub(crate) fn start(binary: &Path, endpoint: &str, home: &Path) -> Result<Self> {
        let address = std::net::TcpListener::bind(("127.0.0.1", 0))?.local_addr()?;
        let inherited =
            std::env::vars().filter(|(name, _)| !name.starts_with("AWS_") && !name.starts_with("TASKWATCH_"));
        let child = Command::new(binary)
            .arg("serve")
            .current_dir(home)
            .env_clear()
            .envs(inherited)
            .env("DRAIN_ALONE", endpoint)
            .env("AWS_ENDPOINT_URL", endpoint)
            .env("AWS_REGION", "us-east-1")
            .env("AWS_ACCESS_KEY_ID", "test")
            .env("AWS_SECRET_ACCESS_KEY", "test")
            .env("TASKWATCH_CELL", "drain")
            .env("TASKWATCH_EVENTS_QUEUE_URL", format!("{endpoint}/123456789012/drain-events"))
            .env("TASKWATCH_REQUESTS_QUEUE_URL", format!("{endpoint}/123456789012/drain-requests"))
            .env("TASKWATCH_STORE", format!("file:{}", home.join("store").display()))
            .env("TASKWATCH_LISTEN", address.to_string())
            .env("TASKWATCH_LOG", "warn")
            .stdout(Stdio::null())
            .stderr(fs::File::create(home.join("log"))?)
            .spawn()?;
        Ok(Self { child, url: format!("http://{address}") })
    }

    /// Waits until it receives.
    pub(crate) async fn ready(&self) -> Result<()> {
        for _ in 0..600 {
            let asked = reqwest::get(format!("{}/readyz", self.url)).await;
            if asked.is_ok_and(|answer| answer.status().is_success()) {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        Err("the cell was not ready within a minute".into())
    }

    /// Runs that have succeeded.
    pub(crate) async fn ended(&self) -> Result<usize> {
        let text = reqwest::get(format!("{}/v1/summary", self.url)).await?.text().await?;
        let summary: serde_json::Value = serde_json::from_str(&text)?;
        Ok(summary["counters"]["ended"]["SUCCEEDED"].as_u64().and_then(|n| usize::try_from(n).ok()).unwrap_or(0))
    }

    /// Seconds on a processor so far.
    pub(crate) fn processor(&self) -> Result<f64> {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.child.id()))?;
        let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
        let ticks = |n: usize| fields.get(n).and_then(|text| text.parse::<f64>().ok()).unwrap_or(0.0);
        // proc(5): utime and stime, in hundredths of a second.
        Ok((ticks(11) + ticks(12)) / 100.0)
    }

    /// Most that was resident, in MB.
    pub(crate) fn memory(&self) -> Result<f64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or_default();
        Ok(line.trim().trim_end_matches(" kB").parse::<f64>().unwrap_or(0.0) / 1024.0)
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
