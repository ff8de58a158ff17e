//! Archives as they lie on disks: compressed, cut into many files, overlapping. The same
//! packets give the same events.
//!
//! Compressors of the system are asked where they are installed, and otherwise the libraries
//! that Tripline unpacks with.

use std::{
    fs,
    io::Write,
    process::{Command, Stdio},
};

use serde_json::Value;
use tempfile::TempDir;

use crate::{
    captures,
    craft::Capture,
    program::{fed, tripline},
};

const TOOLS: [&str; 4] = ["gzip", "zstd", "xz", "lz4"];

/// What `tool -c` makes of `bytes`.
fn packed(tool: &str, bytes: &[u8]) -> Vec<u8> {
    let child = Command::new(tool).arg("-c").stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn();
    let Ok(mut child) = child else { return packed_here(tool, bytes) };
    let mut stdin = child.stdin.take().unwrap();
    std::thread::scope(|scope| {
        scope.spawn(move || stdin.write_all(bytes).unwrap());
        child.wait_with_output().unwrap().stdout
    })
}

/// The same, where the tool is not installed.
fn packed_here(tool: &str, bytes: &[u8]) -> Vec<u8> {
    fn all<W: Write>(mut encoder: W, bytes: &[u8]) -> W {
        encoder.write_all(bytes).unwrap();
        encoder
    }
    match tool {
        "gzip" => {
            all(flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default()), bytes).finish().unwrap()
        }
        "zstd" => zstd::encode_all(bytes, 3).unwrap(),
        "xz" => all(liblzma::write::XzEncoder::new(Vec::new(), 6), bytes).finish().unwrap(),
        _ => all(lz4_flex::frame::FrameEncoder::new(Vec::new()), bytes).finish().unwrap(),
    }
}

#[test]
fn a_compressed_recording_gives_byte_for_byte_the_events_of_the_plain_one() {
    let mut events = 0;
    for recording in captures::all() {
        let plain = fs::read(recording.path()).unwrap();
        let read = |bytes| {
            let run = fed(["read", "-f", "eve", "-"], bytes);
            assert_eq!(run.status, Some(0), "{}: {}", recording.file, run.stderr);
            run.stdout
        };
        // Standard input has the same name for all of them.
        let expected = read(plain.clone());
        events += expected.lines().count();
        for tool in TOOLS {
            assert_eq!(read(packed(tool, &plain)), expected, "{} by {tool}", recording.file);
        }
    }
    assert!(events > 10, "nothing was compared");
}

#[test]
fn compressed_files_in_a_folder_are_one_stream_whatever_they_are_called() {
    let folder = TempDir::new().unwrap();
    let write = |name: &str, bytes: &[u8]| fs::write(folder.path().join(name), bytes).unwrap();
    let recordings: Vec<_> = captures::all().into_iter().take(8).collect();
    for (n, recording) in recordings.iter().enumerate() {
        let plain = fs::read(recording.path()).unwrap();
        // Names say nothing, and some are wrong.
        write(&format!("{n}.gz"), &packed(TOOLS[n % 4], &plain));
    }
    write("notes.txt.gz", &packed("gzip", b"what was done that day"));
    let paths = recordings.iter().map(|recording| recording.path().into_os_string());
    let plain = tripline(["read".into(), "-f".into(), "scanlogd".into()].into_iter().chain(paths));
    let run = tripline(["read".as_ref(), "-f".as_ref(), "scanlogd".as_ref(), folder.path().as_os_str()]);
    assert_eq!((run.status, run.stdout), (Some(0), plain.stdout), "{}", run.stderr);
}

#[test]
fn a_bomb_ends_soon_and_is_told() {
    let mut zeros = fs::read(captures::all()[0].path()).unwrap();
    zeros.resize(300 << 20, 0);
    let run = fed(["read", "-f", "eve", "-"], packed("zstd", &zeros));
    assert_eq!(run.status, Some(1), "{run:?}");
    assert!(run.stderr.contains("made to do harm"), "{}", run.stderr);
}

#[test]
fn a_window_beyond_the_memory_for_unpacking_is_refused_with_the_flag_that_allows_it() {
    let mut long = Capture::new();
    for n in 0..30_000 {
        long = long.syn(&format!("10.0.0.3:{}", 1_024 + n), "10.0.0.9:443").accepted().used(600);
    }
    let plain = long.pcap();
    assert!(plain.len() > 8 << 20, "{}", plain.len());
    let folder = TempDir::new().unwrap();
    let mut zstd = zstd::stream::write::Encoder::new(Vec::new(), 1).unwrap();
    zstd.window_log(27).unwrap();
    let mut xz = liblzma::write::XzEncoder::new(Vec::new(), 9);
    // Not worth the time: only its window matters.
    xz.write_all(&story().pcap()).unwrap();
    zstd.write_all(&plain).unwrap();
    fs::write(folder.path().join("1.zst"), zstd.finish().unwrap()).unwrap();
    fs::write(folder.path().join("2.xz"), xz.finish().unwrap()).unwrap();
    let read = |more: &[&str]| {
        let arguments = ["read", "-f", "eve", "--order", "name"].into_iter().chain(more.iter().copied());
        tripline(arguments.chain([folder.path().to_str().unwrap()]))
    };
    let refused = read(&[]);
    assert_eq!(refused.status, Some(1), "{refused:?}");
    assert!(refused.stderr.contains("more memory than the 8 MiB") && refused.stderr.contains("--unpack-memory 128MiB"));
    // The short file is read whatever window it says.
    assert!(!refused.begins().is_empty());
    let allowed = read(&["--unpack-memory", "128MiB"]);
    assert_eq!(allowed.status, Some(0), "{}", allowed.stderr);
    assert_eq!(allowed.begins().len(), refused.begins().len());
}

#[test]
fn what_is_compressed_otherwise_is_refused_with_the_command_that_reads_it() {
    let run = fed(["read", "-"], b"BZh91AY&SY...".to_vec());
    assert_eq!(run.status, Some(1), "{run:?}");
    assert!(run.stderr.contains("`bzip2 -dc FILE | tripline read -`"), "{}", run.stderr);
}

#[test]
fn a_filter_leaves_frames_out_and_says_how_many() {
    let path = "tests/captures/services-5.pcap";
    let all = tripline(["read", "-f", "eve", path]);
    let none = tripline(["read", "-f", "eve", "--filter", "greater 100000", path]);
    assert_eq!((none.status, none.stdout.as_str()), (Some(0), ""), "{none:?}");
    assert!(none.stderr.contains("left out") && none.stderr.contains("by --filter"), "{}", none.stderr);
    // What holds for every frame leaves everything as it is.
    let every = tripline(["read", "-f", "eve", "--filter", "ether[0] >= 0", path]);
    assert_eq!(every.stdout, all.stdout);
}

#[test]
fn a_filter_that_libpcap_does_not_understand_is_wrong_usage_shown_where_it_stands() {
    let run = tripline(["read", "--filter", "tcp prt 80", "tests/captures/services-5.pcap"]);
    assert_eq!((run.status, run.stdout.as_str()), (Some(2), ""), "{run:?}");
    assert!(run.stderr.contains("tcp prt 80") && run.stderr.contains("    ^^^"), "{}", run.stderr);
    let run = tripline(["read", "--filter", "host example.com", "tests/captures/services-5.pcap"]);
    assert_eq!(run.status, Some(2), "{run:?}");
    assert!(run.stderr.contains("no name is looked up"), "{}", run.stderr);
}

/// The events without what names a place in a file.
fn without_places(events: &str) -> Vec<Value> {
    let bare = |line| {
        let mut event: Value = serde_json::from_str(line).unwrap();
        for field in ["pcap_filename", "pcap_cnt"] {
            event.as_object_mut().unwrap().remove(field);
        }
        event
    };
    events.lines().map(bare).collect()
}

/// A long story: scans among other traffic.
fn story() -> Capture {
    (1..=300).fold(Capture::new(), |story, n| {
        let story = story.syn("10.0.0.2:40000", &format!("10.0.0.1:{n}")).refused().wait(0.3);
        story.syn(&format!("10.0.0.3:{}", 30_000 + n), "10.0.0.9:443").accepted().used(100)
    })
}

#[test]
fn an_archive_cut_into_three_hundred_files_of_which_half_are_compressed_gives_the_events_of_the_whole() {
    let folder = TempDir::new().unwrap();
    let whole = fed(["read", "-f", "eve", "-"], story().pcap());
    assert!(!whole.begins().is_empty(), "{whole:?}");
    for (n, part) in story().cut_into(300).iter().enumerate() {
        // A stride that meets every number once: names say nothing about the order.
        let name = folder.path().join(format!("{:03}.pcap", n * 77 % 300));
        let plain = part.pcap();
        fs::write(name, if n % 2 == 0 { packed_here(TOOLS[n / 2 % 4], &plain) } else { plain }).unwrap();
    }
    for more in [&[][..], &["--merge"], &["--merge", "--batch", "4KiB", "--shards", "7"]] {
        let arguments = ["read", "-f", "eve"].into_iter().chain(more.iter().copied());
        let run = tripline(arguments.chain([folder.path().to_str().unwrap()]));
        assert_eq!(run.status, Some(0), "{more:?}: {}", run.stderr);
        assert_eq!(without_places(&run.stdout), without_places(&whole.stdout), "{more:?}");
    }
}

#[test]
fn files_of_several_interfaces_merged_give_the_events_of_one_that_saw_all() {
    let folder = TempDir::new().unwrap();
    let mut paths = Vec::new();
    for (n, part) in story().dealt_out(3).iter().enumerate() {
        let path = folder.path().join(format!("eth{n}.pcap"));
        fs::write(&path, part.pcap()).unwrap();
        paths.push(path.to_str().unwrap().to_owned());
    }
    let whole = fed(["read", "-f", "eve", "-"], story().pcap());
    let arguments = ["read", "-f", "eve", "--merge"].map(str::to_owned);
    let merged = tripline(arguments.iter().chain(&paths));
    assert_eq!(merged.status, Some(0), "{}", merged.stderr);
    assert_eq!(without_places(&merged.stdout), without_places(&whole.stdout));
    // What an event names is the deciding frame, in the file where it lies.
    let begin = &merged.begins()[0];
    let number = usize::try_from(begin["pcap_cnt"].as_u64().unwrap()).unwrap();
    let frames = tripline(["packets", begin["pcap_filename"].as_str().unwrap()]).json();
    let frame = &frames[number - 1];
    assert!([&frame["src_ip"], &frame["dest_ip"]].contains(&&begin["src_ip"]), "{frame} of {begin}");
}

#[test]
fn a_span_of_time_gives_the_events_of_its_packets_alone() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("a.pcap");
    fs::write(&path, story().pcap()).unwrap();
    let read = |more: &[&str]| {
        let arguments = ["read", "-f", "eve"].into_iter().chain(more.iter().copied());
        let run = tripline(arguments.chain([path.to_str().unwrap()]));
        assert_eq!(run.status, Some(0), "{more:?}: {}", run.stderr);
        run
    };
    let all = read(&[]);
    let begin = all.begins()[0]["scan"]["start"].as_str().unwrap().to_owned();
    let until = read(&["--until", &begin]);
    assert!(until.begins().is_empty(), "{until:?}");
    assert!(until.stderr.contains("by --since and --until"), "{}", until.stderr);
    let since = read(&["--since", &begin]);
    assert_eq!(since.begins()[0]["scan"]["start"], begin.as_str());
    assert_eq!(since.begins()[0]["src_ip"], all.begins()[0]["src_ip"]);
    let wrong = tripline(["read", "--since", "2026-11-22", "--until", "2026-11-21", path.to_str().unwrap()]);
    assert_eq!((wrong.status, wrong.stdout.as_str()), (Some(2), ""), "{wrong:?}");
}
