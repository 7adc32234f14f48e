//! Servers that give every request the same answer, whatever it asks for: what people reach by a wrong URL.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};

/// What a server says.
#[derive(Clone, Debug)]
pub(crate) enum Answer {
    /// Status line, content type and body.
    Http(&'static str, &'static str, &'static str),
    /// The connection is closed without a word.
    Nothing,
    /// An exception of AWS, in the protocol that was asked in: its names in JSON and in XML, and its text.
    Aws(&'static str, &'static str, &'static str),
}

/// The access keys that requests were signed with.
#[derive(Clone, Default)]
pub(crate) struct Signers(Arc<Mutex<Vec<String>>>);

impl Signers {
    /// All so far, and no longer.
    pub(crate) fn take(&self) -> Vec<String> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn note(&self, header: &str) {
        if let Some((_, key)) = header.split_once("Credential=") {
            let key = key.split('/').next().unwrap_or_default().to_owned();
            self.0.lock().unwrap_or_else(PoisonError::into_inner).push(key);
        }
    }
}

/// Begins such a server; its URL. It serves until the test process ends.
pub(crate) fn serve(answer: Answer) -> String {
    signed(answer).0
}

/// The same, and who signed what it is asked.
pub(crate) fn signed(answer: Answer) -> (String, Signers) {
    let signers = Signers::default();
    let noted = signers.clone();
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("its address");
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let (answer, signers) = (answer.clone(), noted.clone());
            // A client that has gone away again is no failure of a test.
            std::thread::spawn(move || drop(reply(stream, &answer, &signers)));
        }
    });
    (format!("http://{address}"), signers)
}

/// Where nobody listens.
pub(crate) fn nobody() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    format!("http://{}", listener.local_addr().expect("its address"))
}

fn reply(stream: TcpStream, answer: &Answer, signers: &Signers) -> std::io::Result<()> {
    let mut stream = BufReader::new(stream);
    let (mut length, mut json) = (0, false);
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line)? == 0 {
            return Ok(());
        }
        signers.note(line.trim());
        let line = line.trim().to_ascii_lowercase();
        if line.is_empty() {
            break;
        }
        json |= line.starts_with("x-amz-target:");
        if let Some(bytes) = line.strip_prefix("content-length:") {
            length = bytes.trim().parse().unwrap_or(0);
        }
    }
    stream.read_exact(&mut vec![0; length])?;
    let (status, kind, body) = match answer {
        Answer::Nothing => return Ok(()),
        Answer::Http(status, kind, body) => (*status, *kind, (*body).to_owned()),
        Answer::Aws(name, _, message) if json => {
            let body = format!("{{\"__type\":\"{name}\",\"message\":\"{message}\"}}");
            ("400 Bad Request", "application/x-amz-json-1.1", body)
        }
        Answer::Aws(_, code, message) => {
            let error = format!("<Error><Type>Sender</Type><Code>{code}</Code><Message>{message}</Message></Error>");
            ("403 Forbidden", "text/xml", format!("<ErrorResponse>{error}</ErrorResponse>"))
        }
    };
    let head = format!("HTTP/1.1 {status}\r\ncontent-type: {kind}\r\ncontent-length: {}\r\n", body.len());
    stream.get_mut().write_all(format!("{head}connection: close\r\n\r\n{body}").as_bytes())
}
