//! Colours, and what stands for them where there are none.

use ratatui::style::{Color, Modifier, Style};

/// How things look.
#[derive(Clone, Copy, Debug)]
pub(in crate::cli::watch) struct Look {
    colour: bool,
}

impl Look {
    pub(in crate::cli::watch) fn new(colour: bool) -> Self {
        Self { colour }
    }

    fn fg(self, colour: Color) -> Style {
        if self.colour { Style::new().fg(colour) } else { Style::new() }
    }

    pub(super) fn status(self, status: &str) -> Style {
        match status {
            "SUCCEEDED" => self.fg(Color::Green),
            "FAILED" | "TIMED_OUT" => self.fg(Color::Red),
            "ABORTED" => self.fg(Color::Magenta),
            "PENDING_RETRY" => self.fg(Color::Yellow),
            "RUNNING" => self.fg(Color::Cyan),
            "STARTING" => self.fg(Color::Blue),
            _ => Style::new(),
        }
    }

    /// What matters less.
    pub(super) fn quiet(self) -> Style {
        Style::new().add_modifier(Modifier::DIM)
    }

    pub(super) fn strong(self) -> Style {
        Style::new().add_modifier(Modifier::BOLD)
    }

    pub(super) fn bad(self) -> Style {
        self.fg(Color::Red).add_modifier(Modifier::BOLD)
    }

    pub(super) fn warn(self) -> Style {
        self.fg(Color::Yellow)
    }

    pub(super) fn good(self) -> Style {
        self.fg(Color::Green)
    }

    /// Bars and lines of figures.
    pub(super) fn figure(self) -> Style {
        self.fg(Color::Cyan)
    }

    pub(super) fn failure(self) -> Style {
        self.fg(Color::Red)
    }

    pub(super) fn selected(self) -> Style {
        Style::new().add_modifier(Modifier::REVERSED)
    }
}
