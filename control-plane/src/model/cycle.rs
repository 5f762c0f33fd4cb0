//! Cycles: things of one kind that name one another must not come back to themselves.

use super::key::Key;
use std::collections::{BTreeMap, BTreeSet};

/// The first cycle among `edges`, by key: from a thing back to itself.
pub(super) fn find(edges: &BTreeMap<&Key, Vec<&Key>>) -> Option<Vec<Key>> {
    let mut done = BTreeSet::new();
    edges.keys().find_map(|start| walk(start, edges, &mut done))
}

/// Depth first and without recursion: chains can be as long as there are things.
fn walk<'a>(
    start: &'a Key,
    edges: &BTreeMap<&'a Key, Vec<&'a Key>>,
    done: &mut BTreeSet<&'a Key>,
) -> Option<Vec<Key>> {
    let following = |key| edges.get(key).map_or(&[] as &[_], Vec::as_slice).iter();
    let mut path = vec![(start, following(start))];
    let mut on_path = BTreeSet::from([start]);
    while let Some((key, next)) = path.last_mut() {
        let Some(child) = next.next().copied() else {
            on_path.remove(*key);
            done.insert(*key);
            path.pop();
            continue;
        };
        if on_path.contains(child) {
            let from = path.iter().skip_while(|(key, _)| *key != child);
            let cycle = from.map(|(key, _)| *key).chain([child]);
            return Some(cycle.cloned().collect());
        }
        if !done.contains(child) {
            on_path.insert(child);
            path.push((child, following(child)));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cycle(edges: &[(&str, &str)]) -> Option<String> {
        let key = |name: &str| Key::try_new(name).unwrap();
        let pairs: Vec<(Key, Key)> = edges.iter().map(|(a, b)| (key(a), key(b))).collect();
        let mut map: BTreeMap<&Key, Vec<&Key>> = BTreeMap::new();
        for (from, to) in &pairs {
            map.entry(from).or_default().push(to);
        }
        let names = |path: Vec<Key>| path.iter().map(Key::as_str).collect::<Vec<_>>().join(" ");
        find(&map).map(names)
    }

    #[test]
    fn what_only_leads_on_is_no_cycle() {
        assert_eq!(cycle(&[]), None);
        assert_eq!(
            cycle(&[("a", "b"), ("a", "c"), ("b", "d"), ("c", "d")]),
            None
        );
    }

    #[test]
    fn a_cycle_is_told_from_a_thing_back_to_itself() {
        assert_eq!(cycle(&[("a", "a")]).unwrap(), "a a");
        let edges = [("a", "b"), ("b", "c"), ("c", "d"), ("d", "b")];
        assert_eq!(cycle(&edges).unwrap(), "b c d b");
    }

    #[test]
    fn a_long_chain_takes_no_stack() {
        let names: Vec<String> = (0..50_000).map(|n| format!("n{n}")).collect();
        let edges: Vec<(&str, &str)> = names
            .iter()
            .zip(names.iter().skip(1))
            .map(|(a, b)| (a.as_str(), b.as_str()))
            .collect();
        assert_eq!(cycle(&edges), None);
    }
}
