//! What arrived by Postfix beside what arrived by us. The documented differences are those of `plugins/README.md`.

use super::{
    arrival::{Arrived, Ending},
    letter::Letter,
    setup::Setup,
};

/// What a case has shown.
#[derive(Debug, Default)]
pub(crate) struct Told {
    /// Documented differences and rules that it has hit.
    pub(crate) counted: Vec<&'static str>,
    /// An undocumented difference.
    pub(crate) difference: Option<String>,
}

/// Compare the two ends of a message; `log` is ours.
pub(crate) fn compare(letter: &Letter, theirs: &Ending, ours: &Ending, setup: &Setup, log: &str) -> Told {
    let mut told = Told::default();
    match (theirs, ours) {
        (Ending::Arrived(theirs), Ending::Arrived(ours)) => arrivals(letter, (theirs, ours), setup, &mut told),
        (Ending::Refused(theirs), Ending::Refused(ours)) if theirs.get(..1) == ours.get(..1) => {
            told.counted.push("refused by both");
        }
        (Ending::Refused(reply), Ending::Arrived(_)) if reply.starts_with("451") && letter.sender.is_empty() => {
            told.counted.push("difference: the null sender is not looked up (S1)");
        }
        (Ending::Arrived(_), Ending::Refused(reply)) if reply.starts_with("451") && setup.has_null_values() => {
            told.counted.push("difference: a row `<>` is no address (S6)");
        }
        (Ending::Arrived(_), Ending::Refused(reply)) if reply.starts_with("451") && log.contains("go in a circle") => {
            told.counted.push("difference: a circle defers (2.4, trap 10)");
        }
        _ => told.difference = Some(format!("\n    Postfix: {}\n    we:      {}", shown(theirs), shown(ours))),
    }
    told
}

fn shown(ending: &Ending) -> String {
    match ending {
        Ending::Refused(reply) => format!("refused: {reply}"),
        Ending::Kept => "kept in the queue".to_owned(),
        Ending::Arrived(arrived) => format!("sent from <{}> to {:?}", arrived.sender, arrived.recipients),
    }
}

fn arrivals(letter: &Letter, (theirs, ours): (&Arrived, &Arrived), setup: &Setup, told: &mut Told) {
    let mut differs = |what: &str, theirs: &str, ours: &str| {
        told.difference = Some(format!("{what}\n    Postfix: {theirs}\n    we:      {ours}"));
    };
    if theirs.sender != ours.sender {
        if letter.sender.is_empty() && ours.sender.is_empty() && setup.may_map_the_null_sender() {
            told.counted.push("difference: the null sender stays (S1)");
            return;
        }
        return differs("MAIL", &theirs.sender, &ours.sender);
    }
    if theirs.recipients != ours.recipients {
        return differs("RCPT", &theirs.recipients.join(" "), &ours.recipients.join(" "));
    }
    if theirs.fields.len() != ours.fields.len() {
        let names = |fields: &[(String, String)]| fields.iter().map(|(name, _)| format!("{name} ")).collect::<String>();
        return differs("fields", &names(&theirs.fields), &names(&ours.fields));
    }
    told.counted.push(if theirs.sender == letter.sender { "MAIL as it came" } else { "MAIL rewritten" });
    for (number, ((name, theirs), (_, ours))) in theirs.fields.iter().zip(&ours.fields).enumerate() {
        let came = letter.fields.get(number).map_or("", |(_, value)| value.as_str());
        let what = if theirs == ours && ours == came {
            "field as it came"
        } else if theirs == ours {
            "field rewritten to the same octets"
        } else if squeezed(theirs) == squeezed(ours) {
            "difference: a rewritten field keeps its blanks and folding (H6, H10)"
        } else if without_comments(theirs) == without_comments(ours) {
            "difference: a rewritten field gets no commas, comments stay where they stood (H1, H3)"
        } else if came.contains("<@") && setup.generic_meets_routes() {
            told.counted.push("difference: generic knows source routes (section 1)");
            return;
        } else if without_quotes(theirs) == without_quotes(ours) {
            "difference: a rewritten field keeps the quotes of addresses that stay (H5, H7)"
        } else {
            told.difference = Some(format!("{name}\n    came:   {came}\n    Postfix:{theirs}\n    we:     {ours}"));
            return;
        };
        told.counted.push(what);
    }
}

/// Without blanks and line ends outside quoted strings and comments.
fn squeezed(value: &str) -> String {
    let (mut quoted, mut escaped, mut depth) = (false, false, 0_usize);
    let keeps = |c: &char| {
        let blank = c.is_ascii_whitespace() && !quoted && depth == 0;
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' if depth == 0 => quoted = !quoted,
            '(' if !quoted => depth += 1,
            ')' if !quoted => depth = depth.saturating_sub(1),
            _ => {}
        }
        !blank
    };
    value.chars().filter(keeps).collect()
}

/// What is left without commas, blanks and comments; and the comments.
fn without_comments(value: &str) -> (String, Vec<String>) {
    let (mut text, mut comments, mut open) = (String::new(), Vec::new(), String::new());
    let (mut quoted, mut escaped, mut depth) = (false, false, 0_usize);
    for c in squeezed(value).chars() {
        let was = depth;
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' if depth == 0 => quoted = !quoted,
            '(' if !quoted => depth += 1,
            ')' if !quoted => depth = depth.saturating_sub(1),
            _ => {}
        }
        match (was, depth) {
            (0, 0) if c == ',' && !quoted => {}
            (0, 0) => text.push(c),
            (_, 0) => comments.push(std::mem::take(&mut open)),
            _ => open.push(c),
        }
    }
    comments.sort();
    (text, comments)
}

/// What is left without the quotes, too.
fn without_quotes(value: &str) -> (String, Vec<String>) {
    let (text, comments) = without_comments(value);
    (text.replace(['"', '\\'], ""), comments)
}
