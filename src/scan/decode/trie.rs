//! The wanted JSON paths as a tree: at each key, what to keep and where to look further.

/// A position in the element.
#[derive(Debug, Default, Clone)]
pub struct Node {
    /// Slots that take the whole value that stands here.
    pub slots: Vec<usize>,
    /// Members and array indexes below.
    pub children: Vec<(Box<str>, Node)>,
}

impl Node {
    /// Adds a JSON pointer (RFC 6901) whose value goes into `slot`.
    pub fn insert(&mut self, pointer: &str, slot: usize) {
        let mut node = self;
        for part in pointer.split('/').skip(1) {
            let part = part.replace("~1", "/").replace("~0", "~");
            let index = match node.child(part.as_bytes()) {
                Some(index) => index,
                None => {
                    node.children.push((part.into_boxed_str(), Node::default()));
                    node.children.len() - 1
                }
            };
            node = &mut node.children[index].1;
        }
        node.slots.push(slot);
    }

    /// The index of the child of that name.
    pub fn child(&self, name: &[u8]) -> Option<usize> {
        self.children.iter().position(|(known, _)| known.as_bytes() == name)
    }

    /// The first slot here or below: the one that an error names.
    pub fn any_slot(&self) -> Option<usize> {
        let below = || self.children.iter().find_map(|(_, child)| child.any_slot());
        self.slots.first().copied().or_else(below)
    }
}
