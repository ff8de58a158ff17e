//! What is promised of a frame, and of fragments.
//!
//! In: bytes. Out: a panic where decode depends on more than the frame, or points outside of it; where a datagram holds a byte
//! that no fragment brought, memory passes its bound or a fragment goes uncounted.
//! Read next: `tripline::decode`, `tripline::defragment`.

use tripline::{
    decode::{self, Class, Glance, Span, classify, describe::describe, glance, link, observe},
    defragment::{Defragmenter, Fragment, Limits, Verdict},
    source::{Frame, LinkType, Time},
};

use crate::choices::Choices;

/// The first byte chooses among the link types that are known, the second how much longer the frame was; the rest is the frame.
pub fn decode(bytes: &[u8]) {
    let mut choices = Choices(bytes);
    let known: Vec<LinkType> = (0..300).map(LinkType).filter(|link| link::is_known(*link)).collect();
    let link = known[usize::from(choices.byte()) % known.len()];
    let wire_len = u32::from(choices.byte()) * 8 + choices.0.len() as u32;
    let bytes = choices.0;
    let frame = Frame { bytes, wire_len, link, ..Frame::default() };
    let decoded = decode::decode(&frame);
    let later = Frame { stamp: Time(7), clock: Time(9), seq: 11, number: 12, ..frame };
    assert_eq!(decode::decode(&later), decoded, "it depends on more than the frame");
    let described = serde_json::to_string(&describe(&frame, &decoded)).expect("what was decoded can be written down");
    assert!(!described.contains('\n'));
    let mut list = Vec::new();
    let seen = glance(&frame, &mut list);
    let Ok(packet) = decoded else { return assert_eq!(seen, Glance::Unsure, "a glance sees no more") };
    match (seen, classify(&packet)) {
        (Glance::Evidence, Class::Evidence(kind)) => assert_eq!(list, [observe(&frame, &packet, kind)]),
        (Glance::Unsure, _) | (Glance::Plain, Class::Plain) => {}
        (seen, class) => panic!("{seen:?} for {class:?}"),
    }
    let Span { start, len } = packet.payload;
    let payload = packet.payload.of_bytes(bytes);
    assert_eq!(payload.len(), len as usize, "the payload lies in the frame: {start}");
    assert!(len <= u32::from(packet.payload_len) || packet.payload_len == u16::MAX);
    let (whole, _tunnel) = decode::decode_rebuilt(&packet, payload, usize::from(packet.payload_len));
    assert_eq!((whole.fragment, whole.src), (None, packet.src));
    assert_eq!(whole.payload.of_bytes(payload).len(), whole.payload.len as usize);
    if let Class::Evidence(kind) = classify(&packet) {
        let observation = observe(&frame, &packet, kind);
        assert_eq!((observation.kind, observation.seq), (kind, frame.seq));
    }
}

/// A fragment that was sent, for comparison: of which datagram, where, what.
struct Sent {
    ipv6: bool,
    id: u8,
    offset: usize,
    bytes: Vec<u8>,
}

/// Bounds that a small input can reach.
const LIMITS: (usize, usize, usize) = (16_000, 6, 24);

/// Raw IP frames with fragments of a few datagrams, each described by seven bytes and its own payload.
pub fn defragment(bytes: &[u8]) {
    let (most_bytes, datagrams, fragments) = LIMITS;
    let limits = Limits { bytes: most_bytes, source_bytes: most_bytes / 2, datagrams, fragments, ..Limits::default() };
    let mut defragmenter = Defragmenter::new(limits);
    let (mut choices, mut clock, mut sent, mut pushed) = (Choices(bytes), Time(0), Vec::new(), 0);
    while !choices.is_empty() {
        let [kind, id, place, more, pause] = std::array::from_fn(|_| choices.byte());
        let (ipv6, id, claimed) = (kind & 1 != 0, id % 8, usize::from(choices.byte()));
        let payload = choices.bytes(claimed.min(200));
        // Mostly near the begin, at times at the end of what can be.
        let offset = if kind & 2 == 0 { usize::from(place % 32) } else { 8_191 - usize::from(place) };
        // Half of the frames are cut: they say more than was captured.
        let claimed = if kind & 4 == 0 { payload.len() } else { claimed };
        let frame = if ipv6 {
            v6(id, offset, more & 1 != 0, claimed, payload)
        } else {
            v4(id, offset, more & 1 != 0, claimed, payload)
        };
        clock = clock + i64::from(pause) * Time::SECOND / 8;
        let stage = Frame { bytes: &frame, wire_len: frame.len() as u32, link: LinkType(101), ..Frame::default() };
        let Ok(packet) = decode::decode(&stage) else { continue };
        let there = packet.payload.of_bytes(&frame);
        let Some(fragment) = Fragment::of(&packet, there, clock, clock, pushed) else { continue };
        pushed += 1;
        sent.push(Sent { ipv6, id, offset: 8 * offset, bytes: there.to_vec() });
        if let Verdict::Whole(whole) = defragmenter.push(&fragment) {
            assert!(whole.payload.len() <= whole.len as usize, "longer than it was");
            let of_it: Vec<&Sent> = sent.iter().filter(|sent| (sent.ipv6, sent.id) == (ipv6, id)).collect();
            for (at, byte) in whole.payload.iter().enumerate() {
                let brought =
                    |sent: &&Sent| at.checked_sub(sent.offset).and_then(|at| sent.bytes.get(at)) == Some(byte);
                assert!(of_it.iter().any(brought), "byte {at} came from nowhere");
            }
            let _ = whole.packet();
        }
        assert!(defragmenter.held() <= most_bytes, "{} bytes held", defragmenter.held());
        assert!(defragmenter.waiting() <= datagrams);
    }
    defragmenter.finish(clock);
    assert_eq!((defragmenter.held(), defragmenter.waiting()), (0, 0));
    let counts = defragmenter.counts();
    let lost: u64 = counts.losses().map(|(_, count)| count).sum();
    assert_eq!(
        (counts.fragments, counts.joined + lost),
        (pushed, pushed),
        "a fragment that is counted nowhere, or twice"
    );
}

/// An IPv4 datagram of 10.0.0.2 with one fragment, which says that it carries `claimed` bytes.
fn v4(id: u8, offset: usize, more: bool, claimed: usize, payload: &[u8]) -> Vec<u8> {
    let total = (20 + claimed) as u16;
    let place = offset as u16 & 0x1fff | u16::from(more) << 13;
    let mut frame = vec![0x45, 0];
    frame.extend(total.to_be_bytes());
    frame.extend([0, id]);
    frame.extend(place.to_be_bytes());
    frame.extend([64, 17, 0, 0, 10, 0, 0, 2, 10, 0, 0, 1]);
    frame.extend(payload);
    frame
}

/// The same of IPv6.
fn v6(id: u8, offset: usize, more: bool, claimed: usize, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![0x60, 0, 0, 0];
    frame.extend(((8 + claimed) as u16).to_be_bytes());
    frame.extend([44, 64]);
    for last in [2, 1] {
        frame.extend([0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, last]);
    }
    frame.extend([17, 0]);
    frame.extend(((offset as u16) << 3 | u16::from(more)).to_be_bytes());
    frame.extend([0, 0, 0, id]);
    frame.extend(payload);
    frame
}
