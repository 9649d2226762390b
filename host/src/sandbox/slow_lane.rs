//! Where calls go that take long: a few at a time, on threads that give way to everything else.
//!
//! A guest that spins, or works through a large body, would hold a worker of the runtime for a tick at each turn, and all other
//! mail would wait that long at each of its steps. So a call that a tick has interrupted is polled on a thread of low priority
//! from then on, while another thread takes over the worker. The kernel then runs other mail first, and long calls with what is left.

use std::{
    future::{Future, poll_fn},
    panic,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, Waker},
    thread,
};

use tokio::{
    runtime::{Handle, RuntimeFlavor},
    sync::Semaphore,
    task::block_in_place,
};

/// What nice(2) adds for the others: they get about a tenth of a processor that somebody else wants as well.
const NICENESS: i32 = 10;

/// Whether the epoch clock has interrupted a call.
#[derive(Clone, Default)]
pub(super) struct Interrupted(Arc<AtomicBool>);

impl Interrupted {
    pub(super) fn set(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    fn is_set(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// As many turns as there are processors, but for one: a scheduler lets even a thread of low priority have its slice of some milliseconds
/// before another gets the processor.
#[derive(Clone)]
pub(super) struct SlowLane {
    turns: Arc<Semaphore>,
}

impl SlowLane {
    pub(super) fn new() -> Self {
        let processors = thread::available_parallelism().map_or(1, usize::from);
        Self { turns: Arc::new(Semaphore::new(processors.saturating_sub(1).max(1))) }
    }

    /// Do `work`: on the caller's thread, and once it was `interrupted` in the slow lane. There, each turn is one poll: until the next
    /// tick, or until the work waits for something.
    pub(super) async fn run<T: Send>(&self, interrupted: &Interrupted, work: impl Future<Output = T> + Send) -> T {
        let mut work = pin!(work);
        let express = poll_fn(|context| match interrupted.is_set() {
            true => Poll::Ready(None),
            false => work.as_mut().poll(context).map(Some),
        });
        if let Some(answer) = express.await {
            return answer;
        }
        loop {
            let mut turn = self.turns.acquire().await.ok();
            let one_turn = poll_fn(|context| match turn.take() {
                Some(_turn) => on_low_priority(context.waker(), |context| work.as_mut().poll(context)).map(Some),
                // Woken after its turn.
                None => Poll::Ready(None),
            });
            if let Some(answer) = one_turn.await {
                return answer;
            }
        }
    }
}

/// Call `poll` on a thread of low priority and wait for it; a runtime with several workers goes on without the caller's thread.
fn on_low_priority<T: Send>(waker: &Waker, mut poll: impl FnMut(&mut Context<'_>) -> T + Send) -> T {
    let runtime = Handle::current();
    if runtime.runtime_flavor() == RuntimeFlavor::CurrentThread {
        return poll(&mut Context::from_waker(waker));
    }
    let polled = block_in_place(|| {
        thread::scope(|scope| {
            let thread = thread::Builder::new().name("slow filter".to_owned()).spawn_scoped(scope, || {
                let _entered = runtime.enter();
                // Linux has a priority for each thread. Without permission the call just gives way less.
                rustix::process::nice(NICENESS).ok();
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

#[cfg(test)]
mod tests {
    use super::*;

    /// Work that is ticked at each poll, as a guest that spins: the priorities of the threads that polled it.
    async fn polls(lane: &SlowLane, count: usize) -> Vec<i32> {
        let interrupted = Interrupted::default();
        let mut seen = Vec::new();
        let spin = poll_fn(|context| {
            seen.push(rustix::process::getpriority_process(None).expect("a priority"));
            if seen.len() == count {
                return Poll::Ready(());
            }
            interrupted.set();
            context.waker().wake_by_ref();
            Poll::Pending
        });
        lane.run(&interrupted, spin).await;
        seen
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 1)]
    async fn long_work_gives_way_after_its_first_tick() {
        let lane = SlowLane::new();
        let priorities = tokio::spawn(async move { polls(&lane, 3).await }).await.expect("no panic");
        let normal = priorities[0];
        assert_eq!(priorities, [normal, normal + NICENESS, normal + NICENESS]);
        assert_eq!(rustix::process::getpriority_process(None), Ok(normal), "the worker's own priority");
    }

    #[tokio::test]
    async fn a_runtime_of_one_thread_does_it_all_on_that() {
        let priorities = polls(&SlowLane::new(), 3).await;
        assert_eq!(priorities, [priorities[0]; 3]);
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
                    let interrupted = Interrupted::default();
                    interrupted.set();
                    // It blocks its thread until the test ends.
                    let work = async { stopped.lock().map(|stopped| stopped.recv().is_err()).unwrap_or(true) };
                    assert!(lane.run(&interrupted, work).await);
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
        let interrupted = Interrupted::default();
        interrupted.set();
        let work = async move { lane.run(&interrupted, async { panic!("as expected") }).await };
        assert!(tokio::spawn(work).await.expect_err("it panicked").is_panic());
    }
}
