//! `watershed force`: prints a token that gives its bearer one variant, for testing.

use super::output::{self, Output};
use super::server::ServerArgs;
use serde_json::{Value, json};

/// Arguments of `watershed force`.
#[derive(Debug, Clone, clap::Args)]
pub struct ForceArgs {
    /// The experiment.
    #[arg(short, long, value_name = "KEY")]
    experiment: String,
    /// The variant.
    #[arg(short, long, value_name = "KEY")]
    variant: String,
    /// How long the token counts, as `30m`, `1h` or `7d`.
    #[arg(long, value_name = "DURATION", default_value = "1h")]
    expires: String,
    /// How to show it: a table is the token alone, and the rest on standard error.
    #[arg(short, long, default_value = "table")]
    output: Output,
    #[command(flatten)]
    server: ServerArgs,
}

/// Prints the token on standard output, and where to put it on standard error.
///
/// # Errors
/// The API's problem.
pub async fn run(args: ForceArgs) -> anyhow::Result<()> {
    let answer = forced(&args).await?;
    if args.output != Output::Table {
        return output::print(&args.output.show(&answer, String::new)?);
    }
    let text = |field: &str| {
        answer
            .get(field)
            .and_then(Value::as_str)
            .unwrap_or_default()
    };
    eprintln!(
        "{} of {} until {}; send it as {}",
        text("variant"),
        text("experiment"),
        text("expires_at"),
        places(answer.get("places"))
    );
    output::print(&format!("{}\n", text("token")))
}

pub(super) async fn forced(args: &ForceArgs) -> anyhow::Result<Value> {
    let path = format!("/v1/experiments/{}/force", args.experiment);
    let wish = json!({"variant": args.variant, "expires": args.expires});
    Ok(args.server.client().post_with(&path, &wish).await?)
}

/// `header x-force or cookie force`
fn places(places: Option<&Value>) -> String {
    let named = places.and_then(Value::as_object).into_iter().flatten();
    let named = named.filter_map(|(place, name)| Some(format!("{place} {}", name.as_str()?)));
    named.collect::<Vec<_>>().join(" or ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_place_is_named() {
        let given = json!({"header": "x-force", "cookie": "force"});
        assert_eq!(places(Some(&given)), "cookie force or header x-force");
        assert_eq!(places(None), "");
    }
}
