//! Sets of bytes: what a name, an address or an identifier may hold.

/// A set of bytes in a table. Every byte of a request is looked up in one, and a chain of comparisons costs several times as
/// much.
#[derive(Debug, Clone, Copy)]
pub struct ByteSet([bool; 256]);

impl ByteSet {
    /// The letters and digits of ASCII, and these.
    #[must_use]
    pub const fn alphanumeric_and(others: &[u8]) -> Self {
        let mut has = [false; 256];
        let mut ascii = 0_u8;
        while ascii < 0x80 {
            has[ascii as usize] = ascii.is_ascii_alphanumeric();
            ascii += 1;
        }
        let mut at = 0;
        while at < others.len() {
            has[others[at] as usize] = true;
            at += 1;
        }
        Self(has)
    }

    /// Whether this byte is in the set.
    #[must_use]
    pub fn has(&self, byte: u8) -> bool {
        self.0[usize::from(byte)]
    }

    /// Whether every byte of this text is in the set, as all of none are.
    #[must_use]
    pub fn has_all_of(&self, text: &[u8]) -> bool {
        text.iter().all(|byte| self.has(*byte))
    }
}
