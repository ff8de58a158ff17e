//! Damages inputs: a little, a lot, or by mixing two. Kept tiny; libFuzzer is the thorough one.
//!
//! In: a seed for the numbers, inputs, words of the language. Out: damaged inputs, the same ones for the same seed.

/// Random numbers that are the same everywhere (Steele, Lea and Flood, "Fast splittable pseudorandom number generators", 2014).
#[derive(Clone, Debug)]
pub struct Random(pub u64);

impl Random {
    /// The next one.
    pub fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// One below `end`; 0 when there is none.
    pub fn below(&mut self, end: usize) -> usize {
        (self.number() % end.max(1) as u64) as usize
    }

    fn of<'a, T: ?Sized>(&mut self, these: &[&'a T]) -> Option<&'a T> {
        these.get(self.below(these.len())).copied()
    }
}

/// Numbers at which lengths and offsets go wrong.
const EDGES: [u32; 12] = [0, 1, 2, 7, 8, 0x7f, 0xff, 0x7fff, 0xffff, 0x0004_0000, 0x7fff_ffff, 0xffff_ffff];

/// The longest that an input grows to.
const LONGEST: usize = 16 << 10;

/// A damaged copy of one of `inputs`.
pub fn mutate(random: &mut Random, inputs: &[Vec<u8>], words: &[&str]) -> Vec<u8> {
    let mut bytes = inputs.get(random.below(inputs.len())).cloned().unwrap_or_default();
    for _ in 0..=random.below(6) {
        let at = random.below(bytes.len() + 1);
        let end = (at + random.below(40)).min(bytes.len());
        match random.below(if words.is_empty() { 9 } else { 12 }) {
            0 => flip(&mut bytes, at, 1 << random.below(8)),
            1 => flip(&mut bytes, at, random.number() as u8 | 1),
            2 => edge(random, &mut bytes, at),
            3 => bytes.truncate(at),
            4 => _ = bytes.drain(at..end),
            5 => {
                let copy = bytes[at..end].to_vec();
                bytes.splice(at..at, copy);
            }
            6 => bytes.insert(at, random.number() as u8),
            7 => {
                let copy = bytes[at..end].to_vec();
                let to = random.below(bytes.len() + 1);
                bytes.splice(to..(to + copy.len()).min(bytes.len()), copy);
            }
            8 => {
                // The head of this one, the tail of another.
                let other = inputs.get(random.below(inputs.len())).map(Vec::as_slice).unwrap_or_default();
                let from = random.below(other.len() + 1);
                bytes.truncate(at);
                bytes.extend(&other[from..]);
            }
            _ => {
                let word = random.of(words).unwrap_or_default();
                let end = if random.below(2) == 0 { at } else { end };
                bytes.splice(at..end, word.bytes());
            }
        }
    }
    bytes.truncate(LONGEST);
    bytes
}

fn flip(bytes: &mut [u8], at: usize, bits: u8) {
    if let Some(byte) = bytes.get_mut(at) {
        *byte ^= bits;
    }
}

/// Puts a number of one, two or four bytes, either end first.
fn edge(random: &mut Random, bytes: &mut [u8], at: usize) {
    let edge = EDGES[random.below(EDGES.len())];
    let width = 1 << random.below(3);
    let number = if random.below(2) == 0 { edge.to_le_bytes() } else { edge.to_be_bytes() };
    let number = if number[0] == 0 { &number[4 - width..] } else { &number[..width] };
    if let Some(place) = bytes.get_mut(at..at + width) {
        place.copy_from_slice(number);
    }
}
