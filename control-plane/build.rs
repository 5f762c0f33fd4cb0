//! Rebuilds when a migration is added, because the macro that embeds them cannot see new files; and
//! says what build this is, for `watershed --version`.

use std::env;

fn main() {
    println!("cargo:rerun-if-changed=migrations");
    println!("cargo:rerun-if-env-changed=WATERSHED_COMMIT");
    let told = |name: &str| env::var(name).unwrap_or_default();
    // Set by `make dist` and by the images; a build of one's own working tree has no commit. There is no
    // time in it, so that the same source gives the same program.
    let source = match told("WATERSHED_COMMIT").as_str() {
        "" => "a working tree".to_owned(),
        commit => format!("commit {commit}"),
    };
    println!(
        "cargo:rustc-env=WATERSHED_BUILD={} ({source}, {})",
        told("CARGO_PKG_VERSION"),
        told("TARGET"),
    );
}
