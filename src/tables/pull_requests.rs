//! Pull requests: one row per pull request of every repository, whatever its status.
//! <https://learn.microsoft.com/rest/api/azure/devops/git/pull-requests/get-pull-requests-by-project?view=azure-devops-rest-7.1>

use crate::catalog::prelude::*;
use crate::catalog::table::Scope;

/// Statuses that the list can be narrowed to, one at a time.
const STATUSES: &[&str] = &["active", "abandoned", "completed"];

/// `minTime` and `maxTime` compare with the time that `queryTimeRangeType` names; since 7.1 only.
const fn window(kind: &'static str) -> Push {
    Push::Range(Range {
        since: "searchCriteria.minTime",
        until: Some("searchCriteria.maxTime"),
        with: Some(("searchCriteria.queryTimeRangeType", kind)),
        version: Version(7, 1),
        only: None,
    })
}

/// The `pull_requests` table.
pub const TABLE: Table = Table {
    name: "pull_requests",
    doc: "Pull requests of every repository that is not disabled, in any status.",
    scope: Scope { id: "vso.code", label: "Code (Read)" },
    key: &["pull_request_id"],
    rows_estimate: 20_000.0,
    endpoint: Endpoint {
        host: None,
        path: "/_apis/git/pullrequests",
        parent: Parent::Project,
        elements: "value",
        paging: Paging::Overlap { skip: "$skip", newest_first: "creation_date" },
        page_size: 500,
        page_size_parameter: Some("$top"),
        // Without it the service lists the active ones only.
        defaults: &[("searchCriteria.status", "all")],
        streams: &[],
        by_id: &[],
        batch: 0,
        on_demand: None,
        projection: None,
    },
    columns: &[
        integer("pull_request_id", "Pull request id, unique in the organization.")
            .push(Push::Get("/_apis/git/pullrequests/{}")),
        integer("code_review_id", "Id of the code review behind it."),
        uuid("project_id", "Project of the target repository.")
            .at("/repository/project/id")
            .push(Push::ProjectId),
        text("project_name", "Name of that project.")
            .at("/repository/project/name")
            .push(Push::ProjectName),
        uuid("repository_id", "Repository of the target branch.")
            .at("/repository/id")
            .push(Push::Equal("searchCriteria.repositoryId")),
        text("repository_name", "Name of that repository.").at("/repository/name"),
        text("status", "active, completed or abandoned.")
            .push(Push::ExactlyOne("searchCriteria.status", STATUSES)),
        text("title", "Title."),
        text(
            "description",
            "Description; cut to 400 characters by the list, complete when the row is asked for by pull_request_id.",
        ),
        timestamptz("creation_date", "When it was opened.").push(window("created")),
        timestamptz("closed_date", "When it was completed or abandoned; NULL while active.")
            .push(window("closed")),
        uuid("created_by_id", "Identity that opened it.")
            .at("/createdBy/id")
            .push(Push::Equal("searchCriteria.creatorId")),
        text("created_by_name", "Display name of that identity.").at("/createdBy/displayName"),
        text("created_by_unique_name", "Sign-in name of that identity.")
            .at("/createdBy/uniqueName"),
        uuid("closed_by_id", "Identity that closed it.").at("/closedBy/id"),
        text("closed_by_name", "Display name of that identity.").at("/closedBy/displayName"),
        text("closed_by_unique_name", "Sign-in name of that identity.").at("/closedBy/uniqueName"),
        uuid("auto_complete_set_by_id", "Identity that set auto-complete.")
            .at("/autoCompleteSetBy/id"),
        text("auto_complete_set_by_name", "Display name of that identity.")
            .at("/autoCompleteSetBy/displayName"),
        text("auto_complete_set_by_unique_name", "Sign-in name of that identity.")
            .at("/autoCompleteSetBy/uniqueName"),
        text("source_ref_name", "Full ref of the source branch.")
            .push(Push::Equal("searchCriteria.sourceRefName")),
        text("target_ref_name", "Full ref of the target branch.")
            .push(Push::Equal("searchCriteria.targetRefName")),
        boolean("is_draft", "Whether it is a draft.").or("false"),
        text(
            "merge_status",
            "Last test merge: queued, conflicts, succeeded, rejectedByPolicy, failure.",
        ),
        text("merge_failure_type", "Why the last test merge failed."),
        text("merge_failure_message", "Message of the last failed test merge."),
        uuid("merge_id", "Job of the last test merge."),
        text("last_merge_commit_id", "Commit of the last test merge.")
            .at("/lastMergeCommit/commitId"),
        text("last_merge_source_commit_id", "Head of the source branch at the last test merge.")
            .at("/lastMergeSourceCommit/commitId"),
        text("last_merge_target_commit_id", "Head of the target branch at the last test merge.")
            .at("/lastMergeTargetCommit/commitId"),
        text(
            "completion_options_merge_strategy",
            "How it is merged: noFastForward, squash, rebase, rebaseMerge.",
        )
        .at("/completionOptions/mergeStrategy"),
        text("completion_options_merge_commit_message", "Message of the merge commit.")
            .at("/completionOptions/mergeCommitMessage"),
        boolean(
            "completion_options_delete_source_branch",
            "Whether the source branch goes with it.",
        )
        .at("/completionOptions/deleteSourceBranch"),
        boolean("completion_options_bypass_policy", "Whether branch policies are passed over.")
            .at("/completionOptions/bypassPolicy"),
        jsonb("completion_options", "All choices for completing it."),
        timestamptz("completion_queue_time", "When it was last queued for completion."),
        jsonb("reviewers", "Reviewers and groups with their votes (10 approved … -10 rejected).")
            .push(Push::ContainsId("searchCriteria.reviewerId")),
        jsonb("labels", "Labels."),
        jsonb("merge_options", "Choices for the test merge."),
        jsonb("fork_source", "Fork that it comes from."),
        boolean("supports_iterations", "Whether single pushes can be reviewed."),
        boolean("has_multiple_merge_bases", "Whether the branches have more than one merge base."),
        text("artifact_id", "Identifier for links; sent only when the row is asked for by id."),
        text("remote_url", "Address for git."),
        text("url", "REST address."),
        jsonb("commits", "Commits; sent only when the row is asked for by id."),
        jsonb("work_item_refs", "Linked work items; sent only when the row is asked for by id."),
        jsonb("attrs", "The whole element as the API sent it.").at(""),
    ],
};
