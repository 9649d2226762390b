//! Two versions of a plugin take turns in one stage.

use std::{
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use serde::Serialize;

use super::{
    Args, BenchError, build, load_config,
    measure::{self, Progress},
    messages::Letter,
    statistics::{Ratio, Summary},
};
use crate::{
    app::App,
    config::{Config, Plugin},
};

/// What the comparison has found.
#[derive(Debug, Serialize)]
pub(super) struct Compared {
    pub(super) stage: String,
    pub(super) a: Version,
    pub(super) b: Version,
    /// B to A, by their medians.
    pub(super) ratio: Option<Ratio>,
}

/// One of the two.
#[derive(Debug, Serialize)]
pub(super) struct Version {
    pub(super) file: String,
    /// Time in the stage, in microseconds.
    pub(super) time: Summary,
}

pub(super) async fn run(
    args: &Args,
    stage: &str,
    files: [&PathBuf; 2],
    letters: &[Letter],
    span: Duration,
) -> Result<Compared, BenchError> {
    let [a, b] = [with_plugin(args, stage, files[0]).await?, with_plugin(args, stage, files[1]).await?];
    let mut benches = [a, b].map(|app| measure::Bench::new(&app, args.client));
    let mut times = [Vec::new(), Vec::new()];
    let (begin, mut progress) = (Instant::now(), Progress::new(span));
    for (turn, letter) in letters.iter().cycle().enumerate() {
        // A goes first, then B does: whatever the first of a pair pays for both, each pays for half of the pairs.
        for version in if turn % 2 == 0 { [0, 1] } else { [1, 0] } {
            let elapsed = benches[version].letter(letter).await;
            // The first round makes everything warm.
            if turn >= letters.len() {
                times[version].push(elapsed);
            }
        }
        progress.tell(begin.elapsed().as_secs_f64() / span.as_secs_f64());
        if turn >= 2 * letters.len() && begin.elapsed() >= span {
            break;
        }
    }
    drop(progress);
    let [mut a, mut b] = times;
    let ratio = Ratio::of(&a, &b);
    let version =
        |file: &PathBuf, times: &mut [Duration]| Version { file: file.display().to_string(), time: Summary::of(times) };
    Ok(Compared { stage: stage.to_owned(), a: version(files[0], &mut a), b: version(files[1], &mut b), ratio })
}

/// The configuration with nothing but that stage, and this file in it.
async fn with_plugin(args: &Args, stage: &str, file: &Path) -> Result<App, BenchError> {
    let mut config: Config = load_config(args)?;
    config.stages.retain(|entry| entry.name == stage);
    match config.stages.as_mut_slice() {
        [] => return Err(BenchError::NoStage(stage.to_owned())),
        [entry] => entry.plugin = Plugin::File(file.to_owned()),
        _ => return Err(BenchError::ManyStages(stage.to_owned())),
    }
    build(config).await
}
