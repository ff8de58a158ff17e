//! What can be watched on this machine.
//!
//! In: nothing. Out: a list of [`Found`], as libpcap has it. Each interface that is up is opened for a
//! moment to learn its link type, which needs the right to capture; without it the rest is still told.
//! Must not format: `cli/interfaces.rs` does.
//! Read next: `ring.rs`, which opens them in earnest.

use std::net::IpAddr;

use pcap::{Capture, Device, IfFlags};

use super::ring;

/// An interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// What `-i` takes.
    pub name: String,
    /// `up`, `down`, or `no link` for one that is up without a cable or peer.
    pub state: &'static str,
    /// The name of its link type, or why it could not be found out.
    pub link: Result<String, String>,
    /// Its addresses.
    pub addresses: Vec<IpAddr>,
    /// libpcap's words about it.
    pub description: Option<String>,
}

/// Lists the interfaces in libpcap's order: the likely ones first.
///
/// # Errors
/// libpcap's words.
pub fn list() -> Result<Vec<Found>, String> {
    let devices = Device::list().map_err(|error| ring::words(&error))?;
    Ok(devices.into_iter().map(found).collect())
}

fn found(device: Device) -> Found {
    let flags = &device.flags;
    let state = match (flags.contains(IfFlags::UP), flags.contains(IfFlags::RUNNING)) {
        (false, _) => "down",
        (true, false) => "no link",
        (true, true) => "up",
    };
    let link = if state == "down" { Err("down".to_owned()) } else { link(&device.name) };
    let addresses = device.addresses.iter().map(|address| address.addr).collect();
    Found { name: device.name, state, link, addresses, description: device.desc }
}

fn link(name: &str) -> Result<String, String> {
    let capture = Capture::from_device(name).and_then(Capture::open).map_err(|error| ring::words(&error))?;
    let link = capture.get_datalink();
    link.get_name().map_err(|_| format!("number {}", link.0))
}
