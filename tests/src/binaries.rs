//! Where the programs under test are. What lives here: finding them. What does not: building them;
//! `make test` does that first, and a missing one fails the story with that advice.

use std::env;
use std::path::{Path, PathBuf};

/// The root of the repository.
pub fn repository() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent();
    root.expect("the crate lies in the repository").to_owned()
}

/// The `watershed` binary: `WATERSHED_BIN`, or the one beside this test in the target folder.
pub fn watershed() -> PathBuf {
    given("WATERSHED_BIN").unwrap_or_else(|| built(&profile_folder().join("watershed")))
}

/// The filter: `WATERSHED_WASM`, or the one in the target folder.
pub fn wasm() -> PathBuf {
    given("WATERSHED_WASM").unwrap_or_else(|| {
        let profile = profile_folder();
        let target = profile
            .parent()
            .expect("a profile lies in the target folder");
        built(&target.join("wasm32-wasip1/wasm/watershed_filter.wasm"))
    })
}

/// Envoy: `ENVOY_BIN`, an `envoy` on `PATH`, or the one that `make setup` installs.
pub fn envoy() -> PathBuf {
    given("ENVOY_BIN")
        .or_else(|| on_path("envoy"))
        .unwrap_or_else(|| built(&repository().join(".envoy/bin/envoy")))
}

fn given(variable: &str) -> Option<PathBuf> {
    let path = PathBuf::from(env::var_os(variable).filter(|value| !value.is_empty())?);
    assert!(
        path.is_file(),
        "{variable} is {}, which is no file",
        path.display()
    );
    Some(path)
}

fn on_path(name: &str) -> Option<PathBuf> {
    let folders = env::var_os("PATH")?;
    env::split_paths(&folders)
        .map(|folder| folder.join(name))
        .find(|path| path.is_file())
}

fn built(path: &Path) -> PathBuf {
    assert!(
        path.is_file(),
        "{} is missing: run `make setup build filter`",
        path.display()
    );
    path.to_owned()
}

/// The folder of the profile that this test was built in: tests lie in its `deps`.
fn profile_folder() -> PathBuf {
    let test = env::current_exe().expect("the path of this test");
    let deps = test.parent().expect("a test lies in a folder");
    deps.parent()
        .expect("deps lies in the profile's folder")
        .to_owned()
}
