//! When a capture ends, without reading it: for `--since`, which passes over old files.
//!
//! In: a plain pcap file. Out: the stamp of its last record, or nothing where that cannot be
//! told: the file is compressed, of another format, damaged at its end. pcapng is left out on
//! purpose: what a stamp means stands in blocks anywhere before it.
//! A record can be told from behind by ending where the file ends. What is in a packet may
//! look like such a record too, but the true one is always among them: the latest stamp of all is
//! never too early, so nobody can hide a file by what he sends.
//! Source: draft-ietf-opsawg-pcap.
//! Read next: `pcap.rs`, `window.rs`.

use std::io::{Read, Seek, SeekFrom};

use super::{
    Framing, Time,
    pcap::{self, HEADER, Records},
    reader::read_full,
    walk::{MAX_CAPTURED, Step, Steps},
};

/// A record is no longer.
const LONGEST: u64 = MAX_CAPTURED as u64 + 16;

/// The latest stamp that the last record of `file` may have.
pub(super) fn last_stamp(file: &mut (impl Read + Seek)) -> Option<Time> {
    let mut header = [0; HEADER];
    file.read_exact(&mut header).ok()?;
    let Ok(super::magic::Format::Pcap) = super::magic::recognise(&header) else { return None };
    let Framing::Pcap { big_endian, interface } = pcap::header(&header)?.ok()? else { return None };
    let length = file.seek(SeekFrom::End(0)).ok()?;
    let start = length.saturating_sub(LONGEST).max(HEADER as u64);
    file.seek(SeekFrom::Start(start)).ok()?;
    let mut tail = vec![0; usize::try_from(length.saturating_sub(start)).ok()?];
    let filled = read_full(file, &mut tail).ok()?;
    tail.truncate(filled);
    if big_endian {
        latest(&Records::<true>::of(&interface), &tail)
    } else {
        latest(&Records::<false>::of(&interface), &tail)
    }
}

/// The latest stamp of what may be a record and ends where `tail` ends.
fn latest(records: &impl Steps, tail: &[u8]) -> Option<Time> {
    (0..tail.len())
        .filter_map(|at| match records.step(tail, at) {
            Step::Frame(record) if record.next == tail.len() => record.stamp,
            _ => None,
        })
        .max()
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;
    use crate::source::{LinkType, write::PcapWriter};

    fn last(file: &[u8]) -> Option<i64> {
        last_stamp(&mut Cursor::new(file)).map(|Time(nanos)| nanos / Time::SECOND)
    }

    fn file(seconds: &[i64], packet: &[u8]) -> Vec<u8> {
        let mut file = PcapWriter::new(LinkType(1), true, true);
        for second in seconds {
            file.frame(Time(second * Time::SECOND), packet.len() as u32, packet);
        }
        file.bytes().to_vec()
    }

    #[test]
    fn the_last_record_is_found_from_behind() {
        assert_eq!(last(&file(&[1_000, 2_000], &[0x55; 90])), Some(2_000));
        assert_eq!(last(&file(&vec![77; 30_000], &[0x55; 90])), Some(77));
        assert_eq!(last(&file(&[5], &vec![1; 262_144])), Some(5));
    }

    #[test]
    fn what_cannot_be_told_is_not_guessed() {
        let whole = file(&[1_000], &[0x55; 90]);
        assert_eq!(last(&whole[..whole.len() - 1]), None);
        assert_eq!(last(&whole[..24]), None);
        assert_eq!(last(b"\x0a\x0d\x0d\x0a and so on, and so on, and so on"), None);
    }

    #[test]
    fn a_packet_that_looks_like_an_old_record_hides_nothing() {
        // The packet ends with a record of its own, of second 1.
        let mut inner = file(&[1], &[0; 40]);
        let packet = inner.split_off(24);
        assert_eq!(last(&file(&[1_000, 2_000], &packet)), Some(2_000));
    }
}
