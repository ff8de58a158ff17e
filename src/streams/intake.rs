//! What goes into reassembly: frames, decoded and put together from fragments.
//!
//! In: frames, in the order of the run. Out: segments to the table; datagrams to the processors that want them.
//! It must not know streams.
//! Read next: `table.rs`.

use std::{fmt, net::SocketAddr, str::FromStr};

use tripline_plugin::{Evidence, Findings, Ip, Levels, Processor, Udp};

use super::{
    counts::{Counts, Fate},
    segment::{Arrival, Segment},
    table::Table,
};
use crate::{
    config::Unreadable,
    decode::{self, Address, Marks, Packet, Transport, icmp, transport::protocol},
    defragment::{self, Alarm, Contradiction, Defragmenter, Fragment, Limits, Policies, Verdict, Warning, Words},
    source::{Frame, Time},
};

/// What becomes of segments with wrong checksums.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Checksums {
    /// They are dropped, unless all of their sender's are left to its network card to finish.
    #[default]
    Auto,
    /// They are dropped.
    Verify,
    /// They are as good as others.
    Ignore,
}

impl Checksums {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Auto, Self::Verify, Self::Ignore];

    /// What rules files and the command line call it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Verify => "verify",
            Self::Ignore => "ignore",
        }
    }
}

impl FromStr for Checksums {
    type Err = Unreadable;

    fn from_str(text: &str) -> Result<Self, Unreadable> {
        let unknown = || Unreadable::unknown("checksum mode", text, Self::ALL.map(Self::name));
        Self::ALL.into_iter().find(|mode| mode.name() == text).ok_or_else(unknown)
    }
}

/// How reassembly is to be done.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Whose bytes count where copies overlap, by target.
    pub policies: Policies,
    /// What becomes of wrong checksums.
    pub checksums: Checksums,
    /// Bytes of memory for streams; what processors keep is their own.
    pub memory: usize,
    /// VLAN and virtual network are part of an address.
    pub tenants: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self { policies: Policies::default(), checksums: Checksums::default(), memory: 64 << 20, tenants: false }
    }
}

/// Takes frames and drives processors.
pub struct Intake {
    defragmenter: Defragmenter,
    /// The clock at the latest frame.
    last: Time,
    /// Whose addresses it had, where tenants are told apart.
    tenant: Option<u64>,
    whole: Whole,
}

impl fmt::Debug for Intake {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.debug_struct("Intake").field("held", &self.held()).field("counts", self.counts()).finish_non_exhaustive()
    }
}

/// What takes whole datagrams.
struct Whole {
    table: Table,
    checksums: Checksums,
    /// What the processors want, all together.
    levels: Levels,
    /// Tells of streams that contradict themselves, if somebody wants to know.
    alarm: Option<Alarm>,
}

/// Segments that contradict each other, in words.
const SEGMENTS: Words = Words {
    units: ["segment", "segments"],
    overlap: ["it overlaps with different bytes", "they overlap with different bytes"],
};

impl Intake {
    /// For these processors, which are called in this order.
    #[must_use]
    pub fn new(settings: Settings, processors: Vec<Box<dyn Processor>>) -> Self {
        let none = Levels { ip: false, udp: false, tcp: false };
        let levels = processors.iter().map(|processor| processor.levels()).fold(none, |all, one| Levels {
            ip: all.ip | one.ip,
            udp: all.udp | one.udp,
            tcp: all.tcp | one.tcp,
        });
        let Settings { policies, checksums, memory, tenants } = settings;
        let defragmenter = Defragmenter::new(Limits::default()).following(policies.clone());
        let table = Table::new(memory, policies, processors);
        let whole = Whole { table, checksums, levels, alarm: None };
        Self { defragmenter, last: Time::default(), tenant: tenants.then_some(0), whole }
    }

    /// The same, and it tells of streams whose segments contradict each other, by [`Self::warnings`].
    #[must_use]
    pub fn telling(mut self) -> Self {
        self.whole.alarm = Some(Alarm::new(SEGMENTS));
        self
    }

    /// The next frame; its errors are decode's to count.
    pub fn frame(&mut self, frame: &Frame<'_>) {
        let Ok(mut packet) = decode::decode(frame) else { return };
        if let Some(tenant) = &mut self.tenant {
            let tunnel = if packet.marks.has(Marks::TUNNELLED) { decode::through(frame) } else { None };
            decode::tenant::separate(&mut packet, tunnel);
            *tenant = packet.src.tenant();
        }
        self.packet(&packet, frame);
    }

    /// The next frame, which was decoded already.
    pub fn packet(&mut self, packet: &Packet, frame: &Frame<'_>) {
        let arrival = Arrival::of(frame);
        self.last = arrival.now;
        if packet.fragment.is_none() {
            return self.whole.read(packet, frame.bytes, arrival);
        }
        let payload = packet.payload.of_bytes(frame.bytes);
        let Some(fragment) = Fragment::of(packet, payload, frame.stamp, frame.clock, frame.seq) else { return };
        // Hosts drop what has not all its headers in the first fragment (RFC 7112).
        if let Verdict::Whole(datagram) = self.defragmenter.push(&fragment)
            && !datagram.headless
        {
            self.whole.read(&datagram.packet().0, datagram.payload, arrival);
        }
    }

    /// The input is over. To be called until it says false; findings are to be taken after each call.
    pub fn finish(&mut self) -> bool {
        self.defragmenter.finish(self.last);
        self.whole.alarm.iter_mut().for_each(|alarm| alarm.finish(self.last));
        self.whole.table.finish()
    }

    /// What processors have told; to be taken at each packet.
    pub fn findings(&mut self) -> &mut Findings {
        &mut self.whole.table.findings
    }

    /// The evidence that processors have found since the last time, in order, each with the address that it is about.
    pub fn evidence(&mut self) -> impl Iterator<Item = (Address, Evidence)> {
        let tenant = self.tenant.unwrap_or_default();
        let evidence = self.whole.table.findings.take_evidence();
        evidence.map(move |evidence| (Address::from(evidence.source).of_tenant(tenant), evidence))
    }

    /// What there is to tell of streams that contradict themselves, in order; `now` is the clock.
    pub fn warnings(&mut self, now: Time) -> impl Iterator<Item = Warning> {
        self.whole.alarm.iter_mut().flat_map(move |alarm| {
            alarm.advance(now);
            alarm.warnings()
        })
    }

    /// What became of segments and streams.
    #[must_use]
    pub fn counts(&self) -> &Counts {
        &self.whole.table.counts
    }

    /// What became of fragments.
    #[must_use]
    pub fn defragmented(&self) -> &defragment::Counts {
        self.defragmenter.counts()
    }

    /// Bytes of memory for streams; not above [`Settings::memory`].
    #[must_use]
    pub fn held(&self) -> usize {
        self.whole.table.held()
    }
}

impl Whole {
    /// A whole datagram; `bytes` are those that its payload was found in.
    fn read(&mut self, packet: &Packet, bytes: &[u8], arrival: Arrival) {
        if self.levels.ip {
            self.tell_ip(packet, bytes, arrival);
        }
        match packet.transport {
            Transport::Tcp(_) if self.levels.tcp => {
                if let Some(segment) = Segment::of(packet, bytes, arrival, self.checksums) {
                    let contradicts = self.table.read(&segment, arrival.now);
                    if let Some(alarm) = self.alarm.as_mut().filter(|_| contradicts) {
                        alarm.note(&contradiction(packet, arrival));
                    }
                }
            }
            Transport::Udp(ports) if self.levels.udp && packet.flaw.is_none() => {
                let segment = segment_of(packet, bytes);
                let cut = packet.marks.has(Marks::CUT);
                if !cut && !decode::checksum::holds(packet.src, packet.dst, protocol::UDP, segment) {
                    return self.table.counts.meet(Fate::Checksum);
                }
                let datagram = Udp {
                    source: SocketAddr::new(packet.src.ip(), ports.src),
                    target: SocketAddr::new(packet.dst.ip(), ports.dst),
                    payload: packet.payload.of_bytes(bytes),
                    stamp: arrival.stamp.0,
                    seq: arrival.seq,
                };
                let Table { processors, findings, .. } = &mut self.table;
                for (number, processor) in processors.iter_mut().enumerate() {
                    if processor.levels().udp {
                        processor.udp(&datagram, findings.of(number));
                    }
                }
            }
            Transport::Icmp(message) if self.levels.tcp && packet.flaw.is_none() => {
                let unreachable = match packet.protocol {
                    protocol::ICMP => message.kind == icmp::kind::UNREACHABLE,
                    _ => message.kind == icmp::kind6::UNREACHABLE,
                };
                if let Some(quoted) = message.quoted.filter(|quoted| unreachable && quoted.protocol == protocol::TCP) {
                    let (src, dst) = ((quoted.src, quoted.ports.src), (quoted.dst, quoted.ports.dst));
                    self.table.unreachable(src, dst, quoted.seq, arrival);
                }
            }
            _ => {}
        }
    }

    fn tell_ip(&mut self, packet: &Packet, bytes: &[u8], arrival: Arrival) {
        let datagram = Ip {
            source: packet.src.ip(),
            target: packet.dst.ip(),
            protocol: packet.protocol,
            payload: segment_of(packet, bytes),
            fragmented: packet.marks.has(Marks::FRAGMENTED),
            stamp: arrival.stamp.0,
            seq: arrival.seq,
        };
        let Table { processors, findings, .. } = &mut self.table;
        for (number, processor) in processors.iter_mut().enumerate() {
            if processor.levels().ip {
                processor.ip(&datagram, findings.of(number));
            }
        }
    }
}

fn contradiction(packet: &Packet, arrival: Arrival) -> Contradiction {
    let &Packet { src, dst, protocol, vlan, .. } = packet;
    let Arrival { stamp, now: clock, seq, .. } = arrival;
    let words = "segments of one connection overlap with different bytes: hosts differ in what they read";
    Contradiction { src, dst, protocol, vlan, stamp, clock, seq, words }
}

/// The bytes from the transport header on.
pub(super) fn segment_of<'a>(packet: &Packet, bytes: &'a [u8]) -> &'a [u8] {
    let from = (packet.payload.start as usize).saturating_sub(usize::from(packet.header_len));
    let to = (packet.payload.start as usize).saturating_add(packet.payload.len as usize);
    bytes.get(from..to).unwrap_or_default()
}
