//! From configuration bytes to a plan. What lives here: telling the two encodings apart. What does
//! not: the checks, which are the engine's.

use thiserror::Error;
use watershed_engine::{CompileError, DecodeError, Plan};
use watershed_proto::filter::v1::FilterConfig;

/// Why configuration bytes are no plan.
#[derive(Debug, Error)]
pub enum ConfigError {
    /// It starts like JSON and is none, or not of this schema.
    #[error("JSON: {0}")]
    Json(#[from] serde_json::Error),
    /// It doesn't start like JSON and is no Protobuf of this schema, or can't be done.
    #[error(transparent)]
    Protobuf(#[from] DecodeError),
    /// It is JSON and can't be done.
    #[error(transparent)]
    Compile(#[from] CompileError),
}

/// The plan of a configuration in Protobuf or, where the first byte that is no space is `{`, in
/// JSON: no Protobuf of [`FilterConfig`] starts like that. No bytes are the plan that does nothing.
///
/// # Errors
/// [`ConfigError`].
pub fn load(bytes: &[u8]) -> Result<Plan, ConfigError> {
    if bytes.trim_ascii_start().first() == Some(&b'{') {
        let config: FilterConfig = serde_json::from_slice(bytes)?;
        return Ok(Plan::compile(&config)?);
    }
    Ok(Plan::decode(bytes)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fake::vectors;
    use proptest::prelude::*;
    use prost::Message as _;

    #[test]
    fn json_and_protobuf_give_the_same_plan() {
        for case in vectors() {
            let json = serde_json::to_vec_pretty(&case.config).unwrap();
            let config: FilterConfig = serde_json::from_slice(&json).unwrap();
            let spaced = [b" \n\t", &json[..]].concat();
            let plan = load(&config.encode_to_vec()).unwrap();
            assert_eq!(load(&json).unwrap(), plan);
            assert_eq!(load(&spaced).unwrap(), plan);
        }
    }

    #[test]
    fn no_bytes_are_a_plan_that_does_nothing() {
        assert!(load(b"").unwrap().services().is_empty());
        assert!(load(b"{}").unwrap().services().is_empty());
    }

    #[test]
    fn a_fault_says_what_is_wrong() {
        let message = |bytes: &[u8]| load(bytes).unwrap_err().to_string();
        assert!(message(b"{\"experimentz\": []}").starts_with("JSON: unknown field `experimentz`"));
        assert!(message(b"{\"schema\": 1").starts_with("JSON: EOF while parsing"));
        assert!(message(b"\xff\xff\xff").starts_with("Protobuf: failed to decode"));
        assert!(message(b"[]").starts_with("Protobuf: failed to decode"));
        assert_eq!(
            message(b"{\"experiments\": [{\"key\": \"x\", \"layer\": \"l\"}]}"),
            "experiment \"x\": layer names \"l\", which is not there"
        );
    }

    #[test]
    fn rules_nested_without_end_are_refused_and_do_not_exhaust_the_stack() {
        let json = format!(
            "{{\"experiments\":[{{\"audience\":{}",
            "{\"not\":".repeat(100_000)
        );
        let message = load(json.as_bytes()).unwrap_err().to_string();
        assert!(
            message.starts_with("JSON: recursion limit exceeded"),
            "{message}"
        );

        let rule = (0..5_000).fold(Vec::new(), |inner: Vec<u8>, _| {
            // Rule.not = 3, length-delimited.
            let mut rule = vec![0x1a];
            prost::encode_length_delimiter(inner.len(), &mut rule).unwrap();
            rule.extend(inner);
            rule
        });
        let mut experiment = vec![0x3a]; // Experiment.audience = 7
        prost::encode_length_delimiter(rule.len(), &mut experiment).unwrap();
        experiment.extend(rule);
        let mut config = vec![0x2a]; // FilterConfig.experiments = 5
        prost::encode_length_delimiter(experiment.len(), &mut config).unwrap();
        config.extend(experiment);
        let message = load(&config).unwrap_err().to_string();
        assert!(message.contains("recursion limit reached"), "{message}");
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_plan_or_an_error(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = load(&bytes);
            let _ = load(&[b"{", &bytes[..]].concat());
        }

        #[test]
        fn a_damaged_configuration_is_a_plan_or_an_error(at in 0..1_000_usize, byte: u8) {
            for case in vectors() {
                let config: FilterConfig = serde_json::from_value(case.config).unwrap();
                let mut bytes = config.encode_to_vec();
                let place = at % bytes.len();
                bytes[place] = byte;
                let _ = load(&bytes);
            }
        }
    }
}
