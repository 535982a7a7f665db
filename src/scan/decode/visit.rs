//! serde walking an answer and the tree of wanted paths together.

use std::cell::RefCell;
use std::fmt;

use serde::de::{self, DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::Decoder;
use super::page::{Cell, Page};
use super::trie::Node;
use crate::error::{Error, Subject};
use crate::scan::value;

/// What every visitor needs: where the body begins, and how to say what is wrong with it.
pub(super) struct Context<'a> {
    base: usize,
    columns: &'a [String],
    table: &'a str,
    subject: &'a Subject,
    problem: RefCell<Option<Error>>,
}

impl<'a> Context<'a> {
    pub(super) fn new(
        body: &str,
        columns: &'a [String],
        table: &'a str,
        subject: &'a Subject,
    ) -> Self {
        Self { base: body.as_ptr() as usize, columns, table, subject, problem: RefCell::new(None) }
    }

    pub(super) fn take_problem(&self) -> Option<Error> {
        self.problem.borrow_mut().take()
    }

    fn fail<E: de::Error>(&self, problem: Error) -> E {
        *self.problem.borrow_mut() = Some(problem);
        E::custom("unexpected shape")
    }

    fn cell(&self, json: &str) -> Cell {
        if json == "null" {
            return Cell::NONE;
        }
        // Bodies are capped far below 4 GB, so positions fit.
        let start = (json.as_ptr() as usize - self.base) as u32;
        Cell { start, length: json.len() as u32 }
    }

    fn shape(&self, what: &str, expected: &str, found: &str) -> Error {
        Error::UnexpectedAnswer {
            subject: self.subject.clone(),
            problem: format!("{what} is {found} instead of {expected}"),
        }
    }
}

/// Reads `{"value": [element, …], …}`.
pub(super) fn answer<'de>(
    json: &mut serde_json::Deserializer<serde_json::de::StrRead<'de>>,
    member: &'static str,
    decoder: &Decoder,
    context: &Context<'_>,
    page: &mut Page,
) -> serde_json::Result<()> {
    json.deserialize_any(Answer { member, decoder, context, page })
}

/// Reads one element.
pub(super) fn bare<'de>(
    json: &mut serde_json::Deserializer<serde_json::de::StrRead<'de>>,
    decoder: &Decoder,
    context: &Context<'_>,
    page: &mut Page,
) -> serde_json::Result<()> {
    Element { root: &decoder.root, context, page }.deserialize(json)
}

/// Answers every kind of value that is not the wanted one with [`Context::fail`].
macro_rules! refuse_scalars {
    ($problem:ident) => {
        fn visit_bool<E: de::Error>(self, _: bool) -> Result<Self::Value, E> {
            Err(self.$problem("a boolean"))
        }
        fn visit_i64<E: de::Error>(self, _: i64) -> Result<Self::Value, E> {
            Err(self.$problem("a number"))
        }
        fn visit_u64<E: de::Error>(self, _: u64) -> Result<Self::Value, E> {
            Err(self.$problem("a number"))
        }
        fn visit_f64<E: de::Error>(self, _: f64) -> Result<Self::Value, E> {
            Err(self.$problem("a number"))
        }
        fn visit_str<E: de::Error>(self, _: &str) -> Result<Self::Value, E> {
            Err(self.$problem("a string"))
        }
        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("the documented shape")
        }
    };
}

struct Answer<'a, 'p> {
    member: &'static str,
    decoder: &'a Decoder,
    context: &'a Context<'a>,
    page: &'p mut Page,
}

impl Answer<'_, '_> {
    fn not_an_object<E: de::Error>(&self, found: &str) -> E {
        self.context.fail(self.context.shape("the answer", "an object", found))
    }
}

impl<'de> Visitor<'de> for Answer<'_, '_> {
    type Value = ();

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let mut found = false;
        while let Some(key) = map.next_key::<&RawValue>()? {
            match &*value::text(key.get()) {
                key if key == self.member => {
                    found = true;
                    let (context, page) = (self.context, &mut *self.page);
                    let root = &self.decoder.root;
                    map.next_value_seed(Elements { member: self.member, root, context, page })?;
                }
                "continuationToken" => {
                    let raw = map.next_value::<&RawValue>()?.get();
                    if raw != "null" {
                        self.page.body_token = Some(value::text(raw).into_owned());
                    }
                }
                "nextLink" => {
                    let raw = map.next_value::<&RawValue>()?.get();
                    if self.page.body_token.is_none() {
                        self.page.body_token = token_in_link(&value::text(raw));
                    }
                }
                "isLastBatch" => {
                    self.page.is_last = map.next_value::<&RawValue>()?.get().parse().ok();
                }
                _ => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        if found {
            return Ok(());
        }
        let what = format!("member \"{}\"", self.member);
        Err(self.context.fail(self.context.shape(&what, "an array", "missing")))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, _: A) -> Result<(), A::Error> {
        Err(self.not_an_object("an array"))
    }

    fn visit_unit<E: de::Error>(self) -> Result<(), E> {
        Err(self.not_an_object("null"))
    }

    refuse_scalars!(not_an_object);
}

/// The token of a `nextLink`.
fn token_in_link(link: &str) -> Option<String> {
    let url = url::Url::parse(link).ok()?;
    let token = url.query_pairs().find(|(name, _)| name == "continuationToken")?.1.into_owned();
    (!token.is_empty()).then_some(token)
}

struct Elements<'a, 'p> {
    member: &'static str,
    root: &'a Node,
    context: &'a Context<'a>,
    page: &'p mut Page,
}

impl Elements<'_, '_> {
    fn not_an_array<E: de::Error>(&self, found: &str) -> E {
        let what = format!("member \"{}\"", self.member);
        self.context.fail(self.context.shape(&what, "an array", found))
    }
}

impl<'de> DeserializeSeed<'de> for Elements<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Elements<'_, '_> {
    type Value = ();

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<(), A::Error> {
        let (root, context) = (self.root, self.context);
        while elements.next_element_seed(Element { root, context, page: self.page })?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, _: A) -> Result<(), A::Error> {
        Err(self.not_an_array("an object"))
    }

    fn visit_unit<E: de::Error>(self) -> Result<(), E> {
        Err(self.not_an_array("null"))
    }

    refuse_scalars!(not_an_array);
}

struct Element<'a, 'p> {
    root: &'a Node,
    context: &'a Context<'a>,
    page: &'p mut Page,
}

impl<'de> DeserializeSeed<'de> for Element<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        let start = self.page.add_element();
        let (node, context) = (self.root, self.context);
        let cells = &mut self.page.cells[start..];
        At { node, context, cells, element: true }.deserialize(deserializer)
    }
}

/// The value at one node of the tree.
struct At<'a, 'p> {
    node: &'a Node,
    context: &'a Context<'a>,
    cells: &'p mut [Cell],
    element: bool,
}

impl At<'_, '_> {
    fn unexpected<E: de::Error>(&self, found: &'static str) -> E {
        let context = self.context;
        if self.element {
            return context.fail(context.shape("an element", "an object", found));
        }
        let column = self.node.any_slot().and_then(|slot| context.columns.get(slot));
        context.fail(Error::UnexpectedJson {
            table: context.table.to_owned(),
            column: column.cloned().unwrap_or_default(),
            expected: "an object",
            found,
        })
    }

    fn keep(&mut self, json: &str) {
        let cell = self.context.cell(json);
        for slot in &self.node.slots {
            self.cells[*slot] = cell;
        }
    }
}

impl<'de> DeserializeSeed<'de> for At<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(mut self, deserializer: D) -> Result<(), D::Error> {
        if self.node.slots.is_empty() {
            return deserializer.deserialize_any(self);
        }
        let json = <&RawValue as de::Deserialize>::deserialize(deserializer)?.get();
        self.keep(json);
        if self.element && !json.starts_with('{') {
            return Err(self.unexpected(value::kind(json)));
        }
        if self.node.children.is_empty() {
            return Ok(());
        }
        // The whole value is wanted and something in it too: look into what was kept.
        let mut inner = serde_json::Deserializer::from_str(json);
        inner.deserialize_any(self).map_err(de::Error::custom)
    }
}

impl<'de> Visitor<'de> for At<'_, '_> {
    type Value = ();

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let (node, context) = (self.node, self.context);
        while let Some(child) = map.next_key_seed(Key(node))? {
            match child.map(|index| &node.children[index].1) {
                Some(node) => map.next_value_seed(At {
                    node,
                    context,
                    cells: &mut *self.cells,
                    element: false,
                })?,
                None => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        let (node, context) = (self.node, self.context);
        let indexed = node.children.iter().any(|(name, _)| name.parse::<usize>().is_ok());
        if self.element || !indexed {
            return Err(self.unexpected("an array"));
        }
        for index in 0.. {
            let more = match node.child(index.to_string().as_bytes()) {
                Some(child) => {
                    let node = &node.children[child].1;
                    let cells = &mut *self.cells;
                    items.next_element_seed(At { node, context, cells, element: false })?.is_some()
                }
                None => items.next_element::<IgnoredAny>()?.is_some(),
            };
            if !more {
                break;
            }
        }
        Ok(())
    }

    fn visit_unit<E: de::Error>(self) -> Result<(), E> {
        if self.element { Err(self.unexpected("null")) } else { Ok(()) }
    }

    refuse_scalars!(unexpected);
}

/// A member's name, as the index of the child that it leads to.
struct Key<'a>(&'a Node);

impl<'de> DeserializeSeed<'de> for Key<'_> {
    type Value = Option<usize>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        // As bytes: a name with a lone surrogate is somebody else's, not our error.
        deserializer.deserialize_bytes(self)
    }
}

impl Visitor<'_> for Key<'_> {
    type Value = Option<usize>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the name of a member")
    }

    fn visit_bytes<E: de::Error>(self, name: &[u8]) -> Result<Self::Value, E> {
        Ok(self.0.child(name))
    }

    fn visit_str<E: de::Error>(self, name: &str) -> Result<Self::Value, E> {
        self.visit_bytes(name.as_bytes())
    }
}
