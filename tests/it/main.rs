//! What a user gets, one module for each promise. One binary, so that it is linked once.
//!
//! Read next: `craft.rs` (how a test tells its packets), `program.rs` (how it runs the
//! program), then the promise in question.

// Says to clippy that all of it is tests, where `unwrap` is a plain way to fail.
#![cfg(test)]

// ---- What the tests are made of --------------------------------------------

// Recordings of known content in `tests/captures`.
mod captures;
// Captures made by code, so that a reader of a test sees its packets.
mod craft;
// Two machines with a cable, in namespaces of their own.
#[cfg(target_os = "linux")]
mod lab;
// The program as a person runs it.
mod program;

// ---- Promises --------------------------------------------------------------

// Forged packets hide no scan.
mod blind;
// FTP's data connections are nobody's scan; a server that is made to scan is named with who makes it.
mod bounces;
// What only the targets' side shows: distributed scans, storms, floods.
mod crowds;
// One source under all the addresses of its network.
mod rotation;
// The right ones are named and nobody else.
mod detection;
// Fragments hide nothing, whatever is done to them.
mod fragments;
// What a real kernel makes of fragments is what is made of them here.
mod kernel;
// Signals, silent pipes, files that shrink, very many files: how a run ends then.
mod ends;
// What a run leaves behind for later: summary and ledger.
mod evidence;
// The same input gives the same bytes, however the work is shared out.
mod invariants;
// Files stay whole, archives stay here, signals and full disks lose nothing.
mod outputs;
// Tables keep to their budget under a flood.
mod memory;
// What was decoded of each frame can be looked up.
mod packets;
// Archives as they lie on disks: compressed, cut, overlapping.
mod packed;
// `tripline read` in a script: inputs, exit statuses, words on standard error.
mod read;
// What the pages say is so.
mod pages;
// Other detectors judge the same packets, side by side.
mod presets;
// A run that was interrupted goes on, and nobody can tell.
mod resume;
// Rules files: what ships is right, editors know the language, events can be tried.
mod rules;
// Who moves from scanlogd gets its lines.
mod scanlogd;
// Stream processors, ours and others'.
mod processors;
// What hosts said to each other, whatever an evader mixes in.
mod streams;
// Two commands do it all on a bare machine.
mod setup;
// No link and no tunnel hides a scan; tenants and copies are told apart.
mod tunnels;
// The program that sent a scan is named, or none.
mod tools;
// Why an address was reported, or was not.
mod why;
// Real scans on real wires, in namespaces of their own.
mod watch;
// Wires that carry more than the sensor can take, two of them, and users that are not root.
mod wires;

// ---- The project itself ----------------------------------------------------

// Stages use only what they may; docs/ARCHITECTURE.md is the rule.
mod architecture;
// What others build against stays: commands and flags, fields of events, the language of rules files.
mod contract;
// The same promises over a large corpus, for those who have it.
mod corpus;
