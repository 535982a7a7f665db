//! Collection URLs: which are valid, which are the service's own, and the organization in them.

use url::{Host, Url};

/// The cloud service's host.
const CLOUD: &str = "dev.azure.com";

/// The legacy cloud hosts: `{organization}.visualstudio.com`.
const LEGACY_SUFFIX: &str = ".visualstudio.com";

/// Microsoft Entra ID in the public cloud, the US government's and China's.
/// <https://learn.microsoft.com/entra/identity-platform/authentication-national-cloud>
const LOGIN_HOSTS: [&str; 3] =
    ["login.microsoftonline.com", "login.microsoftonline.us", "login.partner.microsoftonline.cn"];

/// Why a URL or an organization name is refused.
pub type Reason = &'static str;

/// The URL of an organization or a collection, without a trailing slash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Collection {
    url: Url,
}

impl Collection {
    /// The cloud organization's collection. Takes its name, or a URL whose first path segment is it.
    pub fn of_organization(text: &str) -> Result<Self, Reason> {
        let name = organization_name(text)?;
        Url::parse(&format!("https://{CLOUD}/{name}"))
            .map(|url| Self { url })
            .map_err(|_| "it does not make a URL")
    }

    /// The collection at a full URL.
    pub fn of_url(text: &str) -> Result<Self, Reason> {
        let mut url = Url::parse(text.trim()).map_err(|_| "it is not a URL")?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err("it begins with neither https:// nor http://");
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err("it holds user information");
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err("it holds a query or a fragment");
        }
        if url.host().is_none() {
            return Err("it has no host");
        }
        let path = url.path().trim_end_matches('/').to_owned();
        url.set_path(&path);
        Ok(Self { url })
    }

    /// Whether the host is the cloud service's own.
    pub fn is_cloud(&self) -> bool {
        match self.url.host() {
            Some(Host::Domain(host)) => {
                let standard_port = self.url.port().is_none();
                standard_port && (host == CLOUD || is_legacy(host))
            }
            _ => false,
        }
    }

    /// Whether tokens of Microsoft Entra ID are issued here, in any of its clouds.
    pub fn is_login_host(&self) -> bool {
        let host = self.url.host_str().unwrap_or_default();
        self.url.scheme() == "https" && self.url.port().is_none() && LOGIN_HOSTS.contains(&host)
    }

    /// Whether requests would travel unencrypted.
    pub fn is_plain_http(&self) -> bool {
        self.url.scheme() == "http"
    }

    /// Whether the host is this machine.
    pub fn is_loopback(&self) -> bool {
        match self.url.host() {
            Some(Host::Domain(host)) => host.eq_ignore_ascii_case("localhost"),
            Some(Host::Ipv4(address)) => address.is_loopback(),
            Some(Host::Ipv6(address)) => address.is_loopback(),
            None => false,
        }
    }

    /// The URL of a part of the cloud service that has a host of its own, such as `vssps` or `vsrm`,
    /// without a trailing slash. Azure DevOps Server has everything at one address.
    /// <https://learn.microsoft.com/azure/devops/organizations/security/allow-list-ip-url>
    pub fn at(&self, host: Option<&str>) -> String {
        let (Some(part), Some(Host::Domain(own)), true) = (host, self.url.host(), self.is_cloud())
        else {
            return self.as_str().to_owned();
        };
        let path = self.url.path().trim_end_matches('/');
        match own.strip_suffix(LEGACY_SUFFIX) {
            Some(organization) => format!("https://{organization}.{part}{LEGACY_SUFFIX}{path}"),
            None => format!("https://{part}.{CLOUD}{path}"),
        }
    }

    /// The URL without a trailing slash.
    pub fn as_str(&self) -> &str {
        self.url.as_str().trim_end_matches('/')
    }
}

fn is_legacy(host: &str) -> bool {
    host.strip_suffix(LEGACY_SUFFIX).is_some_and(|name| !name.is_empty())
}

/// The organization in a name or a URL, checked.
pub fn organization_name(text: &str) -> Result<String, Reason> {
    let text = text.trim();
    let name = if text.contains("://") {
        let url = Url::parse(text).map_err(|_| "it is not a URL")?;
        if !url.username().is_empty() || url.password().is_some() {
            return Err("it holds user information");
        }
        match url.host_str() {
            Some(CLOUD) => {}
            Some(host) if is_legacy(host) => {
                return check_name(host.strip_suffix(LEGACY_SUFFIX).unwrap_or_default());
            }
            _ => return Err("its host is not dev.azure.com; use base_url for other hosts"),
        }
        url.path_segments().and_then(|mut segments| segments.next()).unwrap_or("").to_owned()
    } else {
        let bare = text.strip_prefix(CLOUD).and_then(|rest| rest.strip_prefix('/')).unwrap_or(text);
        bare.trim_end_matches('/').to_owned()
    };
    check_name(&name)
}

fn check_name(name: &str) -> Result<String, Reason> {
    let valid = !name.is_empty()
        && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'))
        && name.chars().any(|c| c.is_ascii_alphanumeric());
    if valid { Ok(name.to_owned()) } else { Err("it is not the name of an organization") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_organization_is_a_name_or_a_url() {
        for text in [
            "myorg",
            "https://dev.azure.com/myorg",
            "https://dev.azure.com/myorg/",
            "https://dev.azure.com/myorg/Some%20Project/_build",
            "dev.azure.com/myorg",
            "https://myorg.visualstudio.com",
            " myorg ",
        ] {
            let collection = Collection::of_organization(text).expect(text);
            assert_eq!(collection.as_str(), "https://dev.azure.com/myorg");
        }
    }

    #[test]
    fn an_organization_cannot_leave_its_path_segment() {
        for text in
            ["", "a/b", "a?b", "..", "a b", "https://u:p@dev.azure.com/o", "https://evil.com/o"]
        {
            assert!(Collection::of_organization(text).is_err(), "{text}");
        }
    }

    #[test]
    fn only_the_services_own_hosts_are_cloud() {
        for (text, cloud) in [
            ("https://dev.azure.com/o", true),
            ("https://o.visualstudio.com", true),
            ("https://dev.azure.com:444/o", false),
            ("https://dev.azure.com.evil.com/o", false),
            ("https://evilvisualstudio.com", false),
            ("https://tfs.example.com/tfs/DefaultCollection", false),
        ] {
            assert_eq!(Collection::of_url(text).expect(text).is_cloud(), cloud, "{text}");
        }
    }

    #[test]
    fn urls_with_secrets_or_other_schemes_are_refused() {
        for text in ["ftp://host/c", "https://me:secret@host/c", "https://host/c?x=1", "host/c"] {
            assert!(Collection::of_url(text).is_err(), "{text}");
        }
    }

    #[test]
    fn parts_of_the_cloud_service_have_hosts_of_their_own() {
        for (text, part, expected) in [
            ("https://dev.azure.com/o", None, "https://dev.azure.com/o"),
            ("https://dev.azure.com/o", Some("vssps"), "https://vssps.dev.azure.com/o"),
            ("https://o.visualstudio.com", Some("vsrm"), "https://o.vsrm.visualstudio.com"),
            (
                "https://o.visualstudio.com/DefaultCollection",
                Some("vsrm"),
                "https://o.vsrm.visualstudio.com/DefaultCollection",
            ),
            ("https://tfs.example.com/tfs/C", Some("vsrm"), "https://tfs.example.com/tfs/C"),
            ("http://127.0.0.1:8080/o", Some("vssps"), "http://127.0.0.1:8080/o"),
        ] {
            assert_eq!(Collection::of_url(text).expect(text).at(part), expected);
        }
    }

    #[test]
    fn loopback_is_recognised_in_every_spelling() {
        for text in ["http://127.0.0.1:8080/o", "http://localhost/o", "http://[::1]:9/o"] {
            assert!(Collection::of_url(text).expect(text).is_loopback(), "{text}");
        }
        assert!(!Collection::of_url("http://127.0.0.1.evil.com/o").expect("a URL").is_loopback());
    }
}
