//! The reference of all tables as Markdown, for the README: a test keeps the two equal.

use std::fmt::Write as _;

use super::table::Table;

/// The reference of the given tables.
pub fn markdown(tables: &[&Table]) -> String {
    let mut text = String::new();
    for table in tables {
        // Writing to a String cannot fail.
        let _ =
            writeln!(text, "<details>\n<summary><b>{}</b>: {}</summary>\n", table.name, table.doc);
        let _ = writeln!(
            text,
            "Key: `{}`. Scope of the token: {} (`{}`).\n",
            table.key.join(", "),
            table.scope.label,
            table.scope.id
        );
        let _ =
            writeln!(text, "| column | type | meaning | narrows the request |\n|---|---|---|---|");
        for column in table.columns {
            let operators: Vec<String> =
                column.operators().iter().map(|operator| format!("`{operator}`")).collect();
            let _ = writeln!(
                text,
                "| `{}` | {} | {} | {} |",
                column.name,
                column.ty.sql(),
                column.doc,
                operators.join(" ")
            );
        }
        let _ = writeln!(text, "\n</details>\n");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const BEGIN: &str =
        "<!-- The tables below are generated; UPDATE_README=1 make unit writes them. -->\n";
    const END: &str = "<!-- End of the generated tables. -->";

    #[test]
    fn the_readme_shows_the_catalogue_as_it_is() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/README.md");
        let readme = std::fs::read_to_string(path).expect("the README can be read");
        let start = readme.find(BEGIN).expect("the README has the begin mark") + BEGIN.len();
        let end = readme.find(END).expect("the README has the end mark");
        let wanted = markdown(crate::tables::ALL);
        if std::env::var_os("UPDATE_README").is_some() {
            let updated = format!("{}{wanted}{}", &readme[..start], &readme[end..]);
            std::fs::write(path, updated).expect("the README can be written");
            return;
        }
        assert!(readme[start..end] == wanted, "run UPDATE_README=1 make unit");
    }
}
