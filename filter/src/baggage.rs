//! W3C Baggage: name-value pairs that services pass on (<https://www.w3.org/TR/baggage/>). What
//! lives here: putting a variant's entries into what a request already carries. What does not: which
//! entries a variant has.

/// What every hop has to pass on (section 3.3.2 of the recommendation). More may be dropped on the
/// way, so nothing is added beyond.
const MAX_BYTES: usize = 8_192;
/// As [`MAX_BYTES`], in list members.
const MAX_MEMBERS: usize = 64;

/// The value of the `baggage` header that has `ours` (key and value, as text) and what stays of
/// `existing`, the header's values. A member of ours replaces those of the same key, and one whose
/// key `is_reserved` goes. Ours are at the end; where all together would be more than the
/// recommendation's limits, theirs give way from the end.
#[must_use]
pub fn merged<'a>(
    existing: impl Iterator<Item = &'a [u8]>,
    ours: &[(&str, &str)],
    is_reserved: impl Fn(&[u8]) -> bool,
) -> Vec<u8> {
    let own: Vec<u8> = own(ours);
    let mut room = MAX_BYTES.saturating_sub(own.len());
    let mut places = MAX_MEMBERS.saturating_sub(ours.len());
    let mut merged = Vec::new();
    for member in members(existing) {
        let key = key(member);
        if is_reserved(key) || ours.iter().any(|(own, _)| own.as_bytes() == key) {
            continue;
        }
        let length = member.len().saturating_add(1);
        if length > room || places == 0 {
            break;
        }
        room = room.saturating_sub(length);
        places = places.saturating_sub(1);
        push(&mut merged, member);
    }
    if !own.is_empty() {
        push(&mut merged, &own);
    }
    merged
}

/// Whether a member of `existing` has a key that `is_reserved`.
pub fn names<'a>(
    existing: impl Iterator<Item = &'a [u8]>,
    is_reserved: impl Fn(&[u8]) -> bool,
) -> bool {
    members(existing).any(|member| is_reserved(key(member)))
}

fn members<'a>(headers: impl Iterator<Item = &'a [u8]>) -> impl Iterator<Item = &'a [u8]> {
    headers
        .flat_map(|header| header.split(|&byte| byte == b','))
        .map(<[u8]>::trim_ascii)
        .filter(|member| !member.is_empty())
}

/// What stands before the value and the properties of a member.
fn key(member: &[u8]) -> &[u8] {
    member
        .split(|&byte| byte == b'=' || byte == b';')
        .next()
        .unwrap_or(member)
        .trim_ascii()
}

fn own(entries: &[(&str, &str)]) -> Vec<u8> {
    let mut own = Vec::new();
    for (key, value) in entries.iter().take(MAX_MEMBERS) {
        let mut member = key.as_bytes().to_vec();
        member.push(b'=');
        encode(value, &mut member);
        let length = member.len().saturating_add(1).saturating_add(own.len());
        if length <= MAX_BYTES {
            push(&mut own, &member);
        }
    }
    own
}

fn push(list: &mut Vec<u8>, member: &[u8]) {
    if !list.is_empty() {
        list.push(b',');
    }
    list.extend_from_slice(member);
}

/// Percent-encodes what is no `baggage-octet`, and the percent sign.
fn encode(value: &str, into: &mut Vec<u8>) {
    for &byte in value.as_bytes() {
        let is_plain =
            byte.is_ascii_graphic() && !matches!(byte, b'"' | b',' | b';' | b'\\' | b'%');
        if is_plain {
            into.push(byte);
        } else {
            let digit = |nibble: u8| char::from_digit(nibble.into(), 16).unwrap_or('0');
            let escape = ['%', digit(byte >> 4), digit(byte & 15)];
            into.extend(escape.iter().map(|&digit| digit.to_ascii_uppercase() as u8));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn merge(existing: &[&str], ours: &[(&str, &str)]) -> String {
        let existing = existing.iter().map(|header| header.as_bytes());
        String::from_utf8(merged(existing, ours, |key| key == b"reserved")).unwrap()
    }

    #[test]
    fn ours_join_what_is_there_and_replace_the_same_key() {
        let ours = [("prompt", "v2"), ("model", "a")];
        assert_eq!(merge(&[], &ours), "prompt=v2,model=a");
        assert_eq!(
            merge(
                &["user=u;p=1 , prompt = v1;x=y,,", "model=z, trace=t"],
                &ours
            ),
            "user=u;p=1,trace=t,prompt=v2,model=a"
        );
        assert_eq!(
            merge(&["Prompt=v1"], &ours),
            "Prompt=v1,prompt=v2,model=a",
            "keys have case"
        );
    }

    #[test]
    fn a_reserved_key_goes_also_where_nothing_of_ours_comes() {
        assert_eq!(merge(&["a=1,reserved=x,b=2"], &[]), "a=1,b=2");
        assert_eq!(merge(&["reserved=x"], &[]), "");
        let header = || ["a=1, reserved ;x".as_bytes()].into_iter();
        assert!(names(header(), |key| key == b"reserved"));
        assert!(!names(header(), |key| key == b"b"));
    }

    #[test]
    fn a_value_is_percent_encoded() {
        assert_eq!(
            merge(&[], &[("k", "a b,c;d\"e\\f%g\u{e4}=h")]),
            "k=a%20b%2Cc%3Bd%22e%5Cf%25g%C3%A4=h"
        );
    }

    #[test]
    fn where_there_is_no_room_theirs_give_way() {
        let many: Vec<String> = (0..100).map(|n| format!("k{n}=v")).collect();
        let merged = merge(&[&many.join(",")], &[("ours", "1")]);
        assert_eq!(merged.split(',').count(), MAX_MEMBERS);
        assert!(merged.starts_with("k0=v,k1=v") && merged.ends_with(",k62=v,ours=1"));
        let long = format!("a=1,b={},c=3", "x".repeat(MAX_BYTES));
        assert_eq!(merge(&[&long], &[("ours", "1")]), "a=1,ours=1");
    }

    #[test]
    fn ours_keep_to_the_limits_too() {
        let long = "x".repeat(MAX_BYTES);
        assert_eq!(merge(&["a=1"], &[("long", &long), ("b", "2")]), "a=1,b=2");
    }

    proptest! {
        #[test]
        fn any_bytes_are_merged_within_the_limits(
            headers in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..9_000), 0..4),
            value in ".{0,40}",
        ) {
            let existing = || headers.iter().map(Vec::as_slice);
            let merged = merged(existing(), &[("k", &value)], |key| key == b"reserved");
            prop_assert!(merged.len() <= MAX_BYTES);
            prop_assert!(merged.split(|&byte| byte == b',').count() <= MAX_MEMBERS);
            prop_assert_eq!(members([&merged[..]].into_iter()).filter(|one| key(one) == b"k").count(), 1);
        }
    }
}
