//! Live capture through libpcap, which shares a ring of memory with the kernel.
//!
//! In: interfaces. Out: their frames, merged by stamp where there are several: an answer on one
//! wire of a tap must not overtake its question on the other.
//! Must not wait for a packet anywhere but in `wait`: libpcap's own time-out begins with the first
//! packet, so that a silent wire would hold up everything. Hence non-blocking handles and poll(2).
//! Source: pcap(3PCAP); the kernel's `Documentation/networking/packet_mmap.rst`.
//! Read next: `gather.rs`; `raw.rs` (the way without libpcap).

use std::{collections::VecDeque, os::fd::AsFd, path::Path, time::Duration};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use pcap::{Active, Capture, Error, Precision};

use super::{
    LinkType, Time,
    gather::{Gather, Wire},
    live::{Fault, Refused, Tap, Wanted, wall_clock},
};

/// The kernel hands over a block of its ring when it is full, or after so many milliseconds.
const RETIRE_MS: i32 = 10;

/// With several wires frames are held back so long, until no wire can have an earlier one: the kernel's
/// timer counts in steps of up to 10 ms and begins anew with each block.
const HOLD: i64 = 30 * 1_000_000;

/// Frames that are further ahead are of another clock, and holding them back would be for ever.
const STRANGE: i64 = Time::SECOND;

/// Frames that are taken from a handle in one call at most.
const TURN: usize = 4_096;

/// Handles of libpcap.
pub(super) struct Ring {
    handles: Vec<Handle>,
    snaplen: usize,
}

struct Handle {
    /// `None` once it cannot be read any more.
    capture: Option<Capture<Active>>,
    held: Held,
    losses: Losses,
}

/// Frames of one wire that wait for those of the others.
#[derive(Default)]
struct Held {
    /// Stamp, length on the wire, length here.
    frames: VecDeque<(Time, u32, usize)>,
    bytes: Vec<u8>,
    /// So many bytes are used up.
    used: usize,
}

/// libpcap counts with 32 bits, which a flood wraps.
#[derive(Default)]
struct Losses {
    last: (u32, u32),
    sum: u64,
}

impl Ring {
    /// Opens all interfaces.
    pub(super) fn open(wanted: &Wanted) -> Result<(Vec<Wire>, Self), Vec<Refused>> {
        let (mut wires, mut handles, mut refused) = (Vec::new(), Vec::new(), Vec::new());
        for name in &wanted.interfaces {
            match open(name, wanted) {
                Ok(capture) => {
                    wires.push(Wire { name: Path::new(name).into(), link: link(&capture) });
                    handles.push(Handle { capture: Some(capture), held: Held::default(), losses: Losses::default() });
                }
                Err(error) => refused.push(error),
            }
        }
        let ring = Self { handles, snaplen: wanted.snaplen as usize };
        if refused.is_empty() { Ok((wires, ring)) } else { Err(refused) }
    }

    /// The frames that no wire can have an earlier one for, in order of their stamps.
    fn merge(&mut self, gather: &mut Gather<'_>, now: Time, horizon: Time) -> bool {
        let may_go = |stamp: Time| stamp <= horizon || stamp.since(now) > STRANGE;
        loop {
            let first = self.handles.iter_mut().enumerate().filter_map(|(wire, handle)| {
                let stamp = handle.held.frames.front()?.0;
                may_go(stamp).then_some((stamp, wire, handle))
            });
            let Some((stamp, wire, handle)) = first.min_by_key(|(stamp, wire, _)| (*stamp, *wire)) else { break };
            if gather.room(self.snaplen) == 0 {
                return true;
            }
            handle.held.give(wire, stamp, gather);
        }
        self.handles.iter_mut().for_each(|handle| handle.held.tidy());
        false
    }
}

impl Tap for Ring {
    fn wait(&mut self, patience: Duration) {
        let holds = self.handles.iter().any(|handle| !handle.held.frames.is_empty());
        let patience = if holds { patience.min(Duration::from_millis(10)) } else { patience };
        let captures = self.handles.iter().filter_map(|handle| handle.capture.as_ref());
        let mut fds: Vec<_> = captures.map(|capture| PollFd::new(capture.as_fd(), PollFlags::POLLIN)).collect();
        // Interrupted by a signal, or with an error that the next drain will meet: either way it is over.
        let _ = poll(&mut fds, PollTimeout::try_from(patience).unwrap_or(PollTimeout::ZERO));
    }

    fn drain(&mut self, gather: &mut Gather<'_>) -> Result<bool, Fault> {
        let snaplen = self.snaplen;
        if let [handle] = self.handles.as_mut_slice() {
            return loop {
                let turn = gather.room(snaplen).min(TURN);
                let taken =
                    handle.dispatch(0, turn, |stamp, wire_len, bytes| gather.frame(0, stamp, wire_len, bytes))?;
                if gather.room(snaplen) == 0 {
                    break Ok(true);
                }
                if taken < turn {
                    break Ok(false);
                }
            };
        }
        let now = wall_clock();
        let mut horizon = now.after(-HOLD);
        // What waits here is bounded like a batch, whatever comes.
        let share = gather.sizes.batch_bytes / self.handles.len().max(1);
        for (wire, handle) in self.handles.iter_mut().enumerate() {
            let Handle { held, .. } = handle;
            let turn = (share.saturating_sub(held.bytes.len()) / (snaplen + 16)).min(TURN);
            let mut taken = std::mem::take(held);
            let count = handle.dispatch(wire, turn, |stamp, wire_len, bytes| taken.take(stamp, wire_len, bytes));
            handle.held = taken;
            if count? == turn
                && let Some((last, ..)) = handle.held.frames.back()
            {
                // There is more: others must not overtake it.
                horizon = horizon.min(*last);
            }
        }
        Ok(self.merge(gather, now, horizon))
    }

    fn lost(&mut self) -> u64 {
        let sum = |handle: &mut Handle| {
            if let Some(stat) = handle.capture.as_mut().and_then(|capture| capture.stats().ok()) {
                handle.losses.count(stat.dropped, stat.if_dropped);
            }
            handle.losses.sum
        };
        self.handles.iter_mut().map(sum).sum()
    }
}

impl Handle {
    /// Takes up to `most` frames that are there.
    fn dispatch(&mut self, wire: usize, most: usize, mut each: impl FnMut(Time, u32, &[u8])) -> Result<usize, Fault> {
        let Some(capture) = &mut self.capture else { return Ok(0) };
        let taken = capture.dispatch(Some(most), |packet| {
            let ts = packet.header.ts;
            // With this precision the microseconds are nanoseconds.
            #[allow(clippy::useless_conversion, reason = "the fields' widths are the platform's")]
            let stamp = Time(i64::from(ts.tv_sec).saturating_mul(Time::SECOND)).after(i64::from(ts.tv_usec));
            each(stamp, packet.header.len, packet.data);
        });
        taken.map_err(|error| {
            self.capture = None;
            Fault { wire, reason: format!("{error}; it is watched no more: start anew when it is back") }
        })
    }
}

impl Held {
    fn take(&mut self, stamp: Time, wire_len: u32, bytes: &[u8]) {
        self.frames.push_back((stamp, wire_len, bytes.len()));
        self.bytes.extend(bytes);
    }

    fn give(&mut self, wire: usize, stamp: Time, gather: &mut Gather<'_>) {
        let Some((_, wire_len, length)) = self.frames.pop_front() else { return };
        let bytes = self.bytes.get(self.used..self.used + length).unwrap_or_default();
        gather.frame(wire, stamp, wire_len, bytes);
        self.used += length;
    }

    /// Lets go of what was given.
    fn tidy(&mut self) {
        self.bytes.drain(..self.used.min(self.bytes.len()));
        self.used = 0;
    }
}

impl Losses {
    fn count(&mut self, dropped: u32, by_interface: u32) {
        let (before, before_by_interface) = self.last;
        self.sum += u64::from(dropped.wrapping_sub(before));
        // Drivers reset theirs when the interface goes down and up.
        self.sum += u64::from(by_interface.saturating_sub(before_by_interface));
        self.last = (dropped, by_interface);
    }
}

fn open(name: &str, wanted: &Wanted) -> Result<Capture<Active>, Refused> {
    let refused = |error: &Error, hint| Refused { interface: name.to_owned(), reason: words(error), hint };
    let hint = "`tripline interfaces` lists what there is; who is not root needs cap_net_raw, see docs/deploy.md";
    let open = || {
        let capture = Capture::from_device(name)?
            // The device that stands for all cannot, and libpcap's warning about it would be an error here.
            .promisc(wanted.promiscuous && name != ANY)
            .snaplen(i32::try_from(wanted.snaplen).unwrap_or(i32::MAX))
            .buffer_size(i32::try_from(wanted.buffer).unwrap_or(i32::MAX))
            .timeout(RETIRE_MS)
            .precision(Precision::Nano)
            .open()?;
        capture.setnonblock()
    };
    let mut capture = open().map_err(|error| refused(&error, Some(hint)))?;
    if let Some(filter) = &wanted.filter {
        let hint = "the language is that of pcap-filter(7)";
        capture.filter(filter, true).map_err(|error| refused(&error, Some(hint)))?;
    }
    Ok(capture)
}

/// libpcap's device for all interfaces at once.
const ANY: &str = "any";

/// libpcap's own words, without those that the crate puts before them.
pub(super) fn words(error: &Error) -> String {
    match error {
        Error::PcapError(words) => words.clone(),
        other => other.to_string(),
    }
}

/// What the handle's frames begin with: of the platform's numbers (DLT) those that are not also the registry's.
fn link(capture: &Capture<Active>) -> LinkType {
    match capture.get_datalink().0 {
        12 | 14 => LinkType(101),
        dlt => LinkType(u32::try_from(dlt).unwrap_or(u32::MAX)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::{Batch, Sizes, cut::Run};

    #[test]
    fn losses_are_counted_beyond_32_bits_and_over_resets() {
        let mut losses = Losses::default();
        for (dropped, by_interface) in [(u32::MAX - 1, 5), (3, 2), (3, 4)] {
            losses.count(dropped, by_interface);
        }
        assert_eq!(losses.sum, u64::from(u32::MAX) - 1 + 5 + 5 + 2);
    }

    /// A ring of wires that hold frames of these stamps, merged up to a horizon.
    fn merged(wires: &[&[i64]], now: i64, horizon: i64) -> Vec<(i64, String)> {
        let handle = |stamps: &&[i64]| {
            let mut held = Held::default();
            stamps.iter().for_each(|stamp| held.take(Time(*stamp), 60, b"frame"));
            Handle { capture: None, held, losses: Losses::default() }
        };
        let mut ring = Ring { handles: wires.iter().map(handle).collect(), snaplen: 256 };
        let names = ["a", "b", "c"].map(|name| Wire { name: Path::new(name).into(), link: LinkType(1) });
        let (mut batch, mut run) = (Batch::default(), Run::default());
        let sizes = Sizes::default();
        let mut gather = Gather { batch: &mut batch, run: &mut run, wires: &names, sizes };
        assert!(!ring.merge(&mut gather, Time(now), Time(horizon)));
        let mut seen = Vec::new();
        for piece in &batch.pieces {
            batch.walk(piece, |frame| {
                let wire = batch.origin_of(frame.seq).unwrap();
                seen.push((frame.stamp.0, wire.display().to_string()));
            });
        }
        seen
    }

    #[test]
    fn frames_of_several_wires_come_in_the_order_of_their_stamps() {
        let row = |stamp, wire: &str| (stamp, wire.to_owned());
        let seen = merged(&[&[1, 4, 9], &[2, 3, 8], &[5]], 20, 10);
        let all = [row(1, "a"), row(2, "b"), row(3, "b"), row(4, "a"), row(5, "c"), row(8, "b"), row(9, "a")];
        assert_eq!(seen, all);
    }

    #[test]
    fn what_another_wire_may_still_precede_is_held_back_unless_its_clock_is_strange() {
        let strange = 20 + 2 * Time::SECOND;
        let seen = merged(&[&[1, 15], &[12]], 20, 10);
        assert_eq!(seen, [(1, "a".to_owned())]);
        assert_eq!(merged(&[&[1, strange]], 20, 10).len(), 2);
    }
}
