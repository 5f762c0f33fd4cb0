//! IP networks. A mapped address (`::ffff:192.0.2.1`) counts as the IPv4 address that it maps, on
//! both sides.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// A set of addresses, kept as disjoint ranges in ascending order.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Networks {
    v4: Box<[(u32, u32)]>,
    v6: Box<[(u128, u128)]>,
}

impl Networks {
    /// The addresses of all `texts`: networks in CIDR notation or single addresses. Bits behind the
    /// prefix don't count.
    ///
    /// # Errors
    /// The place of the first text that is neither.
    pub fn parse<'a>(texts: impl IntoIterator<Item = &'a str>) -> Result<Self, usize> {
        let (mut v4, mut v6) = (Vec::new(), Vec::new());
        for (index, text) in texts.into_iter().enumerate() {
            match network(text).ok_or(index)? {
                Network::V4(start, end) => v4.push((start, end)),
                Network::V6(start, end) => v6.push((start, end)),
            }
        }
        Ok(Self {
            v4: merged(v4),
            v6: merged(v6),
        })
    }

    /// Whether `text` is an address of the set.
    #[must_use]
    pub fn contain(&self, text: &[u8]) -> bool {
        let address = str::from_utf8(text).ok().and_then(|text| text.parse().ok());
        match address.map(|address: IpAddr| address.to_canonical()) {
            Some(IpAddr::V4(address)) => within(&self.v4, address.to_bits()),
            Some(IpAddr::V6(address)) => within(&self.v6, address.to_bits()),
            None => false,
        }
    }
}

enum Network {
    V4(u32, u32),
    V6(u128, u128),
}

fn network(text: &str) -> Option<Network> {
    let (address, prefix) = match text.split_once('/') {
        Some((address, prefix)) => (address, Some(length(prefix)?)),
        None => (text, None),
    };
    match address.parse().ok()? {
        IpAddr::V4(address) => v4(address, prefix.unwrap_or(32)),
        IpAddr::V6(address) => match (address.to_ipv4_mapped(), prefix.unwrap_or(128)) {
            (Some(mapped), prefix @ 96..) => v4(mapped, prefix.checked_sub(96)?),
            (_, prefix) => v6(address, prefix),
        },
    }
}

/// A prefix length: digits without sign and leading zeros.
fn length(text: &str) -> Option<u32> {
    let is_legal = text.bytes().all(|byte| byte.is_ascii_digit())
        && (text.len() == 1 || !text.starts_with('0'));
    is_legal.then(|| text.parse().ok()).flatten()
}

fn v4(address: Ipv4Addr, prefix: u32) -> Option<Network> {
    let behind = u32::MAX.checked_shr(prefix).unwrap_or(0);
    let start = address.to_bits() & !behind;
    (prefix <= 32).then_some(Network::V4(start, start | behind))
}

fn v6(address: Ipv6Addr, prefix: u32) -> Option<Network> {
    let behind = u128::MAX.checked_shr(prefix).unwrap_or(0);
    let start = address.to_bits() & !behind;
    (prefix <= 128).then_some(Network::V6(start, start | behind))
}

fn merged<T: Copy + Ord>(mut ranges: Vec<(T, T)>) -> Box<[(T, T)]> {
    ranges.sort_unstable();
    let mut merged: Vec<(T, T)> = Vec::with_capacity(ranges.len());
    for (start, end) in ranges {
        match merged.last_mut() {
            Some(last) if start <= last.1 => last.1 = last.1.max(end),
            _ => merged.push((start, end)),
        }
    }
    merged.into()
}

fn within<T: Copy + Ord>(ranges: &[(T, T)], address: T) -> bool {
    let following = ranges.partition_point(|&(_, end)| end < address);
    ranges
        .get(following)
        .is_some_and(|&(start, _)| start <= address)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn contain(networks: &[&str], address: &str) -> bool {
        Networks::parse(networks.iter().copied())
            .unwrap()
            .contain(address.as_bytes())
    }

    #[test]
    fn addresses_are_found_in_their_networks() {
        let office = ["10.0.0.0/8", "192.0.2.7", "2001:db8::/32", "10.1.0.0/16"];
        for inside in [
            "10.0.0.0",
            "10.255.255.255",
            "192.0.2.7",
            "2001:db8:ffff::1",
            "::ffff:10.1.2.3",
        ] {
            assert!(contain(&office, inside), "{inside}");
        }
        for outside in [
            "9.255.255.255",
            "11.0.0.0",
            "192.0.2.8",
            "2001:db9::",
            "::a00:1",
            "",
            "x",
            "10.0.0.1:80",
            "10.0.0",
            "010.0.0.1",
            "[2001:db8::1]",
            " 10.0.0.1",
        ] {
            assert!(!contain(&office, outside), "{outside}");
        }
        assert!(contain(&["::ffff:10.0.0.0/104"], "10.9.9.9"));
        assert!(contain(&["0.0.0.0/0"], "255.255.255.255"));
        assert!(!contain(&["0.0.0.0/0"], "::1"));
        assert!(contain(&["::/0"], "::1"));
        assert!(
            contain(&["10.1.2.3/8"], "10.9.9.9"),
            "bits behind the prefix don't count"
        );
        assert!(!contain(&[], "10.0.0.1"));
    }

    #[test]
    fn what_is_no_network_is_named_by_its_place() {
        for bad in [
            "",
            "10.0.0.0/33",
            "::/129",
            "10.0.0.0/",
            "10.0.0.0/08",
            "10.0.0.0/+8",
            "10/8",
            "x/8",
            "::ffff:1.2.3.4/129",
        ] {
            assert_eq!(Networks::parse(["::1", bad]), Err(1), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn a_network_holds_what_shares_its_prefix(network: u32, address: u32, prefix in 0..=32_u32) {
            let expected = prefix == 0 || (network ^ address) >> (32 - prefix) == 0;
            let text = format!("{}/{prefix}", Ipv4Addr::from_bits(network));
            prop_assert_eq!(contain(&[&text], &Ipv4Addr::from_bits(address).to_string()), expected);
            let text = format!("{}/{prefix}", Ipv6Addr::from_bits(u128::from(network) << 96));
            let address = Ipv6Addr::from_bits(u128::from(address) << 96);
            prop_assert_eq!(contain(&[&text], &address.to_string()), expected);
        }

        #[test]
        fn any_bytes_are_in_a_network_or_not(bytes in prop::collection::vec(any::<u8>(), 0..40), text in "[0-9a-f.:/]{0,20}") {
            let _ = Networks::parse([text.as_str()]);
            let all = Networks::parse(["0.0.0.0/0", "::/0"]).unwrap();
            let _ = (all.contain(&bytes), all.contain(text.as_bytes()));
        }
    }
}
