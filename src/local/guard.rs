//! Keeps browsers out: no page of another site, and none whose name was made to point here (DNS rebinding), drives the endpoint.
//! SDKs and the AWS CLI send no `Origin` and no `Sec-Fetch-Site`, and name the host that they were given as their endpoint.

use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use serde_json::json;

/// Who may call.
#[derive(Clone)]
pub(super) struct Guard {
    /// Where the endpoint listens.
    listens: IpAddr,
    /// Names that it has besides.
    hosts: Arc<[String]>,
}

impl Guard {
    pub(super) fn new(listens: IpAddr, hosts: &[String]) -> Self {
        Self { listens, hosts: hosts.into() }
    }

    /// Why a request is refused, if it is.
    fn refusal(&self, headers: &HeaderMap, host: &str) -> Option<String> {
        if !self.is_own(host) {
            return Some(format!(
                "{host:?} is no name of this endpoint: call it by 127.0.0.1 or localhost, or start it with --allow-host"
            ));
        }
        let text = |name: &str| headers.get(name).map(|value| value.to_str().unwrap_or_default());
        let foreign = match (text("origin"), text("sec-fetch-site")) {
            (Some(origin), _) => origin.split_once("://").is_none_or(|(_, from)| !from.eq_ignore_ascii_case(host)),
            (None, Some(site)) => !matches!(site, "same-origin" | "none"),
            (None, None) => false,
        };
        foreign.then(|| "a web page of another site may not call this endpoint".to_owned())
    }

    /// Whether a `Host` names this endpoint. Without one it was no browser.
    fn is_own(&self, host: &str) -> bool {
        let name = match host.strip_prefix('[') {
            Some(rest) => rest.split(']').next().unwrap_or_default(),
            None => host.split(':').next().unwrap_or_default(),
        };
        let name = name.trim_end_matches('.').to_ascii_lowercase();
        if let Ok(ip) = name.parse::<IpAddr>() {
            return ip.is_loopback() || ip == self.listens || self.listens.is_unspecified();
        }
        // Everything under localhost is loopback (RFC 6761, section 6.3).
        name.is_empty()
            || name == "localhost"
            || name.ends_with(".localhost")
            || self.hosts.iter().any(|own| own.eq_ignore_ascii_case(&name))
            // Containers call each other by names without a dot, which nobody can register.
            || !(self.listens.is_loopback() || name.contains('.'))
    }
}

/// Lets a request through if it may call.
pub(super) async fn guard(State(guard): State<Guard>, request: Request, next: Next) -> Response {
    let headers = request.headers();
    let host = headers.get(header::HOST).map(|value| value.to_str().unwrap_or("?").to_owned());
    let host = host.or_else(|| request.uri().authority().map(ToString::to_string)).unwrap_or_default();
    match guard.refusal(headers, &host) {
        None => next.run(request).await,
        Some(message) => {
            let body = json!({"__type": "AccessDeniedException", "message": message}).to_string();
            (StatusCode::FORBIDDEN, [(header::CONTENT_TYPE, "application/json")], body).into_response()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn on(listens: &str) -> Guard {
        Guard::new(listens.parse().unwrap(), &["aws.example".to_owned()])
    }

    #[test]
    fn only_its_own_names_are_served() {
        for host in [
            "127.0.0.1:4566",
            "127.9.9.9",
            "localhost:4566",
            "LOCALHOST.",
            "sqs.us-east-1.localhost:4566",
            "[::1]:4566",
            "aws.example:4566",
            "",
        ] {
            assert!(on("127.0.0.1").is_own(host), "{host}");
        }
        for host in ["evil.example", "localhost.evil.example:4566", "127.0.0.1.nip.io", "10.0.0.1", "aws", "?"] {
            assert!(!on("127.0.0.1").is_own(host), "{host}");
        }
        assert!(on("0.0.0.0").is_own("10.0.0.1:4566") && on("10.0.0.1").is_own("10.0.0.1"));
        assert!(on("0.0.0.0").is_own("aws:4566"), "a container's name");
        assert!(!on("0.0.0.0").is_own("evil.example") && !on("10.0.0.1").is_own("10.0.0.2"));
    }

    #[test]
    fn no_page_of_another_site_is_served() {
        let refused = |name: &'static str, value: &str| {
            let headers = HeaderMap::from_iter([(header::HeaderName::from_static(name), value.parse().unwrap())]);
            on("127.0.0.1").refusal(&headers, "127.0.0.1:4566").is_some()
        };
        assert!(!refused("user-agent", "aws-cli/2"));
        assert!(!refused("origin", "http://127.0.0.1:4566") && !refused("sec-fetch-site", "none"));
        for origin in ["http://127.0.0.1:8000", "https://evil.example", "http://localhost:4566", "null", ""] {
            assert!(refused("origin", origin), "{origin}");
        }
        assert!(refused("sec-fetch-site", "cross-site") && refused("sec-fetch-site", "same-site"));
    }
}
