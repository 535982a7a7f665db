//! Refusals that are recognised: by the service's `typeKey` first, then by the code in its message.
//! <https://learn.microsoft.com/rest/api/azure/devops/#response-codes>

use crate::error::Answer;

/// What a refusal is about, as far as the service says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// A conditional access policy of the directory (VS403463): the token may be good, but not here.
    ConditionalAccess,
    /// The token has expired.
    Expired,
    /// The identity has no right to it, or is no member of the organization (TF400813).
    NotAuthorized,
    /// The project does not exist or cannot be seen (VS800075 by id, TF200016 by name).
    Project,
    /// The repository does not exist, is disabled or cannot be seen (TF401019).
    Repository,
    /// A query with more results than the service hands out (VS402337).
    TooManyResults,
    /// The resource is a preview in this version of the API.
    PreviewVersion,
    /// The version of the API is newer than the server.
    VersionOutOfRange,
    /// No or no sound version of the API.
    InvalidVersion,
}

const BY_TYPE: &[(&str, Refusal)] = &[
    ("ProjectDoesNotExist", Refusal::Project),
    ("GitRepositoryNotFound", Refusal::Repository),
    ("WorkItemTrackingQueryResultSizeLimitExceeded", Refusal::TooManyResults),
    ("VssInvalidPreviewVersion", Refusal::PreviewVersion),
    ("VssVersionOutOfRange", Refusal::VersionOutOfRange),
    ("VssVersionNotSpecified", Refusal::InvalidVersion),
    ("VssInvalidApiVersion", Refusal::InvalidVersion),
    ("UnauthorizedRequest", Refusal::NotAuthorized),
];

const BY_CODE: &[(&str, Refusal)] = &[
    ("VS403463", Refusal::ConditionalAccess),
    ("TF400813", Refusal::NotAuthorized),
    ("VS800075", Refusal::Project),
    ("TF200016", Refusal::Project),
    ("TF401019", Refusal::Repository),
    ("VS402337", Refusal::TooManyResults),
];

impl Refusal {
    /// What an error answer is about; `None` if it says nothing that is known.
    pub fn of(answer: &Answer) -> Option<Self> {
        let message = answer.message.as_deref().unwrap_or_default();
        let type_key = answer.type_key.as_deref().unwrap_or_default();
        // The policy's answer has a general typeKey, so its code goes first.
        if message.contains("VS403463") {
            return Some(Refusal::ConditionalAccess);
        }
        if type_key == "AccessCheckException" {
            let expired = message.to_ascii_lowercase().contains("expired");
            return Some(if expired { Refusal::Expired } else { Refusal::NotAuthorized });
        }
        let by_type = BY_TYPE.iter().find(|(known, _)| type_key.starts_with(known));
        let by_code = || BY_CODE.iter().find(|(code, _)| message.contains(code));
        by_type.or_else(by_code).map(|(_, refusal)| *refusal)
    }

    /// Whether it is about what was asked for, and says nothing of the rest of the organization.
    pub fn is_local(self) -> bool {
        matches!(self, Refusal::NotAuthorized | Refusal::Project | Refusal::Repository)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(type_key: Option<&str>, message: &str) -> Answer {
        Answer {
            status: 400,
            message: Some(message.to_owned()),
            type_key: type_key.map(str::to_owned),
            activity_id: None,
        }
    }

    #[test]
    fn refusals_are_recognised_by_type_or_code() {
        use Refusal::*;
        for (type_key, message, expected) in [
            (Some("VssServiceException"), "VS403463: The conditional access …", ConditionalAccess),
            (Some("AccessCheckException"), "Access Denied: … has expired.", Expired),
            (Some("AccessCheckException"), "Access Denied: … needs …", NotAuthorized),
            (None, "TF400813: The user '…' is not authorized", NotAuthorized),
            (Some("ProjectDoesNotExistException"), "in any language", Project),
            (Some("ProjectDoesNotExistWithNameException"), "", Project),
            (None, "VS800075: The project with id", Project),
            (None, "TF200016: The following project does not exist", Project),
            (Some("GitRepositoryNotFoundException"), "", Repository),
            (None, "TF401019: The Git repository", Repository),
            (None, "VS402337: The number of work items", TooManyResults),
            (Some("VssInvalidPreviewVersionException"), "", PreviewVersion),
            (Some("VssVersionOutOfRangeException"), "", VersionOutOfRange),
            (Some("VssVersionNotSpecifiedException"), "", InvalidVersion),
        ] {
            let found = Refusal::of(&answer(type_key, message));
            assert_eq!(found, Some(expected), "{type_key:?} {message}");
        }
        assert_eq!(Refusal::of(&answer(Some("Exception"), "TF400898: internal")), None);
        assert_eq!(Refusal::of(&Answer::default()), None);
    }

    #[test]
    fn only_some_refusals_concern_one_project() {
        assert!(!Refusal::ConditionalAccess.is_local());
        assert!(!Refusal::VersionOutOfRange.is_local());
        assert!(!Refusal::TooManyResults.is_local());
        assert!(Refusal::Project.is_local());
        assert!(Refusal::NotAuthorized.is_local());
    }
}
