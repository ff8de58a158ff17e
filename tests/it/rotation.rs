//! Who takes the addresses of an IPv6 network in turn is found as one scan, and an honest network of many hosts is not.

use serde_json::Value;

use crate::{craft::Capture, detection::found_in, program::tripline};

/// The n-th address of a network.
fn at(network: &str, n: u16) -> String {
    format!("{network}:{:x}:{n:x}", n.wrapping_mul(0x9e37))
}

const INNER: &str = "2001:db8:1:2:77:9";
const HOME: &str = "2001:db8:ffff:0:0:0:0";

/// A door of a host of ours.
fn door(host: u16, port: u16) -> String {
    format!("[{HOME}:{host:x}]:{port}")
}

fn knock(story: Capture, from: &str, n: u16, to: &str) -> Capture {
    story.syn(&format!("[{from}]:{}", 40_000 + n), to)
}

/// Somebody else visits a host of ours, whose network so is seen to answer.
fn in_view(story: Capture) -> Capture {
    story.syn("[2001:db8:7::7]:50000", &door(0xfff, 443)).accepted().used(300)
}

fn the_one(story: &Capture) -> Value {
    let mut begins = found_in(story);
    assert_eq!(begins.len(), 1, "{begins:#?}");
    begins.remove(0)
}

#[test]
fn a_host_whose_ports_are_tried_from_ever_new_addresses_of_a_64_is_scanned() {
    let story =
        (1..=40).fold(Capture::new(), |story, n| knock(story, &at(INNER, n), n, &door(1, n)).refused().wait(20.0));
    let begin = the_one(&story);
    let scan = &begin["scan"];
    assert_eq!((&scan["kind"], &scan["prefix"]), (&"vertical".into(), &"2001:db8:1:2::/64".into()));
    assert_eq!((begin.get("src_ip"), &begin["dest_ip"]), (None, &"2001:db8:ffff::1".into()));
    assert_eq!(
        (&scan["sources"]["count"], &scan["doors"], &scan["trust"]),
        (&10.into(), &10.into(), &"spoofable".into())
    );
    let words = "10 addresses of 2001:db8:1:2::/64 in turn, few doors each; 10 of 10 first contacts refused";
    assert!(scan["reason"].as_str().unwrap().starts_with(words), "{scan}");
}

#[test]
fn two_and_three_doors_from_each_address_are_no_other_scan() {
    let story =
        (0..60).fold(Capture::new(), |story, n| knock(story, &at(INNER, 1 + n / 3), n, &door(1, 1 + n)).refused());
    assert_eq!(the_one(&story)["scan"]["prefix"], "2001:db8:1:2::/64");
}

#[test]
fn hosts_that_are_tried_from_ever_new_addresses_are_swept() {
    let syn = (1..=30)
        .fold(in_view(Capture::new()), |story, n| knock(story, &at(INNER, n), n, &door(0x100 + n, 22)).wait(5.0));
    let ping = (1..=30).fold(in_view(Capture::new()), |story, n| {
        story.ping(&at(INNER, n), &format!("{HOME}:{:x}", 0x100 + n)).wait(5.0)
    });
    for (story, technique) in [(syn, "tcp-syn"), (ping, "icmp-echo")] {
        let scan = the_one(&story)["scan"].clone();
        assert_eq!((&scan["kind"], &scan["technique"]), (&"horizontal".into(), &technique.into()), "{scan}");
        assert_eq!(scan["prefix"], "2001:db8:1:2::/64");
    }
}

#[test]
fn the_64s_of_a_48_that_take_turns_are_one_scan() {
    let from = |n: u16| format!("2001:db8:1:{:x}::{n:x}", n.wrapping_mul(0x9e37));
    let story = (1..=40).fold(Capture::new(), |story, n| knock(story, &from(n), n, &door(1, n)).refused().wait(20.0));
    let begin = the_one(&story);
    assert_eq!((&begin["scan"]["prefix"], begin.get("src_ip")), (&"2001:db8:1::/48".into(), None));
}

#[test]
fn open_doors_among_them_are_found_and_the_end_has_the_totals() {
    let story = (1..=100).fold(Capture::new(), |story, n| {
        let story = knock(story, &at(INNER, n), n, &door(1, n));
        if n % 25 == 0 { story.accepted().aborted() } else { story.refused() }
    });
    let all = crate::crowds::events(&story);
    let end = &all.last().unwrap()["scan"];
    assert_eq!(
        (&end["phase"], &end["sources"]["count"], &end["answers"]["closed"]),
        (&"end".into(), &100.into(), &96.into())
    );
    assert!(!end["found"].as_array().unwrap().is_empty(), "{end}");
}

#[test]
fn whoever_asks_about_one_of_its_addresses_is_told_of_the_network() {
    let story = (1..=30).fold(Capture::new(), |story, n| knock(story, &at(INNER, n), n, &door(1, n)).refused());
    let path = tempfile::NamedTempFile::with_suffix(".pcap").unwrap();
    std::fs::write(path.path(), story.pcap()).unwrap();
    // The event lists the first twenty.
    let others = "Found, and told of with others: addresses of 2001:db8:1:2::/64 take turns, few doors each.";
    for (n, words) in [(1, "30 addresses of 2001:db8:1:2::/64 in turn"), (30, others)] {
        let run = tripline(["why", &at(INNER, n), path.path().to_str().unwrap()]);
        assert!(run.stdout.contains(words), "{n}: {}", run.stdout);
    }
}

/// Nobody is found in it.
fn innocent(story: &Capture, who: &str) {
    assert_eq!(found_in(story), Vec::<Value>::new(), "{who}");
}

#[test]
fn an_honest_network_of_many_hosts_does_not_convict_itself() {
    // Each visits four servers and fails at a fifth, which is his alone.
    let office = (0..60).fold(Capture::new(), |story, host| {
        (0..5).fold(story, |story, n| {
            let story = knock(story, &at(INNER, host), 5 * host + n, &door(5 * host + n, 443));
            if n == 2 { story.refused() } else { story.accepted().used(300) }
        })
    });
    innocent(&office, "an office");
    let dead = (0..60).fold(Capture::new(), |story, host| {
        [143, 993, 110]
            .into_iter()
            .fold(story, |story, port| knock(story, &at(INNER, host), host, &door(1, port)).refused())
    });
    innocent(&dead, "clients of a dead server");
}

#[test]
fn many_who_know_hosts_all_over_the_internet_do_not_sweep_it() {
    let relays = (0..60).fold(Capture::new(), |story, n| {
        let target = format!("[2{:03x}:{n:x}::25]:25", n * 7);
        knock(story, &at(INNER, n), n, &target).refused()
    });
    innocent(&relays, "mail relays whose peers are gone");
    let neighbours = (0..60).fold(Capture::new(), |story, n| {
        knock(story, &at(INNER, n), n, &format!("[{}]:7680", at(INNER, 1_000 + n))).refused()
    });
    innocent(&neighbours, "hosts that look for each other");
}

#[test]
fn customers_of_one_provider_and_clients_of_a_translator_are_many_and_not_one() {
    let customer = |n: u16| format!("2001:db8:1:{n:x}::1");
    let provider = (0..200).fold(Capture::new(), |story, n| {
        // His first contact fails, the next ones do not.
        let story = knock(story, &customer(n), n, &door(0x100 + n, 443)).refused().wait(0.2);
        (0..3)
            .fold(story, |story, k| knock(story, &customer(n), 300 + 3 * n + k, &door(k + 1, 443)).accepted().used(300))
    });
    innocent(&provider, "a provider's customers");
    let translator = (0..200).fold(Capture::new(), |story, n| {
        // Behind NAT64 all of IPv4 is one network.
        let story = knock(story, &at(INNER, n), n, &format!("[64:ff9b::c000:{:x}]:443", 0x200 + n));
        if n % 5 == 0 { story.refused() } else { story.accepted().used(300) }
    });
    innocent(&translator, "clients of a translator");
}

#[test]
fn forged_networks_become_a_storm() {
    let story = (0..8_000_u16).fold(Capture::new(), |story, n| {
        // Ten packets each, all of a kind.
        let from = format!("2001:db8:{:x}:1:77:9:{:x}:{:x}", 0x1000 + n / 10, n.wrapping_mul(0x9e37), n);
        knock(story, &from, n % 10, &door(1, 1 + n % 10 * 31)).refused()
    });
    let begins = found_in(&story);
    assert!((300..=600).contains(&begins.len()), "{} of 800 were told", begins.len());
    assert!(begins.iter().all(|begin| begin["scan"]["prefix"].is_string()));
}
