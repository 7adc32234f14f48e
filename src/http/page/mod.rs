//! The page at `/`: files of this folder, out of the binary. It asks nothing of any other host, and is nothing but a reader of the API.

use axum::Router;
use axum::extract::Path;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use super::Api;
use super::error::ApiError;

/// What the page's own files may do: run and style themselves, and ask this cell. No inline script or style, no other host, and no
/// text that becomes code.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
                      base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; \
                      trusted-types 'none'";

const HTML: &str = "text/html; charset=utf-8";
const CSS: &str = "text/css; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";
const PICTURE: &str = "image/svg+xml";

/// A file's name, kind and text.
type File = (&'static str, &'static str, &'static str);

/// Every file of the page.
const FILES: &[File] = &[
    ("base.css", CSS, include_str!("base.css")),
    ("overview.css", CSS, include_str!("overview.css")),
    ("list.css", CSS, include_str!("list.css")),
    ("run.css", CSS, include_str!("run.css")),
    ("icon.svg", PICTURE, include_str!("icon.svg")),
    ("api.js", SCRIPT, include_str!("api.js")),
    ("ask.js", SCRIPT, include_str!("ask.js")),
    ("attempts.js", SCRIPT, include_str!("attempts.js")),
    ("attention.js", SCRIPT, include_str!("attention.js")),
    ("aws.js", SCRIPT, include_str!("aws.js")),
    ("bulk.js", SCRIPT, include_str!("bulk.js")),
    ("columns.js", SCRIPT, include_str!("columns.js")),
    ("copy.js", SCRIPT, include_str!("copy.js")),
    ("dom.js", SCRIPT, include_str!("dom.js")),
    ("filter.js", SCRIPT, include_str!("filter.js")),
    ("fleet.js", SCRIPT, include_str!("fleet.js")),
    ("format.js", SCRIPT, include_str!("format.js")),
    ("head.js", SCRIPT, include_str!("head.js")),
    ("limits.js", SCRIPT, include_str!("limits.js")),
    ("list.js", SCRIPT, include_str!("list.js")),
    ("log.js", SCRIPT, include_str!("log.js")),
    ("main.js", SCRIPT, include_str!("main.js")),
    ("newest.js", SCRIPT, include_str!("newest.js")),
    ("observed.js", SCRIPT, include_str!("observed.js")),
    ("outcome.js", SCRIPT, include_str!("outcome.js")),
    ("phases.js", SCRIPT, include_str!("phases.js")),
    ("picks.js", SCRIPT, include_str!("picks.js")),
    ("plot.js", SCRIPT, include_str!("plot.js")),
    ("rollup.js", SCRIPT, include_str!("rollup.js")),
    ("rows.js", SCRIPT, include_str!("rows.js")),
    ("run.js", SCRIPT, include_str!("run.js")),
    ("runs.js", SCRIPT, include_str!("runs.js")),
    ("selection.js", SCRIPT, include_str!("selection.js")),
    ("sorted.js", SCRIPT, include_str!("sorted.js")),
    ("sse.js", SCRIPT, include_str!("sse.js")),
    ("statuses.js", SCRIPT, include_str!("statuses.js")),
    ("stream.js", SCRIPT, include_str!("stream.js")),
    ("tiles.js", SCRIPT, include_str!("tiles.js")),
    ("time.js", SCRIPT, include_str!("time.js")),
    ("timeline.js", SCRIPT, include_str!("timeline.js")),
    ("token.js", SCRIPT, include_str!("token.js")),
    ("wait.js", SCRIPT, include_str!("wait.js")),
    ("words.js", SCRIPT, include_str!("words.js")),
    ("zone.js", SCRIPT, include_str!("zone.js")),
];

/// The page's routes. They need no token: nothing in the files is of this cell.
pub(super) fn routes() -> Router<Api> {
    let index = || async { answer(HTML, include_str!("index.html")) };
    Router::new().route("/", get(index)).route("/page/{file}", get(file))
}

async fn file(Path(name): Path<String>) -> Response {
    match FILES.iter().find(|(known, ..)| *known == name) {
        Some((_, kind, text)) => answer(kind, text),
        None => ApiError::not_found("the page has no such file").into_response(),
    }
}

fn answer(kind: &'static str, text: &'static str) -> Response {
    let headers = [(header::CONTENT_TYPE, kind), (header::CONTENT_SECURITY_POLICY, POLICY)];
    let mut response = (headers, text).into_response();
    // A newer binary's page at the next look; what has not changed is small.
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The files beside this one are the page's, and each is served.
    #[test]
    fn every_file_of_the_folder_is_served() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/http/page");
        let mut there: Vec<String> = std::fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .filter(|name| !["mod.rs", "index.html"].contains(&name.as_str()))
            .collect();
        there.sort();
        let mut served: Vec<&str> = FILES.iter().map(|(name, ..)| *name).collect();
        served.sort_unstable();
        assert_eq!(served, there);
    }

    /// No text may become markup or code, whatever it says; and each file has one job.
    #[test]
    fn nothing_parses_html_or_asks_another_host() {
        let index = ("index.html", HTML, include_str!("index.html"));
        for (name, _, text) in FILES.iter().chain([&index]) {
            let code: Vec<&str> = text.lines().filter(|line| !line.trim_start().starts_with("//")).collect();
            // A namespace, and links that a person may follow: the page itself asks neither.
            let links = ["http://www.w3.org/2000/svg", "https://${encodeURIComponent(region)}.${domain}/"];
            let code = links.iter().fold(code.join("\n"), |code, link| code.replace(link, ""));
            for never in [
                "innerHTML",
                "outerHTML",
                "insertAdjacentHTML",
                "document.write",
                "eval(",
                "://",
                " style=",
                "onclick=",
            ] {
                assert!(!code.contains(never), "{name}: {never}");
            }
            assert!(text.lines().count() < 300, "{name} is long");
        }
    }
}
