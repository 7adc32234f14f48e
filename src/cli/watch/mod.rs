//! `taskwatch watch`: a serving cell, live in a terminal. A pure state ([`state`]) takes messages, a pure view ([`view`]) draws it,
//! a thin loop ([`live`]) does the rest.

mod ask;
mod causes;
mod data;
mod filter;
mod keys;
mod list;
mod live;
mod marks;
mod order;
mod sort;
mod state;
mod stream;
#[cfg(test)]
mod tests;
mod view;

use std::io::IsTerminal as _;

use clap::Args;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::client::Server;
use super::error::CliError;
use super::filter::Filters;
use super::options::{Format, Global, ServerArgs};
use super::output;
use super::settings::Settings;
use filter::Filter;
use state::{Message, State};
use view::Look;

pub(super) const WATCH_EXAMPLES: &str = "\
Examples:
  taskwatch watch --server http://taskwatch.internal:7717
  taskwatch watch --status FAILED,TIMED_OUT --since 24h   # begin with these runs
  taskwatch watch --once --output json

? in the view lists the keys. NO_COLOR is respected.";

/// `taskwatch watch`.
#[derive(Debug, Args)]
pub(super) struct WatchArgs {
    /// Print one frame as text and end; with --output json, the summary
    #[arg(long)]
    pub(super) once: bool,
    #[command(flatten)]
    pub(super) filters: Filters,
    #[command(flatten)]
    pub(super) server: ServerArgs,
}

/// A frame's size where nothing tells it.
const USUAL: (u16, u16) = (80, 24);
/// Frames are not larger than this, whatever `COLUMNS` and `LINES` say.
const LARGEST: u16 = 1000;

pub(super) async fn watch(arguments: WatchArgs, global: &Global, settings: &Settings) -> Result<u8, CliError> {
    let terminal = std::io::stdin().is_terminal() && std::io::stdout().is_terminal();
    match (arguments.once, global.output) {
        (false, Some(Format::Json | Format::Table)) => {
            return Err(CliError::usage("--output needs --once here; for runs as JSON: taskwatch list --output json"));
        }
        (false, _) if !terminal => {
            let message = "watch needs a terminal; without one: taskwatch list, taskwatch list --output json, \
                           or taskwatch watch --once";
            return Err(CliError::usage(message));
        }
        _ => {}
    }
    let server = Server::at(arguments.server.server.as_deref(), settings)?;
    let filter = Filter::of_query(arguments.filters.query()?, live::now()).map_err(CliError::usage)?;
    let answer = server.get(&["summary"], &[]).await?;
    if arguments.once && global.output == Some(Format::Json) {
        output::json(&answer);
        return Ok(0);
    }
    let strange = || CliError::other(format!("{}: not a taskwatch cell", server.url()));
    let summary = data::read(answer).ok_or_else(strange)?;
    let mut state = State::new(server.url(), filter, summary, live::now());
    let look = Look::new(std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty()));
    if !arguments.once {
        return live::show(server, state, &look).await;
    }
    if let Some(question) = state.list.question() {
        let page = ask::list(&server, &question).await.map_err(CliError::other)?;
        state.apply(Message::Listed(question.number, Ok(page)));
    }
    output::data(&frame(&state, size()));
    Ok(0)
}

/// The size of a frame on stdout: the terminal's if it is one, unless `COLUMNS` and `LINES` say otherwise.
fn size() -> (u16, u16) {
    let terminal = std::io::stdout().is_terminal().then(crossterm::terminal::size);
    let (columns, lines) = terminal.and_then(Result::ok).unwrap_or(USUAL);
    let told = |name: &str| std::env::var(name).ok()?.parse().ok().filter(|size| (1..=LARGEST).contains(size));
    (told("COLUMNS").unwrap_or(columns), told("LINES").unwrap_or(lines))
}

/// One frame as text.
fn frame(state: &State, (width, height): (u16, u16)) -> String {
    let mut buffer = Buffer::empty(Rect::new(0, 0, width, height));
    view::draw(state, &Look::new(false), buffer.area, &mut buffer);
    view::text(&buffer)
}
