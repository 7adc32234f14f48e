//! What is served, without a browser.

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
