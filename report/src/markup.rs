//! Text that is safe inside HTML and SVG, and numbers as people read them.

/// Escapes text for an element's content or a quoted attribute.
#[must_use]
pub fn escape(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            // What XML does not allow, and what could hide text.
            c if c.is_control() && !matches!(c, '\n' | '\t') => safe.push('\u{fffd}'),
            c => safe.push(c),
        }
    }
    safe
}

/// Four significant digits, without an exponent where it is readable so.
pub(crate) fn number(value: f64) -> String {
    let size = value.abs();
    if size == 0.0 {
        return "0".into();
    }
    if !(1e-4..1e7).contains(&size) {
        return format!("{value:.2e}").replace('-', "\u{2212}");
    }
    // In range: from -4 to 6.
    #[allow(clippy::cast_possible_truncation)]
    let digits = 3 - size.log10().floor() as i32;
    let text = format!("{value:.*}", usize::try_from(digits).unwrap_or(0));
    let text = if text.contains('.') {
        text.trim_end_matches('0').trim_end_matches('.')
    } else {
        &text
    };
    text.replace('-', "\u{2212}")
}

/// A share as a percentage, with its sign where it is a change.
pub(crate) fn percent(share: f64, signed: bool) -> String {
    let sign = if signed && share > 0.0 { "+" } else { "" };
    format!("{sign}{}%", number(100.0 * share))
}

/// A number with its sign.
pub(crate) fn signed(value: f64) -> String {
    let sign = if value > 0.0 { "+" } else { "" };
    format!("{sign}{}", number(value))
}

/// A p-value: never zero.
pub(crate) fn p_value(p: f64) -> String {
    if p < 0.0001 {
        "< 0.0001".into()
    } else {
        format!("{p:.4}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_in_text_can_end_an_element_or_an_attribute() {
        assert_eq!(
            escape("<script>alert(\"1\" & '2')</script>\u{0}"),
            "&lt;script&gt;alert(&quot;1&quot; &amp; &#39;2&#39;)&lt;/script&gt;\u{fffd}"
        );
    }

    #[test]
    fn numbers_have_four_digits() {
        for (value, text) in [
            (0.0, "0"),
            (12.345_67, "12.35"),
            (-0.001_234_56, "\u{2212}0.001235"),
            (1_234_567.0, "1234567"),
            (0.5, "0.5"),
            (1e-9, "1.00e\u{2212}9"),
        ] {
            assert_eq!(number(value), text);
        }
        assert_eq!(percent(0.0312, true), "+3.12%");
        assert_eq!(p_value(1e-300), "< 0.0001");
    }
}
