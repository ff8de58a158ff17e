//! Who moves from scanlogd gets its lines: `-p scanlogd -f scanlogd` writes what the real
//! program wrote about the same packets, byte for byte but for the time of day.

use crate::{captures, program::tripline};

/// The line without what depends on the zone of the sensor's clock.
pub(crate) fn without_time(line: &str) -> &str {
    line.rsplit_once(" @").map_or(line, |(rest, _)| rest)
}

/// The lines that the program writes about a capture, without the time of day.
pub(crate) fn lines(path: &std::path::Path) -> Vec<String> {
    let run = tripline(["read".as_ref(), "-p".as_ref(), "scanlogd".as_ref(), "-f".as_ref(), "scanlogd".as_ref(), path]);
    assert_eq!(run.status, Some(0), "{}: {}", path.display(), run.stderr);
    run.stdout.lines().map(|line| without_time(line).to_owned()).collect()
}

#[test]
fn each_recording_gives_the_lines_that_scanlogd_itself_wrote() {
    let mut compared = 0;
    for recording in captures::all() {
        let Some(expected) = &recording.scanlogd else { continue };
        assert_eq!(&lines(&recording.path()), expected, "{}: {}", recording.file, recording.about);
        compared += 1;
    }
    assert!(compared > 40, "only {compared} recordings say what scanlogd wrote");
}

#[test]
fn the_time_of_day_of_a_line_is_that_of_the_packets_in_utc() {
    let run = tripline(["read", "-p", "scanlogd", "-f", "scanlogd", "tests/captures/nmap-syn-8ports.pcap"]);
    let [line] = run.stdout.lines().collect::<Vec<_>>()[..] else { panic!("not one line: {run:?}") };
    let (_, time) = line.rsplit_once(" @").unwrap();
    let begin = &tripline(["read", "-f", "eve", "tests/captures/nmap-syn-8ports.pcap"]).begins()[0];
    // The scan lasts 0.2 s: the stamps of both programs' decisions lie in the same second or the next.
    let eve = begin["scan"]["start"].as_str().unwrap();
    assert_eq!(time.get(..6), eve.get(11..17), "{line} beside {eve}");
}
