//! The cookies of a browser, by RFC 6265bis sections 5.6 to 5.8: what it keeps when our host or a neighbouring one sets a
//! cookie, and what it sends to us.

/// Who sets a cookie that is sent to us.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Host {
    Ours,
    /// A host beside ours that names the domain of both: it may set whatever has not our prefix.
    Neighbour,
}

#[derive(Debug, Default)]
pub struct Jar(Vec<(Host, Vec<u8>, Vec<u8>)>);

impl Jar {
    /// Takes the name and value of a `Set-Cookie` line, or passes it over.
    pub fn set(&mut self, host: Host, line: &[u8]) {
        let pair = line.split(|b| *b == b';').next().unwrap_or_default();
        let (name, value) = match pair.iter().position(|b| *b == b'=') {
            Some(at) => (spaceless(&pair[..at]), spaceless(&pair[at + 1..])),
            None => (&b""[..], spaceless(pair)),
        };
        let control = line.iter().any(|b| matches!(b, 0..=8 | 10..=31 | 127));
        let prefixed = [if name.is_empty() { value } else { name }].iter().any(|text| is_prefixed(text));
        let forbidden = prefixed && (host == Host::Neighbour || name.is_empty());
        if control || forbidden || name.len() + value.len() > 4096 || name.is_empty() && value.is_empty() {
            return;
        }
        self.0.retain(|(by, known, _)| (*by, known.as_slice()) != (host, name));
        self.0.push((host, name.to_vec(), value.to_vec()));
    }

    /// The `Cookie` header it sends.
    pub fn line(&self) -> Vec<u8> {
        let sent = self.0.iter().map(|(_, name, value)| match name.as_slice() {
            b"" => value.clone(),
            name => [name, b"=", value].concat(),
        });
        sent.collect::<Vec<_>>().join(&b"; "[..])
    }

    /// Every value under which a cookie of this name was set. A cookie without a name whose value is `name=value` cannot be
    /// told from one that has it; browsers keep none that looks like our prefix.
    pub fn values(&self, wanted: &[u8]) -> Vec<Vec<u8>> {
        let named = self.0.iter().filter_map(|(_, name, value)| match name.as_slice() {
            b"" => value.strip_prefix(wanted)?.strip_prefix(b"=").map(|rest| spaceless(rest).to_vec()),
            name => (name == wanted).then(|| value.clone()),
        });
        let mut values: Vec<_> = named.collect();
        values.sort();
        values.dedup();
        values
    }
}

fn is_prefixed(text: &[u8]) -> bool {
    text.get(..7).is_some_and(|start| start.eq_ignore_ascii_case(b"__Host-"))
}

fn spaceless(text: &[u8]) -> &[u8] {
    let is_space = |b: &u8| matches!(b, b' ' | b'\t');
    let start = text.iter().position(|b| !is_space(b)).unwrap_or(text.len());
    let end = text.iter().rposition(|b| !is_space(b)).map_or(start, |last| last + 1);
    &text[start..end]
}
