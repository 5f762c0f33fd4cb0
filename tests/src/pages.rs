//! The repository's pages as tests read them: fenced blocks, and the commands and code spans in them. What
//! lives here: finding and reading. What does not: whether what they say is true; stories ask that.

use std::fs;
use std::path::Path;

use crate::binaries;

/// A fenced block of a page.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Block {
    /// The page's path from the root of the repository.
    pub page: String,
    /// The line of its fence, from 1.
    pub line: usize,
    /// The word behind the fence; empty where there is none.
    pub language: String,
    /// What stands in it.
    pub body: String,
}

impl Block {
    /// Whether it starts a control plane, which does not end by itself.
    pub fn is_server(&self) -> bool {
        self.body.contains("watershed serve ")
    }

    /// The commands of a shell block: continued lines are one, and lines of comment are none.
    pub fn commands(&self) -> Vec<String> {
        let joined = self.body.replace("\\\n", " ");
        let lines = joined.lines().map(str::trim);
        lines
            .filter(|line| !line.is_empty() && !line.starts_with('#'))
            .map(str::to_owned)
            .collect()
    }
}

/// Every page that people write, by its path from the root; what the code writes is not among them.
pub fn pages() -> Vec<String> {
    let root = binaries::repository();
    let mut found = Vec::new();
    collect(&root, &root, &mut found);
    found.sort();
    found
}

fn collect(root: &Path, folder: &Path, found: &mut Vec<String>) {
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        let name = path.strip_prefix(root).expect("it is below the root");
        let name = name.to_str().expect("a name of UTF-8").to_owned();
        let hidden = name.starts_with('.') || ["target", "docs/reference"].contains(&&*name);
        if path.is_dir() && !hidden {
            collect(root, &path, found);
        } else if path.extension().is_some_and(|it| it == "md") {
            found.push(name);
        }
    }
}

/// A page's text.
pub fn text(page: &str) -> String {
    let path = binaries::repository().join(page);
    fs::read_to_string(&path).unwrap_or_else(|fault| panic!("{}: {fault}", path.display()))
}

/// The fenced blocks of a page, from the first to the last.
pub fn blocks(page: &str) -> Vec<Block> {
    blocks_of(page, &text(page))
}

/// Those of one language.
pub fn blocks_in(page: &str, language: &str) -> Vec<Block> {
    let mut blocks = blocks(page);
    blocks.retain(|block| block.language == language);
    blocks
}

/// The fenced blocks of a text.
pub fn blocks_of(page: &str, text: &str) -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut lines = text.lines().enumerate();
    while let Some((index, line)) = lines.next() {
        let Some(language) = line.trim_start().strip_prefix("```") else {
            continue;
        };
        let mut body = String::new();
        loop {
            let (_, line) = lines
                .next()
                .unwrap_or_else(|| panic!("{page}:{}: a block without an end", index + 1));
            if line.trim() == "```" {
                break;
            }
            body.push_str(line);
            body.push('\n');
        }
        blocks.push(Block {
            page: page.to_owned(),
            line: index + 1,
            language: language.to_owned(),
            body,
        });
    }
    blocks
}

/// What stands between single backticks outside of fenced blocks, with its line.
pub fn code_spans(text: &str) -> Vec<(usize, &str)> {
    let mut is_fenced = false;
    let mut spans = Vec::new();
    for (index, line) in text.lines().enumerate() {
        if line.trim_start().starts_with("```") {
            is_fenced = !is_fenced;
        } else if !is_fenced {
            let pieces = line.split('`').skip(1).step_by(2);
            spans.extend(pieces.map(|span| (index + 1, span)));
        }
    }
    spans
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "a `b c` d\n```sh\nmake x # now\n\n# no\ncurl -s \\\n  b\n```\n`e`\n```yaml\nkind: K\n```\n```\nno `f`\n```\n";

    #[test]
    fn commands_are_read_out_of_fenced_blocks() {
        let blocks = blocks_of("p", TEXT);
        let seen: Vec<(&str, usize)> = blocks.iter().map(|it| (&*it.language, it.line)).collect();
        assert_eq!(seen, [("sh", 2), ("yaml", 10), ("", 13)]);
        assert_eq!(blocks[0].commands(), ["make x # now", "curl -s    b"]);
        assert_eq!(blocks[1].body, "kind: K\n");
    }

    #[test]
    fn code_is_read_out_of_lines_and_not_out_of_blocks() {
        assert_eq!(code_spans(TEXT), [(1, "b c"), (9, "e")]);
    }

    #[test]
    #[should_panic(expected = "p:1: a block without an end")]
    fn a_block_that_does_not_end_is_a_fault() {
        blocks_of("p", "```sh\nmake\n");
    }

    #[test]
    fn the_pages_are_those_that_people_write() {
        let pages = pages();
        for page in ["README.md", "docs/api.md", "bench/README.md"] {
            assert!(pages.iter().any(|it| it == page), "{pages:?}");
        }
        assert!(
            !pages.iter().any(|it| it.contains("reference")),
            "{pages:?}"
        );
    }
}
