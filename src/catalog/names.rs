//! Matching what users type with what the catalogue holds.

use super::column::Column;
use super::table::Table;

/// `queue_time` → `queueTime`.
pub fn camel_case(snake: &str) -> String {
    let mut words = snake.split('_');
    let mut camel = words.next().unwrap_or_default().to_owned();
    for word in words {
        let mut letters = word.chars();
        camel.extend(letters.next().map(|letter| letter.to_ascii_uppercase()));
        camel.push_str(letters.as_str());
    }
    camel
}

/// The name without case and underscores: `queue_time`, `queueTime` and `queuetime` are one.
pub fn folded(name: &str) -> String {
    name.chars().filter(|c| *c != '_').flat_map(char::to_lowercase).collect()
}

/// The column that a declared column name means, if any.
pub fn find_column(table: &'static Table, name: &str) -> Option<&'static Column> {
    let wanted = folded(name);
    table.columns.iter().find(|column| folded(column.name) == wanted)
}

/// Names from `known` that look like `name`, closest first.
pub fn near<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    /// Below this Jaro-Winkler similarity a name is no help. Tried on this catalogue's own names.
    const SIMILAR: f64 = 0.75;
    let wanted = folded(name);
    let mut scored: Vec<(f64, &str)> = known
        .map(|candidate| {
            let plain = folded(candidate);
            let contained = plain.contains(&wanted) || wanted.contains(&plain);
            let score = strsim::jaro_winkler(&wanted, &plain);
            (if contained { score.max(SIMILAR) } else { score }, candidate)
        })
        .filter(|(score, _)| *score >= SIMILAR)
        .collect();
    scored.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(b.1)));
    scored.into_iter().map(|(_, candidate)| candidate).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn snake_case_becomes_the_apis_camel_case() {
        assert_eq!(camel_case("queue_time"), "queueTime");
        assert_eq!(camel_case("id"), "id");
        assert_eq!(camel_case("has_multiple_merge_bases"), "hasMultipleMergeBases");
    }

    #[test]
    fn case_and_underscores_do_not_count() {
        assert_eq!(folded("Queue_Time"), folded("queueTime"));
    }

    #[test]
    fn the_closest_name_comes_first() {
        let known = ["organization", "base_url", "page_size"];
        assert_eq!(near("organisation", known.into_iter()).first(), Some(&"organization"));
        assert_eq!(near("pagesize", known.into_iter()).first(), Some(&"page_size"));
        assert!(near("zzz", known.into_iter()).is_empty());
    }
}
