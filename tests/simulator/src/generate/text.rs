//! Words for titles, branches and long texts.

use crate::random::Random;

const VERBS: [&str; 10] = [
    "Add", "Fix", "Remove", "Refactor", "Speed up", "Document", "Test", "Revert", "Upgrade",
    "Rename",
];
const THINGS: [&str; 16] = [
    "the login page",
    "invoice export",
    "paging of search results",
    "the retry policy",
    "Größenberechnung",
    "naïve cache",
    "the \"quoted\" option",
    "path C:\\temp\\build",
    "日本語 labels",
    "webhook signatures",
    "nightly job",
    "telemetry 📈",
    "null handling",
    "the connection pool",
    "permissions & roles",
    "<template> parsing",
];

pub fn title(random: &mut Random) -> String {
    format!("{} {}", random.pick(&VERBS), random.pick(&THINGS))
}

pub fn branch(random: &mut Random) -> String {
    let names = ["login", "export", "paging", "retry", "cache", "ui/größe", "hotfix", "spike"];
    let folder = random.pick(&["feature", "bugfix", "users/ada", "release"]);
    format!("refs/heads/{folder}/{}-{}", random.pick(&names), random.below(900))
}

/// Text of about the given number of characters.
pub fn paragraphs(random: &mut Random, characters: usize) -> String {
    let mut text = String::new();
    while text.chars().count() < characters {
        text.push_str(&title(random));
        text.push_str(if random.percent(20) { ".\r\n\r\n- " } else { ", then " });
    }
    text.chars().take(characters).collect()
}
