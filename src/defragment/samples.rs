//! Fragments made by hand for the tests of this folder.
//!
//! In: what a test cares about. Out: the rest. Read next: whichever test uses them.

use super::{Defragmenter, Fragment, Header, Verdict};
use crate::{
    decode::{Address, Marks},
    source::Time,
};

pub(super) const HEADER: Header = Header {
    src: Address(1),
    dst: Address(2),
    ipv6: false,
    id: 7,
    protocol: 6,
    ttl: 64,
    tos: 0,
    vlan: [0; 2],
    mac: [0; 6],
    marks: Marks(0),
};

pub(super) fn fragment(offset: u32, more: bool, payload: &[u8]) -> Fragment<'_> {
    let len = payload.len() as u32;
    Fragment { header: HEADER, offset, more, len, payload, headless: false, stamp: Time(0), clock: Time(0), seq: 0 }
}

pub(super) fn v6(fragment: Fragment<'_>) -> Fragment<'_> {
    Fragment { header: Header { ipv6: true, ..fragment.header }, ..fragment }
}

/// The payload of the datagram that the last of the fragments completes.
pub(super) fn rebuild(fragments: &[Fragment<'_>]) -> Option<Vec<u8>> {
    let mut defragmenter = Defragmenter::default();
    let (last, others) = fragments.split_last()?;
    for fragment in others {
        let verdict = defragmenter.push(fragment);
        assert!(!matches!(verdict, Verdict::Whole(_)), "whole too early");
    }
    match defragmenter.push(last) {
        Verdict::Whole(datagram) => Some(datagram.payload.to_vec()),
        Verdict::Pending | Verdict::Lost(_) => None,
    }
}
