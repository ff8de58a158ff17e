//! The way to the daemon: a socket of the `syslog` crate, opened with deadlines.
//!
//! In: a [`Target`] and finished messages. Out: bytes on a socket, and what can be known of a
//! connection before the next message is trusted to it. The crate connects without a deadline,
//! never looks whether its peer is still there and binds UDP to the family it is told; all three
//! are done here.
//! Must not know what a message says.
//! Source: RFC 5426, 6587; Linux `tcp_reset` (which error a reset leaves).
//!
//! Read next: `recent.rs`.

use std::{
    fmt, io,
    io::{BufWriter, ErrorKind, Write},
    net::{Ipv4Addr, Ipv6Addr, Shutdown, SocketAddr, TcpStream, ToSocketAddrs, UdpSocket},
    time::Duration,
};

use syslog::LoggerBackend;

use crate::settings::Target;

/// A peer that takes nothing for so long is away. Shorter than the host waits at its end.
const DEADLINE: Duration = Duration::from_secs(3);

/// What can be known of a link without sending.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// Nothing speaks against it.
    Open,
    /// The peer closed it and had read what had come.
    Closed,
    /// It was reset or never came about: what was written last is lost.
    Broken,
}

pub(crate) struct Link(LoggerBackend);

impl Link {
    pub(crate) fn open(target: &Target) -> io::Result<Self> {
        let backend = match target {
            Target::Local(None) => syslog::unix(()).map_err(reason)?.backend,
            Target::Local(Some(path)) => syslog::unix_custom((), path).map_err(reason)?.backend,
            Target::Udp(server) => udp(server)?,
            Target::Tcp { server, .. } => LoggerBackend::Tcp(BufWriter::new(first(server, connect)?)),
        };
        match &backend {
            LoggerBackend::Unix(socket) => socket.set_write_timeout(Some(DEADLINE))?,
            LoggerBackend::UnixStream(socket) => socket.get_ref().set_write_timeout(Some(DEADLINE))?,
            LoggerBackend::Udp(..) | LoggerBackend::Tcp(_) => {}
        }
        Ok(Self(backend))
    }

    /// Sends one message. After an error the link must not be used again.
    pub(crate) fn send(&mut self, message: &[u8]) -> io::Result<()> {
        self.0.write_all(message).inspect_err(|error| {
            // The crate's buffer would write the rest of a message that is going to be said again.
            if let (false, LoggerBackend::Tcp(socket)) = (is_too_long(error), &self.0) {
                let _ = socket.get_ref().shutdown(Shutdown::Both);
            }
        })
    }

    /// Looks at a connection; of datagrams nothing can be known.
    pub(crate) fn state(&self) -> State {
        let LoggerBackend::Tcp(socket) = &self.0 else { return State::Open };
        look(socket.get_ref()).unwrap_or(State::Broken)
    }
}

/// A server never answers: anything to read is an end, or noise.
fn look(socket: &TcpStream) -> io::Result<State> {
    // First, since the end of the stream hides a reset behind it.
    if socket.take_error()?.is_some() {
        return Ok(State::Broken);
    }
    socket.set_nonblocking(true)?;
    let seen = socket.peek(&mut [0]);
    socket.set_nonblocking(false)?;
    match seen {
        Ok(0) => Ok(State::Closed),
        Ok(_) => Ok(State::Open),
        Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(State::Open),
        Err(error) => Err(error),
    }
}

/// Binds to the family of the server: a socket of the other one could not reach it.
fn udp(server: &str) -> io::Result<LoggerBackend> {
    first(server, |server| {
        let own: SocketAddr = match server {
            SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
            SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
        };
        let socket = UdpSocket::bind(own)?;
        socket.set_write_timeout(Some(DEADLINE))?;
        Ok(LoggerBackend::Udp(socket, *server))
    })
}

fn connect(server: &SocketAddr) -> io::Result<TcpStream> {
    let socket = TcpStream::connect_timeout(server, DEADLINE)?;
    socket.set_write_timeout(Some(DEADLINE))?;
    socket.set_nodelay(true)?;
    Ok(socket)
}

/// Tries each address of a server until one works.
fn first<T>(server: &str, attempt: impl Fn(&SocketAddr) -> io::Result<T>) -> io::Result<T> {
    let nowhere = io::Error::new(ErrorKind::AddrNotAvailable, "the name has no address");
    let mut outcome = Err(nowhere);
    for address in server.to_socket_addrs().map_err(unresolved)? {
        outcome = attempt(&address);
        if outcome.is_ok() {
            break;
        }
    }
    outcome
}

/// Told apart from a server that is away: a name that means nothing is a mistake.
fn unresolved(error: io::Error) -> io::Error {
    io::Error::new(ErrorKind::AddrNotAvailable, error)
}

/// The system refused this message for its size alone; the link is as good as before.
pub(crate) fn is_too_long(error: &io::Error) -> bool {
    // EMSGSIZE, for which the standard library has no stable name: 90 on Linux, 40 on BSDs and macOS.
    error.raw_os_error() == Some(if cfg!(target_os = "linux") { 90 } else { 40 })
}

/// The crate wraps the system's error up to three deep and says which only in words.
fn reason(error: syslog::Error) -> io::Error {
    match error {
        syslog::Error::Io(error) | syslog::Error::Write(error) => error,
        syslog::Error::Initialization(inner) => match inner.downcast::<syslog::Error>() {
            Ok(inner) => reason(*inner),
            Err(other) => io::Error::new(ErrorKind::NotFound, other.to_string()),
        },
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Local(None) => f.write_str("the local syslog socket"),
            Self::Local(Some(path)) => write!(f, "{}", path.display()),
            Self::Udp(server) => write!(f, "syslog server {server} (UDP)"),
            Self::Tcp { server, .. } => write!(f, "syslog server {server} (TCP)"),
        }
    }
}
