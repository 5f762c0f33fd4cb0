//! An application asks for its variants through OpenFeature: the official OFREP provider for Python, on
//! the real control plane, gets for each unit what `watershed explain` says of its requests.

use std::collections::BTreeSet;
use std::process::Command;

use serde_json::{Value, json};
use watershed_tests::control_plane::ControlPlane;
use watershed_tests::{binaries, documents, pages};

/// Prints one line of JSON a unit: the details of each flag.
const APPLICATION: &str = r#"
import json, sys
from openfeature import api
from openfeature.contrib.provider.ofrep import OFREPProvider
from openfeature.evaluation_context import EvaluationContext

api.set_provider(OFREPProvider(sys.argv[1]))
client = api.get_client()

def told(details):
    code = details.error_code
    return {"value": details.value, "variant": details.variant, "reason": str(details.reason),
            "error": code and code.value, "metadata": dict(details.flag_metadata)}

for index in range(int(sys.argv[2])):
    context = EvaluationContext(f"c-{index}", {"x-plan": "pro"})
    print(json.dumps({
        "unit": f"c-{index}",
        "model": told(client.get_string_details("chat-model", "mine", context)),
        "prompt": told(client.get_object_details("prompt", {"mine": True}, context)),
        "paused": told(client.get_boolean_details("paused", True, context)),
        "unknown": told(client.get_boolean_details("nothing", True, context)),
        "mistyped": told(client.get_integer_details("chat-model", 7, context)),
        "nobody": told(client.get_string_details("chat-model", "mine", EvaluationContext())),
    }))
"#;

/// Python with OpenFeature and this application, where `setup/packages.sh` has brought it.
fn python(application: &str) -> Option<Command> {
    let packages = binaries::repository().join(".openfeature/packages");
    if !packages.join("openfeature").is_dir() {
        println!("skipped: there is no OpenFeature provider; setup/packages.sh brings it");
        return None;
    }
    let mut command = Command::new("python3");
    command
        .env("PYTHONPATH", packages)
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .args(["-c", application]);
    Some(command)
}

fn experiment(variants: &Value, traffic: u32, layer: &str) -> Value {
    json!({
        "layer": layer, "services": ["chat"], "traffic": traffic, "variants": variants,
        "unit": {"type": "conversation", "sources": [{"header": "x-conversation-id"}]},
        "owner": "ml-platform", "decision_date": "2099-12-31",
    })
}

#[tokio::test]
async fn the_official_provider_gets_what_the_proxies_give() {
    let Some(mut python) = python(APPLICATION) else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let mut control_plane = ControlPlane::stopped(folder.path());
    control_plane.start().await;
    let api = control_plane.api();
    for name in ["stable-a", "candidate-b", "candidate-c"] {
        let endpoint = documents::cluster("127.0.0.1:9".parse().unwrap());
        api.put(&format!("/v1/clusters/{name}"), &endpoint).await;
    }
    for layer in ["models", "prompts", "third"] {
        api.put(&format!("/v1/layers/{layer}"), &json!({})).await;
    }
    let service = json!({"hosts": ["chat.example.com"], "default_cluster": "stable-a"});
    api.put("/v1/services/chat", &service).await;
    let mut model = documents::chat_model();
    model["decision_date"] = "2099-12-31".into();
    api.put("/v1/experiments/chat-model", &model).await;
    let prompts = json!([
        {"key": "long", "weight": 5000, "payload": {"system": "Be thorough.", "temperature": 0.5}},
        {"key": "short", "weight": 5000, "payload": {"system": "Be brief.", "temperature": 1}},
    ]);
    let prompt = experiment(&prompts, 6_000, "prompts");
    api.put("/v1/experiments/prompt", &prompt).await;
    let on = json!([{"key": "on", "weight": 10000, "payload": false}]);
    api.put("/v1/experiments/paused", &experiment(&on, 10_000, "third"))
        .await;
    for key in ["chat-model", "prompt", "paused"] {
        api.post(&format!("/v1/experiments/{key}/start")).await;
    }
    api.post("/v1/experiments/paused/pause").await;

    let url = format!("http://{}", api.address());
    let output = python.args([&url, "40"]).output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    let told = String::from_utf8(output.stdout).unwrap();
    let mut seen = BTreeSet::new();
    for line in told.lines() {
        let line: Value = serde_json::from_str(line).unwrap();
        let unit = line["unit"].as_str().unwrap();
        for (flag, key) in [("model", "chat-model"), ("prompt", "prompt")] {
            let request = json!({"experiment": key, "unit": unit, "host": "chat.example.com"});
            let proxy = api.post_with("/v1/evaluate", &request).await;
            let proxies = proxy["experiments"].as_array().unwrap();
            let given = proxies.iter().find(|it| it["experiment"] == key).unwrap();
            let given = given["variant"].as_str().unwrap_or_default();
            assert_eq!(line[flag]["variant"], given, "{line}");
            seen.insert(format!("{flag} {given}"));
            let value = match given {
                "long" => json!({"system": "Be thorough.", "temperature": 0.5}),
                "short" => json!({"system": "Be brief.", "temperature": 1}),
                "" => json!({"mine": true}),
                key => json!(key),
            };
            assert_eq!(line[flag]["value"], value, "{line}");
            let reason = if given.is_empty() { "DEFAULT" } else { "SPLIT" };
            assert_eq!(line[flag]["reason"], reason, "{line}");
        }
        assert_eq!(line["paused"]["value"], true, "the code's default: {line}");
        assert_eq!(line["paused"]["reason"], "DISABLED", "{line}");
        assert_eq!(line["unknown"]["error"], "FLAG_NOT_FOUND", "{line}");
        assert_eq!(line["mistyped"]["error"], "TYPE_MISMATCH", "{line}");
        assert_eq!(line["nobody"]["error"], "TARGETING_KEY_MISSING", "{line}");
        assert_eq!(line["model"]["metadata"]["layer"], "models", "{line}");
    }
    assert_eq!(seen.len(), 6, "every variant, and none: {seen:?}");
}

#[tokio::test]
async fn the_application_of_the_page_gets_the_payload_of_the_variant_that_proxies_give() {
    let page = "docs/openfeature.md";
    let folder = tempfile::tempdir().unwrap();
    let mut control_plane = ControlPlane::stopped(folder.path());
    control_plane.start().await;
    let api = control_plane.api();
    let manifests = &pages::blocks_in(page, "yaml")[0].body;
    let manifests: Vec<Value> = serde_saphyr::from_multiple(manifests).unwrap();
    for manifest in &manifests {
        let kind = manifest["kind"].as_str().unwrap().to_lowercase();
        let key = manifest["key"].as_str().unwrap();
        let path = format!("/v1/{kind}s/{key}");
        api.put(&path, &manifest["spec"]).await;
    }
    api.post("/v1/experiments/system-prompt/start").await;

    let application = pages::blocks_in(page, "python")[0].body.clone();
    let url = format!("http://{}", api.address());
    let application = application
        .replace("http://127.0.0.1:18080", &url)
        .replace("wsk_…", "wsk_0");
    let told = format!("{application}\nimport json\nprint(json.dumps(prompt))");
    let Some(mut python) = python(&told) else {
        return;
    };
    let output = python.output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    let told: Value = serde_json::from_slice(&output.stdout).unwrap();

    let request = json!({
        "experiment": "system-prompt", "unit": "alice",
        "host": "assistant.example.com", "headers": {"x-plan": "pro"},
    });
    let proxy = api.post_with("/v1/evaluate", &request).await;
    let given = &proxy["experiments"][0]["variant"];
    let variants = manifests.last().unwrap()["spec"]["variants"].as_array();
    let variant = variants.unwrap().iter().find(|it| it["key"] == *given);
    assert_eq!(told, variant.unwrap()["payload"]);
}
