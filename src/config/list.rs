//! Lists in one text: separated by commas; or, for items that hold commas, one per line or a JSON array of texts.

/// The items, whatever they are.
pub(super) fn items(text: &str) -> Result<Vec<String>, String> {
    Ok(parts(text)?.0)
}

/// The items where each is a name; a sentence for the operator where commas may be part of them.
pub(super) fn names(text: &str) -> Result<Vec<String>, String> {
    let (items, by_comma) = parts(text)?;
    match items.iter().find(|item| by_comma && items.len() > 1 && is_piece_of_a_name(item)) {
        Some(piece) => Err(format!(
            "`{piece}` looks like a piece of a distinguished name cut at its commas; write the list as a JSON array, [\"CN=...,OU=...\"], or one per line"
        )),
        None => Ok(items),
    }
}

/// The items, and whether commas stood between them.
fn parts(text: &str) -> Result<(Vec<String>, bool), String> {
    let text = text.trim_ascii();
    if text.starts_with('[') {
        let items = serde_json::from_str(text).map_err(|_| "starts like a JSON array, but is not one of texts")?;
        return Ok((items, false));
    }
    let by_comma = !text.contains('\n');
    let items = text.split(if by_comma { ',' } else { '\n' }).map(str::trim_ascii).filter(|item| !item.is_empty());
    Ok((items.map(str::to_owned).collect(), by_comma))
}

/// `OU=Groups`: an attribute type that distinguished names are made of (RFC 4514 section 3), and a value.
fn is_piece_of_a_name(item: &str) -> bool {
    const TYPES: [&str; 11] = ["cn", "ou", "dc", "o", "l", "st", "c", "uid", "street", "serialnumber", "e"];
    let attribute = item.split_once('=').map(|(name, _)| name.trim_ascii());
    attribute.is_some_and(|name| TYPES.iter().any(|known| name.eq_ignore_ascii_case(known)))
}
