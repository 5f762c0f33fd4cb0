//! Nothing stands on a page that nobody holds to the truth: each fenced block has a language and a test that
//! reads it, no command hides in a block that is only for reading, and every flag and variable that a
//! page names is one. What lives here: who holds what. Commands are run by the tests that are named.

use std::collections::BTreeSet;

use clap::{Command, CommandFactory as _};
use watershed::app::Cli;
use watershed_tests::pages::{self, Block};

const COMMAND_LINE: &str = "tests/tests/stories/command_line.rs";
const COMMANDS: &str = "tests/tests/stories/documented_commands.rs";
const MANIFESTS: &str = "control-plane/src/resources/tests.rs";
const README: &str = "tests/tests/stories/readme.rs";

/// Page, language, and the test that holds these blocks to what is there. [`COMMANDS`] also has every
/// `watershed serve`.
const HOLDERS: [(&str, &str, &str); 22] = [
    ("CONTRIBUTING.md", "sh", COMMANDS),
    ("README.md", "sh", README),
    ("README.md", "yaml", README),
    ("docs/api.md", "json", "tests/tests/stories/api_access.rs"),
    ("docs/api.md", "sh", "tests/tests/stories/api_access.rs"),
    ("docs/cli.md", "sh", COMMAND_LINE),
    ("docs/deploy.md", "sh", COMMANDS),
    ("docs/experiments.md", "yaml", MANIFESTS),
    ("docs/lifecycle.md", "yaml", MANIFESTS),
    ("docs/metrics.md", "yaml", MANIFESTS),
    ("docs/migrate.md", "sh", COMMAND_LINE),
    (
        "docs/openfeature.md",
        "python",
        "tests/tests/stories/openfeature.rs",
    ),
    ("docs/openfeature.md", "yaml", MANIFESTS),
    ("docs/operations.md", "sh", COMMANDS),
    (
        "docs/operations.md",
        "yaml",
        "tests/tests/stories/proxy_certificates.rs",
    ),
    ("docs/releases.md", "sh", COMMANDS),
    ("docs/results.md", "json", COMMANDS),
    ("docs/results.md", "sh", COMMANDS),
    ("docs/services.md", "yaml", MANIFESTS),
    ("docs/uses.md", "sh", COMMAND_LINE),
    ("docs/uses.md", "yaml", COMMAND_LINE),
    ("docs/uses.md", "yaml", MANIFESTS),
];

/// For reading only: output and drawings.
const FOR_READING: &str = "text";
/// Drawings in a language of their own.
const DRAWINGS: &str = "mermaid";

/// What a line begins with that somebody would copy into a shell.
const PROGRAMS: [&str; 20] = [
    "$",
    "apt-get",
    "cargo",
    "clickhouse-client",
    "curl",
    "docker",
    "docker-compose",
    "envoy",
    "git",
    "grep",
    "helm",
    "istioctl",
    "kubectl",
    "make",
    "nats",
    "pip",
    "psql",
    "python3",
    "sh",
    "sudo",
];

/// Flags that pages name of other programs, and whose they are.
const FLAGS_OF_OTHERS: [(&str, &str); 6] = [
    ("build-arg", "docker build"),
    ("check", "sha256sum"),
    ("enable-feature", "prometheus"),
    ("mode", "envoy"),
    ("no-liftoff", "V8"),
    ("short", "git"),
];

/// Variables that the repository's own tools read.
const VARIABLES_OF_TOOLS: [&str; 1] = ["WATERSHED_GOLDEN"];
/// What looks like a variable and is the stream in NATS.
const STREAM: &str = "WATERSHED_EXPOSURES";

#[test]
fn every_block_has_a_language_and_a_test_that_holds_it_to_the_truth() {
    let mut held = BTreeSet::new();
    let program = Cli::command();
    for block in pages::pages().iter().flat_map(|page| pages::blocks(page)) {
        let at = format!("{}:{}", block.page, block.line);
        if block.language == DRAWINGS {
            continue;
        }
        if block.language == FOR_READING {
            let hidden = block.body.lines().find(|line| is_command(line, &program));
            assert_eq!(
                hidden, None,
                "{at}: nothing runs this command; make the block `sh`"
            );
            continue;
        }
        let kind = (block.page.clone(), block.language.clone());
        let is_ours = |it: &(&str, &str, &str)| (it.0, it.1) == (&*kind.0, &*kind.1);
        assert!(
            HOLDERS.iter().any(is_ours),
            "{at}: no test reads blocks of `{}` on this page",
            block.language
        );
        held.insert(kind);
    }
    for (page, language, file) in HOLDERS {
        let kind = (page.to_owned(), language.to_owned());
        assert!(
            held.contains(&kind),
            "{page} has no block of `{language}` any more"
        );
        let name = page.trim_start_matches("docs/");
        assert!(
            pages::text(file).contains(name),
            "{file} does not read {page}"
        );
    }
}

fn is_command(line: &str, program: &Command) -> bool {
    let is_assignment = |word: &&str| {
        let name = word.split_once('=').map_or("", |(name, _)| name);
        !name.is_empty() && name.bytes().all(|it| it.is_ascii_uppercase() || it == b'_')
    };
    let mut words = line.split_whitespace().skip_while(is_assignment);
    let (first, second) = (words.next().unwrap_or(""), words.next().unwrap_or(""));
    let is_ours = first.rsplit('/').next() == Some("watershed");
    match is_ours {
        // It also begins what the program prints.
        true => second.starts_with('-') || program.find_subcommand(second).is_some(),
        false => PROGRAMS.contains(&first),
    }
}

#[test]
fn a_command_is_told_from_what_is_for_reading() {
    let program = Cli::command();
    for line in [
        "make dist",
        "  docker compose up",
        "watershed --version",
        "A_B=c target/debug/watershed serve --xds-plaintext",
        "$ ls",
    ] {
        assert!(is_command(line, &program), "{line}");
    }
    for line in [
        "",
        "watershed 0.1.0 (commit 0a1b2c3d4e5f)",
        "==> make it so",
        "stable 70.00%",
    ] {
        assert!(!is_command(line, &program), "{line}");
    }
}

/// The long flags of a command and of those below it.
fn flags_below(command: &Command, flags: &mut BTreeSet<String>) {
    flags.extend(flags_of(command));
    for below in command.get_subcommands() {
        flags_below(below, flags);
    }
}

fn flags_of(command: &Command) -> BTreeSet<String> {
    let longs = command.get_arguments().filter_map(clap::Arg::get_long);
    longs
        .chain(["help", "version"])
        .map(str::to_owned)
        .collect()
}

fn variables_below(command: &Command, variables: &mut BTreeSet<String>) {
    let found = command.get_arguments().filter_map(clap::Arg::get_env);
    variables.extend(found.filter_map(|it| it.to_str()).map(str::to_owned));
    for below in command.get_subcommands() {
        variables_below(below, variables);
    }
}

/// The flags that a code span names, without the dashes.
fn flags_in(span: &str) -> impl Iterator<Item = &str> {
    let flags = span
        .split_whitespace()
        .filter_map(|word| word.strip_prefix("--"));
    flags.filter_map(|it| {
        let end = it.find(|it: char| !it.is_ascii_lowercase() && it != '-');
        it.get(..end.unwrap_or(it.len()))
            .filter(|it| !it.is_empty())
    })
}

#[test]
fn every_flag_that_a_page_names_is_one() {
    let program = Cli::command();
    let mut all = BTreeSet::new();
    flags_below(&program, &mut all);
    let mut seen = 0;
    for page in pages::pages() {
        let text = pages::text(&page);
        for (line, span) in pages::code_spans(&text) {
            let own = span
                .strip_prefix("watershed ")
                .and_then(|rest| program.find_subcommand(rest.split_whitespace().next()?))
                .map(flags_of);
            for flag in flags_in(span) {
                seen += 1;
                let is_others = FLAGS_OF_OTHERS.iter().any(|(name, _)| *name == flag);
                let known = own.as_ref().unwrap_or(&all);
                assert!(
                    known.contains(flag) || is_others,
                    "{page}:{line}: `{span}`: there is no --{flag}"
                );
            }
        }
    }
    assert!(seen > 60, "the pages lost their flags: {seen}");
}

#[test]
fn every_variable_that_a_page_names_is_one() {
    let mut known = BTreeSet::new();
    variables_below(&Cli::command(), &mut known);
    known.extend(VARIABLES_OF_TOOLS.map(str::to_owned));
    known.insert(STREAM.to_owned());
    let mut seen = 0;
    for page in pages::pages() {
        let text = pages::text(&page);
        for (line, span) in pages::code_spans(&text) {
            let words = span.split(|it: char| !it.is_ascii_uppercase() && it != '_');
            for word in words.filter(|word| word.starts_with("WATERSHED_")) {
                seen += 1;
                assert!(known.contains(word), "{page}:{line}: nothing reads {word}");
            }
        }
    }
    assert!(seen > 10, "the pages lost their variables: {seen}");
}

#[test]
fn flags_are_read_out_of_code() {
    let flags: Vec<&str> = flags_in("watershed x --a-b C --d=e -- --…").collect();
    assert_eq!(flags, ["a-b", "d"]);
}

#[test]
fn only_a_servers_block_is_one() {
    let block = |body: &str| Block {
        page: "p".to_owned(),
        line: 1,
        language: "sh".to_owned(),
        body: body.to_owned(),
    };
    assert!(block("A=b \\\n  watershed serve --xds-plaintext\n").is_server());
    assert!(!block("watershed status\n").is_server());
}
