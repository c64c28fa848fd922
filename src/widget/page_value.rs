//! What the vendor's code in the page may send: values of a declared shape, of which nothing else is known.

/// A value that the vendor's own code in the page makes: taken when it has this shape, and never identity.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PageValue {
    /// Its name in the query and, after `untrusted.`, in templates.
    pub name: String,
    /// What it must look like.
    pub shape: Shape,
}

/// What a page's value must look like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// Up to 128 letters, digits and `_ . -`.
    Word,
    /// A UUID (RFC 9562 section 4).
    Uuid,
    /// Two numbers with a dot between them: Pusher's name of a connection.
    SocketId,
}

impl Shape {
    const NAMES: [(&'static str, Self); 3] =
        [("word", Self::Word), ("uuid", Self::Uuid), ("socket-id", Self::SocketId)];

    /// Whether `text` looks so.
    #[must_use]
    pub fn fits(self, text: &str) -> bool {
        let digits = |t: &str| (1..=20).contains(&t.len()) && t.bytes().all(|b| b.is_ascii_digit());
        let word = |b: u8| b.is_ascii_alphanumeric() || b"_.-".contains(&b);
        match self {
            Self::Word => (1..=128).contains(&text.len()) && text.bytes().all(word),
            Self::Uuid => {
                let groups = text.split('-').map(str::len);
                groups.eq([8, 4, 4, 4, 12]) && text.bytes().all(|b| b.is_ascii_hexdigit() || b == b'-')
            }
            Self::SocketId => text.split_once('.').is_some_and(|(a, b)| digits(a) && digits(b)),
        }
    }
}

impl std::str::FromStr for PageValue {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (name, shape) = text.split_once(':').unwrap_or((text, "word"));
        let known = Shape::NAMES.iter().find(|(word, _)| *word == shape).map(|(_, shape)| *shape);
        let plain = !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
        let free = !["locale", "lat", "long"].contains(&name);
        let shape = known.filter(|_| plain && free);
        let shape = shape.ok_or_else(|| format!("`{text}` is not name:shape; shapes are word, uuid, socket-id"))?;
        Ok(Self { name: name.to_owned(), shape })
    }
}
