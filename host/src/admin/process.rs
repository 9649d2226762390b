//! What the process uses, by the names that Prometheus gives such metrics everywhere. From proc(5): elsewhere than on Linux there
//! is nothing to tell.

use std::{fmt, fs};

use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeMetric},
    metrics::{MetricType, counter::ConstCounter, gauge::ConstGauge},
    registry::Unit,
};
use rustix::process::{Resource, getrlimit};

/// Ticks a second in `/proc/self/stat`: USER_HZ, the same on every Linux.
const TICKS: f64 = 100.0;

/// This process.
#[derive(Debug)]
pub(super) struct Process;

impl Collector for Process {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        if let Some(seconds) = processor_time() {
            let help = "Processor time that the relay has used";
            let time = encoder.encode_descriptor("process_cpu", help, Some(&Unit::Seconds), MetricType::Counter)?;
            ConstCounter::new(seconds).encode(time)?;
        }
        if let Some(memory) = resident_memory() {
            let help = "Memory of the relay that is in use";
            let gauge =
                encoder.encode_descriptor("process_resident_memory", help, Some(&Unit::Bytes), MetricType::Gauge)?;
            ConstGauge::new(i64::try_from(memory).unwrap_or(i64::MAX)).encode(gauge)?;
        }
        if let Ok(open) = fs::read_dir("/proc/self/fd") {
            let help = "Open files and sockets";
            let gauge = encoder.encode_descriptor("process_open_fds", help, None, MetricType::Gauge)?;
            ConstGauge::new(open.count() as i64).encode(gauge)?;
        }
        if let Some(limit) = getrlimit(Resource::Nofile).current {
            let gauge =
                encoder.encode_descriptor("process_max_fds", "How many there may be", None, MetricType::Gauge)?;
            ConstGauge::new(i64::try_from(limit).unwrap_or(i64::MAX)).encode(gauge)?;
        }
        Ok(())
    }
}

/// Memory of this process that is in use, in octets.
pub fn resident_memory() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim_end().parse().ok()?;
    Some(kibibytes << 10)
}

/// In user and system mode together, in seconds.
fn processor_time() -> Option<f64> {
    let stat = fs::read_to_string("/proc/self/stat").ok()?;
    // The program's name, in parentheses, may have blanks; utime and stime are the fields 14 and 15, the one after it is 3.
    let (_, fields) = stat.rsplit_once(')')?;
    let mut times = fields.split_whitespace().skip(11).map(str::parse::<f64>);
    Some((times.next()?.ok()? + times.next()?.ok()?) / TICKS)
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;

    #[test]
    fn work_takes_time_and_memory() {
        let before = processor_time().expect("Linux");
        let begin = Instant::now();
        let mut kept = Vec::new();
        while processor_time().expect("Linux") < before + 0.02 {
            kept.push(vec![1_u8; 1 << 10]);
            assert!(begin.elapsed() < Duration::from_secs(60), "no processor time is counted");
        }
        assert!(resident_memory() > Some((kept.len() << 10) as u64));
    }
}
