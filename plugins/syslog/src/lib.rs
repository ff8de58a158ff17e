//! Tells syslog: the local daemon, or a server over UDP or TCP.
//!
//! In: batches of records. Out: one message a record, as RFC 3164 or RFC 5424 has it. Transport,
//! facilities and severities are the `syslog` crate's; the text of a message is ours.
//! Must not know formats beyond their name, nor wait: the host retries, with growing pauses.
//! Source: RFC 3164, 5424, 5426 (UDP), 6587 (TCP).
//!
//! Read next: `message.rs` (what a message looks like), `link.rs` (how it gets there),
//! `settings.rs` (what can be told), `tests/listener.rs`.

mod data;
mod link;
mod message;
mod recent;
mod settings;

use std::io;

use tripline_plugin::{ConfigError, Options, Output, OutputError, OutputPlugin, Record};

use link::{Link, State};
use message::Wire;
use recent::Recent;
use settings::Target;

/// The card of this plugin.
pub const PLUGIN: OutputPlugin = OutputPlugin {
    name: "syslog",
    summary: "the local syslog daemon, or a syslog server over UDP or TCP",
    format: "scanlogd",
    leaves: true,
    options: settings::OPTIONS,
    check: |options| Wire::read(options, &Target::read(options)?).map(drop),
    build: |options| Ok(Box::new(Relay::open(options)?)),
};

struct Relay {
    target: Target,
    wire: Wire,
    link: Option<Link>,
    /// What was written last over TCP, and may be lost with the connection.
    recent: Recent,
    /// Of the batch at hand, the records that were sent before an error.
    sent: usize,
}

impl Relay {
    fn open(options: &Options) -> Result<Self, ConfigError> {
        let target = Target::read(options)?;
        let wire = Wire::read(options, &target)?;
        let link = match Link::open(&target) {
            Ok(link) => Some(link),
            // A sensor must come up while its log server is away: the first message connects.
            Err(error) if target.may_come_later(&error) => None,
            Err(error) => {
                let (option, hint) = target.advice();
                return Err(ConfigError::about(option, format!("{target}: {error}")).hint(hint));
            }
        };
        Ok(Self { target, wire, link, recent: Recent::default(), sent: 0 })
    }

    /// Gives up a link that is known to be at its end.
    fn look(&mut self) {
        match self.link.as_ref().map(Link::state) {
            None | Some(State::Open) => {}
            Some(State::Closed) => {
                self.link = None;
                self.recent.closed_in_order();
            }
            Some(State::Broken) => self.link = None,
        }
    }

    /// A link that works as far as can be known, on which all was said that may have been lost.
    fn link(&mut self) -> io::Result<&mut Link> {
        self.look();
        if self.link.is_none() {
            let mut link = Link::open(&self.target)?;
            self.recent.messages().try_for_each(|message| link.send(message))?;
            self.link = Some(link);
        }
        self.link.as_mut().ok_or_else(|| io::ErrorKind::NotConnected.into())
    }

    fn send(&mut self, message: Vec<u8>) -> Result<(), OutputError> {
        let outcome = self.link().and_then(|link| link.send(&message));
        match outcome {
            Ok(()) => {
                if self.target.is_tcp() {
                    self.recent.push(message);
                }
                Ok(())
            }
            Err(error) if link::is_too_long(&error) => {
                let size = message.len();
                Err(OutputError::Reject(format!("{}: a message of {size} bytes: {error}", self.target)))
            }
            Err(error) => {
                self.link = None;
                Err(OutputError::Retry(format!("{}: {error}", self.target)))
            }
        }
    }
}

impl Output for Relay {
    fn write(&mut self, batch: &[Record]) -> Result<(), OutputError> {
        // All are made before the first is sent: one that is refused must not repeat the others.
        let messages = batch.iter().map(|record| self.wire.message(record)).collect::<Result<Vec<_>, _>>();
        let messages = messages.map_err(|why| OutputError::Reject(format!("{}: {why}", self.target)))?;
        for message in messages.into_iter().skip(self.sent) {
            match self.send(message) {
                Ok(()) => self.sent += 1,
                Err(OutputError::Reject(why)) => {
                    // The host gives the batch again in pieces.
                    self.sent = 0;
                    return Err(OutputError::Reject(why));
                }
                Err(error) => return Err(error),
            }
        }
        self.sent = 0;
        Ok(())
    }

    fn flush(&mut self) -> Result<(), OutputError> {
        // Nothing is held back; but what was lost with a connection is said again without waiting
        // for the next event.
        self.look();
        if self.link.is_some() || self.recent.is_empty() {
            return Ok(());
        }
        self.link().map(drop).map_err(|error| OutputError::Retry(format!("{}: {error}", self.target)))
    }

    fn reopen(&mut self) -> Result<(), OutputError> {
        // The next message connects. What was written before is taken as read.
        self.link = None;
        self.recent = Recent::default();
        Ok(())
    }
}
