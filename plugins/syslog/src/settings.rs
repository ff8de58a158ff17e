//! What can be told: every option, and where the messages go.
//!
//! In: the host's checked options. Out: a [`Target`], or which option is in the way of which.
//! Must not open anything.
//!
//! Read next: `message.rs`, which reads the options of the text.

use std::{io, path::PathBuf};

use tripline_plugin::{ConfigError, Need, OptionKind, OptionSpec, Options};

pub(crate) const FACILITIES: [&str; 20] = [
    "kern", "user", "mail", "daemon", "auth", "syslog", "lpr", "news", "uucp", "cron", "authpriv", "ftp", "local0",
    "local1", "local2", "local3", "local4", "local5", "local6", "local7",
];

/// The first is none of syslog's own.
pub(crate) const SEVERITIES: [&str; 9] =
    ["event", "emerg", "alert", "crit", "err", "warning", "notice", "info", "debug"];

const fn option(name: &'static str, kind: OptionKind, need: Need, help: &'static str) -> OptionSpec {
    OptionSpec { name, kind, need, help }
}

/// All options.
pub(crate) const OPTIONS: &[OptionSpec] = &[
    option(
        "transport",
        OptionKind::Choice(&["local", "udp", "tcp"]),
        Need::Default("local"),
        "the daemon of this machine, or a server",
    ),
    option("path", OptionKind::Path, Need::Optional, "the socket, for local [/dev/log, /var/run/syslog, /var/run/log]"),
    option("server", OptionKind::Text, Need::Optional, "host or host:port, for udp and tcp [port 514]"),
    option(
        "protocol",
        OptionKind::Choice(&["rfc3164", "rfc5424"]),
        Need::Default("rfc3164"),
        "rfc5424 adds date, offset, MSGID and structured data; daemons on local sockets mostly read rfc3164 alone",
    ),
    option(
        "framing",
        OptionKind::Choice(&["newline", "octet-counting"]),
        Need::Default("newline"),
        "how tcp tells messages apart",
    ),
    option("facility", OptionKind::Choice(&FACILITIES), Need::Default("daemon"), "who speaks"),
    option(
        "severity",
        OptionKind::Choice(&SEVERITIES),
        Need::Optional,
        "how grave; event: high is alert, medium warning, low notice [alert for scanlogd, else event]",
    ),
    option("tag", OptionKind::Text, Need::Default("tripline"), "the program's name in the message"),
    option("pid", OptionKind::Bool, Need::Default("true"), "whether the process number stands behind it"),
    option("hostname", OptionKind::Text, Need::Optional, "this sensor's name [the event's, or the system's]"),
    option(
        "enterprise",
        OptionKind::Integer,
        Need::Default("32473"),
        "your number at IANA, for structured data; 32473 is the one for examples",
    ),
    option(
        "limit",
        OptionKind::Size,
        Need::Optional,
        "bytes of a message; longer text is cut, JSON refused [udp: 1024, with rfc5424 2048; else 8192]",
    ),
];

/// Where messages go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    /// The daemon of this machine, at this socket or one of the usual ones.
    Local(Option<PathBuf>),
    /// `host:port`.
    Udp(String),
    Tcp {
        server: String,
        octets: bool,
    },
}

impl Target {
    pub(crate) fn read(options: &Options) -> Result<Self, ConfigError> {
        let transport = options.text("transport").unwrap_or("local");
        let unused = |option: &str, with: &str| match options.text(option) {
            Some(_) => Err(ConfigError::about(option, format!("means nothing with transport = \"{transport}\""))
                .hint(format!("it is for transport = {with}"))),
            None => Ok(()),
        };
        let octets = options.text("framing") == Some("octet-counting");
        if octets && transport != "tcp" {
            // The other framing is also what holds when nobody says anything.
            unused("framing", "\"tcp\"")?;
        }
        if transport == "local" {
            unused("server", "\"udp\" or \"tcp\"")?;
            return Ok(Self::Local(options.path("path").ok()));
        }
        unused("path", "\"local\"")?;
        let server = with_port(options.text("server").unwrap_or_default()).ok_or_else(|| {
            ConfigError::about("server", "is missing or no host:port")
                .hint("write loghost, loghost:514, 192.0.2.1:514 or [2001:db8::1]:514")
        })?;
        Ok(match transport {
            "udp" => Self::Udp(server),
            _ => Self::Tcp { server, octets },
        })
    }

    pub(crate) fn is_tcp(&self) -> bool {
        matches!(self, Self::Tcp { .. })
    }

    /// Whether what failed is likely to mend itself, so that the program may start without it.
    pub(crate) fn may_come_later(&self, error: &io::Error) -> bool {
        self.is_tcp() && error.kind() != io::ErrorKind::AddrNotAvailable
    }

    /// Which option to look at, and what to do.
    pub(crate) fn advice(&self) -> (&'static str, &'static str) {
        match self {
            Self::Local(None) => ("path", "start a syslog daemon, or name its socket with path"),
            Self::Local(Some(_)) => ("path", "is a syslog daemon running, and is this its socket?"),
            Self::Udp(_) | Self::Tcp { .. } => ("server", "write an address, or a name that this machine knows"),
        }
    }
}

/// `host:port`, with syslog's port unless there is one. IPv6 addresses with a port stand in brackets.
fn with_port(server: &str) -> Option<String> {
    let server = server.trim();
    if server.is_empty() || server.chars().any(|c| c.is_whitespace() || c.is_control()) {
        return None;
    }
    if server.parse::<std::net::Ipv6Addr>().is_ok() {
        return Some(format!("[{server}]:514"));
    }
    let (host, port) = match server.rsplit_once(':') {
        // The last colon of an address in brackets is a part of it.
        Some((host, port)) if !port.ends_with(']') => (host, port.parse::<u16>().ok()?),
        _ => (server, 514),
    };
    let bracketed = host.starts_with('[') && host.ends_with(']');
    (!host.is_empty() && (bracketed || !host.contains(':'))).then(|| format!("{host}:{port}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_a_name_or_an_address_with_or_without_a_port() {
        for (text, server) in [
            ("loghost", Some("loghost:514")),
            ("loghost:601", Some("loghost:601")),
            ("192.0.2.1", Some("192.0.2.1:514")),
            ("2001:db8::1", Some("[2001:db8::1]:514")),
            ("[2001:db8::1]", Some("[2001:db8::1]:514")),
            ("[2001:db8::1]:6514", Some("[2001:db8::1]:6514")),
            ("", None),
            (":514", None),
            ("a:b:514", None),
            ("loghost:70000", None),
            ("log host", None),
        ] {
            assert_eq!(with_port(text).as_deref(), server, "{text}");
        }
    }
}
