//! The workers: the calling thread and those of a rayon pool, in its only scope.
//!
//! In: how many workers; work that shares nothing mutable. Out: when all are done.
//! A pool of its own, never the global one, with named threads. The caller is one of the workers, so that there are no more
//! threads that compute than there are cores, and with one worker there is no pool at all, which wins on small boxes.
//! Nothing in here may send to a bounded channel or wait for another job (rayon #779, #1269: that deadlocks). A lock may be held
//! by a job that runs, while it waits for nothing but the source (`engine/feed.rs`).

use std::{
    hint::spin_loop,
    sync::atomic::{AtomicUsize, Ordering},
};

use rayon::{ThreadPool, ThreadPoolBuilder};

/// Why the workers could not be started.
pub use rayon::ThreadPoolBuildError as PoolError;

/// Workers: the caller, and the threads of a pool, or none.
#[derive(Debug)]
pub struct Pool {
    threads: Option<ThreadPool>,
    patience: u32,
}

impl Pool {
    /// So many `workers`, of which the caller is one. Who is done before the others looks `patience` times whether they are, before
    /// he falls asleep: rounds are short, and to be woken takes as long as a good part of one.
    ///
    /// # Errors
    /// The system gave no threads.
    pub fn new(workers: usize, patience: u32) -> Result<Self, PoolError> {
        let builder = || ThreadPoolBuilder::new().num_threads(workers - 1).thread_name(|n| format!("tripline-{n}"));
        let threads = (workers > 1).then(|| builder().build()).transpose()?;
        Ok(Self { threads, patience })
    }

    /// Has all workers `work` at once, each with one of `tools`: the first is the caller's, who does `own` before. Returns when all are done.
    pub fn work<T: Send>(&self, tools: &mut [T], own: impl FnOnce(), work: impl Fn(&mut T) + Sync) {
        let Some((first, others)) = tools.split_first_mut() else { return own() };
        let Some(threads) = &self.threads else {
            own();
            work(first);
            return others.iter_mut().for_each(work);
        };
        let busy = AtomicUsize::new(others.len());
        threads.in_place_scope(|scope| {
            for tool in others {
                let (work, busy) = (&work, &busy);
                scope.spawn(move |_| {
                    work(tool);
                    busy.fetch_sub(1, Ordering::Release);
                });
            }
            own();
            work(first);
            let mut looks = 0;
            while looks < self.patience && busy.load(Ordering::Acquire) > 0 {
                looks += 1;
                spin_loop();
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everybody_works_with_a_tool_of_his_own_the_caller_too() {
        for workers in [1, 2, 5] {
            for patience in [0, 1_000] {
                let pool = Pool::new(workers, patience).unwrap();
                let (mut tools, mut own) = (vec![0; workers], 0);
                for _ in 0..100 {
                    pool.work(&mut tools, || own += 1, |tool| *tool += 1);
                }
                assert_eq!((tools, own), (vec![100; workers], 100));
            }
        }
    }
}
