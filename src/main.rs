//! The program: the library with the built-in outputs.

fn main() {}
