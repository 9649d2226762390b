//! What is wrong, where, and what would be right; and how that looks on a terminal.

use std::{
    fmt::Write as _,
    ops::Range,
    path::{Path, PathBuf},
};

/// Columns of the file's line that are shown at most.
const WIDEST_LINE: usize = 110;

/// A configuration file as text.
#[derive(Clone, Debug, Default)]
pub struct Source {
    /// As the user named it.
    pub path: PathBuf,
    /// Its content.
    pub text: String,
}

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// The relay does not start.
    Error,
    /// It starts, but somebody should look.
    Warning,
}

/// Something to tell about a place of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// Octets of the file that it is about; empty at 0 for the file as a whole.
    pub span: Range<usize>,
    /// How bad.
    pub severity: Severity,
    /// What is wrong, in one line.
    pub message: String,
    /// What would be right.
    pub help: Option<String>,
    /// More of it, a line each: a filter's backtrace, say.
    pub notes: Vec<String>,
    /// Another file that it is about, with a line, instead of the span: a table's source.
    pub elsewhere: Option<(PathBuf, usize)>,
}

impl Diagnostic {
    /// An error at a place.
    pub fn error(span: Range<usize>, message: impl Into<String>) -> Self {
        let (severity, message) = (Severity::Error, message.into());
        Self { span, severity, message, help: None, notes: Vec::new(), elsewhere: None }
    }

    /// A warning about a line of another file.
    pub fn warning_elsewhere(path: PathBuf, line: usize, message: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, elsewhere: Some((path, line)), ..Self::error(0..0, message) }
    }

    /// The same with a hint.
    #[must_use]
    pub fn with_help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// The same with more lines.
    #[must_use]
    pub fn with_notes(mut self, notes: Vec<String>) -> Self {
        self.notes = notes;
        self
    }
}

/// Line and column, from 1; columns count characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Line.
    pub line: usize,
    /// Column.
    pub column: usize,
}

impl Source {
    /// A path of the file's: relative ones are relative to its folder.
    pub(super) fn resolve(&self, path: &str) -> PathBuf {
        self.path.parent().unwrap_or_else(|| Path::new("")).join(path)
    }

    /// Where an octet of the text is.
    pub fn place(&self, offset: usize) -> Place {
        let before = self.text.get(..offset).unwrap_or(&self.text);
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        let column = before.get(line_start..).unwrap_or_default().chars().count() + 1;
        Place { line: before.matches('\n').count() + 1, column }
    }

    /// The diagnostic as people read it: `FILE:LINE:COLUMN: error: …`, the line, a caret, the hint. Colours by terminal codes,
    /// which whoever prints may strip.
    pub fn render(&self, diagnostic: &Diagnostic) -> String {
        let (word, colour) = match diagnostic.severity {
            Severity::Error => ("error", "\x1b[1;31m"),
            Severity::Warning => ("warning", "\x1b[1;33m"),
        };
        let (bold, plain) = ("\x1b[1m", "\x1b[0m");
        let mut out = String::new();
        let shown = self.shown(diagnostic);
        writeln!(out, "{bold}{shown}:{plain} {colour}{word}:{plain} {}", diagnostic.message).ok();
        if diagnostic.elsewhere.is_none() && !self.text.is_empty() {
            self.render_line(diagnostic, colour, &mut out);
        } else if let Some(help) = &diagnostic.help {
            writeln!(out, "   = help: {help}").ok();
        }
        for note in &diagnostic.notes {
            writeln!(out, "   = {note}").ok();
        }
        out
    }

    /// The diagnostic for a log: `FILE:LINE:COLUMN: message`.
    pub fn line(&self, diagnostic: &Diagnostic) -> String {
        format!("{}: {}", self.shown(diagnostic), diagnostic.message)
    }

    fn shown(&self, diagnostic: &Diagnostic) -> String {
        match &diagnostic.elsewhere {
            Some((path, line)) => format!("{}:{line}", path.display()),
            None if self.text.is_empty() => self.path.display().to_string(),
            None => {
                let place = self.place(diagnostic.span.start);
                format!("{}:{}:{}", self.path.display(), place.line, place.column)
            }
        }
    }

    fn render_line(&self, diagnostic: &Diagnostic, colour: &str, out: &mut String) {
        let plain = "\x1b[0m";
        let start = diagnostic.span.start.min(self.text.len());
        let Place { line: number, column } = self.place(start);
        let line = self.text.lines().nth(number - 1).unwrap_or_default();
        // A span over several lines is underlined on its first.
        let rest = line.chars().count().saturating_sub(column - 1);
        let length =
            self.text.get(diagnostic.span.clone()).map_or(1, |text| text.chars().take_while(|c| *c != '\n').count());
        let length = length.clamp(1, rest.max(1));
        // Of a long line the part around the place is shown.
        let skip = if column + length > WIDEST_LINE { (column - 1).saturating_sub(WIDEST_LINE / 3) } else { 0 };
        let length = length.min(WIDEST_LINE);
        let visible: String =
            line.chars().skip(skip).take(WIDEST_LINE).map(|c| if c == '\t' { ' ' } else { c }).collect();
        let gutter = " ".repeat(number.to_string().len());
        let blanks = " ".repeat(column - 1 - skip);
        let carets = "^".repeat(length);
        let help = diagnostic.help.as_ref().map(|help| format!(" help: {help}")).unwrap_or_default();
        writeln!(out, "{gutter} |").ok();
        writeln!(out, "{number} | {}", visible.trim_end()).ok();
        writeln!(out, "{gutter} | {blanks}{colour}{carets}{plain}{help}").ok();
    }
}
