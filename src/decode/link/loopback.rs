//! BSD loopback: `LINKTYPE_NULL` (0) and `LINKTYPE_LOOP` (108).
//!
//! In: a frame with four bytes of address family before IP. Out: see `mod.rs`.
//! The family stands in the byte order of the machine that captured, which a file does not
//! say; but every family is a small number, so the order shows. IPv6 is numbered differently
//! by each system.
//! Read next: `raw.rs`.

use super::{Opened, ethertype};
use crate::decode::{
    Skip,
    body::{Fields, be_u32},
};

/// Opens a frame.
pub(super) fn open(input: &[u8]) -> Opened<'_> {
    let read: Fields<'_, u32> = be_u32(input);
    let (rest, family) = read.map_err(|_| Skip::CutLinkHeader)?;
    let kind = match family.min(family.swap_bytes()) {
        2 => ethertype::IPV4,
        // Linux, Windows, NetBSD and OpenBSD, FreeBSD, macOS.
        10 | 23 | 24 | 28 | 30 => ethertype::IPV6,
        _ => return Err(Skip::UnknownFamily),
    };
    Ok((kind, rest))
}
