//! Doors that others talk of: FTP's data connections are nobody's scan, a server that is made to knock is a
//! scanner with a prompter, and a promise hides no scan.

use serde_json::Value;

use crate::{craft::Capture, detection::found_in};

const CLIENT: &str = "10.0.0.2";
const SERVER: &str = "10.0.0.9";
const TARGET: &str = "10.0.0.1";

/// A line of the control channel, by its client or by its server.
fn says(story: Capture, by_server: bool, line: &str) -> Capture {
    let (client, server) = (format!("{CLIENT}:50000"), format!("{SERVER}:21"));
    let (from, to) = if by_server { (&server, &client) } else { (&client, &server) };
    story.told(from, to, &format!("{line}\r\n"))
}

/// The same, cut into pieces of so many bytes, a segment each; `from` numbers its first byte.
fn cut(story: Capture, by_server: bool, line: &str, size: usize, from: u32) -> Capture {
    let (client, server) = (format!("{CLIENT}:50000"), format!("{SERVER}:21"));
    let (here, there) = if by_server { (&server, &client) } else { (&client, &server) };
    let text = format!("{line}\r\n");
    let pieces: Vec<&str> = (0..text.len()).step_by(size).map(|at| &text[at..text.len().min(at + size)]).collect();
    let seqs = (from..).step_by(size);
    pieces.into_iter().zip(seqs).fold(story, |story, (piece, seq)| story.told_at(here, there, seq, piece))
}

#[test]
fn lines_in_pieces_explain_data_connections_and_give_a_bounce_away() {
    for size in [1, 5, 11] {
        let honest = (41_000_u16..41_012).fold(Capture::new(), |story, port| {
            let line = format!("227 Entering Passive Mode ({})", numbers(SERVER, port));
            let story = cut(story, true, &line, size, u32::from(port) * 100);
            story.syn(&format!("{CLIENT}:{}", port - 5_000), &format!("{SERVER}:{port}")).refused()
        });
        assert_eq!(found_in(&honest), Vec::<Value>::new(), "pieces of {size}");
        let bounce = [21, 25, 80, 443].into_iter().fold(Capture::new(), |story, port| {
            let story = cut(story, false, &format!("PORT {}", numbers(TARGET, port)), size, u32::from(port) * 100);
            story.syn(&format!("{SERVER}:{}", 30_000 + port), &format!("{TARGET}:{port}")).accepted().used(100 + port)
        });
        let begins = found_in(&bounce);
        assert_eq!((begins.len(), &begins[0]["src_ip"]), (1, &SERVER.into()), "{begins:?}");
        assert!(begins[0]["scan"]["reason"].as_str().unwrap().contains("a bounce"), "{begins:?}");
    }
}

/// As FTP writes an address and a port.
fn numbers(host: &str, port: u16) -> String {
    format!("{},{},{}", host.replace('.', ","), port >> 8, port & 0xff)
}

/// A server that is told of so many doors, each of which it finds closed.
fn active(ports: impl Iterator<Item = u16>, host: &str) -> Capture {
    ports.fold(Capture::new(), |story, port| {
        let story = says(story, false, &format!("PORT {}", numbers(host, port)));
        story.syn(&format!("{SERVER}:{}", 30_000 + port % 20_000), &format!("{host}:{port}")).refused()
    })
}

#[test]
fn data_connections_in_vain_are_nobodys_scan() {
    assert_eq!(found_in(&active(40_001..40_013, CLIENT)), Vec::<Value>::new(), "active");
    for line in ["227 Entering Passive Mode (192,168,0,9,", "229 Entering Extended Passive Mode (|||"] {
        let story = (41_000_u16..41_012).fold(Capture::new(), |story, port| {
            let end =
                if line.starts_with("227") { format!("{},{})", port >> 8, port & 0xff) } else { format!("{port}|)") };
            let story = says(story, true, &format!("{line}{end}"));
            story.syn(&format!("{CLIENT}:{}", port - 5_000), &format!("{SERVER}:{port}")).refused()
        });
        assert_eq!(found_in(&story), Vec::<Value>::new(), "{line}");
    }
}

#[test]
fn the_same_doors_without_a_word_on_the_control_channel_are_a_scan() {
    let story = (41_000_u16..41_012).fold(Capture::new(), |story, port| {
        story.syn(&format!("{CLIENT}:{}", port - 5_000), &format!("{SERVER}:{port}")).refused()
    });
    assert_eq!(found_in(&story).len(), 1);
}

#[test]
fn promises_hide_no_scan_for_long() {
    let begins = found_in(&active((1..60).map(|n| 20_000 + n * 7), CLIENT));
    assert_eq!(begins.len(), 1, "{begins:?}");
    assert_eq!(begins[0]["src_ip"], SERVER);
}

#[test]
fn promises_about_others_excuse_nobody() {
    let begins = found_in(&active(40_001..40_013, TARGET));
    assert_eq!(begins.len(), 1, "{begins:?}");
    assert_eq!(begins[0]["src_ip"], SERVER);
}

#[test]
fn a_server_that_is_made_to_knock_at_services_is_named_with_the_one_who_makes_it() {
    for (host, prompter) in [(TARGET, CLIENT), (CLIENT, CLIENT)] {
        let story = [21, 25, 80, 443].into_iter().fold(Capture::new(), |story, port| {
            let story = says(story, false, &format!("PORT {}", numbers(host, port)));
            // All open, and told a listing: nothing but the control channel gives it away.
            story.syn(&format!("{SERVER}:{}", 30_000 + port), &format!("{host}:{port}")).accepted().used(100 + port)
        });
        let begins = found_in(&story);
        assert_eq!(begins.len(), 1, "{begins:?}");
        assert_eq!((&begins[0]["src_ip"], &begins[0]["dest_ip"]), (&SERVER.into(), &host.into()));
        let reason = begins[0]["scan"]["reason"].as_str().unwrap();
        assert!(reason.contains("a bounce") && reason.contains(&format!("by {prompter} over FTP")), "{reason}");
    }
}

#[test]
fn who_says_equally_much_to_ten_services_of_a_host_has_nothing_to_say() {
    let services = [21, 22, 25, 53, 80, 110, 143, 443, 993, 3306];
    let story = |said: fn(u16) -> u16| {
        services.into_iter().fold(Capture::new(), |story, port| {
            story.syn(&format!("{CLIENT}:{}", 30_000 + port), &format!("{TARGET}:{port}")).accepted().used(said(port))
        })
    };
    let begins = found_in(&story(|_| 777));
    assert_eq!(begins.len(), 1, "{begins:?}");
    assert_eq!((&begins[0]["src_ip"], &begins[0]["scan"]["technique"]), (&CLIENT.into(), &"tcp-connect".into()));
    assert_eq!(found_in(&story(|port| 100 + port)), Vec::<Value>::new(), "an honest one says to each its own");
    let upload = (41_000_u16..41_030).fold(Capture::new(), |story, port| {
        story.syn(&format!("{CLIENT}:{}", port - 5_000), &format!("{SERVER}:{port}")).accepted().used(777)
    });
    assert_eq!(found_in(&upload), Vec::<Value>::new(), "files of one length");
}

#[test]
fn who_reads_the_counters_of_an_idle_host_is_named_beside_it() {
    let story = (1..=12).fold(Capture::new(), |story, port| {
        // The attacker asks the idle host for its counter, and knocks in its name.
        let story = story.tcp("10.0.0.66:40000", "10.0.0.90:80", 0x12);
        story.syn("10.0.0.90:80", &format!("10.0.0.1:{port}")).refused()
    });
    let begins = found_in(&story);
    assert_eq!((begins.len(), &begins[0]["src_ip"]), (1, &"10.0.0.90".into()), "{begins:?}");
    assert_eq!(begins[0]["scan"]["trust"], "spoofable");
    let reason = begins[0]["scan"]["reason"].as_str().unwrap();
    assert!(reason.contains("10.0.0.66 sends it SYN-ACKs that it never asked for"), "{reason}");
}
