//! Lines of FTP's control channel that their sender has cut across segments.
//!
//! In: the plain segments of port 21 with what was captured of their payload, in the order of the run. Out: the door that a line names
//! which a segment completes; whole lines are decode's. Who cuts `PORT` in two, or sends it byte by byte, so gains nothing:
//! neither a bounce that nobody sees, nor a data connection that looks like a knock.
//! Bounded: of so many connections, each way, the end of a line of so many bytes; the one begun first gives way. Segments out of order are not waited
//! for. Must not know what a door is for.
//! Source: RFC 959 (lines and their ends), RFC 9293 (sequence numbers).
//! Read next: `decode/ftp.rs` (how a line is read), `engine/lot.rs` (who hands segments on).

use std::{collections::HashMap, io};

use crate::{
    checkpoint::{Kept, Reader, Unfit, Writer},
    decode::{
        Address, Packet, Ports, Transport,
        ftp::{self, CONTROL, DataDoor},
    },
};

/// Connections of which an unfinished line is kept, each way: 44 KiB.
const LINES: usize = 256;
/// Bytes of one. The longest that names a door, a 227 with many words, has hardly more than 60.
const LONGEST: usize = 128;

/// Who says it to whom.
type Way = (Address, Address, u16, u16);

/// The beginning of a line.
#[derive(Clone, Copy, Debug)]
struct Begun {
    way: Way,
    /// The sequence number behind it.
    next: u32,
    text: [u8; LONGEST],
    len: usize,
}

impl Begun {
    /// Goes on with more bytes; false when they are too many.
    fn extend(&mut self, more: &[u8]) -> bool {
        let Some(place) = self.text.get_mut(self.len..self.len + more.len()) else { return false };
        place.copy_from_slice(more);
        self.len += more.len();
        self.next = self.next.wrapping_add(more.len() as u32);
        true
    }
}

/// All lines that are begun.
#[derive(Debug, Default)]
pub struct Lines {
    at: HashMap<Way, usize>,
    begun: Vec<Option<Begun>>,
    /// Which gives way next.
    oldest: usize,
}

/// Whether a plain segment is for [`Lines::push`].
#[must_use]
pub fn is_said(packet: &Packet) -> bool {
    let is_control = |ports: Ports| ports.src == CONTROL || ports.dst == CONTROL;
    packet.payload_len > 0 && packet.transport.ports().is_some_and(is_control)
}

impl Lines {
    /// Takes the next segment; the door of the line that it completes, if it names one.
    pub fn push(&mut self, packet: &Packet, payload: &[u8]) -> Option<DataDoor> {
        let Transport::Tcp(tcp) = packet.transport else { return None };
        let way = (packet.src, packet.dst, tcp.ports.src, tcp.ports.dst);
        let mut rest = payload;
        let mut door = None;
        if let Some(slot) = self.at.get(&way).copied() {
            let begun = self.begun.get_mut(slot)?.as_mut()?;
            let known = begun.next.wrapping_sub(tcp.seq);
            // Behind a gap it is another line. Of what comes again the first counts.
            if u16::try_from(known).is_ok() {
                let new = payload.get(known as usize..).unwrap_or_default();
                let end = new.iter().position(|byte| *byte == b'\n').map(|at| at + 1);
                let fits = begun.extend(new.get(..end.unwrap_or(new.len())).unwrap_or_default());
                if fits && end.is_none() && payload.len() == usize::from(packet.payload_len) {
                    return None;
                }
                let line = begun.text.get(..begun.len).filter(|_| fits && end.is_some());
                door = line.and_then(|line| ftp::said(line, tcp.ports.src == CONTROL));
                // The end of a line too long to keep begins none.
                rest = end.and_then(|end| new.get(end..)).unwrap_or_default();
            }
            self.forget(way);
        }
        if payload.len() == usize::from(packet.payload_len) {
            let last = rest.rsplit(|byte| *byte == b'\n').next().unwrap_or_default();
            let start = Begun {
                way,
                next: tcp.seq.wrapping_add((payload.len() - last.len()) as u32),
                text: [0; LONGEST],
                len: 0,
            };
            self.begin(start, last);
        }
        door
    }

    fn begin(&mut self, mut begun: Begun, text: &[u8]) {
        if text.is_empty() || !begun.extend(text) {
            return;
        }
        let slot = self.oldest % LINES;
        if self.begun.len() <= slot {
            self.begun.push(None);
        }
        let Some(place) = self.begun.get_mut(slot) else { return };
        if let Some(gone) = place.replace(begun) {
            self.at.remove(&gone.way);
        }
        self.oldest = slot + 1;
        self.at.insert(begun.way, slot);
    }

    fn forget(&mut self, way: Way) {
        if let Some(place) = self.at.remove(&way).and_then(|slot| self.begun.get_mut(slot)) {
            *place = None;
        }
    }
}

impl Kept for Lines {
    fn keep(&self, to: &mut Writer<'_>) -> io::Result<()> {
        // Where each lies follows from the list.
        let Self { at: _, begun, oldest } = self;
        to.list(begun.iter().map(|begun| {
            begun.as_ref().map(|Begun { way, next, text, len }| (way, next, text.get(..*len).unwrap_or_default()))
        }))?;
        to.put(oldest)
    }

    fn resume(&mut self, from: &mut Reader<'_>) -> Result<(), Unfit> {
        for slot in 0..from.length(LINES)? {
            let kept: Option<(Way, u32, &[u8])> = from.take()?;
            let begun = kept.map(|(way, next, text)| {
                let mut begun = Begun { way, next: next.wrapping_sub(text.len() as u32), text: [0; LONGEST], len: 0 };
                let fits = begun.extend(text) && self.at.insert(way, slot).is_none();
                fits.then_some(begun).ok_or(Unfit::Damaged)
            });
            self.begun.push(begun.transpose()?);
        }
        self.oldest = from.take()?;
        if self.oldest > self.begun.len() { Err(Unfit::Damaged) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;
    use crate::decode::tcp::Tcp;

    const NONE: [u16; 0] = [];

    fn segment(client: u8, seq: u32, len: usize) -> Packet {
        let ports = Ports { src: 50_000, dst: CONTROL };
        Packet {
            src: Address::v4([10, 0, 0, client]),
            dst: Address::v4([10, 0, 0, 9]),
            transport: Transport::Tcp(Tcp { ports, seq, ..Tcp::default() }),
            payload_len: len as u16,
            ..Packet::default()
        }
    }

    /// The ports that these pieces, each with its sequence number, name where they meet.
    fn named(pieces: &[(u32, &str)]) -> Vec<u16> {
        let mut lines = Lines::default();
        let push = |(seq, text): &(u32, &str)| lines.push(&segment(2, *seq, text.len()), text.as_bytes());
        pieces.iter().filter_map(push).map(|door| door.port).collect()
    }

    #[test]
    fn a_line_in_pieces_names_its_door_once_it_is_whole() {
        assert_eq!(named(&[(7, "PO"), (9, "RT 10,0,0,2,2,4"), (24, "2\r\n")]), [554]);
        let text = "PORT 10,0,0,2,2,42\r\nNOOP\r\nPORT 10,0,0,2,2,43\r\n";
        let bytes: Vec<(u32, &str)> = (0..text.len())
            .map(|n| (u32::MAX - 9, n))
            .map(|(seq, n)| (seq.wrapping_add(n as u32), &text[n..=n]))
            .collect();
        assert_eq!(named(&bytes), [554, 555]);
    }

    #[test]
    fn whole_lines_are_decodes() {
        assert_eq!(named(&[(7, "PORT 10,0,0,2,2,42\r\n"), (27, "PORT 10,0,0,2,2,43\r\n")]), NONE);
        assert_eq!(named(&[(7, "NOOP\r\nPORT 10,0,0"), (24, ",2,2,42\r\nLIST\r\n")]), [554]);
    }

    #[test]
    fn of_what_comes_again_the_first_counts_and_a_gap_ends_a_line() {
        assert_eq!(named(&[(7, "PORT 10,0,0,2"), (7, "PORT 10,0,0,9"), (18, ",2,2,42\r\n")]), [554]);
        assert_eq!(named(&[(7, "PORT 10,0,0,2,2,4"), (25, "2\r\n")]), NONE);
        let long = "x".repeat(LONGEST);
        assert_eq!(named(&[(7, "PORT"), (11, &long), (11 + LONGEST as u32, " 10,0,0,2,2,42\r\n")]), NONE);
    }

    #[test]
    fn what_the_capture_has_cut_is_not_joined_to_what_follows() {
        let mut lines = Lines::default();
        lines.push(&segment(2, 7, 12), b"PORT 10,0,0");
        assert_eq!(lines.push(&segment(2, 19, 10), b",2,2,42\r\n\n"), None);
    }

    #[test]
    fn a_flood_of_beginnings_takes_no_more_room() {
        let mut lines = Lines::default();
        for client in (0..=255).chain(0..=255) {
            let from = Packet { dst: Address::v4([10, 0, client / 2, 1]), ..segment(client, 7, 4) };
            lines.push(&from, b"PORT");
        }
        lines.push(&Packet { dst: Address::v4([10, 1, 1, 1]), ..segment(1, 7, 4) }, b"PORT");
        assert_eq!((lines.begun.len(), lines.at.len()), (LINES, LINES));
    }

    proptest! {
        #[test]
        fn any_pieces_do_no_harm(pieces in vec((0..200_u32, vec(any::<u8>(), 0..60), 0..3_usize), 0..40)) {
            let mut lines = Lines::default();
            for (seq, bytes, more) in pieces {
                lines.push(&segment(2, seq, bytes.len() + more), &bytes);
                prop_assert_eq!(lines.at.len(), lines.begun.iter().flatten().count());
            }
        }
    }
}
