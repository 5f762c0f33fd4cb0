//! The two lists that say which experiments a request is in: experiments and, at the same positions,
//! variants. What lives here: reading what a hop in front has stamped, and adding to it. What does
//! not: whether that hop is trusted.

use std::borrow::Cow;
use watershed_engine::Headers;
use watershed_proto::{EXPERIMENT_HEADER, VARIANT_HEADER};

/// The lists as they came in.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Stamp {
    experiments: String,
    variants: String,
}

impl Stamp {
    /// What the headers say; an empty stamp where there are none. `None` where the lists are no
    /// lists of keys of one length: then nobody knows which variant is whose.
    #[must_use]
    pub fn read(headers: Headers<'_>) -> Option<Self> {
        let text = |name| match headers.joined(name) {
            None => Some(String::new()),
            Some(Cow::Borrowed(bytes)) => str::from_utf8(bytes).ok().map(str::to_owned),
            Some(Cow::Owned(bytes)) => String::from_utf8(bytes).ok(),
        };
        let stamp = Self {
            experiments: text(EXPERIMENT_HEADER)?,
            variants: text(VARIANT_HEADER)?,
        };
        let counts = [&stamp.experiments, &stamp.variants].map(|list| keys(list).count());
        let is_whole = |list: &str| keys(list).all(|key| !key.is_empty());
        let is_sound =
            counts[0] == counts[1] && is_whole(&stamp.experiments) && is_whole(&stamp.variants);
        is_sound.then_some(stamp)
    }

    /// The experiments and the variants, as they came in; `None` where it names none.
    #[must_use]
    pub fn lists(&self) -> Option<(&str, &str)> {
        (!self.experiments.is_empty()).then_some((&self.experiments, &self.variants))
    }

    /// The variant that it names for `experiment`; the first, should it name several.
    #[must_use]
    pub fn variant(&self, experiment: &str) -> Option<&str> {
        self.pairs()
            .find(|(other, _)| *other == experiment)
            .map(|(_, variant)| variant)
    }

    /// The lists with `own` decisions in them: at the position of the experiment where it was
    /// stamped already, else at the end. `None` where that changes nothing.
    #[must_use]
    pub fn with<'a>(&'a self, own: &[(&'a str, &'a str)]) -> Option<(String, String)> {
        if self.experiments.is_empty() {
            let experiments = || joined(own.iter().map(|(experiment, _)| *experiment));
            let variants = || joined(own.iter().map(|(_, variant)| *variant));
            return (!own.is_empty()).then(|| (experiments(), variants()));
        }
        let known = |experiment: &str| own.iter().find(|(other, _)| *other == experiment);
        let kept = self.pairs().map(|pair| *known(pair.0).unwrap_or(&pair));
        let added = own
            .iter()
            .filter(|(experiment, _)| self.variant(experiment).is_none());
        let all: Vec<_> = kept.chain(added.copied()).collect();
        let is_new = !all.iter().copied().eq(self.pairs());
        is_new.then(|| {
            (
                joined(all.iter().map(|(experiment, _)| *experiment)),
                joined(all.iter().map(|(_, variant)| *variant)),
            )
        })
    }

    /// Experiments and variants, in order.
    pub fn pairs(&self) -> impl Iterator<Item = (&str, &str)> {
        keys(&self.experiments).zip(keys(&self.variants))
    }
}

/// The keys of a list; an empty list has none.
fn keys(list: &str) -> impl Iterator<Item = &str> {
    let list = (!list.is_empty()).then_some(list);
    list.into_iter()
        .flat_map(|list| list.split(','))
        .map(str::trim_ascii)
}

fn joined<'a>(keys: impl Iterator<Item = &'a str> + Clone) -> String {
    // Each with its comma.
    let length = keys.clone().map(|key| key.len().saturating_add(1)).sum();
    let mut joined = String::with_capacity(length);
    for key in keys {
        if !joined.is_empty() {
            joined.push(',');
        }
        joined.push_str(key);
    }
    joined
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(headers: &[(&str, &str)]) -> Option<Stamp> {
        let pairs: Vec<_> = headers
            .iter()
            .map(|(name, value)| (name.as_bytes(), value.as_bytes()))
            .collect();
        Stamp::read(Headers::new(&pairs))
    }

    fn stamp(experiments: &str, variants: &str) -> Option<Stamp> {
        read(&[("X-Experiment-ID", experiments), ("x-variant", variants)])
    }

    #[test]
    fn each_experiment_has_the_variant_at_its_position() {
        let stamp = stamp("a, b,c", "1,2 ,3").unwrap();
        assert_eq!(stamp.variant("a"), Some("1"));
        assert_eq!(stamp.variant("b"), Some("2"));
        assert_eq!(stamp.variant("c"), Some("3"));
        assert_eq!(stamp.variant("d"), None);
        let repeated = read(&[
            ("x-variant", "1"),
            ("x-experiment-id", "a"),
            ("x-variant", "2,3"),
            ("x-experiment-id", "b,a"),
        ]);
        assert_eq!(
            repeated.as_ref().unwrap().variant("a"),
            Some("1"),
            "the first one"
        );
        assert_eq!(repeated.unwrap().variant("b"), Some("2"));
    }

    #[test]
    fn lists_that_do_not_fit_are_refused() {
        for (experiments, variants) in [
            ("a,b", "1"),
            ("a", ""),
            ("", "1"),
            ("a,,b", "1,2,3"),
            ("a,", "1,2"),
            (" ", "1"),
        ] {
            assert_eq!(
                stamp(experiments, variants),
                None,
                "{experiments:?} {variants:?}"
            );
        }
        assert_eq!(read(&[("x-experiment-id", "a")]), None);
        let bytes = [
            (&b"x-experiment-id"[..], &b"\xff"[..]),
            (b"x-variant", b"1"),
        ];
        assert_eq!(Stamp::read(Headers::new(&bytes)), None);
        assert_eq!(read(&[]).unwrap().lists(), None);
        assert_eq!(stamp("", "").unwrap().lists(), None);
    }

    #[test]
    fn own_decisions_take_their_position_or_the_end() {
        let stamp = stamp("a, b", "1,2").unwrap();
        let with = |own: &[(&str, &str)]| stamp.with(own);
        let lists = |experiments: &str, variants: &str| Some((experiments.into(), variants.into()));
        assert_eq!(with(&[("c", "3")]), lists("a,b,c", "1,2,3"));
        assert_eq!(with(&[("b", "9"), ("c", "3")]), lists("a,b,c", "1,9,3"));
        assert_eq!(with(&[("b", "2")]), None, "nothing new");
        assert_eq!(with(&[]), None);
        let own = [("x", "1"), ("y", "2")];
        assert_eq!(Stamp::default().with(&own), lists("x,y", "1,2"));
        assert_eq!(Stamp::default().with(&[]), None);
    }

    proptest! {
        #[test]
        fn any_headers_are_a_stamp_or_none(
            experiments in prop::collection::vec(any::<u8>(), 0..60),
            variants in prop::collection::vec(any::<u8>(), 0..60),
        ) {
            let pairs = [(&b"x-experiment-id"[..], &experiments[..]), (b"x-variant", &variants[..])];
            if let Some(stamp) = Stamp::read(Headers::new(&pairs)) {
                let _ = stamp.variant("a");
                let _ = stamp.with(&[("a", "1")]);
            }
        }

        #[test]
        fn positions_stay_in_step(own in prop::collection::vec(("[a-e]", "[0-9]"), 0..4)) {
            let own: Vec<_> = own.iter().map(|(e, v)| (e.as_str(), v.as_str())).collect();
            let stamp = stamp("a,b,c", "x,y,z").unwrap();
            if let Some((experiments, variants)) = stamp.with(&own) {
                prop_assert_eq!(keys(&experiments).count(), keys(&variants).count());
                prop_assert!(experiments.starts_with("a,b,c"));
            }
        }
    }
}
