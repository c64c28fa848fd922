//! Environment files: whatever is read can be written down again and read the same, so no secret is cut or changed.
#![no_main]

use countersign::config::dotenv::parse_dotenv;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let Ok(pairs) = parse_dotenv(text) else { return };
    let mut written = String::new();
    for (name, value) in &pairs {
        assert!(!name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_'));
        let quoted = value.replace('\\', "\\\\").replace('"', "\\\"");
        written.push_str(&format!("{name}=\"{quoted}\"\n"));
    }
    assert_eq!(parse_dotenv(&written).as_ref(), Ok(&pairs));
});
