//! What scanners are known by: bytes that a program sends because its authors wrote them down, and nothing else has a
//! reason to send.
//!
//! In: nothing. Out: the table, each row with where its fact comes from. What an honest client may say, too
//! (`GET / HTTP/1.0`, an empty line, `HELP`, the banner of a library), has no row, whichever scanner says it.
//! Source: the column `origin`.
//! Read next: `lib.rs`, which looks for them.

/// How a row is found.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Sign {
    /// These bytes stand at this place of what the client says first.
    Bytes(usize, &'static [u8]),
    /// The User-Agent of its HTTP request begins so.
    Agent(&'static str),
    /// The software version in its SSH identification (RFC 4253, 4.2) begins so.
    Ssh(&'static str),
}

/// One thing that a scanner says.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Row {
    pub(crate) tool: &'static str,
    pub(crate) sign: Sign,
    /// What it is, for a person.
    pub(crate) what: &'static str,
    /// Where this is known from.
    #[cfg_attr(not(test), expect(dead_code, reason = "it is for readers; a test wants it filled"))]
    pub(crate) origin: &'static str,
}

/// A whole question that only one program asks.
pub(crate) const CERTAIN: f64 = 0.99;
/// A name that it gives itself: whoever wants to can say the same.
pub(crate) const CLAIMED: f64 = 0.9;

const NMAP: &str = "nmap-service-probes of nmap 7; captures of `nmap -sV` and `-A`";
const NSE: &str = "nselib/http.lua and ssh1.lua, scripts/ssh-hostkey.nse of nmap 7; captures of `nmap -A`";

/// All of them.
pub(crate) const ROWS: [Row; 22] = [
    nmap(Sign::Bytes(0, b"GET /nice%20ports%2C/Tri%6Eity.txt%2ebak"), "a request for a file that nobody has"),
    nmap(Sign::Bytes(0, b"OPTIONS / RTSP/1.0\r\n\r\n"), "an RTSP request without the number that RFC 2326 demands"),
    nmap(Sign::Bytes(0, b"OPTIONS sip:nm SIP/2.0\r\n"), "a SIP request to `nm`"),
    nmap(Sign::Bytes(11, b"Cookie: mstshash=nmap\r\n"), "a remote desktop's greeting in the name of `nmap`"),
    // A ClientHello's random bytes, which are not.
    nmap(
        Sign::Bytes(11, b"\x3f\x47\xd7\xf7\xba\x2c\xee\xea\xb2\x60\x7e\xf3\x00\xfd\x82\x7b"),
        "a TLS greeting that always has the same random number",
    ),
    nmap(Sign::Bytes(15, b"random1random2random3random4"), "a TLS greeting with `random1random2` for a random number"),
    nmap(Sign::Bytes(30, b"\x50\x80\x00\x10\xa2\x04\x1b\x02NM"), "a Kerberos request for the realm `NM`"),
    Row {
        tool: "nmap",
        sign: Sign::Agent("Mozilla/5.0 (compatible; Nmap Scripting Engine"),
        what: "the user agent of its scripts",
        origin: NSE,
    },
    Row { tool: "nmap", sign: Sign::Ssh("Nmap"), what: "the SSH name of its scripts", origin: NSE },
    agent("masscan", "masscan/", "src/proto-http.c of masscan 1.0"),
    agent("masscan", "ivre-masscan/", "src/proto-http.c of masscan 1.3"),
    agent("zgrab", "Mozilla/5.0 zgrab/", "modules/http of zgrab2; zgrab 0.x"),
    Row {
        tool: "zgrab",
        sign: Sign::Ssh("ZGrab"),
        what: "its SSH name",
        origin: "ztools/zssh of zgrab 0.x: `SSH-2.0-ZGrab ZGrab SSH Survey`",
    },
    agent("nikto", "Mozilla/5.00 (Nikto/", "nikto.conf of Nikto 2.1"),
    agent("sqlmap", "sqlmap/", "lib/core/settings.py of sqlmap 1"),
    agent("nuclei", "Nuclei - Open-source project", "protocols/http of nuclei 2"),
    agent("httpx", "httpx - Open-source project", "runner/options.go of httpx 1, projectdiscovery's"),
    agent("wpscan", "WPScan v", "browser options of WPScan 3"),
    agent("gobuster", "gobuster/", "libgobuster/useragents.go of gobuster 3"),
    agent("ffuf", "Fuzz Faster U Fool", "runner/simple.go of ffuf 1"),
    agent("feroxbuster", "feroxbuster/", "src/config of feroxbuster 2"),
    agent("censys", "Mozilla/5.0 (compatible; CensysInspect/", "about.censys.io, its own statement"),
];

const fn nmap(sign: Sign, what: &'static str) -> Row {
    Row { tool: "nmap", sign, what, origin: NMAP }
}

const fn agent(tool: &'static str, name: &'static str, origin: &'static str) -> Row {
    Row { tool, sign: Sign::Agent(name), what: "its user agent", origin }
}
