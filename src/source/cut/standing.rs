//! How the walk ahead is written down between two batches.
//!
//! In: clock, numbers and framing as they are. Out: the same. Must not know where the bytes come from.
//! Read next: `cut.rs`.

use std::{io, sync::Arc};

use super::{Dialect, Framing, MAX_INTERFACES, Run};
use crate::{
    checkpoint::{Kept, Reader, Unfit, Writer},
    source::Interface,
};

impl Kept for Run {
    fn keep(&self, to: &mut Writer<'_>) -> io::Result<()> {
        let Self { clock, seq, window: _, left_out } = self;
        to.put(&(clock, seq, left_out))
    }

    fn resume(&mut self, from: &mut Reader<'_>) -> Result<(), Unfit> {
        (self.clock, self.seq, self.left_out) = from.take()?;
        Ok(())
    }
}

impl Dialect {
    /// Writes the framing down.
    pub(in crate::source) fn keep(&self, to: &mut Writer<'_>) -> io::Result<()> {
        let Self { framing, described } = self;
        match framing {
            Framing::Pcap { big_endian, interface } => to.put(&(big_endian, Some(interface))),
            // Those that a piece knows of are the first of those described.
            Framing::PcapNg { big_endian, interfaces: _ } => {
                to.put(&(big_endian, Option::<Interface>::None))?;
                to.put(described)
            }
            Framing::Merged { .. } => Err(io::ErrorKind::Unsupported.into()),
        }
    }

    /// The framing that was written down.
    pub(in crate::source) fn taken_up(from: &mut Reader<'_>) -> Result<Self, Unfit> {
        let (big_endian, interface) = from.take()?;
        if let Some(interface) = interface {
            return Ok(Self::pcap(Framing::Pcap { big_endian, interface }));
        }
        let described: Vec<Interface> = from.list(MAX_INTERFACES)?;
        let interfaces: Arc<[Interface]> = described.as_slice().into();
        Ok(Self { framing: Framing::PcapNg { big_endian, interfaces }, described })
    }
}
