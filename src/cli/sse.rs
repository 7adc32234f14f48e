//! Server-sent events, read from whatever pieces the line brings them in.

/// One event.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Event {
    pub(super) name: String,
    pub(super) id: Option<String>,
    pub(super) data: String,
}

/// An event longer than this is not from a cell.
const LONGEST: usize = 8 << 20;

/// The bytes of an event that has not ended.
#[derive(Debug, Default)]
pub(super) struct Parser {
    line: Vec<u8>,
    event: Event,
}

impl Parser {
    /// Takes a piece; the events that end in it. `None`: this is no stream of events.
    pub(super) fn take(&mut self, piece: &[u8]) -> Option<Vec<Event>> {
        let mut events = Vec::new();
        for part in piece.split_inclusive(|byte| *byte == b'\n') {
            self.line.extend_from_slice(part);
            if part.ends_with(b"\n") {
                let line = std::mem::take(&mut self.line);
                self.read(String::from_utf8_lossy(&line).trim_end_matches(['\r', '\n']), &mut events);
            }
        }
        (self.line.len() + self.event.data.len() <= LONGEST).then_some(events)
    }

    fn read(&mut self, line: &str, events: &mut Vec<Event>) {
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "" if line.is_empty() => {
                let event = std::mem::take(&mut self.event);
                events.extend((!event.data.is_empty()).then_some(event));
            }
            "event" => value.clone_into(&mut self.event.name),
            "id" => self.event.id = Some(value.to_owned()),
            "data" => {
                if !self.event.data.is_empty() {
                    self.event.data.push('\n');
                }
                self.event.data.push_str(value);
            }
            // Comments and what is new.
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_events_come_of_any_pieces() {
        let text =
            ": hello\n\nevent: run\nid: 7-1\ndata: {\"a\":\ndata: \"ü\"}\n\r\nevent:summary\ndata:{}\n\nevent: rest\n";
        let event = |name: &str, id: Option<&str>, data: &str| Event {
            name: name.into(),
            id: id.map(str::to_owned),
            data: data.into(),
        };
        let expected = [event("run", Some("7-1"), "{\"a\":\n\"ü\"}"), event("summary", None, "{}")];
        for size in 1..=text.len() {
            let mut parser = Parser::default();
            let pieces = text.as_bytes().chunks(size);
            let events: Vec<Event> = pieces.flat_map(|piece| parser.take(piece).expect("events")).collect();
            assert_eq!(events, expected, "pieces of {size}");
        }
    }

    #[test]
    fn what_never_ends_is_no_stream() {
        let mut parser = Parser::default();
        assert!((0..=8).map(|_| parser.take(&vec![b'x'; 1 << 20])).any(|taken| taken.is_none()));
    }
}
