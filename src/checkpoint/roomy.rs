//! Vectors whose room is counted: tables that keep a budget count what a vector could hold, not what it holds.
//!
//! In: a vector. Out: the same, with the same room: else a table that was taken up again would think itself smaller than the one that
//! was written down, and give up others. For `#[serde(with = "checkpoint::roomy")]`.
//! Room is given only as far as vectors come to it by themselves: twice of what is in them, or a few.
//! Read next: `mod.rs`.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};

/// Room that a vector may have left with nothing in it: what a suspect keeps at most of any sort.
const FEW: usize = 64;

/// Writes a vector and its room.
///
/// # Errors
/// What the serializer says.
pub fn serialize<T: Serialize, S: Serializer>(vector: &Vec<T>, to: S) -> Result<S::Ok, S::Error> {
    (vector.capacity(), vector).serialize(to)
}

/// Reads a vector and gives it its room.
///
/// # Errors
/// What the deserializer says, or the room makes no sense.
pub fn deserialize<'de, T: Deserialize<'de>, D: Deserializer<'de>>(from: D) -> Result<Vec<T>, D::Error> {
    let (room, items): (usize, Vec<T>) = Deserialize::deserialize(from)?;
    if room < items.len() || room > FEW.max(2 * items.len()) {
        return Err(D::Error::custom("a vector has more room than it can have"));
    }
    let mut vector = Vec::with_capacity(room);
    vector.extend(items);
    Ok(vector)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Holder(#[serde(with = "super")] Vec<u32>);

    #[test]
    fn room_is_kept_to_the_place_and_never_believed_beyond_reason() {
        for (room, items) in [(0, 0), (4, 1), (48, 3), (64, 0), (128, 65), (300, 300)] {
            let mut vector = Vec::with_capacity(room);
            vector.extend(0..items);
            let bytes = postcard::to_allocvec(&Holder(vector)).unwrap();
            let Holder(read) = postcard::from_bytes(&bytes).unwrap();
            assert_eq!((read.capacity(), read.len()), (room, items as usize));
        }
        for (room, items) in [(65_usize, vec![0_u32; 0]), (usize::MAX, vec![1]), (0, vec![1])] {
            let bytes = postcard::to_allocvec(&(room, items)).unwrap();
            assert!(postcard::from_bytes::<Holder>(&bytes).is_err(), "{room}");
        }
    }
}
