//! Unicode Normalization Form C (UAX #15): is a text in it? Not a general normaliser.

/// Is the text in NFC?
pub fn is_nfc(text: &str) -> bool {
    text.is_ascii() || unicode_normalization::is_nfc(text)
}

/// A spelling that texts share which differ only in case or normalization. For comparing, not for showing.
pub fn fold(text: &str) -> String {
    use unicode_normalization::UnicodeNormalization;
    if text.is_ascii() {
        return text.to_ascii_lowercase();
    }
    // Upper and then lower case also joins what has two lower-case forms: ſ and s, ς and σ, ß and ss.
    let folded = text.nfd().flat_map(char::to_uppercase).flat_map(char::to_lowercase);
    folded.collect::<String>().nfd().collect()
}
