//! Variants that a described request brings along, where proxies read them: force tokens, sticky
//! cookies, and the stamp of a trusted hop. What they look like is the engine's.

use watershed_engine::{Force, Headers, Pin, PinnedBy, Plan, Service, Sticky};
use watershed_proto::filter::v1::Trust;
use watershed_proto::{EXPERIMENT_HEADER, VARIANT_HEADER};

/// What a request brings along, and what of it is ignored and why.
#[derive(Debug, Default)]
pub(super) struct Brought {
    pub(super) pins: Vec<Pin>,
    pub(super) ignored: Vec<String>,
}

impl Brought {
    pub(super) fn read(plan: &Plan, service: &Service, headers: Headers<'_>, now_ms: i64) -> Self {
        let mut brought = Self::default();
        brought.forced(plan, headers, now_ms);
        if plan.trust() == Trust::Mesh {
            brought.inherited(plan, headers);
        }
        for name in service.sticky_cookies() {
            brought.stuck(plan, headers.cookie(name), name, now_ms);
        }
        brought
    }

    fn forced(&mut self, plan: &Plan, headers: Headers<'_>, now_ms: i64) {
        let places = plan.force();
        let header = places.header.as_deref();
        let header =
            header.and_then(|name| Some((format!("header {name}"), headers.joined(name)?)));
        let query = places.query.as_deref();
        let query = query.and_then(|name| Some((format!("query {name}"), headers.query(name)?)));
        let cookie = places.cookie.as_deref();
        let cookie =
            cookie.and_then(|name| Some((format!("cookie {name}"), headers.cookie(name)?.into())));
        for (place, value) in [header, query, cookie].into_iter().flatten() {
            for token in value.split(|byte| *byte == b',') {
                match Force::open(token, plan.keys(), now_ms) {
                    Err(why) => self.ignore(&place, &why.to_string()),
                    Ok(force) => {
                        let pin = plan.pin(&force.experiment, &force.variant, PinnedBy::Forced);
                        if pin.is_none() {
                            self.ignore(&place, "proxies here know no such experiment or variant");
                        }
                        self.pins.extend(pin);
                    }
                }
            }
        }
    }

    fn inherited(&mut self, plan: &Plan, headers: Headers<'_>) {
        let list = |name| {
            let value = headers.joined(name).unwrap_or_default();
            let text = String::from_utf8_lossy(&value).into_owned();
            let entries = text.split(',').map(|entry| entry.trim().to_owned());
            entries
                .filter(|entry| !entry.is_empty())
                .collect::<Vec<_>>()
        };
        let (experiments, variants) = (list(EXPERIMENT_HEADER), list(VARIANT_HEADER));
        if experiments.len() != variants.len() {
            self.ignore(EXPERIMENT_HEADER, "it has another length than x-variant");
            return;
        }
        let pairs = experiments.iter().zip(&variants);
        let pins = pairs
            .filter_map(|(experiment, variant)| plan.pin(experiment, variant, PinnedBy::Inherited));
        self.pins.extend(pins);
    }

    fn stuck(&mut self, plan: &Plan, cookie: Option<&[u8]>, name: &str, now_ms: i64) {
        let Some(cookie) = cookie else { return };
        match Sticky::open(cookie, plan.keys(), now_ms) {
            Err(why) => self.ignore(&format!("cookie {name}"), &why.to_string()),
            Ok(sticky) => {
                let pins = sticky.entries().iter().filter_map(|entry| {
                    let by = PinnedBy::Stuck { unit: entry.unit };
                    plan.pin(&entry.experiment, &entry.variant, by)
                });
                self.pins.extend(pins);
            }
        }
    }

    fn ignore(&mut self, place: &str, why: &str) {
        self.ignored.push(format!("{place} is ignored: {why}"));
    }
}
