//! Host names to A-labels: lower case and Punycode (RFC 3492), without the mapping tables of IDNA. See `host`.

/// The name in lower-case ASCII without a dot at its end, or what keeps it from being one.
pub fn to_ascii(name: &str) -> Result<String, String> {
    let bare = name.strip_suffix('.').unwrap_or(name);
    let mut out = String::with_capacity(bare.len());
    for (at, label) in bare.split('.').enumerate() {
        if at > 0 {
            out.push('.');
        }
        out.push_str(&label_to_ascii(name, label)?);
        if out.len() > 253 {
            return Err(format!("a host name has at most 253 characters, this one begins `{}`", &out[..32]));
        }
    }
    Ok(out)
}

fn label_to_ascii(name: &str, label: &str) -> Result<String, String> {
    if label.is_empty() {
        return Err(format!("`{name}` has an empty part"));
    }
    // Bounds the work below, which grows with the square; no label that long fits into 63 octets.
    if label.len() > 256 {
        return Err("a part of a host name has at most 63 characters".to_owned());
    }
    let label = if label.is_ascii() {
        label.to_ascii_lowercase()
    } else {
        let lower = label.to_lowercase();
        if let Some(c) = lower.chars().find(|c| !stays_itself(*c)) {
            return Err(format!(
                "`{name}`: {} (U+{:04X}) is not safe to convert; write the name as xn--…",
                c.escape_debug(),
                u32::from(c)
            ));
        }
        if lower.starts_with("xn--") {
            return Err(format!("`{name}` mixes an A-label with other letters"));
        }
        format!("xn--{}", punycode(&lower).ok_or("a part of a host name has at most 63 characters")?)
    };
    if label.len() > 63 {
        return Err("a part of a host name has at most 63 characters".to_owned());
    }
    if let Some(c) = label.chars().find(|c| !matches!(c, 'a'..='z' | '0'..='9' | '-' | '_')) {
        return Err(format!("`{name}` has `{}`, which no host name may hold", c.escape_debug()));
    }
    if label.starts_with('-') || label.ends_with('-') {
        return Err(format!("`{name}`: no part may begin or end with a hyphen"));
    }
    Ok(label)
}

/// Blocks with letters that IDNA maps to others, or that have a composed form: not decided here, so refused.
const MAPPED: &[(u32, u32)] = &[
    (0x0080, 0x00bf),
    (0x0132, 0x0133),
    (0x013f, 0x0140),
    (0x0149, 0x0149),
    (0x017f, 0x017f),
    (0x01c4, 0x01cc),
    (0x01f1, 0x01f3),
    (0x02b0, 0x036f),
    (0x037a, 0x037a),
    (0x03d0, 0x03d6),
    (0x03f0, 0x03ff),
    (0x0587, 0x0587),
    (0x0675, 0x0678),
    (0x0958, 0x095f),
    (0x09dc, 0x09df),
    (0x0a33, 0x0a36),
    (0x0a59, 0x0a5e),
    (0x0b5c, 0x0b5d),
    (0x0e33, 0x0e33),
    (0x0eb3, 0x0eb3),
    (0x0edc, 0x0edd),
    (0x0f00, 0x0fff),
    (0x10fc, 0x11ff),
    (0x13a0, 0x13ff),
    (0x17a3, 0x17b5),
    (0x1c80, 0x1c8f),
    (0x1d00, 0x1dff),
    (0x1e9a, 0x1e9f),
    (0x1f00, 0x2c5f),
    (0x2c7c, 0x2c7d),
    (0x2d6f, 0x2d6f),
    (0x2e80, 0x3004),
    (0x3008, 0x3040),
    (0x309b, 0x309f),
    (0x30ff, 0x31ef),
    (0x3200, 0x33ff),
    (0xa69c, 0xa69d),
    (0xa770, 0xa770),
    (0xa7f2, 0xa7f9),
    (0xab5c, 0xabbf),
    (0xd7b0, 0xffff),
    (0x1_0000, 0x1_ffff),
    (0x2_f800, 0x10_ffff),
];

/// The character means itself in a host name: a letter or digit in lower case that nothing maps.
fn stays_itself(c: char) -> bool {
    let code = u32::from(c);
    matches!(c, 'a'..='z' | '0'..='9' | '-' | '_')
        || (!c.is_ascii()
            && c.is_alphanumeric()
            && !MAPPED.iter().any(|(from, to)| (*from..=*to).contains(&code)))
}

/// RFC 3492, section 6.3. None when a number grows out of its type, which no label of legal length makes happen.
fn punycode(label: &str) -> Option<String> {
    let digit = |n: u32| char::from(b"abcdefghijklmnopqrstuvwxyz0123456789"[(n % 36) as usize]);
    let mut out: String = label.chars().filter(char::is_ascii).collect();
    let basic = u32::try_from(out.len()).ok()?;
    let mut handled = basic;
    if basic > 0 {
        out.push('-');
    }
    let (mut n, mut delta, mut bias) = (128u32, 0u32, 72u32);
    let total = u32::try_from(label.chars().count()).ok()?;
    while handled < total {
        let next = label.chars().map(u32::from).filter(|c| *c >= n).min()?;
        delta = delta.checked_add((next - n).checked_mul(handled + 1)?)?;
        n = next;
        for c in label.chars().map(u32::from) {
            if c < n {
                delta = delta.checked_add(1)?;
            }
            if c == n {
                let mut q = delta;
                let mut k = 36u32;
                loop {
                    let t = k.saturating_sub(bias).clamp(1, 26);
                    if q < t {
                        break;
                    }
                    out.push(digit(t + (q - t) % (36 - t)));
                    q = (q - t) / (36 - t);
                    k += 36;
                }
                out.push(digit(q));
                bias = adapt(delta, handled + 1, handled == basic);
                delta = 0;
                handled += 1;
            }
        }
        delta = delta.checked_add(1)?;
        n += 1;
    }
    Some(out)
}

fn adapt(delta: u32, points: u32, first: bool) -> u32 {
    let mut delta = if first { delta / 700 } else { delta / 2 };
    delta += delta / points;
    let mut k = 0;
    while delta > 455 {
        delta /= 35;
        k += 36;
    }
    k + 36 * delta / (delta + 38)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn well_known_names() {
        for (name, ascii) in [
            ("bücher.example", "xn--bcher-kva.example"),
            ("straße.de", "xn--strae-oqa.de"),
            ("日本語.jp", "xn--wgv71a119e.jp"),
            ("пример.испытание", "xn--e1afmkfd.xn--80akhbyknj4f"),
            ("ΠΑΡΆΔΕΙΓΜΑ.gr", "xn--hxajbheg2az3al.gr"),
            ("한국.kr", "xn--3e0b707e.kr"),
            ("faß.ÖBB.at", "xn--fa-hia.xn--bb-eka.at"),
        ] {
            assert_eq!(to_ascii(name).as_deref(), Ok(ascii), "{name}");
        }
    }

    #[test]
    fn what_would_be_mapped_is_refused() {
        for name in [
            "ﬁ.com",
            "ª.com",
            "Ⅷ.com",
            "Ｋ.com",
            "İ.com",
            "a\u{ad}ü.com",
            "\u{1d400}.com",
            "ŉ.com",
            "xn--ü.com",
        ] {
            assert!(to_ascii(name).is_err(), "{name}");
        }
    }
}
