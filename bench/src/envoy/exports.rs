//! A Wasm module without some of its exports. Envoy calls a filter for every event that it exports
//! a function for, whether that does anything or not; this shows what that costs. What lives here:
//! the export section's binary format (WebAssembly Core 1.0, section 5.5.10). What does not:
//! everything else in a module, which is passed on as it is.

use anyhow::Context as _;

const EXPORTS: u8 = 7;

/// The functions that a filter of request headers must export: the rest are events.
#[must_use]
pub fn is_needed(name: &str) -> bool {
    let event = name.starts_with("proxy_on_");
    let needed = [
        "proxy_on_configure",
        "proxy_on_context_create",
        "proxy_on_delete",
        "proxy_on_memory_allocate",
        "proxy_on_request_headers",
        "proxy_on_vm_start",
    ];
    !event || needed.contains(&name)
}

/// The module with the exports that `keep` says.
///
/// # Errors
/// Where it is no module.
pub fn trim(module: &[u8], keep: impl Fn(&str) -> bool) -> anyhow::Result<Vec<u8>> {
    let (magic, mut rest) = module.split_at_checked(8).context("no module")?;
    let mut trimmed = magic.to_vec();
    while let Some((&id, after)) = rest.split_first() {
        let (length, after) = number(after).context("a section without length")?;
        let (content, after) = after
            .split_at_checked(length)
            .context("a section cut short")?;
        let content = if id == EXPORTS {
            exports(content, &keep).context("exports that can't be read")?
        } else {
            content.to_vec()
        };
        trimmed.push(id);
        write_number(&mut trimmed, content.len());
        trimmed.extend(content);
        rest = after;
    }
    Ok(trimmed)
}

fn exports(content: &[u8], keep: &impl Fn(&str) -> bool) -> Option<Vec<u8>> {
    let (count, mut rest) = number(content)?;
    let mut kept = Vec::new();
    for _ in 0..count {
        let start = rest;
        let (length, after) = number(rest)?;
        let (name, after) = after.split_at_checked(length)?;
        let (_kind, after) = after.split_first()?;
        let (_index, after) = number(after)?;
        if keep(std::str::from_utf8(name).ok()?) {
            kept.push(start.get(..start.len() - after.len())?);
        }
        rest = after;
    }
    let mut section = Vec::new();
    write_number(&mut section, kept.len());
    section.extend(kept.concat());
    Some(section)
}

/// An unsigned number in LEB128, and what follows it.
fn number(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let mut value = 0_usize;
    for (place, byte) in bytes.iter().enumerate().take(5) {
        value |= usize::from(byte & 0x7f) << (7 * place);
        if byte & 0x80 == 0 {
            return Some((value, bytes.get(place + 1..)?));
        }
    }
    None
}

fn write_number(bytes: &mut Vec<u8>, mut value: usize) {
    loop {
        let low = (value & 0x7f) as u8;
        value >>= 7;
        bytes.push(if value == 0 { low } else { low | 0x80 });
        if value == 0 {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Magic and version, a custom section, and two exports `a` and `bc`.
    fn module() -> Vec<u8> {
        let exports = [2, 1, b'a', 0, 5, 2, b'b', b'c', 0, 0x80, 1];
        let mut module = b"\0asm\x01\0\0\0\0\x02\x01x\x07".to_vec();
        write_number(&mut module, exports.len());
        module.extend(exports);
        module
    }

    #[test]
    fn only_what_is_kept_stays() {
        assert_eq!(trim(&module(), |_| true).unwrap(), module());
        let trimmed = trim(&module(), |name| name == "bc").unwrap();
        let expected = [&module()[..13], &[7, 1, 2, b'b', b'c', 0, 0x80, 1][1..]].concat();
        assert_eq!(trimmed[14..], expected[13..]);
        assert_eq!(trimmed[13], 7);
    }

    #[test]
    fn a_module_cut_short_is_refused() {
        let module = module();
        for end in (0..8).chain(14..module.len()) {
            assert!(trim(&module[..end], |_| true).is_err(), "{end}");
        }
    }
}
