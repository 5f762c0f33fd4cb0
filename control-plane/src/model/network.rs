//! Networks in CIDR notation, brought to their one spelling.

use super::fault::Faults;
use std::net::IpAddr;

/// Reads `10.0.0.0/8`, `2001:db8::/32` or a single address.
pub(super) fn validate(text: &str, at: &str, faults: &mut Faults) -> Option<String> {
    let read = read(text);
    if read.is_none() {
        let shown: String = text.escape_debug().take(64).collect();
        faults.add(
            at,
            format!("`{shown}` is not a network"),
            "an address, or a network without bits beyond its length, as `10.0.0.0/8` or `2001:db8::/32`",
        );
    }
    read
}

/// A network with bits set beyond its length is more likely a mistake than a wish.
fn read(text: &str) -> Option<String> {
    let Some((address, length)) = text.split_once('/') else {
        return text
            .parse::<IpAddr>()
            .ok()
            .map(|address| address.to_string());
    };
    let address: IpAddr = address.parse().ok()?;
    let plain = length.bytes().all(|byte| byte.is_ascii_digit());
    let length: u32 = if plain {
        length.parse().ok()?
    } else {
        return None;
    };
    let (bits, width) = match address {
        IpAddr::V4(address) => (u128::from(address.to_bits()), 32),
        IpAddr::V6(address) => (address.to_bits(), 128),
    };
    let beyond = u32::checked_sub(width, length)?;
    let host = 1_u128
        .checked_shl(beyond)
        .map_or(u128::MAX, |end| end.wrapping_sub(1));
    (bits & host == 0).then(|| format!("{address}/{length}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_have_one_spelling() {
        for (text, network) in [
            ("10.0.0.0/8", "10.0.0.0/8"),
            ("0.0.0.0/0", "0.0.0.0/0"),
            ("::/0", "::/0"),
            ("2001:DB8::/32", "2001:db8::/32"),
            ("192.168.1.7", "192.168.1.7"),
            ("192.168.1.7/32", "192.168.1.7/32"),
            ("::1/128", "::1/128"),
            ("10.0.0.0/08", "10.0.0.0/8"),
        ] {
            assert_eq!(read(text).as_deref(), Some(network), "{text}");
        }
    }

    #[test]
    fn anything_else_is_none() {
        for text in [
            "",
            "/",
            "10.0.0.0/",
            "10.0.0.0/33",
            "10.0.0.1/8",
            "::1/64",
            "::/129",
            "10.0.0/8",
            "10.0.0.0/+8",
            "10.0.0.0/8/8",
            "example.com",
            "10.0.0.0/99999999999",
        ] {
            assert_eq!(read(text), None, "{text:?}");
        }
    }
}
