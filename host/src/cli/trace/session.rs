//! The part of `trace` before the message is there: relay control and the `[[session]]` stages, as a client would meet them.

use std::sync::Arc;

use super::report::{StageRecord, decision_record};
use crate::{
    app::App,
    mail::{Address, Recipient},
    pipeline::{Facts, Gathered, Mail, Phase, SessionStage, SessionStages},
    server,
    smtp::Reply,
};

/// From connect to the end of data. An error is what the client would hear instead of 250.
pub(super) async fn ask(
    app: &App,
    asked: &Arc<[SessionStage]>,
    mail: &Mail,
    records: &mut Vec<StageRecord>,
) -> Result<Gathered, Reply> {
    let stages = SessionStages::new(Arc::clone(asked), app.config.delay_reject);
    let mut session = Session { app, asked, mail, stages, records, accepted: Vec::new() };
    for phase in [Phase::Connect, Phase::Helo, Phase::Mail] {
        session.decide(phase).await?;
    }
    for recipient in &mail.envelope.recipients {
        session.admit(recipient).await?;
        session.accepted.push(recipient.address.clone());
    }
    for phase in [Phase::Data, Phase::EndOfData] {
        session.decide(phase).await?;
    }
    Ok(session.stages.gathered())
}

struct Session<'a> {
    app: &'a App,
    asked: &'a [SessionStage],
    mail: &'a Mail,
    stages: SessionStages,
    records: &'a mut Vec<StageRecord>,
    accepted: Vec<Address>,
}

impl Session<'_> {
    async fn decide(&mut self, phase: Phase) -> Result<(), Reply> {
        let facts = facts(self.mail, &self.accepted, phase);
        let decided = self.stages.decide(phase, || facts).await;
        self.record(None);
        decided.map_err(|refusal| refusal.reply)
    }

    async fn admit(&mut self, recipient: &Recipient) -> Result<(), Reply> {
        let facts = facts(self.mail, &self.accepted, Phase::Rcpt);
        let facts = |ours| Facts { recipient: Some(recipient.address.clone()), recipient_is_ours: ours, ..facts };
        let (domains, client) = (&*self.app.relay_domains, &self.mail.client);
        let admitted = server::admit(domains, &mut self.stages, client, recipient, facts).await;
        self.record(Some(&recipient.address));
        admitted.map_err(|denied| denied.reply().clone())
    }

    fn record(&mut self, recipient: Option<&Address>) {
        for report in self.stages.take_reports() {
            let stage = self.asked.get(report.index);
            self.records.extend(stage.map(|stage| decision_record(stage, &report, recipient)));
        }
    }
}

fn facts(mail: &Mail, accepted: &[Address], phase: Phase) -> Facts {
    Facts {
        phase,
        client: Arc::clone(&mail.client),
        sender: (phase >= Phase::Mail).then(|| mail.envelope.sender.clone()),
        recipient: None,
        recipient_is_ours: false,
        recipients: accepted.to_vec(),
        size: (phase == Phase::EndOfData).then(|| mail.message.size()),
        notes: Vec::new(),
        explain: true,
    }
}
