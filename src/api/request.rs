//! One request: path, parameters, and how they are written on the wire.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// Everything but the unreserved characters of RFC 3986 is encoded in a path segment.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// In a query also `$`, `,`, `/` and `:` stay readable; the service takes them as they are.
const QUERY: &AsciiSet = &SEGMENT.remove(b'$').remove(b',').remove(b'/').remove(b':');

/// A request below the collection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// Part of the cloud service with a host of its own; `None`: the main one.
    pub host: Option<&'static str>,
    /// Encoded path, from `/`.
    pub path: String,
    /// Parameters in order, not encoded.
    pub parameters: Vec<(String, String)>,
    /// JSON body: sends a POST instead of a GET.
    pub body: Option<String>,
}

impl Request {
    /// A GET of `/project/path`, or of `/path` without a project.
    pub fn get(project: Option<&str>, path: &str) -> Self {
        let path = match project {
            Some(project) => format!("/{}{path}", utf8_percent_encode(project, SEGMENT)),
            None => path.to_owned(),
        };
        Self { host: None, path, parameters: Vec::new(), body: None }
    }

    /// Sets a parameter, replacing it if it is there.
    pub fn set(&mut self, name: &str, value: impl Into<String>) {
        let value = value.into();
        match self.parameters.iter_mut().find(|(known, _)| known == name) {
            Some(parameter) => parameter.1 = value,
            None => self.parameters.push((name.to_owned(), value)),
        }
    }

    /// Takes a parameter out and returns its value.
    pub fn take(&mut self, name: &str) -> Option<String> {
        let at = self.parameters.iter().position(|(known, _)| known == name)?;
        Some(self.parameters.remove(at).1)
    }

    /// Takes a parameter out.
    pub fn remove(&mut self, name: &str) {
        self.parameters.retain(|(known, _)| known != name);
    }

    /// `GET /path?name=value&…`, as the trace shows it. Holds no secret: those travel in headers.
    pub fn describe(&self) -> String {
        let method = if self.body.is_some() { "POST" } else { "GET" };
        format!("{method} {}{}", self.path, self.query(None))
    }

    /// Path and query with the API version.
    pub fn target(&self, api_version: &str) -> String {
        format!("{}{}", self.path, self.query(Some(api_version)))
    }

    fn query(&self, api_version: Option<&str>) -> String {
        let version = api_version.map(|version| ("api-version", version));
        let own = self.parameters.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let mut query = String::new();
        for (name, value) in own.chain(version) {
            query.push(if query.is_empty() { '?' } else { '&' });
            query.extend(utf8_percent_encode(name, QUERY));
            query.push('=');
            query.extend(utf8_percent_encode(value, QUERY));
        }
        query
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_values_are_encoded() {
        let mut request = Request::get(Some("Zoë's / project"), "/_apis/build/builds");
        request.set("$top", "5");
        request.set("branchName", "refs/heads/a b+c&d");
        request.set("continuationToken", "842;5;3");
        assert_eq!(
            request.target("7.1"),
            "/Zo%C3%AB%27s%20%2F%20project/_apis/build/builds?$top=5\
             &branchName=refs/heads/a%20b%2Bc%26d&continuationToken=842%3B5%3B3&api-version=7.1"
        );
    }

    #[test]
    fn setting_twice_keeps_the_last() {
        let mut request = Request::get(None, "/x");
        request.set("a", "1");
        request.set("a", "2");
        assert_eq!(request.describe(), "GET /x?a=2");
    }
}
