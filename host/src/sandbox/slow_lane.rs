//! Where calls go that take long: threads that run when nothing else wants a processor.
//!
//! A guest that spins, or works through a large body, would hold a worker of the runtime for a tick at each turn, and its processor for
//! the kernel's time slices; all other mail would wait at each of its steps. So a call that has run for some time is polled on a thread
//! of the kernel's idle class from then on, while another thread takes over the worker.

use std::{
    future::{Future, poll_fn},
    panic,
    pin::pin,
    sync::Arc,
    task::{Context, Poll, Waker},
    thread,
    time::{Duration, Instant},
};

use tokio::{
    runtime::{Handle, RuntimeFlavor},
    sync::Semaphore,
    task::block_in_place,
};

/// How long a call may run on the threads of the runtime. A filter in an interpreted language is done with a letter by then.
const EXPRESS: Duration = Duration::from_millis(2);

/// A turn, a tick's work, that took this long was starved. The idle class gets next to nothing of a processor that is never idle, and
/// even long filters must come to their end within their `timeout`.
const STARVED: Duration = Duration::from_millis(50);

/// What nice(2) adds for calls that were starved: they get about a tenth of a processor that somebody else wants as well.
const NICENESS: i32 = 10;

/// How a thread of the slow lane gives way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Class {
    /// SCHED_IDLE of sched(7): anything else that wants to run gets the processor at once.
    Idle,
    /// By its niceness: the kernel lets it end its time slice.
    Nice,
}

/// As many turns at once as there are processors, but for one: with that, other mail's slowest letters are a sixth faster on two
/// processors (`tests/abuse.py`).
#[derive(Clone)]
pub(super) struct SlowLane {
    turns: Arc<Semaphore>,
}

impl SlowLane {
    pub(super) fn new() -> Self {
        let processors = thread::available_parallelism().map_or(1, usize::from);
        Self { turns: Arc::new(Semaphore::new(processors.saturating_sub(1).max(1))) }
    }

    /// Do `work`: on the caller's thread, and once it has run for long, in the slow lane. There, each turn is one poll: until the next
    /// tick, or until the work waits for something.
    pub(super) async fn run<T: Send>(&self, work: impl Future<Output = T> + Send) -> T {
        let mut work = pin!(work);
        let mut ran = Duration::ZERO;
        let express = poll_fn(|context| {
            if ran >= EXPRESS {
                return Poll::Ready(None);
            }
            let (begin, answer) = (Instant::now(), work.as_mut().poll(context));
            ran += begin.elapsed();
            answer.map(Some)
        });
        if let Some(answer) = express.await {
            return answer;
        }
        let mut class = Class::Idle;
        loop {
            let mut turn = self.turns.acquire().await.ok();
            let one_turn = poll_fn(|context| {
                // Woken after its turn.
                let Some(_turn) = turn.take() else { return Poll::Ready(None) };
                let begin = Instant::now();
                let answer = give_way(class, context.waker(), |context| work.as_mut().poll(context));
                if begin.elapsed() >= STARVED {
                    class = Class::Nice;
                }
                answer.map(Some)
            });
            if let Some(answer) = one_turn.await {
                return answer;
            }
        }
    }
}

/// Call `poll` on a thread of this class and wait for it; a runtime with several workers goes on without the caller's thread.
fn give_way<T: Send>(class: Class, waker: &Waker, mut poll: impl FnMut(&mut Context<'_>) -> T + Send) -> T {
    let runtime = Handle::current();
    if runtime.runtime_flavor() == RuntimeFlavor::CurrentThread {
        return poll(&mut Context::from_waker(waker));
    }
    let polled = block_in_place(|| {
        thread::scope(|scope| {
            let thread = thread::Builder::new().name("slow filter".to_owned()).spawn_scoped(scope, || {
                let _entered = runtime.enter();
                class.enter();
                poll(&mut Context::from_waker(waker))
            });
            thread.map(thread::ScopedJoinHandle::join)
        })
    });
    match polled {
        Ok(Ok(answer)) => answer,
        Ok(Err(cause)) => panic::resume_unwind(cause),
        Err(_no_thread) => poll(&mut Context::from_waker(waker)),
    }
}

impl Class {
    /// Put the calling thread into it: Linux schedules each thread by itself. There is no way back without permission; and where even
    /// this is not permitted, the call just gives way less.
    fn enter(self) {
        match self {
            Self::Idle => {
                let priority = libc::sched_param { sched_priority: 0 };
                // SAFETY: the kernel reads `priority`, and nothing else of this process is touched.
                unsafe { libc::sched_setscheduler(0, libc::SCHED_IDLE, &raw const priority) };
            }
            Self::Nice => {
                rustix::process::nice(NICENESS).ok();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Class of the calling thread.
    fn class() -> Option<Class> {
        // SAFETY: it only asks.
        let idle = unsafe { libc::sched_getscheduler(0) } == libc::SCHED_IDLE;
        let niceness = rustix::process::getpriority_process(None).expect("a priority");
        match (idle, niceness) {
            (true, _) => Some(Class::Idle),
            (false, NICENESS..) => Some(Class::Nice),
            (false, _) => None,
        }
    }

    /// Work that takes this long at each poll, as a guest that spins: the classes of the threads that polled it.
    async fn polls(lane: &SlowLane, turns: &[Duration]) -> Vec<Option<Class>> {
        let mut seen = Vec::new();
        let spin = poll_fn(|context| {
            seen.push(class());
            let Some(turn) = turns.get(seen.len() - 1) else { return Poll::Ready(()) };
            thread::sleep(*turn);
            context.waker().wake_by_ref();
            Poll::Pending
        });
        lane.run(spin).await;
        seen
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 1)]
    async fn long_work_gives_way_and_gets_its_share_when_it_is_starved() {
        let lane = SlowLane::new();
        let turns = [EXPRESS / 2, EXPRESS / 2, EXPRESS, STARVED, EXPRESS];
        let classes = tokio::spawn(async move { polls(&lane, &turns).await }).await.expect("no panic");
        assert_eq!(classes, [None, None, Some(Class::Idle), Some(Class::Idle), Some(Class::Nice), Some(Class::Nice)]);
        assert_eq!(class(), None, "the worker's own class");
    }

    #[tokio::test]
    async fn a_runtime_of_one_thread_does_it_all_on_that() {
        assert_eq!(polls(&SlowLane::new(), &[EXPRESS; 2]).await, [None; 3]);
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 1)]
    async fn other_work_goes_on_while_all_turns_are_taken() {
        let lane = SlowLane::new();
        let processors = lane.turns.available_permits();
        let (stop, stopped) = std::sync::mpsc::channel::<()>();
        let stopped = Arc::new(std::sync::Mutex::new(stopped));
        let long: Vec<_> = (0..processors * 2)
            .map(|_| {
                let (lane, stopped) = (lane.clone(), Arc::clone(&stopped));
                tokio::spawn(async move {
                    let mut polls = 0;
                    let work = poll_fn(|context| {
                        polls += 1;
                        if polls == 1 {
                            thread::sleep(EXPRESS);
                            context.waker().wake_by_ref();
                            return Poll::Pending;
                        }
                        // It blocks its thread until the test ends.
                        Poll::Ready(stopped.lock().map(|stopped| stopped.recv().is_err()).unwrap_or(true))
                    });
                    assert!(lane.run(work).await);
                })
            })
            .collect();
        while lane.turns.available_permits() > 0 {
            tokio::task::yield_now().await;
        }
        // The one worker is free for this.
        tokio::spawn(tokio::task::yield_now()).await.expect("no panic");
        drop(stop);
        for long in long {
            long.await.expect("no panic");
        }
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 1)]
    async fn a_panic_reaches_the_caller() {
        let lane = SlowLane::new();
        let mut polls = 0;
        let work = async move {
            let panics = poll_fn(|context| {
                polls += 1;
                assert!(polls == 1, "as expected");
                thread::sleep(EXPRESS);
                context.waker().wake_by_ref();
                Poll::<()>::Pending
            });
            lane.run(panics).await
        };
        assert!(tokio::spawn(work).await.expect_err("it panicked").is_panic());
    }
}
