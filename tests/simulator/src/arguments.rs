//! The command line's options.

use crate::organization::specification::Specification;

pub const USAGE: &str = "usage: azure-devops-simulator [--port N] [--organization NAME] [--seed N]
    [--projects N] [--builds N] [--pull-requests N] [--work-items N] [--latency-ms N]
    [--element-bytes N] [--pat TOKEN] [--now TIME|real] [--no-gzip] [--cache] [--exit-with-parent]
--port 0 (the default) takes any free port; builds and pull requests count per project.";

#[derive(Debug)]
pub struct Arguments {
    pub port: u16,
    pub organization: String,
    pub exit_with_parent: bool,
    pub specification: Specification,
}

/// Reads the options; the error is what to print.
pub fn parse(arguments: impl Iterator<Item = String>) -> Result<Arguments, String> {
    let mut parsed = Arguments {
        port: 0,
        organization: "demo".into(),
        exit_with_parent: false,
        specification: Specification::default(),
    };
    let mut arguments = arguments.flat_map(|argument| match argument.split_once('=') {
        Some((name, value)) if name.starts_with("--") => vec![name.into(), value.to_string()],
        _ => vec![argument],
    });
    while let Some(name) = arguments.next() {
        let mut value = || arguments.next().ok_or(format!("{name} needs a value\n{USAGE}"));
        let specification = &mut parsed.specification;
        match name.as_str() {
            "--port" => parsed.port = number(&name, value()?)?,
            "--organization" => parsed.organization = value()?,
            "--seed" => specification.seed = number(&name, value()?)?,
            "--projects" => specification.projects = number(&name, value()?)?,
            "--builds" => specification.builds_per_project = number(&name, value()?)?,
            "--pull-requests" => {
                specification.pull_requests_per_project = number(&name, value()?)?;
            }
            "--work-items" => specification.work_items = number(&name, value()?)?,
            "--latency-ms" => specification.latency_ms = number(&name, value()?)?,
            "--element-bytes" => specification.element_bytes = number(&name, value()?)?,
            "--pat" => specification.pat = value()?,
            "--now" => specification.now = value()?,
            "--no-gzip" => specification.gzip = false,
            "--cache" => specification.cache = true,
            "--exit-with-parent" => parsed.exit_with_parent = true,
            "--help" | "-h" => return Err(USAGE.into()),
            _ => return Err(format!("{name} is not an option\n{USAGE}")),
        }
    }
    Ok(parsed)
}

fn number<N: std::str::FromStr>(name: &str, value: String) -> Result<N, String> {
    value.parse().map_err(|_| format!("{name} needs a number, not \"{value}\"\n{USAGE}"))
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn options_are_read_in_both_forms_and_mistakes_are_named() {
        let words =
            |text: &str| text.split(' ').map(str::to_string).collect::<Vec<_>>().into_iter();
        let parsed = parse(words("--port 80 --seed=7 --exit-with-parent --builds 3"));
        let parsed = parsed.expect("all of these are options");
        assert_eq!((parsed.port, parsed.specification.seed), (80, 7));
        assert_eq!(parsed.specification.builds_per_project, 3);
        assert!(parsed.exit_with_parent);
        for wrong in ["--prot 1", "--port", "--port x", "--port 99999"] {
            assert!(parse(words(wrong)).is_err(), "{wrong}");
        }
    }
}
