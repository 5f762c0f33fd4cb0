//! Where one stream stands with one type, as plain data for a status page and for metrics.

use crate::Version;

/// A refusal message is kept up to this many bytes.
pub(crate) const MAX_REFUSAL_BYTES: usize = 4096;

/// Where a stream stands with one resource type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TypeStatus {
    /// Whether the proxy ever asked for this type. What it asked for is
    /// [`XdsStream::subscription`](crate::XdsStream::subscription).
    pub subscribed: bool,
    /// The version the proxy will be at once everything is sent and accepted; `None` without a snapshot
    /// or a subscription. Equal to the snapshot's version of the type if all its names are subscribed.
    pub target_version: Option<Version>,
    /// The version of the last response. It differs from the target when something is held back.
    pub sent_version: Option<Version>,
    /// The version that the proxy last confirmed (or, after a reconnect, proved to have).
    pub acked_version: Option<Version>,
    /// The nonce of the response that waits for its acknowledgement.
    pub in_flight: Option<u64>,
    /// What the proxy last refused, until no refused content is left and it accepted something later
    /// or needs nothing.
    pub refusal: Option<Refusal>,
    /// Responses accepted on this stream.
    pub acks: u64,
    /// Responses refused on this stream.
    pub nacks: u64,
    /// Whether the proxy has confirmed everything it subscribed to at the newest snapshot's content.
    pub in_sync: bool,
}

/// A response that the proxy refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The version of the refused response.
    pub version: Version,
    /// The proxy's words, at most 4 KiB of them.
    pub message: String,
}

/// The longest prefix of at most `max` bytes that ends on a character.
pub(crate) fn clip(text: &str, max: usize) -> &str {
    let mut end = max.min(text.len());
    while !text.is_char_boundary(end) {
        end = end.saturating_sub(1);
    }
    text.get(..end).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::clip;

    #[test]
    fn text_is_clipped_at_a_character() {
        assert_eq!(clip("abc", 10), "abc");
        assert_eq!(clip("abc", 2), "ab");
        assert_eq!(clip("aé", 2), "a");
        assert_eq!(clip("", 0), "");
    }
}
