//! `apply`: what it tells beforehand, and what it takes away.

use super::*;

const PAIR: &str = "kind: Layer\nkey: a\nspec: {}\n---\nkind: Layer\nkey: b\nspec: {}\n";

#[tokio::test]
async fn what_would_be_applied_is_told_and_not_done() {
    let server = Server::start().await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("a.yaml");
    std::fs::write(&file, PAIR).unwrap();
    let file = file.to_str().unwrap();
    let dry = ["apply", "-f", file, "--dry-run"];
    let told = server.run(&dry).await.unwrap();
    assert_eq!(
        told,
        "KIND   KEY  REVISION  RESULT\n\
         Layer  a    -         would be created\n  @@ -0,0 +1 @@\n  +salt: a\n\
         Layer  b    -         would be created\n  @@ -0,0 +1 @@\n  +salt: b\n"
    );
    assert!(server.run(&["get", "layers", "a"]).await.is_err());
    let done = server.run(&["apply", "-f", file]).await.unwrap();
    assert_eq!(done.matches(" created").count(), 2, "{done}");
    let again = server.run(&["apply", "-f", file]).await.unwrap();
    assert_eq!(again.matches(" unchanged").count(), 2, "{again}");
    std::fs::write(file, PAIR.replacen("{}", "{salt: other}", 1)).unwrap();
    let told = server.run(&dry).await.unwrap();
    assert!(
        told.contains("would be changed\n  @@ -1 +1 @@\n  -salt: a\n  +salt: other\n"),
        "{told}"
    );
}

#[tokio::test]
async fn a_dry_run_is_checked_by_the_server_where_it_can_be() {
    let server = Server::start().await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("a.yaml");
    let experiment = "kind: Experiment\nkey: x\nspec: {layer: LAYER, services: [chat], unit: {type: user, sources: [{header: x-u}]}, variants: [{key: a, weight: 10000}]}\n";
    let dry = ["apply", "-f", file.to_str().unwrap(), "--dry-run"];
    std::fs::write(&file, experiment.replace("LAYER", "nowhere")).unwrap();
    let refused = server.run(&dry).await.unwrap_err();
    assert!(format!("{refused:#}").contains("/layer"), "{refused:#}");
    let both = format!("{PAIR}---\n{}", experiment.replace("LAYER", "a"));
    std::fs::write(&file, both).unwrap();
    let told = server.run(&dry).await.unwrap();
    assert!(
        told.contains("would be created (not checked: Layer a comes first)"),
        "{told}"
    );
    let weights = [
        "weights",
        "chat-model",
        "small=50%",
        "large=50%",
        "--dry-run",
    ];
    let told = server.run(&weights).await.unwrap();
    assert!(
        told.contains("    /spec/variants/0/weight: 7000 → 5000\n"),
        "{told}"
    );
    assert!(
        told.contains("fleet default: ECDS watershed changed\n"),
        "{told}"
    );
    let told = server
        .run(&["pause", "chat-model", "--dry-run"])
        .await
        .unwrap();
    assert!(told.contains("/state: \"running\" → \"paused\""), "{told}");
    let still = server
        .run(&["get", "experiment", "chat-model"])
        .await
        .unwrap();
    assert!(
        still.contains("running") && still.contains("small=7000"),
        "{still}"
    );
}

#[tokio::test]
async fn only_what_the_same_source_made_is_pruned() {
    let server = Server::start().await;
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path().to_str().unwrap();
    let write = |text: &str| std::fs::write(folder.path().join("a.yaml"), text).unwrap();
    let apply = ["apply", "-f", at, "--source", "git/shop"];
    let prune = [&apply[..], &["--prune"]].concat();
    write(PAIR);
    server.run(&apply).await.unwrap();
    // Another source's, and nobody's.
    write("kind: Layer\nkey: c\nspec: {}\n");
    server
        .run(&["apply", "-f", at, "--source", "git/shop-2"])
        .await
        .unwrap();
    write("kind: Layer\nkey: d\nspec: {}\n");
    server.run(&["apply", "-f", at]).await.unwrap();
    write("kind: Layer\nkey: b\nspec: {}\n");
    let told = server
        .run(&[&prune[..], &["--dry-run"]].concat())
        .await
        .unwrap();
    assert!(
        told.contains("Layer  a    -         would be pruned\n  @@ -1 +0,0 @@\n  -salt: a"),
        "{told}"
    );
    assert_eq!(told.matches("would be pruned").count(), 1, "{told}");
    server.run(&prune).await.unwrap();
    for (key, is_there) in [
        ("a", false),
        ("b", true),
        ("c", true),
        ("d", true),
        ("models", true),
    ] {
        assert_eq!(
            server.run(&["get", "layers", key]).await.is_ok(),
            is_there,
            "{key}"
        );
    }
    // Nothing at all is a mistake, until it is said not to be one.
    std::fs::remove_file(folder.path().join("a.yaml")).unwrap();
    let refused = server.run(&prune).await.unwrap_err();
    assert!(refused.to_string().contains("holds no .yaml"), "{refused}");
    write("");
    let refused = server.run(&prune).await.unwrap_err();
    assert!(refused.to_string().contains("--allow-empty"), "{refused}");
    server
        .run(&[&prune[..], &["--allow-empty"]].concat())
        .await
        .unwrap();
    assert!(server.run(&["get", "layers", "b"]).await.is_err());
    assert!(server.run(&["get", "layers", "c"]).await.is_ok());
}

#[tokio::test]
async fn what_is_served_is_not_pruned_by_a_missing_file() {
    let server = Server::start().await;
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path().to_str().unwrap();
    let file = folder.path().join("a.yaml");
    let layer = "kind: Layer\nkey: a\nspec: {}\n";
    let experiment = "kind: Experiment\nkey: x\nspec: {layer: a, services: [chat], owner: me, decision_date: 2099-01-01, unit: {type: user, sources: [{header: x-u}]}, variants: [{key: a, weight: 10000}]}\n";
    std::fs::write(&file, format!("{layer}---\n{experiment}")).unwrap();
    let apply = ["apply", "-f", at, "--source", "s"];
    server.run(&apply).await.unwrap();
    server.run(&["start", "x"]).await.unwrap();
    std::fs::write(
        &file,
        "kind: Cluster\nkey: small\nspec: {endpoints: [{address: 10.0.0.1, port: 8080}]}\n",
    )
    .unwrap();
    let prune = [&apply[..], &["--prune"]].concat();
    let refused = server.run(&prune).await.unwrap_err();
    assert!(
        refused.to_string().contains("experiment x is running"),
        "{refused}"
    );
    assert!(
        server.run(&["get", "layers", "a"]).await.is_ok(),
        "nothing was begun with"
    );
    let done = server
        .run(&[&prune[..], &["--prune-served"]].concat())
        .await
        .unwrap();
    assert_eq!(
        done.matches(" pruned").count(),
        2,
        "the experiment before its layer: {done}"
    );
}
