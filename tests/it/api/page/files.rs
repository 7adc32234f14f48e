//! What is served, without a browser.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::*;

#[tokio::test]
async fn the_page_and_its_files_may_run_only_themselves() {
    let served = serve(World::new(), Some("s3cret")).await;
    for (path, kind) in [("/", "text/html"), ("/page/main.js", "text/javascript"), ("/page/base.css", "text/css")] {
        let response = served.client.get(served.url(path)).send().await.expect("an answer");
        assert_eq!(response.status(), 200, "{path} needs no token");
        let header = |name: &str| response.headers()[name].to_str().expect("text").to_owned();
        assert!(header("content-type").starts_with(kind), "{path}");
        let policy = header("content-security-policy");
        for part in
            ["default-src 'none'", "script-src 'self'", "frame-ancestors 'none'", "require-trusted-types-for 'script'"]
        {
            assert!(policy.contains(part), "{path}: {policy}");
        }
        assert!(!policy.contains("unsafe"), "{policy}");
        assert_eq!(header("x-content-type-options"), "nosniff");
    }
    for path in ["/page/", "/page/mod.rs", "/page/..%2Fmod.rs", "/page/x.js"] {
        assert_eq!(served.client.get(served.url(path)).send().await.expect("an answer").status(), 404, "{path}");
    }
}

/// As no well-behaved client would write them.
#[tokio::test]
async fn no_path_leads_out_of_the_pages_own_files() {
    let served = serve(World::new(), None).await;
    for path in [
        "/page/../src/http/page/mod.rs",
        "/page/../../../../../../etc/passwd",
        "/page/%2e%2e/%2e%2e/Cargo.toml",
        "/page/%2Fetc%2Fpasswd",
        "/page//etc/passwd",
        "/page/..\\..\\Cargo.toml",
        "/page/main.js%00.css",
        "/page/%ff%fe",
        "//page/main.js",
    ] {
        let mut connection = TcpStream::connect(served.address).await.expect("a connection");
        let asked = format!("GET {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n", served.address);
        connection.write_all(asked.as_bytes()).await.expect("sent");
        let mut answer = String::new();
        connection.read_to_string(&mut answer).await.expect("an answer");
        assert!(answer.starts_with("HTTP/1.1 40"), "{path}: {answer}");
        assert!(!answer.contains("root:") && !answer.contains("[package]") && !answer.contains("import "), "{answer}");
    }
}
