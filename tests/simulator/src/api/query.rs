//! Query parameters: names in any case, empty values as good as absent, unknown names noted.

use std::cell::RefCell;
use std::collections::HashSet;
use std::str::FromStr;

use super::failure::{Failure, bad_value};
use crate::time::{self, Ticks};

#[derive(Debug, Default)]
pub struct Query {
    pairs: Vec<(String, String)>,
    asked: RefCell<HashSet<String>>,
}

impl Query {
    pub fn new(pairs: Vec<(String, String)>) -> Self {
        Self { pairs, asked: RefCell::default() }
    }

    pub fn pairs(&self) -> &[(String, String)] {
        &self.pairs
    }

    /// A parameter's value, without noting that anybody asked.
    pub fn value(&self, name: &str) -> Option<String> {
        let pair = self.pairs.iter().find(|(n, _)| n.eq_ignore_ascii_case(name));
        pair.map(|(_, value)| value.clone()).filter(|v| !v.is_empty())
    }

    pub fn get(&self, name: &str) -> Option<String> {
        self.asked.borrow_mut().insert(name.to_lowercase());
        self.value(name)
    }

    pub fn number<N: FromStr>(&self, name: &str) -> Result<Option<N>, Failure> {
        let Some(text) = self.get(name) else { return Ok(None) };
        text.trim().parse().map(Some).map_err(|_| bad_value(name, &text))
    }

    pub fn flag(&self, name: &str) -> Result<bool, Failure> {
        match self.get(name).map(|t| t.to_lowercase()).as_deref() {
            None | Some("false") => Ok(false),
            Some("true") => Ok(true),
            Some(other) => Err(bad_value(name, other)),
        }
    }

    pub fn time(&self, name: &str) -> Result<Option<Ticks>, Failure> {
        let Some(text) = self.get(name) else { return Ok(None) };
        time::parse(&text).map(Some).ok_or_else(|| bad_value(name, &text))
    }

    /// Comma-separated values; None when the parameter is absent.
    pub fn list(&self, name: &str) -> Option<Vec<String>> {
        let text = self.get(name)?;
        let trimmed = text.split(',').map(|part| part.trim().to_string());
        Some(trimmed.filter(|part| !part.is_empty()).collect())
    }

    pub fn numbers(&self, name: &str) -> Result<Option<Vec<i64>>, Failure> {
        let Some(list) = self.list(name) else { return Ok(None) };
        let number = |text: &String| text.parse().map_err(|_| bad_value(name, text));
        list.iter().map(number).collect::<Result<_, _>>().map(Some)
    }

    /// One name of a table, or its number; None when absent.
    pub fn choice(&self, name: &str, table: &[(&str, u32)]) -> Result<Option<u32>, Failure> {
        let Some(text) = self.get(name) else { return Ok(None) };
        code(&text, table).map(Some).ok_or_else(|| bad_value(name, &text))
    }

    /// Names or numbers of a flags enumeration, or-ed together; `all` and `none` mean no filter.
    pub fn flags(&self, name: &str, table: &[(&str, u32)]) -> Result<Option<u32>, Failure> {
        let Some(list) = self.list(name) else { return Ok(None) };
        let all = table.iter().fold(0, |mask, (_, code)| mask | code);
        let mut mask = 0;
        for text in &list {
            mask |= match text.to_lowercase().as_str() {
                "all" => all,
                "none" => 0,
                _ => code(text, table)
                    .or_else(|| text.parse().ok().filter(|n| n & !all == 0))
                    .ok_or_else(|| bad_value(name, text))?,
            };
        }
        Ok((mask != 0 && mask != all).then_some(mask))
    }

    /// Names nobody asked for: the service ignores them without a word.
    pub fn ignored(&self) -> Vec<String> {
        let asked = self.asked.borrow();
        let unknown = self.pairs.iter().filter(|(name, _)| !asked.contains(&name.to_lowercase()));
        unknown.map(|(name, _)| name.clone()).collect()
    }
}

fn code(text: &str, table: &[(&str, u32)]) -> Option<u32> {
    let named = table.iter().find(|(name, _)| name.eq_ignore_ascii_case(text));
    let code = named.map(|(_, code)| *code).or_else(|| text.parse().ok())?;
    table.iter().any(|(_, known)| *known == code).then_some(code)
}
