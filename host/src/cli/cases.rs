//! Running `[[test]]`s: each message through the filters, and what came out against what was expected. `test` and `plugin test`
//! share this.

use std::{process::ExitCode, sync::Arc};

use anstream::{eprintln, println};
use anstyle::{AnsiColor, Style};
use serde::Serialize;

use super::{
    message_file, output,
    trace::{Ending, Letter, StageRecord, Traced, follow},
};
use crate::{
    app::App,
    config::{Case, CaseMessage, CaseVerdict, Config, Expected},
    mail::Message,
    pipeline::Verdict,
};

const GOOD: Style = AnsiColor::Green.on_default();
const BAD: Style = AnsiColor::Red.on_default().bold();
const DIM: Style = Style::new().dimmed();

/// Which tests, and how to tell what became of them.
#[derive(clap::Args)]
pub(super) struct CasesArgs {
    /// Only tests whose name contains one of these.
    #[arg(value_name = "NAME")]
    names: Vec<String>,
    /// Write the result as JSON to standard output.
    #[arg(long)]
    json: bool,
}

/// What became of one test.
#[derive(Serialize)]
struct Judged<'a> {
    name: &'a str,
    file: String,
    line: usize,
    passed: bool,
    differences: Vec<Difference>,
    /// What each stage did: only of a test that did not pass.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    stages: Vec<StageRecord>,
}

/// Something that is not as expected.
#[derive(Debug, PartialEq, Eq, Serialize)]
struct Difference {
    /// `verdict`, `field subject`, …
    what: String,
    expected: String,
    found: String,
}

#[derive(Serialize)]
struct Report<'a> {
    passed: usize,
    failed: usize,
    tests: Vec<Judged<'a>>,
}

/// Run the tests of a configuration, after `prepare` had a look at it.
pub(super) fn run(config: &super::ConfigArg, args: &CasesArgs, prepare: impl FnOnce(&mut Config)) -> ExitCode {
    output::start_log_of_filters();
    let runtime = match output::runtime() {
        Ok(runtime) => runtime,
        Err(code) => return code,
    };
    runtime.block_on(async {
        let built = match Config::load(config.config.clone()) {
            Ok(mut config) => {
                prepare(&mut config);
                App::build(config).await
            }
            Err(told) => Err(told),
        };
        match built {
            Ok(app) => run_cases(&app, args).await,
            Err((source, diagnostics)) => {
                output::print_diagnostics(&source, &diagnostics);
                ExitCode::FAILURE
            }
        }
    })
}

async fn run_cases(app: &App, args: &CasesArgs) -> ExitCode {
    let wanted = |case: &&Case| args.names.is_empty() || args.names.iter().any(|name| case.name.contains(name));
    let cases: Vec<_> = app.config.cases.iter().filter(wanted).collect();
    let path = app.config.source.path.display();
    if cases.is_empty() {
        let why = if app.config.cases.is_empty() { "there is no [[test]] in it" } else { "no test has such a name" };
        eprintln!("{path}: {why}");
        return ExitCode::FAILURE;
    }
    let mut tests = Vec::new();
    for case in cases {
        let judged = judge(app, case).await;
        if !args.json {
            print(&judged);
        }
        tests.push(judged);
    }
    let passed = tests.iter().filter(|judged| judged.passed).count();
    let report = Report { passed, failed: tests.len() - passed, tests };
    if !args.json {
        println!("{passed} passed, {} failed", report.failed);
    } else {
        match serde_json::to_string_pretty(&report) {
            Ok(json) => println!("{json}"),
            Err(error) => return output::fail(&error),
        }
    }
    if report.failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

async fn judge<'a>(app: &App, case: &'a Case) -> Judged<'a> {
    let (differences, stages) = match letter(app, case) {
        Ok(letter) => {
            let traced = follow(app, letter).await;
            (differences(&case.expect, &traced), traced.stages)
        }
        Err(error) => {
            (vec![Difference { what: "message".to_owned(), expected: "a file".to_owned(), found: error }], Vec::new())
        }
    };
    let source = &app.config.source;
    let passed = differences.is_empty();
    Judged {
        name: &case.name,
        file: source.path.display().to_string(),
        line: source.place(case.span.start).line,
        passed,
        differences,
        stages: if passed { Vec::new() } else { stages },
    }
}

fn letter(app: &App, case: &Case) -> Result<Letter, String> {
    let message = match &case.message {
        CaseMessage::Inline(text) => Message::parse(message_file::with_crlf(text.as_bytes()).into()),
        CaseMessage::File(path) => message_file::read(path).map_err(|error| format!("{}: {error}", path.display()))?,
    };
    let told = &case.client;
    let mut client = Arc::unwrap_or_clone(output::client_at(app, told.address, &told.helo));
    client.name.clone_from(&told.name);
    client.login.clone_from(&told.login);
    let (sender, recipients) = (case.sender.clone(), case.recipients.clone());
    Ok(Letter { client: Arc::new(client), sender, recipients, message })
}

/// Everything that is not as expected.
fn differences(expected: &Expected, traced: &Traced) -> Vec<Difference> {
    let mut found = Vec::new();
    let mut compare = |what: &str, expected: String, is: String| {
        if expected != is {
            found.push(Difference { what: what.to_owned(), expected, found: is });
        }
    };
    let (verdict, text) = ending(&traced.ending);
    compare("verdict", expected.verdict.name().to_owned(), verdict.map_or("none", CaseVerdict::name).to_owned());
    if let Some(reply) = expected.reply.as_ref().or(expected.reason.as_ref()) {
        compare(if expected.reply.is_some() { "reply" } else { "reason" }, reply.clone(), text);
    }
    if let Some(sender) = &expected.sender {
        compare("sender", format!("<{sender}>"), format!("<{}>", traced.sender));
    }
    if let Some(recipients) = &expected.recipients {
        let list: Vec<_> = recipients.iter().map(ToString::to_string).collect();
        compare("recipients", list.join("\n"), traced.recipients.join("\n"));
    }
    for (name, values) in &expected.fields {
        let fields = traced.message.fields().iter().filter(|field| field.is(name));
        let is: Vec<_> = fields.map(|field| field.unfolded()).collect();
        compare(&format!("field {name}"), values.join("\n"), is.join("\n"));
    }
    if let Some(body) = &expected.body {
        let is = traced.message.body();
        let is = is.read(0, usize::try_from(is.len()).unwrap_or(usize::MAX));
        compare("body", body.clone(), String::from_utf8_lossy(&is).replace("\r\n", "\n"));
    }
    let failed = traced.stages.iter().filter(|stage| stage.failed);
    let failed: Vec<_> = failed.map(|stage| stage.stage.as_str()).collect();
    compare("failures", expected.failures.join("\n"), failed.join("\n"));
    found
}

/// The verdict of an ending, with its reply or reason.
fn ending(ending: &Ending) -> (Option<CaseVerdict>, String) {
    match ending {
        Ending::Delivered | Ending::Stopped(Verdict::Next | Verdict::Accept) => {
            (Some(CaseVerdict::Deliver), String::new())
        }
        Ending::Refused(reply) | Ending::Stopped(Verdict::Reject(reply) | Verdict::Defer(reply)) => {
            let verdict = if reply.code < 500 { CaseVerdict::Defer } else { CaseVerdict::Reject };
            (Some(verdict), reply.to_string())
        }
        Ending::Stopped(Verdict::Discard(reason)) => (Some(CaseVerdict::Discard), reason.clone()),
        Ending::Stopped(Verdict::Hold(reason)) => (Some(CaseVerdict::Hold), reason.clone()),
        Ending::Broken(why) => (None, why.clone()),
    }
}

fn print(judged: &Judged<'_>) {
    let Judged { name, file, line, .. } = judged;
    if judged.passed {
        println!("{GOOD}ok{GOOD:#}      {name}");
        return;
    }
    println!("{BAD}FAILED{BAD:#}  {name}  {DIM}{file}:{line}{DIM:#}");
    for Difference { what, expected, found } in &judged.differences {
        println!("    {what}");
        print_lines('-', AnsiColor::Red.on_default(), expected);
        print_lines('+', GOOD, found);
    }
    for stage in &judged.stages {
        let reason = stage.reason.as_deref().map(|reason| format!("  {reason}")).unwrap_or_default();
        println!("    {DIM}{}: {}{reason}{DIM:#}", stage.stage, stage.verdict);
    }
}

/// Nothing is a line too: `-` alone says that nothing was expected.
fn print_lines(sign: char, style: Style, text: &str) {
    for line in text.split('\n') {
        println!("      {style}{sign} {line}{style:#}");
    }
}
