//! The `Set-Cookie` header (RFC 6265, section 4.1). What lives here: its text. What does not: which
//! cookies there are.

use std::fmt::Write as _;
use watershed_engine::attribute::SameSite;

/// A cookie for the client to keep. Name, value and path are written as they are.
#[derive(Clone, Copy, Debug)]
pub struct SetCookie<'a> {
    /// The cookie's name.
    pub name: &'a str,
    /// Its value.
    pub value: &'a str,
    /// The path that it is for.
    pub path: &'a str,
    /// How long to keep it.
    pub max_age_seconds: u32,
    /// Over TLS only.
    pub secure: bool,
    /// Hidden from scripts.
    pub http_only: bool,
    /// Which requests from other sites it goes with; left to the browser where nothing is said.
    pub same_site: Option<SameSite>,
}

impl SetCookie<'_> {
    /// The header's value.
    #[must_use]
    pub fn header(&self) -> String {
        let mut text = format!("{}={}; Path={}", self.name, self.value, self.path);
        // Writing into a String can't fail.
        let _ = write!(text, "; Max-Age={}", self.max_age_seconds);
        if self.secure {
            text.push_str("; Secure");
        }
        if self.http_only {
            text.push_str("; HttpOnly");
        }
        if let Some(same_site) = self.same_site {
            let _ = write!(text, "; SameSite={}", same_site.as_str());
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_attribute_is_written_where_it_is_asked_for() {
        let bare = SetCookie {
            name: "n",
            value: "v",
            path: "/p",
            max_age_seconds: 60,
            secure: false,
            http_only: false,
            same_site: None,
        };
        assert_eq!(bare.header(), "n=v; Path=/p; Max-Age=60");
        for (same_site, expected) in [
            (SameSite::Lax, "Lax"),
            (SameSite::Strict, "Strict"),
            (SameSite::None, "None"),
        ] {
            let full = SetCookie {
                secure: true,
                http_only: true,
                same_site: Some(same_site),
                ..bare
            };
            let expected =
                format!("n=v; Path=/p; Max-Age=60; Secure; HttpOnly; SameSite={expected}");
            assert_eq!(full.header(), expected);
        }
    }
}
