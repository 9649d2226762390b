//! The part of `trace` before the message is there: relay control and the `[[session]]` stages, as a client would meet them.

use std::sync::Arc;

use super::report::{StageRecord, decision_record};
use crate::{
    app::App,
    mail::Address,
    pipeline::{Facts, Gathered, Mail, Phase, SessionStages},
    server,
    smtp::Reply,
};

/// From connect to the end of data. An error is what the client would hear instead of 250.
pub(super) async fn ask(app: &App, mail: &Mail, records: &mut Vec<StageRecord>) -> Result<Gathered, Reply> {
    let stages = SessionStages::new(Arc::clone(&app.pipeline.session), app.config.delay_reject);
    let mut session = Session { app, mail, stages, records, accepted: Vec::new() };
    for phase in [Phase::Connect, Phase::Helo, Phase::Mail] {
        session.decide(phase, None).await?;
    }
    for recipient in &mail.envelope.recipients {
        if let Some(refusal) = session.stages.refusal() {
            return Err(refusal.reply.clone());
        }
        let ours = server::admit(&*app.relay_domains, &mail.client, &recipient.original)?;
        session.decide(Phase::Rcpt, Some((&recipient.address, ours))).await?;
        session.accepted.push(recipient.address.clone());
    }
    for phase in [Phase::Data, Phase::EndOfData] {
        session.decide(phase, None).await?;
    }
    Ok(session.stages.gathered())
}

struct Session<'a> {
    app: &'a App,
    mail: &'a Mail,
    stages: SessionStages,
    records: &'a mut Vec<StageRecord>,
    accepted: Vec<Address>,
}

impl Session<'_> {
    async fn decide(&mut self, phase: Phase, recipient: Option<(&Address, bool)>) -> Result<(), Reply> {
        let (mail, accepted) = (self.mail, &self.accepted);
        let facts = || Facts {
            phase,
            client: Arc::clone(&mail.client),
            sender: (phase >= Phase::Mail).then(|| mail.envelope.sender.clone()),
            recipient: recipient.map(|(address, _)| address.clone()),
            recipient_is_ours: recipient.is_some_and(|(_, ours)| ours),
            recipients: accepted.clone(),
            size: (phase == Phase::EndOfData).then(|| mail.message.size()),
            notes: Vec::new(),
            explain: true,
        };
        let decided = self.stages.decide(phase, facts).await;
        for report in self.stages.take_reports() {
            let stage = self.app.pipeline.session.get(report.index);
            self.records
                .extend(stage.map(|stage| decision_record(stage, &report, recipient.map(|(address, _)| address))));
        }
        decided.map_err(|refusal| refusal.reply)
    }
}
