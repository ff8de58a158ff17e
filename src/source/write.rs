//! Writes captures into memory: what the tests read, and a way to save evidence.
//!
//! In: frames. Out: the bytes of a pcap or pcapng file, in either byte order.
//! Must not know what is in a packet. Not on the packet path: it allocates as it likes.
//! Source: draft-ietf-opsawg-pcap and -pcapng.
//! Read next: `pcap.rs`, `pcapng.rs` (the way back).

use super::{Interface, LinkType, Time, Units};

/// A pcap file that grows.
#[derive(Clone, Debug)]
pub struct PcapWriter {
    out: Fields,
    nanoseconds: bool,
}

impl PcapWriter {
    /// Begins a file whose frames all begin with `link`, its stamps in nano- or microseconds.
    #[must_use]
    pub fn new(link: LinkType, big_endian: bool, nanoseconds: bool) -> Self {
        let mut out = Fields { bytes: Vec::new(), big_endian };
        out.word(if nanoseconds { 0xa1b2_3c4d } else { 0xa1b2_c3d4 });
        out.short(2).short(4);
        for field in [0, 0, 262_144, link.0] {
            out.word(field);
        }
        Self { out, nanoseconds }
    }

    /// Appends a frame. Stamps outside 1970 to 2106 wrap, as the format does.
    pub fn frame(&mut self, stamp: Time, wire_len: u32, bytes: &[u8]) -> &mut Self {
        let fraction = stamp.0.rem_euclid(Time::SECOND) / if self.nanoseconds { 1 } else { 1_000 };
        let seconds = stamp.0.div_euclid(Time::SECOND);
        for field in [seconds as u32, fraction as u32, bytes.len() as u32, wire_len] {
            self.out.word(field);
        }
        self.out.bytes.extend(bytes);
        self
    }

    /// The file so far.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.out.bytes
    }
}

/// A pcapng file that grows.
#[derive(Clone, Debug)]
pub struct PcapNgWriter {
    out: Fields,
}

impl PcapNgWriter {
    /// Begins a file with a section.
    #[must_use]
    pub fn new(big_endian: bool) -> Self {
        let mut writer = Self { out: Fields { bytes: Vec::new(), big_endian } };
        writer.section(big_endian);
        writer
    }

    /// Begins a further section: interfaces count from 0 again.
    pub fn section(&mut self, big_endian: bool) -> &mut Self {
        self.out.big_endian = big_endian;
        let mut body = self.fields();
        body.word(0x1a2b_3c4d).short(1).short(0).word(u32::MAX).word(u32::MAX);
        self.block(0x0a0d_0d0a, &body.bytes)
    }

    /// Describes the next interface of the section.
    pub fn interface(&mut self, interface: Interface) -> &mut Self {
        let mut body = self.fields();
        body.short(interface.link.0 as u16).short(0).word(interface.snaplen);
        let units = match interface.units {
            Units::Decimal(n) => n,
            Units::Binary(n) => n | 0x80,
        };
        body.short(9).short(1).bytes.extend([units, 0, 0, 0]);
        if interface.offset != 0 {
            let offset = interface.offset;
            body.short(14).short(8).long(offset as u64);
        }
        body.short(0).short(0);
        self.block(1, &body.bytes)
    }

    /// Appends a frame of interface `id`, its stamp in that interface's units.
    pub fn enhanced(&mut self, id: u32, stamp: u64, wire_len: u32, bytes: &[u8]) -> &mut Self {
        let mut body = self.fields();
        body.word(id).word((stamp >> 32) as u32).word(stamp as u32);
        body.word(bytes.len() as u32).word(wire_len).padded(bytes);
        self.block(6, &body.bytes)
    }

    /// Appends a frame of interface 0 that has no stamp. Its reader finds out how much was
    /// captured from the interface's `snaplen`, which must therefore be `bytes.len()` when
    /// that is less than `wire_len`.
    pub fn simple(&mut self, wire_len: u32, bytes: &[u8]) -> &mut Self {
        let mut body = self.fields();
        body.word(wire_len).padded(bytes);
        self.block(3, &body.bytes)
    }

    /// Appends a frame in the block that was used before there were enhanced ones.
    pub fn obsolete(&mut self, id: u16, stamp: u64, wire_len: u32, bytes: &[u8]) -> &mut Self {
        let mut body = self.fields();
        body.short(id).short(u16::MAX).word((stamp >> 32) as u32).word(stamp as u32);
        body.word(bytes.len() as u32).word(wire_len).padded(bytes);
        self.block(2, &body.bytes)
    }

    /// Appends any block; `body` is padded to four bytes.
    pub fn block(&mut self, kind: u32, body: &[u8]) -> &mut Self {
        let length = body.len().next_multiple_of(4) as u32 + 12;
        self.out.word(kind).word(length).padded(body).word(length);
        self
    }

    /// The file so far.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.out.bytes
    }

    fn fields(&self) -> Fields {
        Fields { bytes: Vec::new(), big_endian: self.out.big_endian }
    }
}

/// Numbers one behind the other in one byte order.
#[derive(Clone, Debug)]
struct Fields {
    bytes: Vec<u8>,
    big_endian: bool,
}

impl Fields {
    fn short(&mut self, value: u16) -> &mut Self {
        self.bytes.extend(if self.big_endian { value.to_be_bytes() } else { value.to_le_bytes() });
        self
    }

    fn word(&mut self, value: u32) -> &mut Self {
        self.bytes.extend(if self.big_endian { value.to_be_bytes() } else { value.to_le_bytes() });
        self
    }

    fn long(&mut self, value: u64) -> &mut Self {
        self.bytes.extend(if self.big_endian { value.to_be_bytes() } else { value.to_le_bytes() });
        self
    }

    fn padded(&mut self, bytes: &[u8]) -> &mut Self {
        self.bytes.extend(bytes);
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
        self
    }
}
