//! What was written last over TCP, in case the connection takes it along.
//!
//! In: messages as they were sent. Out: those to send again on the next connection. Plain
//! syslog acknowledges nothing: a message that the system took may never be read by a server
//! that goes down. Sending some again is the only way not to lose any; receivers tell repeats by
//! (`id`, `rev`). Bounded in number and bytes.
//! Must not know sockets.
//! Source: RFC 6587, section 3.4 (how TCP loses messages).
//!
//! Read next: `link.rs`, which tells how a connection ended.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

/// More than a socket buffers of such messages while its peer is silently dead.
const MESSAGES: usize = 4_096;
const BYTES: usize = 1 << 20;

/// A server that closes in order has read all that reached it before; what was written in this
/// last moment may have crossed the closing on its way.
const CROSSING: Duration = Duration::from_secs(1);

#[derive(Default)]
pub(crate) struct Recent {
    messages: VecDeque<(Instant, Vec<u8>)>,
    bytes: usize,
}

impl Recent {
    pub(crate) fn push(&mut self, message: Vec<u8>) {
        self.bytes += message.len();
        self.messages.push_back((Instant::now(), message));
        while self.messages.len() > MESSAGES || self.bytes > BYTES {
            self.forget_oldest();
        }
    }

    /// The server closed the connection and had read what came before.
    pub(crate) fn closed_in_order(&mut self) {
        while self.messages.front().is_some_and(|(at, _)| at.elapsed() > CROSSING) {
            self.forget_oldest();
        }
    }

    /// All of them, in order.
    pub(crate) fn messages(&self) -> impl Iterator<Item = &[u8]> {
        self.messages.iter().map(|(_, message)| message.as_slice())
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.messages.is_empty()
    }

    fn forget_oldest(&mut self) {
        if let Some((_, message)) = self.messages.pop_front() {
            self.bytes -= message.len();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_stays_within_its_bounds_and_keeps_the_newest() {
        let mut recent = Recent::default();
        (0..10_000_u32).for_each(|n| recent.push(n.to_be_bytes().into()));
        assert_eq!(recent.messages().count(), MESSAGES);
        assert_eq!(recent.messages().last(), Some(&9_999_u32.to_be_bytes()[..]));
        (0..100).for_each(|_| recent.push(vec![b'x'; 60_000]));
        assert!(recent.messages().map(<[u8]>::len).sum::<usize>() <= BYTES && recent.messages().count() > 10);
    }

    #[test]
    fn an_orderly_end_leaves_only_what_was_written_in_its_last_moment() {
        let mut recent = Recent::default();
        recent.push(b"new".into());
        if let Some(long_ago) = Instant::now().checked_sub(CROSSING * 2) {
            recent.messages.push_front((long_ago, b"old".into()));
            recent.bytes += 3;
        }
        recent.closed_in_order();
        assert_eq!(recent.messages().collect::<Vec<_>>(), [b"new"]);
    }
}
