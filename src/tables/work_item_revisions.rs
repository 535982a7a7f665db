//! Work item revisions: one row per revision of every work item, deleted items included.
//! <https://learn.microsoft.com/rest/api/azure/devops/wit/reporting-work-item-revisions/read-reporting-revisions-get?view=azure-devops-rest-7.1>

use crate::catalog::prelude::*;
use crate::catalog::table::Scope;

/// A system field of the work item.
macro_rules! field {
    ($constructor:ident, $name:literal, $reference:literal, $doc:literal) => {
        $constructor($name, $doc).at(concat!("/fields/", $reference))
    };
}

/// The `work_item_revisions` table.
pub const TABLE: Table = Table {
    name: "work_item_revisions",
    doc: "Every revision of every work item, deleted items included (is_deleted tells them apart).",
    scope: Scope { id: "vso.work", label: "Work Items (Read)" },
    key: &["id", "rev"],
    rows_estimate: 200_000.0,
    endpoint: Endpoint {
        host: None,
        path: "/_apis/wit/reporting/workitemrevisions",
        parent: Parent::OptionalProject,
        elements: "values",
        paging: Paging::Feed { first_only: &["startDateTime"] },
        page_size: 1000,
        page_size_parameter: Some("$maxPageSize"),
        // Deleted items too, so that a full read and an incremental copy agree.
        defaults: &[("includeDeleted", "true")],
        streams: &[],
        by_id: &[],
        batch: 0,
        // Long texts (System.Description, System.History …) and everything custom.
        on_demand: Some(OnDemand { below: "/fields/", parameter: ("$expand", "fields") }),
        projection: Some(Projection {
            parameter: "fields",
            below: "/fields/",
            always: &["System.Id", "System.Rev", "System.ChangedDate"],
            // Other clients switch at 1,900; the service's own limit is not documented.
            post_from: 1_900,
            body: &[
                ("fields", BodyKind::List),
                ("types", BodyKind::List),
                ("includeDeleted", BodyKind::Flag),
            ],
            get_only: &["$maxPageSize"],
        }),
    },
    columns: &[
        integer("id", "Work item id, unique in the organization."),
        integer("rev", "Revision number of the item, from 1."),
        field!(
            timestamptz,
            "changed_date",
            "System.ChangedDate",
            "When the revision was written; imports may back-date it."
        )
        .push(Push::Range(Range {
            since: "startDateTime",
            until: None,
            with: None,
            version: Version(2, 0),
            only: None,
        })),
        field!(text, "changed_by", "System.ChangedBy", "Who wrote the revision.").identity(),
        field!(text, "team_project", "System.TeamProject", "Project that the item was in."),
        // "Types-scoped requests will only return work item revisions of the specified type(s)": of
        // the type that the revision itself has.
        field!(text, "work_item_type", "System.WorkItemType", "Type, e.g. Bug or User Story.")
            .push(Push::AnyOf("types")),
        field!(text, "state", "System.State", "Workflow state, e.g. Active."),
        field!(text, "reason", "System.Reason", "Why the item is in that state."),
        field!(text, "title", "System.Title", "Title."),
        field!(text, "assigned_to", "System.AssignedTo", "Who it is assigned to.").identity(),
        field!(text, "area_path", "System.AreaPath", "Area, with backslashes."),
        field!(integer, "area_id", "System.AreaId", "Area id."),
        field!(text, "iteration_path", "System.IterationPath", "Iteration, with backslashes."),
        field!(integer, "iteration_id", "System.IterationId", "Iteration id."),
        field!(text, "tags", "System.Tags", "Tags, separated by semicolons."),
        field!(integer, "priority", "Microsoft.VSTS.Common.Priority", "Priority, 1 is highest."),
        field!(text, "severity", "Microsoft.VSTS.Common.Severity", "Severity, e.g. 2 - High."),
        field!(text, "value_area", "Microsoft.VSTS.Common.ValueArea", "Business or Architectural."),
        field!(
            double,
            "story_points",
            "Microsoft.VSTS.Scheduling.StoryPoints",
            "Size in story points."
        ),
        field!(double, "effort", "Microsoft.VSTS.Scheduling.Effort", "Size as effort."),
        field!(
            double,
            "original_estimate",
            "Microsoft.VSTS.Scheduling.OriginalEstimate",
            "First estimate, in hours."
        ),
        field!(
            double,
            "remaining_work",
            "Microsoft.VSTS.Scheduling.RemainingWork",
            "Work left, in hours."
        ),
        field!(
            double,
            "completed_work",
            "Microsoft.VSTS.Scheduling.CompletedWork",
            "Work done, in hours."
        ),
        field!(timestamptz, "created_date", "System.CreatedDate", "When the item was created."),
        field!(text, "created_by", "System.CreatedBy", "Who created the item.").identity(),
        field!(
            timestamptz,
            "state_change_date",
            "Microsoft.VSTS.Common.StateChangeDate",
            "When the state last changed."
        ),
        field!(
            timestamptz,
            "activated_date",
            "Microsoft.VSTS.Common.ActivatedDate",
            "When work began."
        ),
        field!(text, "activated_by", "Microsoft.VSTS.Common.ActivatedBy", "Who began it.")
            .identity(),
        field!(
            timestamptz,
            "resolved_date",
            "Microsoft.VSTS.Common.ResolvedDate",
            "When it was resolved."
        ),
        field!(text, "resolved_by", "Microsoft.VSTS.Common.ResolvedBy", "Who resolved it.")
            .identity(),
        field!(
            timestamptz,
            "closed_date",
            "Microsoft.VSTS.Common.ClosedDate",
            "When it was closed."
        ),
        field!(text, "closed_by", "Microsoft.VSTS.Common.ClosedBy", "Who closed it.").identity(),
        field!(
            timestamptz,
            "revised_date",
            "System.RevisedDate",
            "When the next revision replaced it; year 9999 on the newest."
        ),
        field!(
            timestamptz,
            "authorized_date",
            "System.AuthorizedDate",
            "When the service accepted the revision."
        ),
        field!(
            text,
            "authorized_as",
            "System.AuthorizedAs",
            "Identity that the service accepted it from."
        )
        .identity(),
        field!(integer, "person_id", "System.PersonId", "Internal id of the person who wrote it."),
        field!(bigint, "watermark", "System.Watermark", "Position in the feed of changes."),
        field!(integer, "parent", "System.Parent", "Parent work item."),
        field!(integer, "comment_count", "System.CommentCount", "Comments so far."),
        field!(text, "board_column", "System.BoardColumn", "Column of the team's board."),
        field!(
            boolean,
            "board_column_done",
            "System.BoardColumnDone",
            "Whether it is in the done half of that column."
        ),
        field!(text, "board_lane", "System.BoardLane", "Lane of the team's board."),
        field!(text, "node_name", "System.NodeName", "Last part of the area."),
        field!(
            boolean,
            "is_deleted",
            "System.IsDeleted",
            "Whether the item was in the recycle bin."
        )
        .or("false"),
        jsonb("fields", "All reported fields under their reference names."),
        text("url", "REST address of the revision."),
        jsonb("attrs", "The whole element as the API sent it.").at(""),
    ],
};
