//! Errands: which door between two hosts a packet knocks at, answers from or closes, for sixteen seconds of the clock.
//!
//! In: an observation, and what its ends are called. Out: the name of its errand to each of them; of a probe the name of all in which its twins agree.
//! Two packets of one errand say the same, once the door is known: so most evidence of most networks is told from what is news.
//! Must not know what a cell makes of it. Read next: `scatter.rs` (who is given them), `cells/settled.rs` (who remembers them).

use std::ops::Range;

use crate::{
    decode::{Kind, Observation},
    dispatch::{hash::Key, scatter::Names},
    source::Time,
};

const FIN: u8 = 1;
const SYN: u8 = 2;
pub(super) const RST: u8 = 4;
const PSH: u8 = 8;
pub(super) const ACK: u8 = 16;
const URG: u8 = 32;
/// The flags that make a probe or an answer; the two of ECN are no part of it.
const CORE: u8 = FIN | SYN | RST | PSH | ACK | URG;

/// For so long of the clock an errand has one name: nanoseconds.
pub const WINDOW: i64 = 16 * Time::SECOND;

/// The window of errands that the clock is in.
#[derive(Debug, Default)]
pub(super) struct Window {
    pub(super) number: u64,
    /// When it began, and when it is over.
    span: Range<i64>,
}

impl Window {
    /// Whether another one has begun.
    #[inline]
    pub(super) fn is_over(&mut self, now: Time) -> bool {
        let over = !self.span.contains(&now.0);
        if over {
            let number = now.0.div_euclid(WINDOW);
            let begin = number.saturating_mul(WINDOW);
            (self.number, self.span) = (number as u64, begin..begin.saturating_add(WINDOW));
        }
        over
    }
}

/// What a probe has in common with its twins: the target, ports, numbers. Never 0.
#[inline]
pub(super) fn twin(key: &Key, o: &Observation, names: Names) -> u64 {
    let ports = u64::from(o.src_port) << 32 | u64::from(o.dst_port) << 16 | u64::from(o.ip_id);
    let numbers = u64::from(o.tcp_seq) << 32 | u64::from(o.tcp_ack);
    key.join(key.join(names.dst, numbers, ports), 0, u64::from(o.flags)) | 1
}

/// What a packet's errand is called, to its sender and to its receiver: which door between two hosts it knocks at,
/// answers from or closes. Of UDP the lower port is taken for the door's; a wrong guess only costs a look-up. 0
/// where each packet may be news.
#[inline]
pub(super) fn errands(key: &Key, o: &Observation, names: Names, window: u64) -> [u64; 2] {
    let (port, way) = match (o.kind, o.flags & CORE) {
        (Kind::Udp, _) if o.dst_port <= o.src_port => (o.dst_port, 0),
        (Kind::Udp, _) => (o.src_port, 1),
        (Kind::Tcp, SYN) => (o.dst_port, 2),
        (Kind::Tcp, flags) if flags & (FIN | SYN | RST | ACK) == SYN | ACK => (o.src_port, 3),
        (Kind::Tcp, flags) if flags & (FIN | SYN | RST | ACK) == FIN | ACK => (o.dst_port, 4),
        _ => return [0; 2],
    };
    let hash = key.join(names.src, names.dst, window << 20 | u64::from(port) << 4 | way);
    // To a lower port: for the one who gets it, it may answer what it asked from there, so that each port it comes
    // from is an errand of its own. The two roles differ in the lowest bit, and where both ends are of one cell.
    let from = if way == 0 { u64::from(o.src_port) << 44 } else { 0 };
    [hash | 1, (hash & !1).wrapping_add(from).max(2)]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{decode::Address, dispatch::samples::packet};

    fn tcp(flags: u8) -> Observation {
        Observation { flags, ..packet(Kind::Tcp, 40_000, 80) }
    }

    fn errands_of(o: &Observation) -> [u64; 2] {
        let key = Key::new(3);
        errands(&key, o, Names { src: key.name(o.src), dst: key.name(o.dst) }, (o.clock.0 / WINDOW) as u64)
    }

    #[test]
    fn an_errand_is_a_door_between_two_hosts_for_sixteen_seconds() {
        let [sender, receiver] = errands_of(&tcp(SYN));
        assert_ne!(sender, receiver);
        let same = Observation { src_port: 40_001, tcp_seq: 9, clock: Time(WINDOW - 1), ..tcp(SYN | 0xc0) };
        assert_eq!(errands_of(&same), [sender, receiver]);
        for other in [
            Observation { dst_port: 81, ..tcp(SYN) },
            Observation { dst: Address(1), ..tcp(SYN) },
            Observation { clock: Time(WINDOW), ..tcp(SYN) },
            tcp(SYN | ACK),
            tcp(FIN | ACK),
        ] {
            assert!(!errands_of(&other).contains(&sender), "{other:?}");
        }
    }

    #[test]
    fn what_may_be_news_is_no_errand() {
        for flags in [0, FIN, RST, RST | ACK, SYN | FIN, SYN | URG, SYN | PSH, FIN | PSH | URG] {
            assert_eq!(errands_of(&tcp(flags)), [0; 2], "flags {flags:#x}");
        }
        assert_eq!(errands_of(&packet(Kind::IcmpRequest, 1, 2)), [0; 2]);
    }

    #[test]
    fn of_datagrams_the_lower_port_is_the_doors() {
        let from = |src_port| errands_of(&packet(Kind::Udp, src_port, 53));
        assert_eq!(from(40_000)[0], from(40_001)[0]);
        assert_ne!(from(40_000)[1], from(40_001)[1], "each may answer what its receiver asked");
        let answer = |dst_port| errands_of(&packet(Kind::Udp, 53, dst_port));
        assert_eq!(answer(40_000), answer(40_001));
        assert_ne!(answer(40_000)[0], from(40_000)[0]);
    }
}
