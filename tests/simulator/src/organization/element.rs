//! One JSON element as bytes: an own head, and a template shared by many elements.

use std::sync::Arc;

use serde_json::Value;

/// Members many elements share. The element's id goes where the pieces meet.
#[derive(Debug)]
pub struct Template(Vec<Box<str>>);

/// Stands for the element's id in a template's text.
pub const ID_MARK: char = '\u{1}';

impl Template {
    /// `text` holds members without the enclosing braces.
    pub fn new(text: &str) -> Arc<Self> {
        Arc::new(Self(text.split(ID_MARK).map(Box::from).collect()))
    }
}

#[derive(Debug, Clone)]
pub struct Element {
    /// With a template: members without braces. Without: the whole element.
    head: Box<str>,
    template: Option<(Arc<Template>, i64)>,
}

impl Element {
    pub fn shared(head: String, template: &Arc<Template>, id: i64) -> Self {
        Self { head: head.into(), template: Some((template.clone(), id)) }
    }

    pub fn whole(text: impl Into<Box<str>>) -> Self {
        Self { head: text.into(), template: None }
    }

    pub fn of(value: &Value) -> Self {
        Self::whole(value.to_string())
    }

    /// Appends the element; `extra` are further members, each with a comma before it.
    pub fn render(&self, extra: &str, out: &mut Vec<u8>) {
        let Some((template, id)) = &self.template else {
            match self.head.strip_suffix('}') {
                Some(open) if !extra.is_empty() && open.len() > 1 => {
                    out.extend_from_slice(open.as_bytes());
                    out.extend_from_slice(extra.as_bytes());
                    out.push(b'}');
                }
                _ => out.extend_from_slice(self.head.as_bytes()),
            }
            return;
        };
        out.push(b'{');
        out.extend_from_slice(self.head.as_bytes());
        out.extend_from_slice(extra.as_bytes());
        out.push(b',');
        let id = id.to_string();
        for (at, piece) in template.0.iter().enumerate() {
            if at > 0 {
                out.extend_from_slice(id.as_bytes());
            }
            out.extend_from_slice(piece.as_bytes());
        }
        out.push(b'}');
    }

    /// The element as JSON; null when it cannot be read (a raw element may be anything).
    pub fn value(&self) -> Value {
        let mut bytes = Vec::new();
        self.render("", &mut bytes);
        serde_json::from_slice(&bytes).unwrap_or(Value::Null)
    }
}
