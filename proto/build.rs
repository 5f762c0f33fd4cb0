//! Compiles the `.proto` files with `protox`, a Protobuf compiler written in Rust, so that no
//! `protoc` has to be installed, and `tonic` the services. `prost` gives the messages, `pbjson` their canonical JSON form.

use prost::Message as _;
use std::{env, error::Error, fs, path::PathBuf};

const FILES: [&str; 2] = [
    "watershed/filter/v1/config.proto",
    "watershed/filter/v1/record.proto",
];

#[cfg(feature = "grpc")]
fn services() -> Result<(), Box<dyn Error>> {
    let descriptors = protox::compile(["watershed/outcomes/v1/outcomes.proto"], ["proto"])?;
    Ok(tonic_prost_build::configure().compile_fds(descriptors)?)
}

#[cfg(not(feature = "grpc"))]
#[expect(clippy::unnecessary_wraps, reason = "as with the feature")]
fn services() -> Result<(), Box<dyn Error>> {
    Ok(())
}

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed=proto");
    let descriptors = protox::compile(FILES, ["proto"])?;
    let encoded = descriptors.encode_to_vec();
    let out = PathBuf::from(env::var("OUT_DIR")?);
    fs::write(out.join("descriptors.bin"), &encoded)?;
    prost_build::Config::new().compile_fds(descriptors)?;
    services()?;
    pbjson_build::Builder::new()
        .register_descriptors(&encoded)?
        .build(&[".watershed"])?;
    Ok(())
}
