//! Which endpoint a path means.

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Route {
    Locations,
    ResourceAreas {
        area: Option<String>,
    },
    ConnectionData,
    Projects,
    Project {
        id: String,
    },
    Repositories,
    Repository {
        id: String,
    },
    Builds,
    Build {
        id: String,
    },
    PullRequests {
        repository: Option<String>,
    },
    PullRequest {
        repository: Option<String>,
        id: String,
    },
    Revisions,
    /// Where Microsoft Entra ID issues tokens; the organisation is its directory.
    Token,
    Unknown,
}

impl Route {
    /// The name in logs and faults.
    pub fn endpoint(&self) -> &'static str {
        match self {
            Self::Locations | Self::ResourceAreas { .. } | Self::ConnectionData => "location",
            Self::Projects | Self::Project { .. } => "projects",
            Self::Repositories | Self::Repository { .. } => "repositories",
            Self::Builds | Self::Build { .. } => "builds",
            Self::PullRequests { .. } | Self::PullRequest { .. } => "pull_requests",
            Self::Revisions => "revisions",
            Self::Token => "token",
            Self::Unknown => "unknown",
        }
    }

    /// The highest resource version in preview, from the published specifications.
    pub fn resource_version(&self) -> u32 {
        match self {
            Self::Builds | Self::Build { .. } => 8,
            Self::Projects | Self::Project { .. } => 4,
            Self::ResourceAreas { .. } | Self::ConnectionData => 1,
            _ => 2,
        }
    }
}

/// Splits decoded path segments into organisation, project and endpoint.
pub fn find(segments: &[String]) -> (String, Option<String>, Route) {
    let organization = segments.first().cloned().unwrap_or_default();
    let is_apis = |at: usize| segments.get(at).is_some_and(|s| s.eq_ignore_ascii_case("_apis"));
    let (project, rest) = if is_apis(1) {
        (None, &segments[2..])
    } else if is_apis(2) {
        (segments.get(1).cloned(), &segments[3..])
    } else if segments[1.min(segments.len())..] == ["oauth2", "v2.0", "token"] {
        return (organization, None, Route::Token);
    } else {
        return (organization, None, Route::Unknown);
    };
    let lower: Vec<String> = rest.iter().map(|s| s.to_lowercase()).collect();
    let words: Vec<&str> = lower.iter().map(String::as_str).collect();
    let own = |at: usize| rest[at].clone();
    let route = match (words.as_slice(), project.is_some()) {
        ([], false) => Route::Locations,
        (["resourceareas"], false) => Route::ResourceAreas { area: None },
        (["resourceareas", _], false) => Route::ResourceAreas { area: Some(own(1)) },
        (["connectiondata"], false) => Route::ConnectionData,
        (["projects"], false) => Route::Projects,
        (["projects", _], false) => Route::Project { id: own(1) },
        (["git", "repositories"], _) => Route::Repositories,
        (["git", "repositories", _], _) => Route::Repository { id: own(2) },
        (["build", "builds"], true) => Route::Builds,
        (["build", "builds", _], true) => Route::Build { id: own(2) },
        (["git", "pullrequests"], _) => Route::PullRequests { repository: None },
        (["git", "pullrequests", _], _) => Route::PullRequest { repository: None, id: own(2) },
        (["git", "repositories", _, "pullrequests"], _) => {
            Route::PullRequests { repository: Some(own(2)) }
        }
        (["git", "repositories", _, "pullrequests", _], _) => {
            Route::PullRequest { repository: Some(own(2)), id: own(4) }
        }
        (["wit", "reporting", "workitemrevisions"], _) => Route::Revisions,
        _ => Route::Unknown,
    };
    (organization, project, route)
}

#[cfg(test)]
mod tests {
    use super::{Route, find};

    #[test]
    fn paths_find_their_endpoint_in_any_case() {
        let route = |path: &str| {
            let segments: Vec<String> = path.split('/').map(str::to_string).collect();
            find(&segments).2
        };
        assert_eq!(route("o/_apis/Projects"), Route::Projects);
        assert_eq!(route("o/p/_apis/build/Builds/7"), Route::Build { id: "7".into() });
        assert_eq!(route("o/_apis/build/builds"), Route::Unknown);
        let list = Route::PullRequests { repository: Some("R".into()) };
        assert_eq!(route("o/_apis/git/repositories/R/pullRequests"), list);
        assert_eq!(route("o/p/_apis/wit/reporting/workItemRevisions"), Route::Revisions);
        assert_eq!(route("o/p/_apis/wit/reporting/workitemlinks"), Route::Unknown);
    }
}
