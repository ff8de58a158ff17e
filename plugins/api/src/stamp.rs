//! Stamps in JSON: nanoseconds since 1970 inside, EVE's `2026-11-22T11:14:25.123456+0000` outside.

use serde::{Deserialize, Deserializer, Serializer, de::Error};

/// Writes a stamp as EVE does.
pub fn serialize<S: Serializer>(nanos: &i64, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_i64(*nanos)
}

/// Reads one back.
pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<i64, D::Error> {
    i64::deserialize(from).map_err(D::Error::custom)
}
