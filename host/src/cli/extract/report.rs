//! What was found, for people and for scripts.

use std::path::Path;

use anstream::println;
use anstyle::{AnsiColor, Style};
use serde::{Deserialize, Serialize};

use super::unpack::Unpacked;

const BAD: Style = AnsiColor::Red.on_default().bold();
const DIM: Style = Style::new().dimmed();

/// One attachment, as the filter tells it with `report = "json"`.
#[derive(Debug, Deserialize, Serialize)]
pub(super) struct Attachment {
    part: String,
    name: String,
    #[serde(rename = "type")]
    media_type: String,
    encoding: String,
    size: u64,
    /// The name of the file; none where nothing was written.
    saved: Option<String>,
    /// Whether a file of that name was there and stays.
    exists: bool,
    damage: Option<String>,
    remarks: Vec<String>,
}

/// One message.
#[derive(Debug, Serialize)]
pub(super) struct Extracted {
    file: String,
    /// Which one of an mbox, from 1.
    message: usize,
    attachments: Vec<Attachment>,
    error: Option<String>,
}

impl Extracted {
    pub(super) fn new(file: &Path, message: usize, unpacked: Unpacked) -> Self {
        let file = file.display().to_string();
        match unpacked {
            Ok(attachments) => Self { file, message, attachments, error: None },
            Err(error) => Self { file, message, attachments: Vec::new(), error: Some(error) },
        }
    }

    /// Whether everything is as its sender made it.
    pub(super) fn is_well(&self) -> bool {
        self.error.is_none() && self.attachments.iter().all(|attachment| attachment.damage.is_none())
    }

    /// One line for each attachment.
    pub(super) fn print(&self, list: bool) {
        if let Some(error) = &self.error {
            anstream::eprintln!("{}: message {}: {BAD}{error}{BAD:#}", self.file, self.message);
        }
        for one in &self.attachments {
            let name = match &one.saved {
                Some(saved) => saved,
                None => &one.name,
            };
            let what = format!("{}, {}, {} octets", one.media_type, one.encoding, one.size);
            let fate = if one.exists { ", not saved: there is such a file" } else { "" };
            // Names come from strangers: what a terminal would obey is not for it.
            let name: String = name.chars().map(|c| if c.is_control() { '_' } else { c }).collect();
            println!("{name}  {DIM}{what}, part {}{fate}{DIM:#}", one.part);
            for remark in &one.remarks {
                println!("    {remark}");
            }
            if let Some(damage) = &one.damage {
                println!("    {BAD}damaged:{BAD:#} {damage}");
            }
        }
        if list && self.error.is_none() && self.attachments.is_empty() {
            println!("{DIM}{}: message {}: no attachments{DIM:#}", self.file, self.message);
        }
    }
}
