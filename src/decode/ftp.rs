//! FTP's control channel (RFC 959, 2428): at which doors its ends tell each other to knock.
//!
//! In: the payload of one segment of port 21. Out: the [`DataDoor`]s that its whole lines name: PORT and EPRT
//! of a client, 227 and 229 of a server. Nothing else tells a data connection from a scan, or a server that is
//! made to scan (a bounce) from one that serves. Lines that a sender has cut across segments are put together in
//! `defragment/lines.rs`. Must not know who will knock, or whether anybody does.
//! Read next: `observe.rs` (what becomes of a door), `cells/promised.rs`.

use nom::{
    Parser,
    bytes::complete::{tag, tag_no_case, take_until},
    character::complete::{char, satisfy, u8 as byte, u16 as number},
    combinator::verify,
    multi::many0_count,
};

use super::{Address, Packet, body::Fields};

/// The port of the control channel.
pub const CONTROL: u16 = 21;

/// Bytes of a segment that are looked at, and lines: RFC 959 has one command and one reply under way.
const LOOKED_AT: usize = 512;
const LINES: usize = 8;

/// A door that a line names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DataDoor {
    /// Whose; `None` when it is understood to be the sender's own.
    pub host: Option<Address>,
    /// Its TCP port.
    pub port: u16,
}

/// The doors that a plain segment names, if it is one of a control channel.
pub fn named<'a>(packet: &Packet, payload: &'a [u8]) -> impl Iterator<Item = DataDoor> + use<'a> {
    let ports = packet.transport.ports().filter(|ports| ports.src == CONTROL || ports.dst == CONTROL);
    ports.into_iter().flat_map(move |ports| data_doors(payload, ports.src == CONTROL))
}

/// The doors that a segment names. A server's 227 often holds an address from behind a translator; what clients do then
/// is to take the server's own, and so does this.
fn data_doors(payload: &[u8], by_server: bool) -> impl Iterator<Item = DataDoor> {
    let text = payload.get(..LOOKED_AT).unwrap_or(payload);
    let whole = text.split_inclusive(|b| *b == b'\n').take(LINES).filter(|line| line.ends_with(b"\n"));
    whole.filter_map(move |line| said(line, by_server))
}

/// The door that one whole line names.
#[must_use]
pub fn said(line: &[u8], by_server: bool) -> Option<DataDoor> {
    let read = if by_server { reply(line) } else { command(line) };
    read.ok().map(|(_, door)| door).filter(|door| door.port != 0)
}

fn command(line: &[u8]) -> Fields<'_, DataDoor> {
    if let Ok((rest, _)) = tag_no_case::<_, _, ()>("PORT ").parse(line) {
        return six(rest);
    }
    let (rest, _) = tag_no_case("EPRT ").parse(line)?;
    let (rest, mark) = satisfy(|c| c.is_ascii_graphic()).parse(rest)?;
    let (rest, _) = (verify(byte, |family| matches!(family, 1 | 2)), char(mark)).parse(rest)?;
    let end = [mark as u8];
    let (rest, host) = take_until(&end[..]).parse(rest)?;
    let (rest, (_, port, _)) = (char(mark), number, char(mark)).parse(rest)?;
    let host = str::from_utf8(host).ok().and_then(|host| host.parse().ok());
    // A name that is no address names nobody: port 0 is no door.
    Ok((rest, DataDoor { host, port: if host.is_some() { port } else { 0 } }))
}

fn reply(line: &[u8]) -> Fields<'_, DataDoor> {
    if let Ok((rest, _)) = tag::<_, _, ()>("227").parse(line) {
        // The words before the numbers, and the bracket, are the server's own.
        let (rest, _) = many0_count(satisfy(|c| !c.is_ascii_digit())).parse(rest)?;
        let (rest, door) = six(rest)?;
        return Ok((rest, DataDoor { host: None, ..door }));
    }
    let (rest, _) = (tag("229"), take_until("("), char('(')).parse(line)?;
    let (rest, mark) = satisfy(|c| c.is_ascii_graphic()).parse(rest)?;
    let (rest, (_, _, port, _)) = (char(mark), char(mark), number, char(mark)).parse(rest)?;
    Ok((rest, DataDoor { host: None, port }))
}

/// `h1,h2,h3,h4,p1,p2`.
fn six(input: &[u8]) -> Fields<'_, DataDoor> {
    let next = |rest| (byte, char(',')).parse(rest).map(|(rest, (n, _))| (rest, n));
    let (rest, a) = next(input)?;
    let (rest, b) = next(rest)?;
    let (rest, c) = next(rest)?;
    let (rest, d) = next(rest)?;
    let (rest, high) = next(rest)?;
    let (rest, low) = byte(rest)?;
    Ok((rest, DataDoor { host: Some(Address::v4([a, b, c, d])), port: u16::from_be_bytes([high, low]) }))
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;

    fn doors(text: &str, by_server: bool) -> Vec<(Option<String>, u16)> {
        data_doors(text.as_bytes(), by_server).map(|door| (door.host.map(|h| h.to_string()), door.port)).collect()
    }

    fn own(port: u16) -> Vec<(Option<String>, u16)> {
        vec![(None, port)]
    }

    #[test]
    fn commands_of_a_client_name_a_host_and_a_port() {
        let at = |host: &str, port| vec![(Some(host.to_owned()), port)];
        assert_eq!(doors("PORT 10,0,0,2,2,42\r\n", false), at("10.0.0.2", 554));
        assert_eq!(doors("port 10,0,0,2,0,22\n", false), at("10.0.0.2", 22));
        assert_eq!(doors("EPRT |1|10.0.0.2|6275|\r\n", false), at("10.0.0.2", 6_275));
        assert_eq!(doors("EPRT #2#fd00::9#5282#\r\n", false), at("fd00::9", 5_282));
    }

    #[test]
    fn replies_of_a_server_name_a_port_of_its_own() {
        assert_eq!(doors("227 Entering Passive Mode (192,168,0,9,156,64).\r\n", true), own(40_000));
        assert_eq!(doors("227 =192,168,0,9,156,64\r\n", true), own(40_000));
        assert_eq!(doors("229 Entering Extended Passive Mode (|||6446|)\r\n", true), own(6_446));
    }

    #[test]
    fn who_says_it_matters_and_what_is_no_whole_line_names_nothing() {
        for (text, by_server) in [
            ("PORT 10,0,0,2,2,42\r\n", true),
            ("227 Entering Passive Mode (1,2,3,4,5,6)\r\n", false),
            ("PORT 10,0,0,2,2,4", false),
            ("PORT 10,0,0,2,2\r\n", false),
            ("PORT 10,0,0,256,2,42\r\n", false),
            ("PORT 10,0,0,2,0,0\r\n", false),
            ("EPRT |1|somewhere|6275|\r\n", false),
            ("EPRT |3|10.0.0.2|6275|\r\n", false),
            ("229 Entering (||6446|)\r\n", true),
            ("150 227 (1,2,3,4,5,6)\r\n", true),
        ] {
            assert_eq!(doors(text, by_server), [], "{text}");
        }
        assert_eq!(doors("TYPE I\r\nPORT 10,0,0,2,2,42\r\nLIST\r\n", false).len(), 1);
        assert_eq!(doors(&"PORT 1,1,1,1,9,9\n".repeat(100), false).len(), LINES);
    }

    proptest! {
        #[test]
        fn any_bytes_do_no_harm(payload in vec(any::<u8>(), 0..600), at in 0..8_usize, by_server: bool) {
            let mut text = if by_server { b"229 (|||".to_vec() } else { b"EPRT |1|".to_vec() };
            text.truncate(at);
            text.extend(payload);
            prop_assert!(data_doors(&text, by_server).count() <= LINES);
        }
    }
}
