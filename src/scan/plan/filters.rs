//! Conditions that become parameters as they are: values, lists, flags, members of arrays.

use super::{Parameters, Planner, set, texts};
use crate::catalog::column::{Column, Push};
use crate::scan::condition::Value;

/// Longest list of values in one parameter: URLs are limited to some 2,000 characters in places.
const LONGEST_LIST: usize = 1_500;

impl Planner {
    /// Every filter that can be pushed.
    pub(super) fn filters(&self) -> Parameters {
        let mut filters = self.together();
        let parameters = &mut filters;
        for column in self.table.columns {
            self.contained(column, parameters);
            let Some(values) = self.values(column) else { continue };
            let Some(texts) = texts(values) else { continue };
            match column.push {
                Push::Equal(name) => {
                    if let Some(text) = single(&texts) {
                        set(parameters, name, text);
                    }
                }
                Push::AnyOf(name) => {
                    let list = texts.join(",");
                    if list.len() <= LONGEST_LIST && texts.iter().all(|text| is_item(text)) {
                        set(parameters, name, list);
                    }
                }
                Push::OneOf(name, known)
                    if texts.iter().all(|text| known.contains(&text.as_str())) =>
                {
                    set(parameters, name, texts.join(","));
                }
                Push::ExactlyOne(name, known) => {
                    if let [text] = texts.as_slice()
                        && known.contains(&text.as_str())
                    {
                        set(parameters, name, text);
                    }
                }
                _ => {}
            }
        }
        filters
    }

    /// What arrays have to hold.
    fn contained(&self, column: &Column, parameters: &mut Parameters) {
        let Some(domain) = self.domains.get(column.name) else { return };
        match column.push {
            Push::Contains(name) => {
                let mut wanted: Vec<String> =
                    domain.contains.iter().flat_map(Value::strings).collect();
                wanted.retain(|text| is_item(text));
                wanted.sort();
                wanted.dedup();
                let list = wanted.join(",");
                if !list.is_empty() && list.len() <= LONGEST_LIST {
                    set(parameters, name, list);
                }
            }
            Push::ContainsId(name) => {
                // Another text than a GUID would be ignored.
                let id = domain.contains.iter().find_map(Value::member_id);
                if let Some(id) = id.filter(|id| is_guid(id)) {
                    set(parameters, name, id);
                }
            }
            _ => {}
        }
    }

    /// Parameters that the API takes only together.
    fn together(&self) -> Parameters {
        let mut found = Parameters::new();
        for column in self.table.columns {
            let Push::Together(name) = column.push else { continue };
            let texts = self.values(column).and_then(texts).unwrap_or_default();
            match single(&texts) {
                Some(text) => set(&mut found, name, text),
                None => return Parameters::new(),
            }
        }
        found
    }

    /// What flags ask for.
    pub(super) fn flags(&self, parameters: &mut Parameters) {
        for column in self.table.columns {
            if let Push::Flag(name, on, off) = column.push
                && let Some([Value::Boolean(value)]) = self.values(column)
                && let Some(text) = if *value { on } else { off }
            {
                set(parameters, name, text);
            }
        }
    }
}

/// The one value that a parameter can carry.
fn single(texts: &[String]) -> Option<&String> {
    match texts {
        [text] if !text.trim().is_empty() && !text.contains('\0') => Some(text),
        _ => None,
    }
}

/// Whether a text can be one of several in a list.
fn is_item(text: &str) -> bool {
    !text.is_empty() && text.trim() == text && !text.contains([',', '\0'])
}

fn is_guid(text: &str) -> bool {
    text.len() == 36
        && text.char_indices().all(|(at, c)| match at {
            8 | 13 | 18 | 23 => c == '-',
            _ => c.is_ascii_hexdigit(),
        })
}
