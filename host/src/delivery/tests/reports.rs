//! Who is told what became of a message, and who never is.

use super::*;
use crate::mail::Notify;

/// Send one message, with this NOTIFY, through a next hop that answers so.
async fn told(
    settings_: impl Fn(Settings) -> Settings,
    script: Script,
    notify: Option<&str>,
    from: ReversePath,
) -> (Bench, NextHop) {
    let next_hop = NextHop::start(script).await;
    let route = route(&format!("smtp://{}", next_hop.address));
    let bench = Bench::with_settings(settings_(settings(vec![route])), vec![]);
    let mut recipient = Recipient::new(address("a@b.example"));
    recipient.notify = notify.map(|words| Notify::parse(words).expect("NOTIFY"));
    bench.send_envelope("Q1", Envelope::new(from, vec![recipient]), "Subject: x\r\n\r\ny\r\n").await;
    (bench, next_hop)
}

/// The report about it, once the spool holds so many recipients.
async fn report(bench: &Bench, next_hop: &NextHop, waiting: u64) -> Option<String> {
    bench.settles(waiting, 0).await;
    next_hop.heard().into_iter().find(|text| text.contains("multipart/report"))
}

#[tokio::test]
async fn success_is_told_where_it_was_asked_for_and_the_next_hop_does_not_tell() {
    let dsn = ("EHLO", "250-mx\r\n250 DSN");
    for (script, notify, action) in [
        (vec![], Some("SUCCESS"), Some("Action: relayed\n")),
        (vec![], None, None),
        (vec![], Some("FAILURE,DELAY"), None),
        (vec![dsn], Some("SUCCESS,FAILURE"), None),
    ] {
        let (bench, next_hop) = told(|settings| settings, script, notify, sender()).await;
        let report = report(&bench, &next_hop, 0).await;
        match action {
            Some(action) => {
                let report = report.expect("a report");
                assert!(report.contains(action) && report.contains("text/rfc822-headers"), "{report}");
            }
            None => assert_eq!(report, None, "{notify:?}"),
        }
    }
}

#[tokio::test]
async fn lmtp_delivers() {
    let next_hop = NextHop::start(vec![]).await;
    let smtp = NextHop::start(vec![]).await;
    let mut local = route(&format!("lmtp://{}", next_hop.address));
    local.recipients = vec![Pattern::Domain("b.example".to_owned())];
    let bench = Bench::with_settings(settings(vec![local, route(&format!("smtp://{}", smtp.address))]), vec![]);
    let mut recipient = Recipient::new(address("a@b.example"));
    recipient.notify = Notify::parse("SUCCESS");
    bench.send_envelope("Q1", Envelope::new(sender(), vec![recipient]), "Subject: x\r\n\r\ny\r\n").await;
    let report = report(&bench, &smtp, 0).await.expect("a report");
    assert!(report.contains("Action: delivered\n"), "{report}");
}

#[tokio::test]
async fn who_wants_to_hear_nothing_hears_nothing() {
    for notify in ["NEVER", "SUCCESS", "DELAY"] {
        let (bench, next_hop) =
            told(|settings| settings, vec![("RCPT TO:<a@", "550 5.1.1 no")], Some(notify), sender()).await;
        assert_eq!(report(&bench, &next_hop, 0).await, None, "{notify}");
    }
}

#[tokio::test]
async fn a_late_message_is_told_once() {
    let late = |settings| Settings {
        delay_warning: Some(Duration::ZERO),
        retry: RetrySchedule {
            first: Duration::from_millis(10),
            longest: Duration::from_millis(20),
            ..RetrySchedule::default()
        },
        ..settings
    };
    let (_bench, next_hop) = told(late, vec![("RCPT TO:<a@", "450 4.2.1 later")], None, sender()).await;
    for _ in 0..3000 {
        if next_hop.count("RCPT TO:<a@") >= 5 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let reports: Vec<_> = next_hop.heard().into_iter().filter(|text| text.contains("multipart/report")).collect();
    assert_eq!(reports.len(), 1, "of {} attempts", next_hop.count("RCPT TO:<a@"));
    assert!(reports[0].contains("Action: delayed\n") && reports[0].contains("Will-Retry-Until: "), "{}", reports[0]);
}

#[tokio::test]
async fn nobody_is_told_about_a_report_but_a_postmaster() {
    let refused = || vec![("RCPT TO:<a@", "550 5.1.1 no")];
    let (bench, next_hop) = told(|settings| settings, refused(), None, ReversePath::Null).await;
    bench.settles(0, 1).await;
    assert_eq!(next_hop.count("MAIL"), 1, "the message itself");
    let discard = |settings| Settings { double_bounces: DoubleBounces::Discard, ..settings };
    let (bench, next_hop) = told(discard, refused(), None, ReversePath::Null).await;
    assert_eq!(report(&bench, &next_hop, 0).await, None);
    let to = |settings| Settings { double_bounces: DoubleBounces::Postmaster(address("pm@c.example")), ..settings };
    let (bench, next_hop) = told(to, refused(), None, ReversePath::Null).await;
    let report = report(&bench, &next_hop, 0).await.expect("a report");
    assert!(report.contains("To: <pm@c.example>\n"), "{report}");
    // If he can't be reached either, it ends there.
    let nobody = vec![("RCPT", "550 5.1.1 no")];
    let (bench, next_hop) = told(to, nobody, None, ReversePath::Null).await;
    bench.settles(0, 1).await;
    assert_eq!(next_hop.count("RCPT TO:<pm@c.example>"), 1);
}
