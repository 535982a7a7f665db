//! A column: name, type, where it stands in the element, and which conditions the API can answer.

use super::endpoint::{Stream, Version};

/// SQL type that IMPORT FOREIGN SCHEMA gives a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Type {
    /// `boolean`
    Boolean,
    /// `integer`, 32 bits
    Integer,
    /// `bigint`, 64 bits
    Bigint,
    /// `double precision`
    Double,
    /// `text`
    Text,
    /// `uuid`
    Uuid,
    /// `timestamptz`
    Timestamptz,
    /// `jsonb`
    Jsonb,
}

impl Type {
    /// The type's name in SQL.
    pub const fn sql(self) -> &'static str {
        match self {
            Type::Boolean => "boolean",
            Type::Integer => "integer",
            Type::Bigint => "bigint",
            Type::Double => "double precision",
            Type::Text => "text",
            Type::Uuid => "uuid",
            Type::Timestamptz => "timestamptz",
            Type::Jsonb => "jsonb",
        }
    }
}

/// What the API can do with a condition on the column. Everything pushed is rechecked by PostgreSQL,
/// so a parameter may let more through than the condition, never less.
#[derive(Debug, Clone, Copy)]
pub enum Push {
    /// Nothing: conditions stay local.
    Local,
    /// `= value` becomes `parameter=value`.
    Equal(&'static str),
    /// `= value` and `IN (…)` become `parameter=a,b,c`, in batches of [`Endpoint::batch`] values;
    /// the values name single elements, so filters by state are left out.
    ///
    /// [`Endpoint::batch`]: super::endpoint::Endpoint::batch
    Ids(&'static str),
    /// `= value` and `IN (…)` become `parameter=a,b,c`.
    AnyOf(&'static str),
    /// `= value` becomes `parameter=value`, if every other column of this kind has one too: the API
    /// refuses one parameter without the other.
    Together(&'static str),
    /// A JSON array `@>`, `?`, `?&` strings becomes `parameter=a,b,c`: elements that hold all of them.
    Contains(&'static str),
    /// A JSON array `@> '[{"id": …}]'` becomes `parameter=id`: elements that hold the identity.
    ContainsId(&'static str),
    /// As `AnyOf`, for the values that the API knows; a condition with any other value stays local.
    OneOf(&'static str, &'static [&'static str]),
    /// As `OneOf`, where the API takes a single value.
    ExactlyOne(&'static str, &'static [&'static str]),
    /// `= value` and `IN (…)` become a GET of each element: the path, with the value in place of `{}`.
    Get(&'static str),
    /// Values choose the streams of the endpoint and their state parameter.
    Stream,
    /// `= value` and `IN (…)` narrow the fan-out to the projects of these ids.
    ProjectId,
    /// `= value` and `IN (…)` narrow the fan-out to the projects of these names.
    ProjectName,
    /// `>=`, `>`, `<=`, `<`, `=` become a time window.
    Range(Range),
    /// `= true` sends the first, `= false` the second value of the parameter (none: nothing is sent).
    Flag(&'static str, Option<&'static str>, Option<&'static str>),
}

/// Which ends of a range a condition sets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bounds {
    /// Neither: it only says that there is a value.
    None,
    /// `>`, `>=`
    Lower,
    /// `<`, `<=`
    Upper,
    /// `=`
    Both,
}

impl Push {
    /// What a condition sets, for people to read.
    pub fn parameter(&self, bounds: Bounds) -> String {
        match self {
            Push::Local => "nothing".into(),
            Push::Equal(name)
            | Push::Ids(name)
            | Push::AnyOf(name)
            | Push::Together(name)
            | Push::Contains(name)
            | Push::ContainsId(name)
            | Push::OneOf(name, _)
            | Push::ExactlyOne(name, _)
            | Push::Flag(name, ..) => (*name).into(),
            Push::Get(path) => format!("path {path}"),
            Push::Stream => "the lists that are read".into(),
            Push::ProjectId | Push::ProjectName => "the projects that are visited".into(),
            Push::Range(range) => match (bounds, range.until) {
                (Bounds::None, _) => "the lists that are read".into(),
                (Bounds::Upper, Some(until)) => until.into(),
                (Bounds::Upper, None) => "nothing".into(),
                (Bounds::Both, Some(until)) => format!("{} and {until}", range.since),
                (Bounds::Lower | Bounds::Both, _) => range.since.into(),
            },
        }
    }
}

/// A time window that the API can cut from a list.
#[derive(Debug, Clone, Copy)]
pub struct Range {
    /// Parameter of the lower bound; the service may treat it as inclusive or not.
    pub since: &'static str,
    /// Parameter of the upper bound, if there is one.
    pub until: Option<&'static str>,
    /// Parameter that says which time the bounds mean, with its value.
    pub with: Option<(&'static str, &'static str)>,
    /// First API version that has the bounds; before, they are not sent.
    pub version: Version,
    /// Only this stream can hold rows that have the time at all; `None`: every stream.
    pub only: Option<&'static Stream>,
}

/// One column of a table.
#[derive(Debug)]
pub struct Column {
    /// Name in SQL: snake_case of the API's field.
    pub name: &'static str,
    /// SQL type.
    pub ty: Type,
    /// Meaning and unit, in our own words; becomes the column's comment. Ends with a full stop.
    pub doc: &'static str,
    /// JSON pointer into the element; `None`: the camelCase of the name. Empty: the whole element.
    pub at: Option<&'static str>,
    /// JSON literal for an absent or null field; `None`: NULL.
    pub absent: Option<&'static str>,
    /// Which conditions the API can answer.
    pub push: Push,
    /// Whether a string may stand for an object and the other way round (identities of work items).
    pub identity: bool,
}

const fn column(name: &'static str, ty: Type, doc: &'static str) -> Column {
    Column { name, ty, doc, at: None, absent: None, push: Push::Local, identity: false }
}

/// A `boolean` column.
pub const fn boolean(name: &'static str, doc: &'static str) -> Column {
    column(name, Type::Boolean, doc)
}

/// An `integer` column.
pub const fn integer(name: &'static str, doc: &'static str) -> Column {
    column(name, Type::Integer, doc)
}

/// A `bigint` column.
pub const fn bigint(name: &'static str, doc: &'static str) -> Column {
    column(name, Type::Bigint, doc)
}

/// A `double precision` column.
pub const fn double(name: &'static str, doc: &'static str) -> Column {
    column(name, Type::Double, doc)
}

/// A `text` column.
pub const fn text(name: &'static str, doc: &'static str) -> Column {
    column(name, Type::Text, doc)
}

/// A `uuid` column.
pub const fn uuid(name: &'static str, doc: &'static str) -> Column {
    column(name, Type::Uuid, doc)
}

/// A `timestamptz` column.
pub const fn timestamptz(name: &'static str, doc: &'static str) -> Column {
    column(name, Type::Timestamptz, doc)
}

/// A `jsonb` column.
pub const fn jsonb(name: &'static str, doc: &'static str) -> Column {
    column(name, Type::Jsonb, doc)
}

impl Column {
    /// Stands at this JSON pointer of the element.
    pub const fn at(mut self, pointer: &'static str) -> Self {
        self.at = Some(pointer);
        self
    }

    /// An absent field reads as this JSON literal.
    pub const fn or(mut self, literal: &'static str) -> Self {
        self.absent = Some(literal);
        self
    }

    /// An identity: a string, or an object with `displayName` and `uniqueName`.
    pub const fn identity(mut self) -> Self {
        self.identity = true;
        self
    }

    /// What the API can do with conditions on it.
    pub const fn push(mut self, push: Push) -> Self {
        self.push = push;
        self
    }

    /// The JSON pointer, spelled out.
    pub fn pointer(&self) -> String {
        match self.at {
            Some(pointer) => pointer.to_owned(),
            None => format!("/{}", super::names::camel_case(self.name)),
        }
    }

    /// The SQL operators that narrow the request, as `azure_devops.columns()` shows them.
    pub fn operators(&self) -> &'static [&'static str] {
        match self.push {
            Push::Local => &[],
            Push::Equal(_) | Push::Together(_) | Push::ExactlyOne(..) | Push::Flag(..) => &["="],
            Push::Contains(_) => &["@>", "?", "?&"],
            Push::ContainsId(_) => &["@>"],
            Push::Ids(_)
            | Push::AnyOf(_)
            | Push::OneOf(..)
            | Push::Get(_)
            | Push::ProjectId
            | Push::ProjectName => &["=", "IN"],
            Push::Stream => &["=", "IN", "<>", "NOT IN"],
            Push::Range(range) if range.until.is_none() => &["=", ">=", ">"],
            Push::Range(range) if range.only.is_some() => {
                &["=", ">=", ">", "<=", "<", "IS NOT NULL"]
            }
            Push::Range(_) => &["=", ">=", ">", "<=", "<"],
        }
    }
}
