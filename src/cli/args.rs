//! Every word and flag of the command line, once, with the help that teaches it.
//!
//! In: nothing. Out: what `clap` makes of the arguments: plain data, checked as far as one
//! value goes. Must not do anything.
//! Source: the command line is a contract; a flag is never renamed or given another meaning.
//! Read next: `mod.rs`, which acts on it.

use std::{net::SocketAddr, num::NonZeroUsize, path::PathBuf};

use ipnet::IpNet;

use clap::{ArgAction, Args, Parser, Subcommand, ValueEnum};

use super::when;
use crate::{
    config::{nets, units},
    defragment::Overlap,
    source::{self, Time},
    streams::Checksums,
};

/// Tells who is rattling the doors: finds port scans in captured and live traffic.
#[derive(Debug, Parser)]
#[command(
    version,
    propagate_version = false,
    max_term_width = 100,
    after_help = "\
Exit status:
  0  the work was done
  1  some input could not be read or some event not delivered; the rest was done
  2  wrong usage, rules or configuration: nothing was done
  3  a scan was reported, with --fail-on-scan

Events go to standard output, everything else to standard error."
)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What the program can do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Find the scans in captures: files, folders, '-' for standard input
    #[command(after_help = "\
Examples:
  tripline read today.pcap                      the scans, for a person
  tripline read -f eve archive/ > scans.jsonl   a folder as one stream in order of time, for a machine
  tripline read --since 2026-11-22 archive/     of a large archive, what is new
  tripline read --filter 'not net 10.9.0.0/16' today.pcap
  tcpdump -w - | tripline read -                what another program captures
  tripline read -r mine.toml -p scanlogd a.pcap your rules, the judgement of scanlogd
  tripline read --fail-on-scan -qq a.pcap       a script only wants to know whether there was one
  tripline read --ledger ledger.json archive/   and what the result rests on: SHA-256 of every file
  tripline read --resume state -o file:path=scans.jsonl archive/
                                                days of work: after a power cut the same again goes on")]
    Read(Box<Read>),
    /// Find the scans on a live wire: a span port, a tap, this machine's own interfaces
    #[command(after_help = "\
Examples:
  tripline watch -i eth1                               a span port, until Ctrl-C
  tripline watch -i eth1 -i eth2 -r rules/             both directions of a tap, your rules
  tripline watch -i any --no-promisc -f eve            what this machine itself sees, for a machine
  tripline watch -i eth1 --filter 'not net 10.9.0.0/16'
Started by root it becomes `nobody` (--user) as soon as all is open. SIGHUP reads the rules anew and reopens files;
SIGINT and SIGTERM end it, with what was recognised and the summary.")]
    Watch(Box<Watch>),
    /// List the interfaces that can be watched
    #[command(after_help = "\
Examples:
  tripline interfaces                           which there are, and whether they are up
  tripline interfaces | grep ether              those that a span port could be plugged into")]
    Interfaces,
    /// Show what was decoded of each frame, one JSON line a frame
    #[command(after_help = "\
Examples:
  tripline packets today.pcap | head            the first frames
  tripline packets --filter 'host 10.0.0.9' --since '2026-11-22 10:30' archive/
                                                only what is asked about
  tripline packets a.pcap | jq -c 'select(.skipped)' | sort | uniq -c
                                                what could not be decoded, and why")]
    Packets(Packets),
    /// Tell the whole story of one address: its doors, how it was judged, and why it was or was not reported
    #[command(after_help = "\
Examples:
  tripline why 10.0.0.9 today.pcap              why did you (not) tell me of it?
  tripline why -r mine.toml 10.0.0.9 archive/   with your rules: silenced, held back, told to whom
  tripline why -p tripline,scanlogd 10.0.0.9 today.pcap
                                                what each preset thought of it
  tripline why -f json 10.0.0.0/24 today.pcap   the addresses of a net, one JSON object a line

It runs what `read` runs and delivers nothing. Give the same --memory, --filter, --since, --until and --key as to the run that
you ask about, for the same to be remembered.")]
    Why(Box<Why>),
    /// Put TCP streams together as their receivers did, one JSON line a stream
    #[command(after_help = "\
Examples:
  tripline streams today.pcap                   each stream: its ends, how it ended, bytes and their hashes
  tripline streams today.pcap | jq -c 'select(.end == \"refused\")'
                                                who knocked where nobody listens
  tripline streams --follow 10.0.0.2:40000 today.pcap
                                                what was said on one of them
  tripline streams --overlap windows a.pcap     as a Windows server reads segments that contradict each other

See docs/streams.md for the fields, and for what is done about evasions.")]
    Streams(Streams),
    /// Look at rules files: are they right, what do they say, what would they do
    #[command(after_help = "\
Examples:
  tripline rules check /etc/tripline/           all that is wrong with a folder of rules
  tripline rules list mine.toml                 what it says, in the order in which rules are asked
  tripline rules test -r mine.toml scans.jsonl  what it would do with the scans of yesterday")]
    Rules {
        /// What to do with them.
        #[command(subcommand)]
        command: Rules,
    },
    /// List the output plugins, stream processors and presets, or the options of one
    #[command(after_help = "\
Examples:
  tripline plugins                              which outputs, processors and presets there are
  tripline plugins file                         what `file` can be told, as it stands in a rules file")]
    Plugins {
        /// The plugin to explain
        name: Option<String>,
    },
    /// Print one event of every kind, phase and oddity, to try an output or a SIEM with
    #[command(after_help = "\
Examples:
  tripline sample-events                        one JSON object a line
  tripline sample-events -f scanlogd | logger   do they arrive where the logs are read?
  tripline sample-events | tripline rules test -r mine.toml -
                                                which of them would my rules report, and where?")]
    SampleEvents {
        /// How events are told
        #[arg(short, long, value_name = "NAME", default_value = "eve")]
        format: String,
    },
}

/// `tripline read`.
#[derive(Debug, Args)]
pub struct Read {
    /// Captures: files, folders (with all captures in them), '-' for standard input
    #[arg(required = true, value_name = "PATH")]
    pub paths: Vec<PathBuf>,

    /// How to judge and whom to tell.
    #[command(flatten)]
    pub judging: Judging,

    /// Feed outputs that leave the machine or start programs, too (syslog); without it, they are
    /// counted and named in the summary, so that an old archive cannot fill a SIEM by mistake
    #[arg(long)]
    pub deliver: bool,

    /// In which order captures are read
    #[arg(long, value_enum, default_value_t = Order::Time)]
    pub order: Order,

    /// Interleave captures that overlap, by the time of each packet
    #[arg(long)]
    pub merge: bool,

    /// Which frames.
    #[command(flatten)]
    pub selection: Selection,

    /// The key that spreads sources over the tables: 16 hexadecimal digits at most. Without it,
    /// it is made from the first frames, so that a run can be repeated
    #[arg(long, value_name = "HEX", value_parser = key)]
    pub key: Option<u64>,

    /// End with status 3 when a scan was reported
    #[arg(long)]
    pub fail_on_scan: bool,

    /// Write the summary to this file, too, as JSON
    #[arg(long, value_name = "FILE")]
    pub summary: Option<PathBuf>,

    /// Write down what was read: of each input its path, SHA-256, packets, first and last stamp,
    /// gaps and errors, as JSON, for evidence
    #[arg(long, value_name = "FILE")]
    pub ledger: Option<PathBuf>,

    /// Write down from time to time how far the run is, and go on from there when it was interrupted (kill -9 included):
    /// the same command again, and what is in its files is byte for byte as if it had never been. Standard
    /// output and other machines cannot be taken back: events go to `-o file:…` or the files of rules
    #[arg(long, value_name = "STATE")]
    pub resume: Option<PathBuf>,

    /// Bytes of records between two states: the result must not depend on it, which tests want to see
    #[arg(long, value_name = "SIZE", value_parser = units::size, hide = true)]
    pub checkpoint_every: Option<u64>,

    /// Bytes of a batch: the result must not depend on it, which tests want to see
    #[arg(long, value_name = "SIZE", value_parser = units::size, hide = true)]
    pub batch: Option<u64>,
}

/// `tripline watch`.
#[derive(Debug, Args)]
pub struct Watch {
    /// An interface to watch, or several; `any` for all (`tripline interfaces` lists them)
    #[arg(short, long, value_name = "IFACE", required = true, value_delimiter = ',')]
    pub interface: Vec<String>,

    /// How to judge and whom to tell.
    #[command(flatten)]
    pub judging: Judging,

    /// Only frames that this matches, in the language of pcap-filter(7)
    #[arg(long, value_name = "EXPR")]
    pub filter: Option<String>,

    /// Bytes of each frame that are captured [default: 256, since headers are enough; all with a
    /// stream processor]
    #[arg(long, value_name = "BYTES", value_parser = clap::value_parser!(u32).range(64..=262_144))]
    pub snaplen: Option<u32>,

    /// The kernel's buffer for each interface: what comes in while this program is busy
    #[arg(long, value_name = "SIZE", default_value = "32 MiB", value_parser = buffer)]
    pub buffer: u32,

    /// See frames that are for other machines, too (the default)
    #[arg(long, overrides_with = "no_promisc")]
    pub promisc: bool,

    /// See only what this machine sends and gets
    #[arg(long, overrides_with = "promisc")]
    pub no_promisc: bool,

    /// How to capture
    #[arg(long, value_enum, default_value_t = Backend::Pcap)]
    pub backend: Backend,

    /// Whom root becomes when all is open; `root` for nobody else [default: nobody]
    #[arg(long, value_name = "NAME")]
    pub user: Option<String>,
}

/// How to judge and whom to tell: the same for archives and wires.
#[derive(Debug, Args)]
pub struct Judging {
    /// A rules file, or a folder of them; all together are one set. Without it everything is
    /// shown on standard output
    #[arg(short, long, value_name = "PATH")]
    pub rules: Vec<PathBuf>,

    /// Detection presets, several side by side, instead of those that the rules name: tripline (the
    /// default), scanlogd, libnids, snort-low, snort-medium, snort-high, trw, zeek. Each event names its own
    #[arg(short, long, value_name = "NAME", value_delimiter = ',')]
    pub preset: Vec<String>,

    /// What standard output gets: human, eve, eve-alert, scanlogd, or a line of your own as
    /// `template:{timestamp} {src_ip} {scan.technique}`
    #[arg(short, long, value_name = "NAME")]
    pub format: Option<String>,

    /// One more output for everything that no rule silences: plugin or plugin:key=value,key=value
    /// (`tripline plugins` lists them). May be given several times
    #[arg(short, long, value_name = "SPEC")]
    pub output: Vec<String>,

    /// A stream processor that is to be on: name or name:key=value,key=value (`tripline plugins` lists
    /// them). May be given several times
    #[arg(long, value_name = "SPEC")]
    pub processor: Vec<String>,

    /// Which phases of a scan's life standard output gets: begin, update, end
    /// [default: all for eve, begin for scanlogd, end for human]
    #[arg(long, value_name = "LIST")]
    pub phases: Option<String>,

    /// Workers; the result does not depend on it [default: one a core]
    #[arg(long, value_name = "N")]
    pub shards: Option<NonZeroUsize>,

    /// What the tables of sources and scans may take, instead of what the rules say
    #[arg(long, value_name = "SIZE", value_parser = units::size)]
    pub memory: Option<u64>,

    /// Fewer details: the first line of each event, and of the summary only what went wrong.
    /// Twice: no summary at all
    #[arg(short, long, action = ArgAction::Count, conflicts_with = "verbose")]
    pub quiet: u8,

    /// More details: the settings at the start, every reason in the summary
    #[arg(short, long)]
    pub verbose: bool,
}

/// How frames are captured.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Backend {
    /// libpcap: a ring shared with the kernel
    #[default]
    Pcap,
    /// A plain socket: slower, its losses are not known
    Raw,
}

/// `tripline packets`.
#[derive(Debug, Args)]
pub struct Packets {
    /// Captures: files, folders, '-' for standard input
    #[arg(required = true, value_name = "PATH")]
    pub paths: Vec<PathBuf>,

    /// Which frames.
    #[command(flatten)]
    pub selection: Selection,
}

/// Which frames of captures are looked at at all, and what it may take to come to them.
#[derive(Debug, Args)]
pub struct Selection {
    /// Only frames from this time on: 2026-11-22, '2026-11-22 10:30' (UTC) or 2026-11-22T10:30:00+01:00.
    /// Files that end an hour before are not read
    #[arg(long, value_name = "TIME", value_parser = when::time)]
    pub since: Option<Time>,

    /// Only frames before this time; files that begin an hour after are not read
    #[arg(long, value_name = "TIME", value_parser = when::time)]
    pub until: Option<Time>,

    /// Only frames for which this expression holds: the language of tcpdump, see pcap-filter(7).
    /// Names of hosts are not looked up
    #[arg(long, value_name = "EXPR")]
    pub filter: Option<String>,

    /// What unpacking compressed captures may take. With more of it larger windows are read (`xz -9`: 64 MiB,
    /// `zstd --long`: 128 MiB), and more files are unpacked before their turn
    #[arg(long, value_name = "SIZE", value_parser = units::size, default_value = "8 MiB")]
    pub unpack_memory: u64,
}

/// `tripline streams`.
#[derive(Debug, Args)]
pub struct Streams {
    /// Captures: files, folders, '-' for standard input
    #[arg(required = true, value_name = "PATH")]
    pub paths: Vec<PathBuf>,

    /// Whose bytes count where fragments or segments overlap: first, last, linux, bsd, windows, solaris
    /// [default: what the rules say, else linux]
    #[arg(long, value_name = "POLICY")]
    pub overlap: Option<Overlap>,

    /// Rules files, whose [reassembly] says whose bytes count at each target
    #[arg(short, long, value_name = "PATH")]
    pub rules: Vec<PathBuf>,

    /// Wrong checksums: `auto` drops such segments unless their sender leaves all to its network card, `verify` drops
    /// them, `ignore` takes them
    #[arg(long, value_name = "MODE", default_value = "auto")]
    pub checksums: Checksums,

    /// Print what was said on the first stream with this end, as it is, and nothing else; IPv6 in brackets
    #[arg(long, value_name = "ADDR:PORT")]
    pub follow: Option<SocketAddr>,

    /// What streams may take
    #[arg(long, value_name = "SIZE", value_parser = units::size, default_value = "64 MiB")]
    pub memory: u64,

    /// In which order captures are read
    #[arg(long, value_enum, default_value_t = Order::Time)]
    pub order: Order,

    /// Interleave captures that overlap, by the time of each packet
    #[arg(long)]
    pub merge: bool,

    /// Which frames.
    #[command(flatten)]
    pub selection: Selection,

    /// No summary
    #[arg(short, long)]
    pub quiet: bool,
}

/// `tripline why`.
#[derive(Debug, Args)]
pub struct Why {
    /// An address, or a net: then of each address that appears in it, up to 16
    #[arg(value_name = "ADDR", value_parser = net)]
    pub address: IpNet,

    /// Captures: files, folders, '-' for standard input
    #[arg(required = true, value_name = "PATH")]
    pub paths: Vec<PathBuf>,

    /// A rules file, or a folder of them; all together are one set
    #[arg(short, long, value_name = "PATH")]
    pub rules: Vec<PathBuf>,

    /// Detection presets, several side by side, instead of those that the rules name
    #[arg(short, long, value_name = "NAME", value_delimiter = ',')]
    pub preset: Vec<String>,

    /// How the story is told
    #[arg(short, long, value_enum, default_value_t = Told::Human)]
    pub format: Told,

    /// Doors that are listed, half of them the first and half the latest; and steps of each walk
    #[arg(long, value_name = "N", default_value = "20", value_parser = doors)]
    pub doors: NonZeroUsize,

    /// One more output for everything that no rule silences, as `read` has it: it is named, not fed
    #[arg(short, long, value_name = "SPEC")]
    pub output: Vec<String>,

    /// As if outputs that leave the machine were fed, too
    #[arg(long)]
    pub deliver: bool,

    /// Workers; the result does not depend on it [default: one a core]
    #[arg(long, value_name = "N")]
    pub shards: Option<NonZeroUsize>,

    /// What the tables of sources and scans may take, instead of what the rules say
    #[arg(long, value_name = "SIZE", value_parser = units::size)]
    pub memory: Option<u64>,

    /// In which order captures are read
    #[arg(long, value_enum, default_value_t = Order::Time)]
    pub order: Order,

    /// Interleave captures that overlap, by the time of each packet
    #[arg(long)]
    pub merge: bool,

    /// Which frames.
    #[command(flatten)]
    pub selection: Selection,

    /// The key that spreads sources over the tables: 16 hexadecimal digits at most. Without it,
    /// it is made from the first frames, as `read` does
    #[arg(long, value_name = "HEX", value_parser = key)]
    pub key: Option<u64>,
}

impl Why {
    /// What `read` would be told, to judge the same.
    pub fn judging(&self) -> Judging {
        Judging {
            processor: Vec::new(),
            rules: self.rules.clone(),
            preset: self.preset.clone(),
            format: None,
            output: self.output.clone(),
            phases: None,
            shards: self.shards,
            memory: self.memory,
            quiet: 0,
            verbose: false,
        }
    }
}

/// How a story is told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Told {
    /// For a person
    #[default]
    Human,
    /// For a program: one JSON object an address, a line each
    Json,
}

/// `tripline rules`.
#[derive(Debug, Subcommand)]
pub enum Rules {
    /// Say what is wrong with rules files, all of it, and run the tests that stand in them
    #[command(after_help = "\
Examples:
  tripline rules check mine.toml                one file
  tripline rules check /etc/tripline/           a folder: its *.toml in order of name, as one set

Exit status: 0 all is right, 2 something is not. Warnings do not count.")]
    Check {
        /// A rules file, or a folder of them
        #[arg(required = true, value_name = "PATH")]
        paths: Vec<PathBuf>,
    },
    /// Show the rules in the order in which they are asked
    #[command(after_help = "\
Examples:
  tripline rules list                           the built-in rules
  tripline rules list mine.toml                 yours, as they are understood")]
    List {
        /// A rules file, or a folder of them; without one, the built-in rules
        #[arg(value_name = "PATH")]
        paths: Vec<PathBuf>,
    },
    /// Show which rule each event meets and where it would go; nothing is sent anywhere
    #[command(after_help = "\
Examples:
  tripline read -f eve archive/ > scans.jsonl
  tripline rules test -r mine.toml scans.jsonl  the scans of an archive
  tripline sample-events | tripline rules test -r mine.toml -
                                                one event of every kind

Severity, direction and rule are found anew; what the events say of them is not looked at.")]
    Test {
        /// A rules file, or a folder of them; without one, the built-in rules
        #[arg(short, long, value_name = "PATH")]
        rules: Vec<PathBuf>,
        /// Events as `-f eve` writes them, one JSON object a line; '-' for standard input
        #[arg(value_name = "EVENTS")]
        events: PathBuf,
    },
}

/// In which order captures are read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Order {
    /// By the stamp of the first packet
    #[default]
    Time,
    /// By name, numbers in it by their value
    Name,
    /// As they are given
    Given,
}

/// libpcap counts a ring's bytes with 31 bits.
fn buffer(text: &str) -> Result<u32, String> {
    let bytes = units::size(text).map_err(|error| error.to_string())?;
    match u32::try_from(bytes) {
        Ok(bytes @ 65_536..=0x7fff_ffff) => Ok(bytes),
        _ => Err("a buffer has from 64 KiB to 2 GiB".to_owned()),
    }
}

impl From<Order> for source::Order {
    fn from(order: Order) -> Self {
        match order {
            Order::Time => Self::Time,
            Order::Name => Self::Name,
            Order::Given => Self::Given,
        }
    }
}

/// The memory that a story takes goes by this.
fn doors(text: &str) -> Result<NonZeroUsize, String> {
    let number = text.parse::<NonZeroUsize>().ok().filter(|number| number.get() <= 10_000);
    number.ok_or_else(|| "a list has from 1 to 10000 doors".to_owned())
}

fn net(text: &str) -> Result<IpNet, String> {
    nets::net(text).map_err(|error| error.to_string())
}

fn key(text: &str) -> Result<u64, String> {
    u64::from_str_radix(text, 16).map_err(|_| "a key is 1 to 16 hexadecimal digits".to_owned())
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    fn read(arguments: &[&str]) -> Result<Read, String> {
        let words = ["tripline", "read"].iter().chain(arguments);
        match Cli::try_parse_from(words) {
            Ok(Cli { command: Command::Read(read) }) => Ok(*read),
            Ok(other) => panic!("{other:?}"),
            Err(error) => Err(error.to_string()),
        }
    }

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn values_are_read_as_people_write_them() {
        let read = read(&[
            "-p",
            "tripline,scanlogd",
            "--memory",
            "64 MiB",
            "--key",
            "1f",
            "--order",
            "given",
            "-o",
            "file:path=x",
            "-o",
            "stdout",
            "a.pcap",
            "b.pcap",
        ])
        .unwrap();
        assert_eq!(read.judging.preset, ["tripline", "scanlogd"]);
        assert_eq!((read.judging.memory, read.key, read.order), (Some(64 << 20), Some(0x1f), Order::Given));
        assert_eq!(read.selection.unpack_memory, source::UNPACK_MEMORY);
        assert_eq!((read.judging.output.len(), read.paths.len()), (2, 2));
    }

    #[test]
    fn wrong_values_are_refused_with_the_flag_and_the_reason() {
        for (arguments, flag, why) in [
            (["--memory", "much"], "--memory", "whole number"),
            (["--shards", "0"], "--shards", "0"),
            (["--key", "xyz"], "--key", "hexadecimal"),
            (["--order", "size"], "--order", "possible values: time, name, given"),
            (["--since", "yesterday"], "--since", "2026-11-22 10:30"),
            (["-q", "-v"], "--quiet", "cannot be used with"),
        ] {
            let error = read(&[arguments[0], arguments[1], "a.pcap"]).unwrap_err();
            assert!(error.contains(flag) && error.contains(why), "{arguments:?}: {error}");
        }
        assert!(read(&[]).unwrap_err().contains("PATH"));
    }

    #[test]
    fn a_watch_needs_an_interface_and_sane_numbers() {
        let watch = |arguments: &[&str]| {
            let words = ["tripline", "watch"].iter().chain(arguments);
            match Cli::try_parse_from(words) {
                Ok(Cli { command: Command::Watch(watch) }) => Ok(*watch),
                Ok(other) => panic!("{other:?}"),
                Err(error) => Err(error.to_string()),
            }
        };
        let both = watch(&["-i", "eth1,eth2", "-i", "eth3", "--no-promisc", "--promisc", "--buffer", "1 MiB"]).unwrap();
        assert_eq!((both.interface.len(), both.no_promisc, both.buffer), (3, false, 1 << 20));
        assert!(watch(&[]).unwrap_err().contains("--interface"));
        for (flag, value, why) in [
            ("--snaplen", "10", "64..=262144"),
            ("--buffer", "4 GiB", "64 KiB to 2 GiB"),
            ("--backend", "x", "pcap, raw"),
        ] {
            let error = watch(&["-i", "lo", flag, value]).unwrap_err();
            assert!(error.contains(flag) && error.contains(why), "{error}");
        }
    }

    #[test]
    fn help_says_what_each_flag_is_for_and_shows_examples() {
        let mut command = Cli::command();
        command.build();
        let mut left: Vec<clap::Command> = vec![command];
        while let Some(command) = left.pop() {
            for argument in command.get_arguments() {
                assert!(argument.get_help().is_some(), "{}: {}", command.get_name(), argument.get_id());
            }
            let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            assert!(
                command.get_name() == "tripline" || help.contains("Examples:\n  tripline "),
                "{} shows no example",
                command.get_name()
            );
            left.extend(command.get_subcommands().filter(|command| command.get_name() != "help").cloned());
        }
    }
}
