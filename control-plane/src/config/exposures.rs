//! Where raw exposures go besides the evidence.

use crate::evidence::jetstream::{NatsServers, StreamName, Subject, Target};
use std::path::PathBuf;
use std::time::Duration;

/// Where raw exposures go besides the evidence.
#[derive(Clone, Debug, clap::Args)]
pub struct ExposuresConfig {
    /// Publishes raw exposures to NATS JetStream as well: `nats://USER:PASSWORD@HOST:PORT`, or `tls://…`;
    /// further servers of the same NATS after commas.
    #[arg(
        long,
        value_name = "URL",
        env = "WATERSHED_EXPOSURES_NATS",
        hide_env_values = true
    )]
    pub exposures_nats: Option<NatsServers>,
    /// The stream that they are published to; made where there is none.
    #[arg(long, value_name = "NAME", default_value = "WATERSHED_EXPOSURES")]
    pub exposures_nats_stream: StreamName,
    /// What their subjects begin with; the experiment's key follows after a dot.
    #[arg(long, value_name = "SUBJECT", default_value = "watershed.exposures")]
    pub exposures_nats_subject: Subject,
    /// Certificates that vouch for NATS's, as PEM; those that the system trusts where not given.
    #[arg(long, value_name = "FILE", requires = "exposures_nats")]
    pub exposures_nats_ca: Option<PathBuf>,
}

impl ExposuresConfig {
    /// Where they are published, if they are; a stream that is made for it keeps them for as long as the
    /// evidence does.
    #[must_use]
    pub fn target(&self, keep: Duration) -> Option<Target> {
        let servers = self.exposures_nats.clone()?;
        Some(Target {
            servers,
            ca: self.exposures_nats_ca.clone(),
            stream: self.exposures_nats_stream.clone(),
            subject: self.exposures_nats_subject.clone(),
            keep,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser as _;

    #[derive(Debug, clap::Parser)]
    struct Serve {
        #[command(flatten)]
        exposures: ExposuresConfig,
    }

    #[test]
    fn nothing_is_published_unless_it_is_asked_for() {
        let serve = Serve::try_parse_from(["serve"]).unwrap();
        assert!(serve.exposures.target(Duration::ZERO).is_none());
        let url = "--exposures-nats=nats://me:secret@nats";
        let serve = Serve::try_parse_from(["serve", url]).unwrap();
        let target = serve.exposures.target(Duration::from_secs(9)).unwrap();
        assert_eq!(target.stream.to_string(), "WATERSHED_EXPOSURES");
        assert_eq!(target.subject.to_string(), "watershed.exposures");
        assert_eq!(target.keep, Duration::from_secs(9));
    }

    #[test]
    fn what_nats_could_not_take_is_refused_at_the_start() {
        for bad in [
            "--exposures-nats=kafka://nats",
            "--exposures-nats-stream=a b",
            "--exposures-nats-subject=a.>",
            "--exposures-nats-ca=ca.pem",
        ] {
            assert!(Serve::try_parse_from(["serve", bad]).is_err(), "{bad}");
        }
    }
}
