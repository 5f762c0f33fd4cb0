//! Variants that outlive a change of weights, and variants that somebody gets for testing.

use std::collections::BTreeMap;

use serde_json::json;
use watershed_engine::token::{Force, Keys};
use watershed_tests::Standalone;
use watershed_tests::http::{Request, Response};

const SECRET: &[u8; 32] = b"0123456789abcdef0123456789abcdef";
/// [`SECRET`] as JSON has bytes.
const SECRET_BASE64: &str = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=";
/// Long after any run of this test.
const FAR_S: i64 = 4_102_444_800;

/// `stable` owns the buckets below `stable_share`, `candidate` the rest.
async fn standalone(stable_share: u32) -> Standalone {
    let range = |start: u32, end: u32| match end.checked_sub(start) {
        Some(_) => json!([{ "start": start, "end": end }]),
        None => json!([]),
    };
    let before = stable_share.checked_sub(1);
    let stable = before.map_or(json!([]), |last| range(0, last));
    let configuration = json!({
        "signingKeys": [{ "id": "k1", "secret": SECRET_BASE64 }],
        "force": { "header": "x-force", "query": "ws_force", "cookie": "ws_force" },
        "services": [{ "key": "all", "defaultCluster": "stable-a" }],
        "layers": [{ "key": "models" }],
        "experiments": [{
            "key": "model",
            "layer": "models",
            "services": ["all"],
            "unitSources": [{ "header": "x-unit" }],
            "allocation": [{ "start": 0, "end": 9999 }],
            "sticky": { "cookie": "ws", "maxAgeSeconds": 3600 },
            "variants": [
                { "key": "stable", "cluster": "stable-a", "ranges": stable },
                { "key": "candidate", "cluster": "candidate-b", "ranges": range(stable_share, 9_999) },
            ],
            "fallback": "stable",
        }],
    });
    Standalone::start(&configuration, |bootstrap| bootstrap).await
}

fn variant(response: &Response) -> String {
    assert_eq!(response.status, 200, "{}", response.text());
    let seen = response.json();
    let variant = seen["headers"]["x-variant"]
        .as_str()
        .unwrap_or_default()
        .to_owned();
    let upstream = if variant == "candidate" {
        "candidate-b"
    } else {
        "stable-a"
    };
    assert_eq!(seen["upstream"], upstream, "{seen}");
    variant
}

fn request(unit: &str) -> Request {
    Request::get("/").header("x-unit", unit)
}

fn units() -> Vec<String> {
    (0..40).map(|n| format!("unit-{n}")).collect()
}

#[tokio::test]
async fn a_sticky_unit_keeps_its_variant_when_the_weights_change() {
    let mut before = standalone(5_000).await;
    let mut given = BTreeMap::new();
    for unit in units() {
        let response = before.send(&request(&unit)).await;
        let cookie = response.header("set-cookie").expect("the unit is new");
        assert!(
            cookie.ends_with("; Path=/; Max-Age=3600; HttpOnly; SameSite=Lax"),
            "{cookie}"
        );
        let pair = cookie.split(';').next().unwrap().to_owned();
        let again = before.send(&request(&unit).header("cookie", &pair)).await;
        assert_eq!(again.header("set-cookie"), None, "nothing has changed");
        given.insert(unit, (variant(&response), pair));
    }
    let candidates = given.values().filter(|(variant, _)| variant == "candidate");
    assert!((1..40).contains(&candidates.count()), "a split");

    let mut after = standalone(10_000).await;
    for (unit, (variant_before, pair)) in &given {
        let stuck = after.send(&request(unit).header("cookie", pair)).await;
        assert_eq!(&variant(&stuck), variant_before, "{unit}");
        assert_eq!(
            variant(&after.send(&request(unit)).await),
            "stable",
            "without its cookie"
        );
        let mut tampered = pair.clone();
        let last = if tampered.pop() == Some('A') {
            'Q'
        } else {
            'A'
        };
        tampered.push(last);
        let refused = after.send(&request(unit).header("cookie", tampered)).await;
        assert_eq!(variant(&refused), "stable", "{unit}");
        assert!(
            refused.header("set-cookie").is_some(),
            "and remembered anew"
        );
    }
    let refused = "wasmcustom.watershed.token_refused";
    after.envoy.admin().until_stat(refused, 40).await;
    before.envoy.assert_filter_unharmed().await;
    after.envoy.assert_filter_unharmed().await;
}

fn token(variant: &str, expires_s: i64) -> String {
    let keys = Keys::try_new([("k1", &SECRET[..])]).unwrap();
    let force = Force {
        experiment: "model".to_owned(),
        variant: variant.to_owned(),
        expires_s,
    };
    force.seal(&keys).unwrap()
}

#[tokio::test]
async fn a_force_token_gives_its_bearer_a_variant_until_it_expires() {
    let mut standalone = standalone(10_000).await;
    let token = token("candidate", FAR_S);
    for forced in [
        request("u").header("x-force", &token),
        request("u").header("cookie", format!("a=1; ws_force={token}")),
        Request::get(&format!("/?ws_force={token}")).header("x-unit", "u"),
    ] {
        let response = standalone.send(&forced).await;
        assert_eq!(variant(&response), "candidate", "{forced:?}");
        assert_eq!(
            response.header("set-cookie"),
            None,
            "testing is not remembered"
        );
    }
    for unfit in [
        self::token("candidate", 1),
        format!("{token}A"),
        "v1.k1.x.x".to_owned(),
    ] {
        let response = standalone
            .send(&request("u").header("x-force", &unfit))
            .await;
        assert_eq!(variant(&response), "stable", "{unfit}");
    }
    standalone.envoy.assert_filter_unharmed().await;
}
