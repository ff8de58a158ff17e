//! What passes from header to header: a payload, and how its fields are read.
//!
//! Out: [`Body`], the payload of a header, with the length it was sent with; readers of
//! fixed-size fields for nom to combine. nom's own numbers take byte by byte, which made
//! a frame cost 40 ns instead of 14.
//! Must not know any protocol.
//! Read next: `ipv4.rs` and `ipv6.rs` (who make a body), `transport.rs` (who reads it).

use nom::IResult;

/// A header's fields, or the bytes ran out. Which header it was, the caller knows.
pub(super) type Fields<'a, T> = IResult<&'a [u8], T, ()>;

/// `N` bytes as they stand.
#[inline]
pub(super) fn array<const N: usize>(input: &[u8]) -> Fields<'_, [u8; N]> {
    let (bytes, rest) = input.split_first_chunk().ok_or(nom::Err::Error(()))?;
    Ok((rest, *bytes))
}

/// A number of one byte.
#[inline]
pub(super) fn be_u8(input: &[u8]) -> Fields<'_, u8> {
    array::<1>(input).map(|(rest, [byte])| (rest, byte))
}

/// A number of two bytes.
#[inline]
pub(super) fn be_u16(input: &[u8]) -> Fields<'_, u16> {
    array(input).map(|(rest, bytes)| (rest, u16::from_be_bytes(bytes)))
}

/// A number of four bytes.
#[inline]
pub(super) fn be_u32(input: &[u8]) -> Fields<'_, u32> {
    array(input).map(|(rest, bytes)| (rest, u32::from_be_bytes(bytes)))
}

/// What a header leaves to be read: as far as it was captured, and as it was sent.
#[derive(Clone, Copy, Debug)]
pub(super) struct Body<'a> {
    /// What is there of it, without what follows the datagram in the frame (padding, trailers).
    pub bytes: &'a [u8],
    /// Its length as the headers say; never below `bytes.len()`.
    pub sent: usize,
    /// Bytes of headers that were stepped over before it, since the IP or fragment header: with
    /// them it is what reassembly takes.
    pub stepped: usize,
    /// The IP protocol it begins with.
    pub protocol: u8,
}

impl<'a> Body<'a> {
    /// The first `sent` bytes of what follows an IP header, or what there is of them.
    #[inline]
    pub(super) fn new(protocol: u8, following: &'a [u8], sent: usize) -> Self {
        Self { bytes: following.get(..sent).unwrap_or(following), sent, stepped: 0, protocol }
    }

    /// Behind a header of `len` bytes; `None` when that is not captured or was not sent.
    #[inline]
    pub(super) fn behind(self, protocol: u8, len: usize) -> Option<Self> {
        let (bytes, sent) = (self.bytes.get(len..)?, self.sent.checked_sub(len)?);
        Some(Self { bytes, sent, stepped: self.stepped + len, protocol })
    }

    /// The capture holds less than was sent.
    #[inline]
    pub(super) fn is_cut(self) -> bool {
        self.bytes.len() < self.sent
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn padding_does_not_belong_to_the_body_and_a_cut_shows() {
        let padded = Body::new(6, b"segment....", 7);
        assert_eq!((padded.bytes, padded.is_cut()), (&b"segment"[..], false));
        let cut = Body::new(6, b"seg", 7);
        assert_eq!((cut.bytes, cut.is_cut()), (&b"seg"[..], true));
    }

    #[test]
    fn a_header_is_stepped_over_only_where_it_is() {
        let body = Body::new(0, b"headtail", 8).behind(6, 4).unwrap();
        assert_eq!((body.bytes, body.sent, body.stepped, body.protocol), (&b"tail"[..], 4, 4, 6));
        assert!(Body::new(0, b"hea", 8).behind(6, 4).is_none());
        assert!(Body::new(0, b"headtail", 3).behind(6, 4).is_none());
    }

    #[test]
    fn fields_are_read_in_network_order_or_not_at_all() {
        assert_eq!(be_u32(&[1, 2, 3, 4, 5]), Ok((&[5][..], 0x0102_0304)));
        assert_eq!(be_u16(&[1, 2]), Ok((&[][..], 0x0102)));
        assert_eq!(be_u8(&[]), Err(nom::Err::Error(())));
        assert!(array::<6>(&[0; 5]).is_err());
    }
}
