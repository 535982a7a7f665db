//! What the WHERE clause says of a column, once its right-hand sides are known.

use std::collections::BTreeMap;

use crate::catalog::column::Column;

/// A comparison that requests can carry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Op {
    /// `=`, or `= ANY` of several values
    Equal,
    /// `<>`, or `<> ALL` of several values
    NotEqual,
    /// `<`
    Less,
    /// `<=`
    LessOrEqual,
    /// `>`
    Greater,
    /// `>=`
    GreaterOrEqual,
    /// The column's array holds all of the values: `@>`, `?`, `?&`
    Contains,
    /// `IS NOT NULL`; has no value
    NotNull,
}

/// A value on the right-hand side.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Value {
    /// `smallint`, `integer`, `bigint`
    Integer(i64),
    /// `text`, `varchar`, and `uuid` in its canonical form
    Text(String),
    /// `boolean`
    Boolean(bool),
    /// Microseconds since 1970; the smallest and largest numbers are the infinities
    Time(i64),
    /// `jsonb`, as text
    Json(String),
}

impl Value {
    /// As a parameter of a request.
    pub fn parameter(&self) -> Option<String> {
        match self {
            Value::Integer(number) => Some(number.to_string()),
            Value::Text(text) => Some(text.clone()),
            Value::Boolean(_) | Value::Time(_) | Value::Json(_) => None,
        }
    }

    /// The strings of a JSON array, or the one string: what an array that contains the value holds
    /// for certain. Elements of other kinds are passed over.
    pub fn strings(&self) -> Vec<String> {
        match self {
            Value::Text(text) => vec![text.clone()],
            Value::Json(json) => match serde_json::from_str(json) {
                Ok(serde_json::Value::String(text)) => vec![text],
                Ok(serde_json::Value::Array(items)) => {
                    items.iter().filter_map(|item| item.as_str().map(str::to_owned)).collect()
                }
                _ => Vec::new(),
            },
            _ => Vec::new(),
        }
    }

    /// The first `id` of the objects of a JSON array.
    pub fn member_id(&self) -> Option<String> {
        let Value::Json(json) = self else { return None };
        let parsed: serde_json::Value = serde_json::from_str(json).ok()?;
        parsed.as_array()?.iter().find_map(|item| item.get("id")?.as_str().map(str::to_owned))
    }
}

/// One clause: column, comparison, and the values it compares with. Without a value it is never true.
#[derive(Debug, Clone)]
pub struct Condition {
    /// Column of the catalogue.
    pub column: &'static Column,
    /// Comparison.
    pub op: Op,
    /// Right-hand side; several for `= ANY`. NULLs are left out.
    pub values: Vec<Value>,
}

/// Everything that the conditions leave of one column's values.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Domain {
    /// One of these, sorted; `None`: any.
    pub values: Option<Vec<Value>>,
    /// None of these.
    pub excluded: Vec<Value>,
    /// Not before, in microseconds since 1970.
    pub lower: Option<i64>,
    /// Not after, in microseconds since 1970.
    pub upper: Option<i64>,
    /// An array that holds all of these.
    pub contains: Vec<Value>,
    /// Not NULL.
    pub present: bool,
}

impl Domain {
    fn is_empty(&self) -> bool {
        let crossed =
            matches!((self.lower, self.upper), (Some(lower), Some(upper)) if lower > upper);
        // No time of the service is infinite.
        let infinite = self.lower == Some(i64::MAX) || self.upper == Some(i64::MIN);
        crossed || infinite || self.values.as_ref().is_some_and(Vec::is_empty)
    }

    fn restrict(&mut self, op: Op, values: &[Value]) {
        let times =
            || values.iter().filter_map(|v| if let Value::Time(t) = v { Some(*t) } else { None });
        match op {
            Op::NotEqual => return self.excluded.extend_from_slice(values),
            Op::Contains => return self.contains.extend_from_slice(values),
            // Every other operator is strict, so what it lets through is not NULL either.
            _ => self.present = true,
        }
        if op == Op::NotNull {
            return;
        }
        if op == Op::Equal && !matches!(values.first(), Some(Value::Time(_))) {
            let mut kept: Vec<Value> = match self.values.take() {
                Some(before) => before.into_iter().filter(|v| values.contains(v)).collect(),
                None => values.to_vec(),
            };
            kept.sort();
            kept.dedup();
            self.values = Some(kept);
            return;
        }
        if matches!(op, Op::Equal | Op::Greater | Op::GreaterOrEqual) {
            self.lower = self.lower.max(times().min());
        }
        if matches!(op, Op::Equal | Op::Less | Op::LessOrEqual)
            && let Some(upper) = times().max()
        {
            self.upper = Some(self.upper.map_or(upper, |before| before.min(upper)));
        }
    }
}

/// What the conditions leave of each column; `None`: nothing, the scan has no rows.
pub fn domains(conditions: &[Condition]) -> Option<BTreeMap<&'static str, Domain>> {
    let mut domains: BTreeMap<&'static str, Domain> = BTreeMap::new();
    for condition in conditions {
        if condition.values.is_empty() && !matches!(condition.op, Op::NotEqual | Op::NotNull) {
            return None;
        }
        let domain = domains.entry(condition.column.name).or_default();
        domain.restrict(condition.op, &condition.values);
        if domain.is_empty() {
            return None;
        }
    }
    Some(domains)
}
