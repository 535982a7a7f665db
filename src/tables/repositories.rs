//! Git repositories: one row per repository, disabled ones included.
//! <https://learn.microsoft.com/rest/api/azure/devops/git/repositories/list?view=azure-devops-rest-7.1>

use crate::catalog::prelude::*;
use crate::catalog::table::Scope;

/// The `repositories` table.
pub const TABLE: Table = Table {
    name: "repositories",
    doc: "Git repositories of the organization, disabled ones included.",
    scope: Scope { id: "vso.code", label: "Code (Read)" },
    key: &["id"],
    rows_estimate: 200.0,
    endpoint: Endpoint {
        host: None,
        path: "/_apis/git/repositories",
        parent: Parent::OptionalProject,
        elements: "value",
        paging: Paging::Single,
        page_size: 1000,
        page_size_parameter: None,
        defaults: &[],
        streams: &[],
        by_id: &[],
        batch: 0,
        on_demand: None,
        projection: None,
    },
    columns: &[
        uuid("id", "Repository id; survives renames."),
        text("name", "Name, unique in the project."),
        uuid("project_id", "Project that holds the repository.")
            .at("/project/id")
            .push(Push::ProjectId),
        text("project_name", "Name of that project.").at("/project/name").push(Push::ProjectName),
        text("default_branch", "Full ref of the default branch; NULL for an empty repository."),
        bigint("size", "Compressed size in bytes."),
        boolean("is_disabled", "Whether the repository is switched off for everybody.").or("false"),
        boolean("is_in_maintenance", "Whether the service is working on the repository.")
            .or("false"),
        boolean("is_fork", "Whether it was created as a fork.").or("false"),
        uuid("parent_repository_id", "Repository that it was forked from.")
            .at("/parentRepository/id"),
        text("parent_repository_name", "Name of the repository that it was forked from.")
            .at("/parentRepository/name"),
        text("remote_url", "Address for git over HTTPS."),
        text("ssh_url", "Address for git over SSH."),
        text("web_url", "Address for people."),
        text("url", "REST address of the repository."),
        jsonb("valid_remote_urls", "Other addresses under which git can reach it."),
        timestamptz("creation_date", "When it was created; sent from API version 7.2 on."),
        jsonb("attrs", "The whole element as the API sent it.").at(""),
    ],
};
