//! Configuration over time. What lives here: taking a new configuration or keeping the last good
//! one. What does not: what a configuration means.

use crate::config;
use crate::counters;
use crate::host::{Host, Level};
use crate::request::Active;
use std::rc::Rc;
use watershed_engine::Plan;

/// Which filter this is, for its log: the version, and the commit where the build was told it.
fn build() -> String {
    let version = env!("CARGO_PKG_VERSION");
    match option_env!("WATERSHED_COMMIT").unwrap_or_default() {
        "" => version.to_owned(),
        commit => format!("{version} (commit {commit})"),
    }
}

/// What outlives a request: the plan at work. Requests share it, and those under way keep theirs
/// when a new one comes.
#[derive(Debug, Default)]
pub struct Root {
    active: Rc<Active>,
}

impl Root {
    /// Takes the host's configuration. `false` refuses it: Envoy then rejects the update, and
    /// whoever still asks this root goes on with the last good plan.
    pub fn on_configure(&mut self, host: &impl Host) -> bool {
        let plan = host
            .configuration()
            .map_err(|error| error.to_string())
            .and_then(|bytes| config::load(&bytes).map_err(|error| error.to_string()));
        match plan {
            Ok(plan) => {
                self.activate(plan, host);
                true
            }
            Err(reason) => {
                let build = build();
                let line = format!("watershed {build}: configuration refused: {reason}");
                host.log(Level::Error, &line);
                counters::rejected(host);
                false
            }
        }
    }

    /// The plan for a new request. Before the first good configuration it is the empty one, under
    /// which requests are stripped and nothing else.
    #[must_use]
    pub fn active(&self) -> Rc<Active> {
        Rc::clone(&self.active)
    }

    fn activate(&mut self, plan: Plan, host: &impl Host) {
        let line = format!(
            "watershed {}: configuration {:?} with {} experiments is active",
            build(),
            plan.version(),
            plan.experiments().len()
        );
        host.log(Level::Debug, &line);
        self.active = Rc::new(Active::new(plan, host));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fake::FakeHost;

    const GOOD: &[u8] = br#"{"version": "good", "services": [{"key": "s"}]}"#;
    const BAD: &[u8] = br#"{"version": "bad", "experiments": [{"key": "broken"}]}"#;

    #[test]
    fn a_bad_configuration_is_refused_by_name_and_the_last_good_one_stays() {
        let host = FakeHost::default();
        let mut root = Root::default();
        host.configure(GOOD);
        assert!(root.on_configure(&host));
        for bad in [BAD, b"{", b"\xff"] {
            host.configure(bad);
            assert!(!root.on_configure(&host));
            assert_eq!(root.active().plan().version(), "good");
        }
        let errors = host.errors();
        let refused = "configuration refused: experiment \"broken\": layer is missing or empty";
        assert_eq!(errors[0], format!("watershed {}: {refused}", build()));
        assert_eq!(errors.len(), 3, "one line each");
        assert_eq!(host.count(counters::REJECTED), 3);
    }

    #[test]
    fn a_good_configuration_replaces_the_last_one() {
        let host = FakeHost::default();
        let mut root = Root::default();
        assert!(root.active().plan().services().is_empty());
        host.configure(b"");
        assert!(root.on_configure(&host));
        host.configure(GOOD);
        assert!(root.on_configure(&host));
        assert_eq!(root.active().plan().version(), "good");
        assert!(host.errors().is_empty());
    }

    #[test]
    fn a_request_under_way_keeps_its_plan() {
        let host = FakeHost::default();
        let mut root = Root::default();
        host.configure(GOOD);
        root.on_configure(&host);
        let under_way = root.active();
        host.configure(b"{}");
        root.on_configure(&host);
        assert_eq!(under_way.plan().version(), "good");
    }

    #[test]
    fn a_configuration_that_cannot_be_read_is_refused() {
        let host = FakeHost::default();
        host.fail("configuration");
        assert!(!Root::default().on_configure(&host));
        let refused = "configuration refused: host call configuration answered with status 10";
        assert_eq!(host.errors(), [format!("watershed {}: {refused}", build())]);
    }

    #[test]
    fn a_plan_works_without_its_counters() {
        let host = FakeHost::default();
        host.configure(GOOD);
        host.fail("counter");
        let mut root = Root::default();
        assert!(root.on_configure(&host));
        let errors = host.errors();
        let is_told = |line: &String| line.starts_with("watershed: a counter is lost");
        assert!(
            !errors.is_empty() && errors.iter().all(is_told),
            "{errors:?}"
        );
    }
}
