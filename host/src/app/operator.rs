//! Does what the command line asks of a running relay.

use std::{future::Future, pin::Pin, sync::Arc};

use super::running::Running;
use crate::{
    config::{Diagnostic, Source},
    control::{Answer, Handler, Request},
    delivery::Waker,
    events::{Event, Observers, Operated},
    spool::{Change, ChangedRecipient, Selection, SqliteSpool},
};

/// The one who answers.
pub(super) struct Operator {
    pub(super) spool: Arc<SqliteSpool>,
    pub(super) waker: Waker,
    pub(super) running: Arc<Running>,
    pub(super) observers: Observers,
}

impl Handler for Operator {
    fn answer(&self, request: Request, operator: u32) -> Pin<Box<dyn Future<Output = Answer> + Send + '_>> {
        Box::pin(async move {
            match request {
                Request::Queue { change, selection } => self.change(change, selection, operator).await,
                Request::Reload => self.reload().await,
            }
        })
    }
}

impl Operator {
    async fn change(&self, change: Change, selection: Selection, operator: u32) -> Answer {
        // Before the change, so that what it makes due meets no destination that is left alone.
        if matches!(change, Change::Flush | Change::Release | Change::Requeue) {
            self.waker.wake();
        }
        let tell = |recipient: &ChangedRecipient| {
            self.observers.tell(&Event::Operated(Operated { change, recipient, operator }));
        };
        match self.spool.change(change, selection.clone(), &tell).await {
            Ok(changed) => {
                tracing::info!(?change, ?selection, ?changed, "the queue is changed");
                Answer::Changed(changed)
            }
            Err(error) => Answer::Failed(error.to_string()),
        }
    }

    async fn reload(&self) -> Answer {
        let rendered = |source: Source, diagnostics: Vec<Diagnostic>| {
            diagnostics.iter().map(|diagnostic| source.render(diagnostic)).collect()
        };
        match self.running.reload().await {
            Ok((source, warnings)) => Answer::Reloaded(rendered(source, warnings)),
            Err((source, diagnostics)) => Answer::Broken(rendered(source, diagnostics)),
        }
    }
}
