//! `NO_PROXY`: the servers that are reached directly. The rules are curl's, and what Go adds to them.
//!
//! Entries are separated by commas or blanks. A name stands for itself and all below it, with and without a leading dot; an
//! address for itself; `10.0.0.0/8` for a network; `*` for everything. Names are not looked up, so that no entry with an
//! address applies to a URL with a name. curl has no ports and no brackets here; Go has: `host:port`, `[::1]:443`.

use std::net::{IpAddr, Ipv6Addr};

/// The servers that are reached directly.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NoProxy(Vec<Entry>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Entry {
    hosts: Hosts,
    /// `None`: any.
    port: Option<u16>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Hosts {
    All,
    /// The name, and all that end in it behind a dot. In lower case.
    Domain(String),
    Network {
        address: IpAddr,
        /// In bits.
        prefix: u8,
    },
}

impl NoProxy {
    /// Reads a list. An entry that means nothing applies to nothing, as for every other program that reads this variable.
    pub fn parse(text: &str) -> NoProxy {
        let separates = |c: char| c == ',' || c.is_ascii_whitespace();
        NoProxy(text.split(separates).filter_map(entry).collect())
    }

    /// Whether a server is reached directly. `host` is a URL's: a name, an IPv4 address, or an IPv6 address with or without
    /// its brackets.
    pub fn excepts(&self, host: &str, port: u16) -> bool {
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let address: Option<IpAddr> = host.parse().ok();
        let name = host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase();
        self.0.iter().any(|entry| {
            entry.port.is_none_or(|only| only == port)
                && match (&entry.hosts, address) {
                    (Hosts::All, _) => true,
                    (Hosts::Network { address, prefix }, Some(host)) => within(host, *address, *prefix),
                    (Hosts::Domain(domain), None) => name
                        .strip_suffix(domain.as_str())
                        .is_some_and(|above| above.is_empty() || above.ends_with('.')),
                    (Hosts::Network { .. }, None) | (Hosts::Domain(_), Some(_)) => false,
                }
        })
    }
}

fn entry(text: &str) -> Option<Entry> {
    // An IPv6 address has colons of its own, and a port only behind brackets.
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) if text.parse::<Ipv6Addr>().is_err() && !text.ends_with(']') && !text.contains('/') => {
            (host, Some(port.parse().ok()?))
        }
        _ => (text, None),
    };
    let hosts = if host == "*" {
        Hosts::All
    } else if let Some((address, prefix)) = host.split_once('/') {
        let (address, prefix): (IpAddr, u8) = (bare(address).parse().ok()?, prefix.parse().ok()?);
        let longest = if address.is_ipv4() { 32 } else { 128 };
        (prefix <= longest).then_some(Hosts::Network { address, prefix })?
    } else if let Ok(address) = bare(host).parse::<IpAddr>() {
        let prefix = if address.is_ipv4() { 32 } else { 128 };
        Hosts::Network { address, prefix }
    } else {
        let name = host.strip_suffix('.').unwrap_or(host);
        let name = name.strip_prefix('.').unwrap_or(name);
        (!name.is_empty()).then(|| Hosts::Domain(name.to_ascii_lowercase()))?
    };
    Some(Entry { hosts, port })
}

/// Without the brackets of an IPv6 address.
fn bare(host: &str) -> &str {
    host.strip_prefix('[')
        .and_then(|inner| inner.strip_suffix(']'))
        .unwrap_or(host)
}

fn within(host: IpAddr, network: IpAddr, prefix: u8) -> bool {
    // The highest `prefix` bits; a shift by all of them is none.
    let differ = match (host, network) {
        (IpAddr::V4(host), IpAddr::V4(network)) => {
            u128::from(host.to_bits() ^ network.to_bits()).checked_shr(32 - u32::from(prefix))
        }
        (IpAddr::V6(host), IpAddr::V6(network)) => {
            (host.to_bits() ^ network.to_bits()).checked_shr(128 - u32::from(prefix))
        }
        (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => return false,
    };
    differ.unwrap_or(0) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The list, a host, its port, and whether it is reached directly.
    const DECISIONS: &[(&str, &str, u16, bool)] = &[
        ("", "example.com", 443, false),
        ("*", "example.com", 443, true),
        ("*", "10.0.0.1", 443, true),
        ("other,*", "::1", 443, true),
        ("*:80", "example.com", 443, false),
        // Names.
        ("example.com", "example.com", 443, true),
        ("example.com", "sub.example.com", 443, true),
        ("example.com", "a.b.example.com", 443, true),
        ("example.com", "notexample.com", 443, false),
        ("example.com", "example.com.org", 443, false),
        ("example.com", "com", 443, false),
        ("sub.example.com", "example.com", 443, false),
        (".example.com", "example.com", 443, true),
        (".example.com", "sub.example.com", 443, true),
        (".example.com", "notexample.com", 443, false),
        ("..example.com", "example.com", 443, false),
        ("..example.com", "sub.example.com", 443, false),
        ("*.example.com", "sub.example.com", 443, false),
        ("Example.COM", "example.com", 443, true),
        ("example.com", "EXAMPLE.com", 443, true),
        ("example.com.", "example.com", 443, true),
        ("example.com", "example.com.", 443, true),
        ("example.com.", "sub.example.com.", 443, true),
        ("example.com..", "example.com", 443, false),
        (".", "example.com", 443, false),
        (".", "example.com.", 443, false),
        ("com", "example.com", 443, true),
        // Lists.
        ("a.org,example.com", "example.com", 443, true),
        (" a.org , example.com ", "example.com", 443, true),
        ("a.org example.com", "example.com", 443, true),
        ("a.org\texample.com", "example.com", 443, true),
        (",,a.org,,", "a.org", 443, true),
        (",,a.org,,", "b.org", 443, false),
        // Ports.
        ("example.com:443", "example.com", 443, true),
        ("example.com:443", "sub.example.com", 443, true),
        ("example.com:8443", "example.com", 443, false),
        ("example.com:", "example.com", 443, false),
        ("example.com:https", "example.com", 443, false),
        ("example.com:99999", "example.com", 443, false),
        ("10.0.0.1:443", "10.0.0.1", 443, true),
        ("10.0.0.1:80", "10.0.0.1", 443, false),
        ("[::1]:443", "[::1]", 443, true),
        ("[::1]:80", "[::1]", 443, false),
        // Addresses.
        ("10.0.0.1", "10.0.0.1", 443, true),
        ("10.0.0.1", "10.0.0.10", 443, false),
        ("0.0.1", "10.0.0.1", 443, false),
        ("10.0.0.1", "x.10.0.0.1", 443, false),
        ("::1", "[::1]", 443, true),
        ("::1", "::1", 443, true),
        ("[::1]", "[::1]", 443, true),
        ("0:0:0:0:0:0:0:1", "[::1]", 443, true),
        ("2001:DB8::a", "[2001:db8::A]", 443, true),
        ("::1", "[::2]", 443, false),
        ("::ffff:10.0.0.1", "10.0.0.1", 443, false),
        // Networks.
        ("10.0.0.0/8", "10.255.0.1", 443, true),
        ("10.0.0.0/8", "11.0.0.1", 443, false),
        ("10.1.2.3/8", "10.255.0.1", 443, true),
        ("192.168.0.0/23", "192.168.1.255", 443, true),
        ("192.168.0.0/23", "192.168.2.0", 443, false),
        ("10.0.0.1/32", "10.0.0.1", 443, true),
        ("10.0.0.1/32", "10.0.0.0", 443, false),
        ("0.0.0.0/0", "203.0.113.9", 443, true),
        ("0.0.0.0/0", "[::1]", 443, false),
        ("10.0.0.0/33", "10.0.0.0", 443, false),
        ("10.0.0.0/-1", "10.0.0.0", 443, false),
        ("10.0.0.0/", "10.0.0.0", 443, false),
        ("10.0.0.0/8", "10.example.com", 443, false),
        ("fd00::/8", "[fd12:3456::1]", 443, true),
        ("fd00::/8", "[fe80::1]", 443, false),
        ("2001:db8::/33", "[2001:db8:7fff::1]", 443, true),
        ("2001:db8::/33", "[2001:db8:8000::1]", 443, false),
        ("[fd00::]/8", "[fd12::1]", 443, true),
        ("::/0", "[fd12::1]", 443, true),
        ("::1/128", "[::1]", 443, true),
        ("fd00::/129", "[fd00::]", 443, false),
        ("example.com/8", "example.com", 443, false),
    ];

    #[test]
    fn decisions() {
        for &(list, host, port, direct) in DECISIONS {
            assert_eq!(NoProxy::parse(list).excepts(host, port), direct, "{list} {host}:{port}");
        }
    }

    /// What holds for all hosts, tried on those of the table.
    #[test]
    fn what_holds_for_all() {
        for &(list, host, port, direct) in DECISIONS {
            let excepts = |list: &str, host: &str| NoProxy::parse(list).excepts(host, port);
            assert_eq!(excepts(&format!("{list},{list}"), host), direct, "{list} {host}: twice");
            assert_eq!(
                excepts(&format!("x.invalid {list}"), host),
                direct,
                "{list} {host}: one more"
            );
            assert_eq!(excepts(&list.to_uppercase(), host), direct, "{list} {host}: case");
            assert!(excepts(&format!("{list},*"), host), "{list} {host}: all");
            // Only an IPv6 address with a port needs its brackets.
            let alone = if host.contains(':') {
                host
            } else {
                host.trim_end_matches('.')
            };
            assert!(excepts(alone, host), "{host}: itself");
            assert!(
                excepts(&format!("{alone}:{port}"), host) != alone.parse::<Ipv6Addr>().is_ok(),
                "{host}: its port"
            );
        }
    }

    /// Every prefix of every length: the bits before it count, and those behind it do not.
    #[test]
    fn networks_of_every_length() {
        for bits in 0..=32u32 {
            let list = NoProxy::parse(&format!("170.170.170.170/{bits}"));
            for flipped in 0..32u32 {
                let host = std::net::Ipv4Addr::from_bits(0xaaaa_aaaa ^ (1 << (31 - flipped)));
                assert_eq!(list.excepts(&host.to_string(), 443), flipped >= bits, "/{bits} {host}");
            }
        }
        let address = u128::from_be_bytes([0xaa; 16]);
        for bits in 0..=128u32 {
            let list = NoProxy::parse(&format!("{}/{bits}", Ipv6Addr::from_bits(address)));
            for flipped in 0..128u32 {
                let host = Ipv6Addr::from_bits(address ^ (1 << (127 - flipped)));
                assert_eq!(
                    list.excepts(&format!("[{host}]"), 443),
                    flipped >= bits,
                    "/{bits} {host}"
                );
            }
        }
    }
}
