//! The loop: what happens goes into the state, what is to be done is done, and the screen shows it.

use std::time::Duration;

use crossterm::event::{Event, EventStream};
use futures::StreamExt as _;
use ratatui::DefaultTerminal;
use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior, interval};

use super::state::{Effect, Message, State};
use super::view::{self, Look};
use super::{ask, keys, stream};
use crate::cli::client::Server;
use crate::cli::error::CliError;
use crate::cli::signals::Signals;
use crate::core::time::Timestamp;

/// Changes may come by the thousand: they are shown so often.
const FRAME: Duration = Duration::from_millis(100);
/// Ages grow though nothing happens.
const IDLE: Duration = Duration::from_secs(1);
/// Messages that wait to be taken in; the stream waits when there are more.
const MESSAGES: usize = 1024;

/// The terminal as a canvas; however this ends, it is given back as it was.
struct Screen(DefaultTerminal);

impl Screen {
    fn open() -> Result<Self, CliError> {
        ratatui::try_init().map(Self).map_err(|e| {
            ratatui::restore();
            CliError::other(format!("the terminal cannot be used: {e}"))
        })
    }

    fn draw(&mut self, state: &mut State, look: &Look) -> Result<(), CliError> {
        let mut drawn = state.drawn;
        let draw = |frame: &mut ratatui::Frame<'_>| drawn = view::draw(state, look, frame.area(), frame.buffer_mut());
        self.0.draw(draw).map_err(|e| CliError::other(format!("the terminal is gone: {e}")))?;
        state.drawn(drawn);
        Ok(())
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        ratatui::restore();
    }
}

/// Shows the cell until somebody quits; the exit code.
pub(super) async fn show(server: Server, mut state: State, look: &Look) -> Result<u8, CliError> {
    let mut signals = Signals::listen()?;
    let (tell, mut told) = mpsc::channel(MESSAGES);
    let following = tokio::spawn(stream::follow(server.clone(), tell.clone()));
    let mut screen = Screen::open()?;
    let mut keys = EventStream::new();
    let mut frames = interval(FRAME);
    frames.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut effects = state.wants();
    let (mut shown, mut changed) = (Instant::now(), true);
    let code = 'until: loop {
        for effect in effects.drain(..) {
            match effect {
                Effect::Quit(code) => break 'until Ok(code),
                effect => ask::perform(&server, effect, &tell),
            }
        }
        tokio::select! {
            biased;
            code = signals.next() => break Ok(code),
            event = keys.next() => match event {
                Some(Ok(event)) => {
                    if let Event::Key(key) = event {
                        effects = keys::press(&mut state, key);
                    }
                    // A key's effect is seen at once.
                    if let Err(error) = screen.draw(&mut state, look) {
                        break Err(error);
                    }
                }
                Some(Err(error)) => break Err(CliError::other(format!("the terminal is gone: {error}"))),
                None => break Err(CliError::other("the terminal is gone")),
            },
            _ = frames.tick() => {
                effects = state.apply(Message::Tick(now()));
                if changed || shown.elapsed() >= IDLE {
                    if let Err(error) = screen.draw(&mut state, look) {
                        break Err(error);
                    }
                    (shown, changed) = (Instant::now(), false);
                }
            }
            Some(message) = told.recv() => {
                effects = state.apply(message);
                changed = true;
            }
        }
    };
    following.abort();
    code
}

pub(super) fn now() -> Timestamp {
    Timestamp::from_millis(jiff::Timestamp::now().as_millisecond())
}
