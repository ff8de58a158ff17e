//! `tripline why`: the whole story of one address: its doors, how it was judged, what was told to whom, and why.
//!
//! In: an address or a net, captures, the flags of `read` that judge. Out: the story on standard output, for a person or as
//! JSON. It runs what `read` runs, with the same key and memory, and listens; nothing is judged here and nothing is delivered.
//! Read next: `listener.rs` (who takes events), `tale.rs` (what is told), `answer.rs` (why), `text.rs` (how it looks).

mod answer;
mod listener;
mod tale;
mod text;
mod words;

use anyhow::Context;

use super::{
    Failure, Outcome, Program, args,
    job::{self, Job, Mode},
    known, print,
    progress::Progress,
    rules::warn,
    say,
};
use crate::{
    config::Diagnostics,
    engine::{self, Plan, signals::Stop, story::About},
    source::{Archive, Sizes, Unpacking},
};
use listener::Listener;
use tale::{Asked, Tale};

/// Addresses of a net whose story is told.
const MOST: usize = 16;

/// Tells the story.
///
/// # Errors
/// Wrong flags or rules: then nothing was read. Or the system refuses threads.
pub fn why(args: &args::Why, program: &Program) -> Result<Outcome, Failure> {
    let mut errors = Diagnostics::default();
    let net = args.address;
    let (filter, window) = job::selection(&args.selection, &mut errors);
    let mode = Mode::Read { deliver: args.deliver, alone: false };
    let Job { plan, rules, outputs, processors } = job::prepare(&args.judging(), mode, program, errors)?;
    warn(&rules);
    let own = plan.thresholds.is_some().then_some(known::TRIPLINE);
    let presets: Vec<&str> = own.into_iter().chain(plan.references.iter().map(engine::Reference::name)).collect();
    let stop = Stop::on_signals().context("cannot listen for signals")?;
    let unpacking = Unpacking::for_workers(plan.shards, args.selection.unpack_memory);
    let mut archive =
        Archive::open(&args.paths, args.order.into(), Sizes::of_workers(plan.shards).0).unpacking(unpacking);
    if let Some(window) = window {
        archive = archive.within(window);
    }
    if args.merge {
        archive = archive.merged();
    }
    // What they hear may stand in an event; their lines are nobody's business here.
    let (streams, _) = processors.start(None)?;
    let mut listener = Listener::new(rules, outputs, net, stop, Progress::new(archive.total_bytes(), true));
    let about = Some(About { net, most: MOST, keep: args.doors.get().div_ceil(2) });
    let plan = Plan { key: args.key, filter, about, streams, ..plan };
    let totals = engine::run(&mut archive, plan, &mut listener).context("cannot start the workers")?;
    let heard = listener.finish();
    let asked = Asked { presets: &presets, doors: args.doors.get(), totals: &totals };
    let (stories, beyond) = &totals.stories;
    let mut tales: Vec<Tale> = stories.iter().map(|story| Tale::of(story, &heard, &asked)).collect();
    if tales.is_empty() {
        tales.push(Tale::of_nobody(&net, &heard, &asked));
    }
    let mut told = String::new();
    for tale in &tales {
        match args.format {
            args::Told::Human => text::render(tale, &mut told),
            args::Told::Json => {
                told += &serde_json::to_string(tale).context("the story cannot be written as JSON")?;
                told.push('\n');
            }
        }
    }
    print(&told)?;
    if *beyond > 0 {
        say(&format!("tripline: {net}: {beyond} more addresses were seen; ask about a smaller net, or one of them\n"));
    }
    Ok(if heard.is_whole { Outcome::Done } else { Outcome::Incomplete })
}
