//! The rayon pool and its only scope.
//!
//! In: how many workers; jobs that share nothing mutable. Out: when all are done.
//! A pool of its own, never the global one, with named threads. With one worker there is no
//! pool at all: the jobs run where they are given, which wins on small boxes.
//! Nothing in here may send to a bounded channel or wait for another job (rayon #779, #1269: that deadlocks). A lock may be held
//! by a job that runs, while it waits for nothing but the source (`engine/feed.rs`).

use rayon::{Scope, ThreadPool, ThreadPoolBuilder};

/// Why the workers could not be started.
pub use rayon::ThreadPoolBuildError as PoolError;

/// Workers, or none.
#[derive(Debug)]
pub struct Pool(Option<ThreadPool>);

/// Takes jobs while a [`Pool::scope`] is open.
pub struct Jobs<'pool, 'scope>(Option<&'pool Scope<'scope>>);

impl Pool {
    /// A pool of `workers` threads; none for one.
    pub fn new(workers: usize) -> Result<Self, PoolError> {
        if workers <= 1 {
            return Ok(Self(None));
        }
        let builder = ThreadPoolBuilder::new().num_threads(workers);
        Ok(Self(Some(builder.thread_name(|n| format!("tripline-{n}")).build()?)))
    }

    /// Runs `body` here; what it spawns runs on the workers. Returns when all are done.
    pub fn scope<'scope, T>(&self, body: impl FnOnce(&Jobs<'_, 'scope>) -> T) -> T {
        match &self.0 {
            Some(pool) => pool.in_place_scope(|scope| body(&Jobs(Some(scope)))),
            None => body(&Jobs(None)),
        }
    }
}

impl<'scope> Jobs<'_, 'scope> {
    /// Hands a job to the workers; without any it runs at once.
    pub fn spawn(&self, job: impl FnOnce() + Send + 'scope) {
        match self.0 {
            Some(scope) => scope.spawn(move |_| job()),
            None => job(),
        }
    }
}
