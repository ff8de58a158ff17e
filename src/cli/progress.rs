//! How far a long read has come: a bar over the bytes of all files, with frames a second and
//! the time that is left.
//!
//! In: bytes and frames as they are used up. Out: a bar on standard error, on a terminal only.
//! It steps aside for events that go to the same terminal.
//! Must not know what is read.
//! Read next: `read.rs`, which drives it.

use std::{
    io::{IsTerminal, stderr, stdout},
    time::{Duration, Instant},
};

use indicatif::{HumanDuration, ProgressBar, ProgressDrawTarget, ProgressStyle};

/// The bar is drawn so often a second.
const HZ: u8 = 8;
/// Nothing is shown before: what is done by then needs no bar.
const PATIENCE: Duration = Duration::from_millis(500);
/// After events went to the terminal, the bar stays away for so long: they are written by
/// another thread, and a bar between their lines would spoil them.
const ASIDE: Duration = Duration::from_millis(400);

/// A bar, or nothing where no terminal is.
#[derive(Debug)]
pub struct Progress {
    /// `None` when nobody could see it.
    shown: Option<Shown>,
}

#[derive(Debug)]
struct Shown {
    bar: Option<ProgressBar>,
    total: Option<u64>,
    bytes: u64,
    frames: u64,
    since: Instant,
    aside_until: Option<Instant>,
    shares_terminal: bool,
}

impl Progress {
    /// A bar over `total` bytes (`None`: nobody knows how many). `wanted` is false for `-q`.
    pub fn new(total: Option<u64>, wanted: bool) -> Self {
        let shown = (wanted && stderr().is_terminal()).then(|| Shown {
            bar: None,
            total,
            bytes: 0,
            frames: 0,
            since: Instant::now(),
            aside_until: None,
            shares_terminal: stdout().is_terminal(),
        });
        Self { shown }
    }

    /// So many more bytes were used up, with so many frames.
    pub fn advance(&mut self, bytes: u64, frames: u64) {
        if let Some(shown) = &mut self.shown {
            shown.bytes += bytes;
            shown.frames += frames;
            shown.draw();
        }
    }

    /// Something is about to be written to the terminal: the bar makes room.
    pub fn step_aside(&mut self) {
        if let Some(shown) = self.shown.as_mut().filter(|shown| shown.shares_terminal) {
            shown.clear();
            shown.aside_until = Some(Instant::now() + ASIDE);
        }
    }

    /// A line for standard error, above the bar.
    pub fn clear(&mut self) {
        if let Some(shown) = &mut self.shown {
            shown.clear();
        }
    }
}

impl Shown {
    fn clear(&mut self) {
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
    }

    fn draw(&mut self) {
        let now = Instant::now();
        let elapsed = now.duration_since(self.since);
        if elapsed < PATIENCE || self.aside_until.is_some_and(|until| now < until) {
            return;
        }
        let total = self.total;
        let bar = self.bar.get_or_insert_with(|| new_bar(total).with_elapsed(elapsed));
        let rate = self.frames as f64 / elapsed.as_secs_f64() / 1e6;
        let left = time_left(elapsed, self.bytes, total).map(|left| format!("  {} left", HumanDuration(left)));
        bar.set_message(format!("{rate:.1} M frames/s{}", left.unwrap_or_default()));
        bar.set_position(self.bytes);
    }
}

/// As long as it took so far for each byte, for the bytes that are left. Not the bar's own guess:
/// that begins anew whenever the bar has stepped aside.
fn time_left(elapsed: Duration, bytes: u64, total: Option<u64>) -> Option<Duration> {
    let left = total?.saturating_sub(bytes) as f64 / bytes.max(1) as f64;
    Duration::try_from_secs_f64(elapsed.as_secs_f64() * left).ok()
}

fn new_bar(total: Option<u64>) -> ProgressBar {
    let (bar, template) = match total {
        Some(total) => (ProgressBar::new(total), "{wide_bar} {percent:>3} %  {bytes} of {total_bytes}  {msg}"),
        None => (ProgressBar::no_length(), "{spinner} {bytes}  {msg}  {elapsed}"),
    };
    bar.set_draw_target(ProgressDrawTarget::stderr_with_hz(HZ));
    // A template that does not parse would leave the plain bar, which is good enough.
    bar.with_style(ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_there_is_no_terminal_there_is_no_bar() {
        // Tests have pipes or files, or a terminal that asks for quiet.
        let mut progress = Progress::new(Some(100), false);
        progress.advance(50, 1);
        progress.step_aside();
        assert!(progress.shown.is_none());
    }

    #[test]
    fn the_time_that_is_left_follows_from_what_is_done() {
        let second = Duration::from_secs(1);
        assert_eq!(time_left(second, 25, Some(100)), Some(3 * second));
        assert_eq!(time_left(second, 100, Some(90)), Some(Duration::ZERO));
        assert_eq!(time_left(second, 25, None), None);
        assert!(time_left(second, 0, Some(u64::MAX)).is_none_or(|left| left > second));
    }

    #[test]
    fn both_templates_are_right() {
        for total in [Some(100), None] {
            let bar = new_bar(total);
            bar.set_draw_target(ProgressDrawTarget::hidden());
            bar.set_position(50);
            assert_eq!((bar.position(), bar.length()), (50, total));
        }
    }
}
