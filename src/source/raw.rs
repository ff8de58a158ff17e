//! Live capture through a plain packet socket, for who has no libpcap to run with.
//!
//! In: interfaces. Out: their frames in the order in which they are read, stamped as they are.
//! It costs a system call and a copy a frame, the kernel does not say what it lost, and VLAN tags that
//! a network card took off are gone: libpcap's ring is the better way where there is one. It does not
//! filter: `engine` does, as for a file.
//! Source: packet(7), as `pnet_datalink` uses it.
//! Read next: `ring.rs` (the usual way), `gather.rs`.

use std::{io::ErrorKind, path::Path, time::Duration};

use pnet::datalink::{self, Channel, Config, DataLinkReceiver, NetworkInterface};

use super::{
    LinkType,
    gather::{Gather, Wire},
    live::{Fault, Refused, Tap, Wanted, wall_clock},
};

/// A read waits so long for a frame, shared by all sockets: they are asked one after the other.
const PATIENCE: Duration = Duration::from_millis(10);

/// Longer than any frame, so that its length on the wire is known: the socket does not say what it cut.
const FRAME: usize = 65_536;

/// Frames that are read from one socket before the next has its turn.
const TURN: usize = 1_024;

/// Open sockets.
pub(super) struct Raw {
    /// `None` once one cannot be read any more.
    sockets: Vec<Option<Box<dyn DataLinkReceiver>>>,
    snaplen: usize,
}

impl Raw {
    /// Opens all interfaces.
    pub(super) fn open(wanted: &Wanted) -> Result<(Vec<Wire>, Self), Vec<Refused>> {
        let known = datalink::interfaces();
        // The system counts in milliseconds; zero would ask without ever waiting.
        let patience = PATIENCE / u32::try_from(wanted.interfaces.len()).unwrap_or(1).max(1);
        let patience = patience.max(Duration::from_millis(1));
        let (mut wires, mut sockets, mut refused) = (Vec::new(), Vec::new(), Vec::new());
        for name in &wanted.interfaces {
            match open(name, &known, wanted, patience) {
                Ok((link, socket)) => {
                    wires.push(Wire { name: Path::new(name).into(), link });
                    sockets.push(Some(socket));
                }
                Err((reason, hint)) => refused.push(Refused { interface: name.clone(), reason, hint }),
            }
        }
        let raw = Self { sockets, snaplen: wanted.snaplen as usize };
        if refused.is_empty() { Ok((wires, raw)) } else { Err(refused) }
    }
}

impl Tap for Raw {
    /// Reading waits.
    fn wait(&mut self, _: Duration) {}

    fn drain(&mut self, gather: &mut Gather<'_>) -> Result<bool, Fault> {
        for (wire, slot) in self.sockets.iter_mut().enumerate() {
            let Some(receiver) = slot else { continue };
            for _ in 0..TURN {
                if gather.room(self.snaplen) == 0 {
                    return Ok(true);
                }
                match receiver.next() {
                    Ok(frame) => {
                        let captured = frame.get(..self.snaplen).unwrap_or(frame);
                        gather.frame(wire, wall_clock(), frame.len() as u32, captured);
                    }
                    Err(error) if matches!(error.kind(), ErrorKind::TimedOut | ErrorKind::Interrupted) => break,
                    Err(error) => {
                        *slot = None;
                        let reason = format!("{error}; it is watched no more: start anew when it is back");
                        return Err(Fault { wire, reason });
                    }
                }
            }
        }
        Ok(false)
    }

    /// The socket does not say.
    fn lost(&mut self) -> u64 {
        0
    }
}

/// A reason and a way out.
type Refusal = (String, Option<&'static str>);

fn open(
    name: &str,
    known: &[NetworkInterface],
    wanted: &Wanted,
    patience: Duration,
) -> Result<(LinkType, Box<dyn DataLinkReceiver>), Refusal> {
    let lists = Some("`tripline interfaces` lists what there is; `any` needs --backend pcap");
    let interface = known.iter().find(|interface| interface.name == name);
    let interface = interface.ok_or_else(|| ("no such interface".to_owned(), lists))?;
    // Tunnels have no header of a link and no address on one; loopback has both, all zero.
    let link = if interface.is_point_to_point() { LinkType(101) } else { LinkType(1) };
    let config = Config {
        read_buffer_size: FRAME,
        read_timeout: Some(patience),
        promiscuous: wanted.promiscuous,
        ..Config::default()
    };
    match datalink::channel(interface, config) {
        Ok(Channel::Ethernet(_, receiver)) => Ok((link, receiver)),
        Ok(_) => Err(("this sort of interface is not read by --backend raw".to_owned(), None)),
        Err(error) => Err((error.to_string(), Some("who is not root needs cap_net_raw, see docs/deploy.md"))),
    }
}
