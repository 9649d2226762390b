//! What a next hop's answer means for a recipient.

use crate::smtp::Reply;

/// What became of one recipient at one attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// 2xx after the end of the data.
    Delivered(Reply),
    /// 4xx, or trouble with the connection: try again.
    Deferred(Reply),
    /// 5xx: report to the sender.
    Failed(Reply),
    /// A `[[delivery]]` filter wants it kept.
    Held(String),
    /// A `[[delivery]]` filter wants it gone.
    Discarded(String),
}

impl Outcome {
    /// What was said, where somebody said something.
    pub(super) fn reply(&self) -> Option<&Reply> {
        match self {
            Self::Delivered(reply) | Self::Deferred(reply) | Self::Failed(reply) => Some(reply),
            Self::Held(_) | Self::Discarded(_) => None,
        }
    }

    /// The meaning of a reply. 552 after RCPT means too many recipients (RFC 5321 4.5.3.1.10), which another attempt may cure.
    pub(super) fn of(reply: Reply, at_rcpt: bool) -> Self {
        match reply.code {
            200..=299 => Self::Delivered(reply),
            552 if at_rcpt => Self::Deferred(reply),
            500..=599 => Self::Failed(reply),
            _ => Self::Deferred(reply),
        }
    }
}
