//! Projects: one row per project of the organisation, whatever its state.
//! <https://learn.microsoft.com/rest/api/azure/devops/core/projects/list?view=azure-devops-rest-7.1>

use crate::catalog::prelude::*;
use crate::catalog::table::Scope;

/// States that the list can be narrowed to. Deleted projects are not in the list.
const STATES: &[&str] = &["wellFormed", "new", "createPending", "deleting"];

/// The `projects` table.
pub const TABLE: Table = Table {
    name: "projects",
    doc: "Projects of the organization that the credential can see, in any state but deleted.",
    scope: Scope { id: "vso.project", label: "Project and Team (Read)" },
    key: &["id"],
    rows_estimate: 40.0,
    endpoint: Endpoint {
        host: None,
        path: "/_apis/projects",
        parent: Parent::Organization,
        elements: "value",
        paging: Paging::Token,
        page_size: 1000,
        page_size_parameter: Some("$top"),
        defaults: &[("stateFilter", "all")],
        streams: &[],
        by_id: &[],
        batch: 0,
        on_demand: None,
        projection: None,
    },
    columns: &[
        uuid("id", "Project id; survives renames."),
        text("name", "Name, unique in the organization."),
        text("description", "Description; NULL when nobody wrote one."),
        text(
            "state",
            "Where the project is in its life: wellFormed, new, createPending, deleting.",
        )
        .push(Push::ExactlyOne("stateFilter", STATES)),
        text("visibility", "Who can see it: private or public."),
        bigint("revision", "Grows with every change of the project's settings."),
        timestamptz("last_update_time", "When the project's settings last changed."),
        text("abbreviation", "Short form of the name, where one is set."),
        text("default_team_image_url", "Picture of the project's default team."),
        text("url", "REST address of the project."),
        jsonb("attrs", "The whole element as the API sent it.").at(""),
    ],
};
