//! Which rows a list has already delivered.

use std::collections::HashSet;

use roaring::RoaringTreemap;

/// A row's key, packed into one number: an id, an id with a revision, or a GUID.
pub type Key = u128;

/// The keys seen so far. Numbers are kept as bitmaps: a million ids take a few hundred kilobytes.
#[derive(Debug, Default)]
pub struct Seen {
    small: RoaringTreemap,
    large: HashSet<Key>,
}

impl Seen {
    /// Remembers a key; whether it is new.
    pub fn insert(&mut self, key: Key) -> bool {
        match u64::try_from(key) {
            Ok(small) => self.small.insert(small),
            Err(_) => self.large.insert(key),
        }
    }
}

/// The key of a row from the JSON text of its key columns; `None` if one is missing or of another
/// kind: such a row is delivered as it is.
pub fn key(parts: &[&str]) -> Option<Key> {
    match parts {
        [one] => part(one),
        // Revisions: the number of the revision varies least, so it goes first and the bitmap stays dense.
        [id, rev] => Some((part(rev)? << 32) | part(id)?),
        _ => None,
    }
}

fn part(json: &str) -> Option<Key> {
    if let Some(text) = json.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) {
        let hex: String = text.chars().filter(|c| *c != '-').collect();
        return (hex.len() == 32).then(|| u128::from_str_radix(&hex, 16).ok()).flatten();
    }
    json.parse::<u32>().ok().map(Key::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_ids_revisions_or_guids() {
        assert_eq!(key(&["7"]), Some(7));
        assert_ne!(key(&["7", "1"]), key(&["1", "7"]));
        assert!(key(&["\"6ce954b1-ce1f-45d1-b94d-e6bf2464ba2c\""]).is_some());
        assert_eq!(key(&["\"x\""]), None);
        assert_eq!(key(&[""]), None);
    }

    #[test]
    fn a_key_is_new_once() {
        let mut seen = Seen::default();
        for key in [3, u128::MAX] {
            assert!(seen.insert(key));
            assert!(!seen.insert(key));
        }
    }
}
