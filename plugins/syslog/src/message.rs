//! One message: header, structured data and text, as RFC 3164 or RFC 5424 has it.
//!
//! In: a record. Out: the bytes to send, framed where the transport needs it. Times are those of
//! the event, local, in RFC 5424 with the offset. Whatever the text holds, it is one line, within
//! the length that receivers take. An own `LogFormat`, since the crate's formatters write UTC as if
//! it were local, pad days with zeros, frame nothing, escape nothing and number MSGIDs.
//! Must not know sockets, nor the wall clock.
//! Source: RFC 3164 section 4, RFC 5424 section 6, RFC 6587 section 3.4.
//!
//! Read next: `data.rs` (structured data), `link.rs` (who sends).

use std::{fmt::Write as _, io, io::Write, process};

use jiff::{Timestamp, Zoned, tz::TimeZone};
use syslog::{Facility, LogFormat, Severity};
use tripline_plugin::{
    ConfigError, Event, Options, Record,
    event::{self, EventType},
};

use crate::{data, settings::Target};

/// How text reads that was too long.
const CUT: &str = "...";

/// How messages look.
pub(crate) struct Wire {
    is_5424: bool,
    frame: Frame,
    facility: Facility,
    /// `None`: as the event says.
    severity: Option<Severity>,
    tag: String,
    /// Behind the tag, where wanted.
    pid: Option<u32>,
    /// `None`: the daemon knows where it is, and would take a name for the tag.
    host: Option<String>,
    enterprise: u64,
    limit: usize,
    /// JSON that is cut is worth nothing.
    may_cut: bool,
    zone: TimeZone,
}

/// How messages are told apart on their way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Frame {
    /// Each is a datagram of its own.
    Datagram,
    Newline,
    /// Its length stands before it.
    Octets,
}

impl Wire {
    pub(crate) fn read(options: &Options, target: &Target) -> Result<Self, ConfigError> {
        let is_5424 = options.text("protocol") == Some("rfc5424");
        let frame = match target {
            Target::Tcp { octets: true, .. } => Frame::Octets,
            Target::Tcp { octets: false, .. } => Frame::Newline,
            Target::Local(_) | Target::Udp(_) => Frame::Datagram,
        };
        let facility = options.text("facility").unwrap_or("daemon");
        let facility: Facility =
            facility.parse().map_err(|()| ConfigError::about("facility", "is not known to the syslog crate"))?;
        let severity = match options.text("severity") {
            // As scanlogd logs.
            None if options.format() == "scanlogd" => Some(Severity::LOG_ALERT),
            None => None,
            Some(name) => severity_named(name),
        };
        let limit = options.number("limit").unwrap_or(match target {
            // What RFC 3164 allows, and what RFC 5424 asks every receiver to take.
            Target::Udp(_) if is_5424 => 2_048,
            Target::Udp(_) => 1_024,
            // What rsyslog and others take unless told otherwise.
            Target::Local(_) | Target::Tcp { .. } => 8_192,
        });
        if !(256..=65_507).contains(&limit) {
            let hint = "write 256 to 65507 bytes";
            return Err(ConfigError::about("limit", format!("{limit} bytes is no length for messages")).hint(hint));
        }
        let own_host = || hostname::get().ok().and_then(|name| name.into_string().ok());
        let host = match options.text("hostname") {
            Some(name) => Some(word("hostname", name, 255)?),
            None if matches!(target, Target::Local(_)) && !is_5424 => None,
            None => Some(own_host().and_then(|name| word("hostname", &name, 255).ok()).unwrap_or_else(|| "-".into())),
        };
        Ok(Self {
            is_5424,
            frame,
            facility,
            severity,
            // RFC 3164 allows 32 letters and digits, RFC 5424 48 of what can be seen.
            tag: tag(options.text("tag").unwrap_or("tripline"), is_5424)?,
            pid: options.bool("pid").then(process::id),
            host,
            enterprise: options.number("enterprise").unwrap_or(32_473),
            limit: limit as usize,
            may_cut: !options.format().starts_with("eve"),
            zone: TimeZone::system(),
        })
    }

    /// The bytes of a record's message.
    ///
    /// # Errors
    /// It is too long and cannot be cut.
    pub(crate) fn message(&self, record: &Record) -> Result<Vec<u8>, String> {
        let severity = self.severity.unwrap_or_else(|| severity_of(&record.event));
        let mut bytes = Vec::with_capacity(record.line.len() + 256);
        match self.format(&mut bytes, severity, record) {
            Ok(()) => Ok(bytes),
            Err(syslog::Error::Io(error) | syslog::Error::Write(error)) => Err(error.to_string()),
            Err(error) => Err(error.to_string()),
        }
    }

    fn push_header(&self, severity: Severity, event: &Event, into: &mut String) {
        let time = self.time(event);
        let priority = self.facility as u8 | severity as u8;
        // Writing to a string cannot fail.
        let _ = if self.is_5424 {
            let host = self.host(event).unwrap_or("-");
            let stamp = time.strftime("%Y-%m-%dT%H:%M:%S.%6f%:z");
            let _ = write!(into, "<{priority}>1 {stamp} {host} {} ", self.tag);
            let _ = match self.pid {
                Some(pid) => write!(into, "{pid}"),
                None => write!(into, "-"),
            };
            let _ = write!(into, " {} ", message_id(event.event_type));
            data::push(event, self.enterprise, into);
            write!(into, " ")
        } else {
            let _ = write!(into, "<{priority}>{} ", time.strftime("%b %e %H:%M:%S"));
            if let Some(host) = self.host(event) {
                let _ = write!(into, "{host} ");
            }
            let _ = match self.pid {
                Some(pid) => write!(into, "{}[{pid}]", self.tag),
                None => write!(into, "{}", self.tag),
            };
            write!(into, ": ")
        };
    }

    /// Every `i64` of nanoseconds is a time between 1677 and 2262.
    fn time(&self, event: &Event) -> Zoned {
        Timestamp::from_nanosecond(event.timestamp.into()).unwrap_or_default().to_zoned(self.zone.clone())
    }

    /// The sensor's name as the event has it, where names are told and it can be one.
    fn host<'a>(&'a self, event: &'a Event) -> Option<&'a str> {
        let own = self.host.as_deref()?;
        event.host.as_deref().filter(|name| is_word(name, 255)).or(Some(own))
    }
}

impl LogFormat<&Record> for Wire {
    fn format<W: Write>(&self, to: &mut W, severity: Severity, record: &Record) -> syslog::Result<()> {
        let mut text = String::with_capacity(record.line.len() + 256);
        self.push_header(severity, &record.event, &mut text);
        let head = text.len();
        push_line(&record.line, &mut text);
        if text.len() > self.limit {
            let room = self.limit.saturating_sub(CUT.len());
            if !self.may_cut || room < head {
                let why = format!("a message has {} bytes where {} are allowed (see `limit`)", text.len(), self.limit);
                return Err(syslog::Error::Write(io::Error::new(io::ErrorKind::InvalidData, why)));
            }
            text.truncate(text.floor_char_boundary(room));
            text.push_str(CUT);
        }
        match self.frame {
            Frame::Datagram => to.write_all(text.as_bytes()),
            Frame::Newline => writeln!(to, "{text}"),
            Frame::Octets => write!(to, "{} {text}", text.len()),
        }
        .map_err(syslog::Error::Write)
    }
}

/// Appends text as one line: a line break with its indentation as ` | `, other controls visible.
fn push_line(line: &str, into: &mut String) {
    for (number, part) in line.split('\n').enumerate() {
        if number > 0 {
            into.push_str(" | ");
        }
        for c in if number > 0 { part.trim_start() } else { part }.chars() {
            if c.is_control() { into.extend(c.escape_unicode()) } else { into.push(c) }
        }
    }
}

fn message_id(event: EventType) -> &'static str {
    match event {
        EventType::Scan | EventType::Alert => "SCAN",
        EventType::Anomaly => "ANOMALY",
        EventType::Stats => "STATS",
    }
}

/// `None` for `event`.
fn severity_named(name: &str) -> Option<Severity> {
    Some(match name {
        "emerg" => Severity::LOG_EMERG,
        "alert" => Severity::LOG_ALERT,
        "crit" => Severity::LOG_CRIT,
        "err" => Severity::LOG_ERR,
        "warning" => Severity::LOG_WARNING,
        "notice" => Severity::LOG_NOTICE,
        "info" => Severity::LOG_INFO,
        "debug" => Severity::LOG_DEBUG,
        _ => return None,
    })
}

fn severity_of(event: &Event) -> Severity {
    match (&event.scan, event.event_type) {
        (Some(scan), _) => match scan.severity {
            event::Severity::High => Severity::LOG_ALERT,
            event::Severity::Medium => Severity::LOG_WARNING,
            event::Severity::Low => Severity::LOG_NOTICE,
        },
        (None, EventType::Stats) => Severity::LOG_INFO,
        (None, _) => Severity::LOG_WARNING,
    }
}

/// Printable ASCII without blanks, not too long: what headers of messages are made of.
fn is_word(text: &str, longest: usize) -> bool {
    !text.is_empty() && text.len() <= longest && text.bytes().all(|byte| byte.is_ascii_graphic())
}

fn word(option: &str, text: &str, longest: usize) -> Result<String, ConfigError> {
    if is_word(text, longest) {
        return Ok(text.into());
    }
    Err(ConfigError::about(option, "is no word that a syslog header can hold")
        .hint(format!("use 1 to {longest} letters, digits and signs of ASCII, without blanks")))
}

/// In RFC 3164 the tag ends at the first sign, so that it can hold a few only.
fn tag(text: &str, is_5424: bool) -> Result<String, ConfigError> {
    let longest = if is_5424 { 48 } else { 32 };
    let text = word("tag", text, longest)?;
    if !is_5424 && !text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_./".contains(&byte)) {
        return Err(ConfigError::about("tag", "holds a sign that would end it").hint("use letters, digits and - _ . /"));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use jiff::tz::offset;

    use super::*;

    fn message(protocol: &str, hours: i8) -> String {
        let table = [("protocol", protocol), ("hostname", "h"), ("pid", "false")];
        let table = table.into_iter().map(|(key, value)| (key.to_owned(), value.into())).collect();
        let options = Options::check(crate::settings::OPTIONS, &table).unwrap().with_format("scanlogd");
        let wire = Wire::read(&options, &Target::Udp("192.0.2.1:514".into())).unwrap();
        let wire = Wire { zone: TimeZone::fixed(offset(hours)), ..wire };
        // 2026-11-05T23:02:03.456789Z.
        let event = Event::new(EventType::Stats, 1_793_919_723_456_789_000);
        let record = Record { event: Arc::new(event), line: "x".into() };
        String::from_utf8(wire.message(&record).unwrap()).unwrap()
    }

    #[test]
    fn times_are_of_the_zone_and_rfc5424_says_which() {
        assert_eq!(message("rfc3164", 0), "<25>Nov  5 23:02:03 h tripline: x");
        assert_eq!(message("rfc3164", 2), "<25>Nov  6 01:02:03 h tripline: x");
        assert_eq!(message("rfc5424", 2), "<25>1 2026-11-06T01:02:03.456789+02:00 h tripline - STATS - x");
        assert_eq!(message("rfc5424", -8), "<25>1 2026-11-05T15:02:03.456789-08:00 h tripline - STATS - x");
    }
}
