//! Sets of addresses: CIDRs, single addresses and what is excepted with `!`.
//!
//! In: `10.0.0.0/8`, `10.0.9.7`, `!10.0.9.0/24`, `fe80::/10`. Out: whether an address is in.
//! Must not know what the set is for.
//! Source: RFC 4632 (CIDR), RFC 4291 (IPv6; mapped IPv4 counts as the IPv4 that it is).
//! Read next: `rules/parse.rs` (`[nets]`) and `rules/conditions.rs` (`source`, `target`).

use std::net::IpAddr;

use ipnet::{IpNet, Ipv4Net};

use super::Unreadable;

/// Addresses. What stands behind `!` is out, whatever else says that it is in; a set of
/// nothing but `!` holds all others. An empty set holds nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NetSet {
    inside: Vec<Part>,
    outside: Vec<Part>,
}

/// What a set is put together from.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Net(IpNet),
    /// A set that has exceptions of its own, and so cannot be told as a list of nets.
    Set(NetSet),
}

impl NetSet {
    /// Adds a net, or excepts it.
    pub fn add(&mut self, net: IpNet, excepted: bool) {
        self.side(excepted).push(Part::Net(net));
    }

    /// Adds what another set holds, or excepts it.
    pub fn add_set(&mut self, other: &Self, excepted: bool) {
        if other.outside.is_empty() && !other.inside.is_empty() {
            self.side(excepted).extend_from_slice(&other.inside);
        } else {
            self.side(excepted).push(Part::Set(other.clone()));
        }
    }

    fn side(&mut self, excepted: bool) -> &mut Vec<Part> {
        if excepted { &mut self.outside } else { &mut self.inside }
    }

    /// Whether the address is in.
    pub fn contains(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        let holds = |part: &Part| match part {
            Part::Net(net) => net.contains(&address),
            Part::Set(set) => set.contains(address),
        };
        (self.is_a_rest() || self.inside.iter().any(holds)) && !self.outside.iter().any(holds)
    }

    /// It names only what it does not hold.
    fn is_a_rest(&self) -> bool {
        self.inside.is_empty() && !self.outside.is_empty()
    }

    /// Whether every address of `other` is in for certain. May say no where the truth is
    /// yes (two halves that make up a whole); never the other way.
    pub fn covers(&self, other: &Self) -> bool {
        let within = |part: &Part, outer: &[Part]| outer.iter().any(|outer| outer.covers(part));
        let inside =
            self.is_a_rest() || !other.is_a_rest() && other.inside.iter().all(|part| within(part, &self.inside));
        // What this set excepts, the other must not hold: it excepts it too, or never had it.
        let never_had = |part: &Part| !other.is_a_rest() && other.inside.iter().all(|held| held.is_apart_from(part));
        self == other || inside && self.outside.iter().all(|part| within(part, &other.outside) || never_had(part))
    }
}

impl Part {
    fn covers(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Net(outer), Self::Net(net)) => outer.contains(net),
            (Self::Net(_), Self::Set(set)) => !set.is_a_rest() && set.inside.iter().all(|part| self.covers(part)),
            (Self::Set(set), Self::Set(other)) if set == other => true,
            (Self::Set(set), _) => set.covers(&NetSet { inside: vec![other.clone()], outside: Vec::new() }),
        }
    }

    fn is_apart_from(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Net(a), Self::Net(b)) => !a.contains(b) && !b.contains(a),
            (Self::Set(set), part) | (part, Self::Set(set)) => {
                !set.is_a_rest() && set.inside.iter().all(|own| own.is_apart_from(part))
            }
        }
    }
}

/// One net: an address, or an address and a prefix length.
pub fn net(text: &str) -> Result<IpNet, Unreadable> {
    let written = || text.parse::<IpNet>().ok();
    let Some(net) = text.parse::<IpAddr>().map(IpNet::from).ok().or_else(written) else {
        return Err(explain(text));
    };
    let first = net.trunc();
    if first.addr() != net.addr() {
        return Err(Unreadable::new(
            format!("`{text}` has bits set behind its prefix"),
            format!("the net is {first}, the one host {}", net.addr()),
        ));
    }
    Ok(canonical(net))
}

/// IPv4 that is written as mapped IPv6 is IPv4.
fn canonical(net: IpNet) -> IpNet {
    match (net.addr().to_canonical(), net.prefix_len().checked_sub(96)) {
        (IpAddr::V4(address), Some(bits)) if matches!(net, IpNet::V6(_)) => {
            Ipv4Net::new(address, bits).map_or(net, IpNet::V4)
        }
        _ => net,
    }
}

/// Why a text is no net.
fn explain(text: &str) -> Unreadable {
    let (address, prefix) = text.split_once('/').unwrap_or((text, ""));
    let example = "write 10.0.0.0/8, 192.0.2.7 or fc00::/7";
    match address.parse::<IpAddr>() {
        Ok(address) => {
            let bits = if address.is_ipv4() { 32 } else { 128 };
            Unreadable::new(format!("`{prefix}` is no prefix length of {address}: it goes from 0 to {bits}"), example)
        }
        Err(_) => Unreadable::new(format!("`{text}` is no address and no net"), example),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A set from words, `!` for exceptions.
    fn set(words: &[&str]) -> NetSet {
        let mut set = NetSet::default();
        for word in words {
            let bare = word.trim_start_matches('!');
            set.add(net(bare).unwrap(), bare != *word);
        }
        set
    }

    fn holds(words: &[&str], address: &str) -> bool {
        set(words).contains(address.parse().unwrap())
    }

    #[test]
    fn a_set_holds_its_nets_without_the_exceptions() {
        let words = ["10.0.0.0/8", "192.0.2.7", "fe80::/10", "!10.9.0.0/16"];
        assert!(holds(&words, "10.1.2.3") && holds(&words, "192.0.2.7") && holds(&words, "fe80::1"));
        assert!(!holds(&words, "10.9.2.3") && !holds(&words, "192.0.2.8") && !holds(&words, "::1"));
    }

    #[test]
    fn only_exceptions_mean_all_others_and_nothing_means_nobody() {
        assert!(holds(&["!10.0.0.0/8"], "192.0.2.1") && holds(&["!10.0.0.0/8"], "2001:db8::1"));
        assert!(!holds(&["!10.0.0.0/8"], "10.0.0.1") && !holds(&[], "10.0.0.1"));
    }

    #[test]
    fn mapped_addresses_are_the_ipv4_that_they_are() {
        assert!(holds(&["10.0.0.0/8"], "::ffff:10.0.0.1"));
        assert!(holds(&["::ffff:10.0.0.0/104"], "10.0.0.1"));
    }

    #[test]
    fn a_bad_net_is_told_why() {
        for (text, why) in [
            ("10.0.0.0/33", "from 0 to 32"),
            ("fe80::/129", "from 0 to 128"),
            ("10.0.0.0/", "from 0 to 32"),
            ("10.0.0", "no address"),
            ("home", "no address"),
            ("", "no address"),
            ("10.0.0.5/8", "the net is 10.0.0.0/8, the one host 10.0.0.5"),
        ] {
            let error = net(text).unwrap_err().to_string();
            assert!(error.contains(why), "{text}: {error}");
        }
    }

    #[test]
    fn covering_is_never_claimed_wrongly() {
        assert!(set(&["10.0.0.0/8"]).covers(&set(&["10.1.0.0/16", "10.2.0.1", "!10.1.1.0/24"])));
        assert!(!set(&["10.0.0.0/8"]).covers(&set(&["10.1.0.0/16", "11.0.0.0/8"])));
        assert!(!set(&["10.0.0.0/8", "!10.1.0.0/16"]).covers(&set(&["10.0.0.0/8"])));
        assert!(set(&["10.0.0.0/8", "!10.1.0.0/16"]).covers(&set(&["10.2.0.0/16"])));
        assert!(!set(&["10.0.0.0/8"]).covers(&set(&["!11.0.0.0/8"])));
        assert!(set(&["!10.0.0.0/8"]).covers(&set(&["192.0.2.0/24"])));
        assert!(!set(&[]).covers(&set(&["192.0.2.0/24"])) && set(&[]).covers(&set(&[])));
    }

    #[test]
    fn a_net_with_exceptions_keeps_them_wherever_it_is_named() {
        let own = set(&["10.0.0.0/8", "!10.9.0.0/16"]);
        let holds = |set: &NetSet, address: &str| set.contains(address.parse().unwrap());
        let mut others = NetSet::default();
        others.add_set(&own, true);
        assert!(holds(&others, "10.9.0.1") && holds(&others, "192.0.2.1") && !holds(&others, "10.1.0.1"));
        let mut wider = set(&["10.9.1.0/24"]);
        wider.add_set(&own, false);
        assert!(holds(&wider, "10.1.0.1") && holds(&wider, "10.9.1.1") && !holds(&wider, "10.9.2.1"));
        let mut named = NetSet::default();
        named.add_set(&own, false);
        assert!(wider.covers(&named) && !named.covers(&wider) && !others.covers(&named));
    }

    #[test]
    fn an_empty_net_by_name_still_holds_nobody() {
        let mut condition = NetSet::default();
        condition.add_set(&NetSet::default(), false);
        assert!(!condition.contains("10.0.0.1".parse().unwrap()));
        let mut all = NetSet::default();
        all.add_set(&NetSet::default(), true);
        assert!(all.contains("10.0.0.1".parse().unwrap()));
    }
}
