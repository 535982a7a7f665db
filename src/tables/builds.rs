//! Builds: one row per run of a build pipeline.
//! <https://learn.microsoft.com/rest/api/azure/devops/build/builds/list?view=azure-devops-rest-7.1>

use crate::catalog::prelude::*;
use crate::catalog::table::Scope;

const RESULTS: &[&str] = &["succeeded", "partiallySucceeded", "failed", "canceled"];

const REASONS: &[&str] = &[
    "manual",
    "individualCI",
    "batchedCI",
    "schedule",
    "scheduleForced",
    "userCreated",
    "validateShelveset",
    "checkInShelveset",
    "pullRequest",
    "buildCompletion",
    "resourceTrigger",
];

/// Builds that have not ended. Read first: one that ends meanwhile is then seen twice, never missed.
/// The values are in the order in which a build goes through them, for the same reason.
static UNFINISHED: Stream = Stream {
    parameter: "statusFilter",
    values: &["postponed", "notStarted", "inProgress", "cancelling"],
    share: 0.005,
    leaks: false,
};

/// Builds that have ended. One that is run again goes back to the unfinished.
static COMPLETED: Stream =
    Stream { parameter: "statusFilter", values: &["completed"], share: 0.995, leaks: true };

/// `minTime` and `maxTime` compare with whichever time `queryOrder` names.
const fn window(order: &'static str, only: Option<&'static Stream>) -> Push {
    Push::Range(Range {
        since: "minTime",
        until: Some("maxTime"),
        with: Some(("queryOrder", order)),
        version: Version(4, 0),
        only,
    })
}

/// The `builds` table.
pub const TABLE: Table = Table {
    name: "builds",
    doc: "Runs of build pipelines in every project. A run that has not ended has no finish_time.",
    scope: Scope { id: "vso.build", label: "Build (Read)" },
    key: &["id"],
    rows_estimate: 100_000.0,
    endpoint: Endpoint {
        host: None,
        path: "/_apis/build/builds",
        parent: Parent::Project,
        elements: "value",
        paging: Paging::Time { column: "queue_time" },
        page_size: 700,
        page_size_parameter: Some("$top"),
        defaults: &[],
        streams: &[&UNFINISHED, &COMPLETED],
        by_id: &[("statusFilter", "all"), ("queryOrder", "queueTimeAscending")],
        batch: 200,
        on_demand: None,
        projection: None,
    },
    columns: &[
        integer("id", "Build id, unique in the organization.").push(Push::Ids("buildIds")),
        uuid("project_id", "Project that the build belongs to.")
            .at("/project/id")
            .push(Push::ProjectId),
        text("project_name", "Name of that project.").at("/project/name").push(Push::ProjectName),
        text("build_number", "Name of the run, e.g. 20240131.2.").push(Push::Equal("buildNumber")),
        integer("build_number_revision", "Counter at the end of the build number."),
        integer("definition_id", "Pipeline that ran.")
            .at("/definition/id")
            .push(Push::AnyOf("definitions")),
        text("definition_name", "Name of the pipeline that ran.").at("/definition/name"),
        text("definition_path", "Folder of the pipeline, with backslashes.").at("/definition/path"),
        integer("definition_revision", "Version of the pipeline that ran.")
            .at("/definition/revision"),
        text("definition_type", "Kind of pipeline: build or xaml.").at("/definition/type"),
        text(
            "definition_queue_status",
            "Whether the pipeline takes new runs: enabled, paused, disabled.",
        )
        .at("/definition/queueStatus"),
        text(
            "status",
            "Where the run stands: notStarted, inProgress, cancelling, postponed, completed.",
        )
        .push(Push::Stream),
        text(
            "result",
            "How it ended: succeeded, partiallySucceeded, failed, canceled; NULL until then.",
        )
        .push(Push::OneOf("resultFilter", RESULTS)),
        text("reason", "What queued it, e.g. individualCI, schedule, pullRequest.")
            .push(Push::OneOf("reasonFilter", REASONS)),
        text("priority", "Priority in the queue: low, belowNormal, normal, aboveNormal, high."),
        timestamptz("queue_time", "When it was queued; never changes.")
            .push(window("queueTimeAscending", None)),
        timestamptz("start_time", "When it began; later when a stage is run again.")
            .push(window("startTimeAscending", None)),
        timestamptz(
            "finish_time",
            "When it ended; NULL until then, later when a stage is run again.",
        )
        .push(window("finishTimeAscending", Some(&COMPLETED))),
        text("source_branch", "Full ref that was built, e.g. refs/heads/main.")
            .push(Push::Equal("branchName")),
        text("source_version", "Commit that was built."),
        text(
            "repository_id",
            "Repository that was built: a GUID in Azure Repos, else the host's id.",
        )
        .at("/repository/id")
        .push(Push::Together("repositoryId")),
        text("repository_name", "Name of the repository that was built.").at("/repository/name"),
        text("repository_type", "Kind of the repository, e.g. TfsGit or GitHub.")
            .at("/repository/type")
            .push(Push::Together("repositoryType")),
        text("repository_url", "Address of the repository that was built.").at("/repository/url"),
        uuid("requested_for_id", "Identity that the run is for.")
            .at("/requestedFor/id")
            .push(Push::Equal("requestedFor")),
        text("requested_for_name", "Display name of that identity.")
            .at("/requestedFor/displayName"),
        text("requested_for_unique_name", "Sign-in name of that identity.")
            .at("/requestedFor/uniqueName"),
        uuid("requested_by_id", "Identity that queued the run.").at("/requestedBy/id"),
        text("requested_by_name", "Display name of that identity.").at("/requestedBy/displayName"),
        text("requested_by_unique_name", "Sign-in name of that identity.")
            .at("/requestedBy/uniqueName"),
        uuid("last_changed_by_id", "Identity that last changed the run.").at("/lastChangedBy/id"),
        text("last_changed_by_name", "Display name of that identity.")
            .at("/lastChangedBy/displayName"),
        text("last_changed_by_unique_name", "Sign-in name of that identity.")
            .at("/lastChangedBy/uniqueName"),
        timestamptz("last_changed_date", "When the run's record last changed."),
        integer("queue_id", "Agent queue.").at("/queue/id"),
        text("queue_name", "Name of the agent queue.").at("/queue/name"),
        integer("queue_pool_id", "Agent pool behind the queue.").at("/queue/pool/id"),
        text("queue_pool_name", "Name of the agent pool.").at("/queue/pool/name"),
        text("queue_options", "Extra wishes when it was queued: none or doNotRun."),
        integer("queue_position", "Place in the queue while it waits."),
        integer("triggered_by_build_id", "Build whose end started this one.")
            .at("/triggeredByBuild/id"),
        uuid("orchestration_plan_id", "Plan that runs it.").at("/orchestrationPlan/planId"),
        integer("logs_id", "Log container.").at("/logs/id"),
        text("logs_type", "Kind of the log container.").at("/logs/type"),
        text("logs_url", "REST address of the logs.").at("/logs/url"),
        text("parameters", "Parameters of the run: a string of JSON, as the API has it."),
        jsonb("template_parameters", "Parameters of the YAML template."),
        jsonb("trigger_info", "What the source provider said about the trigger."),
        jsonb("tags", "Tags of the run.").push(Push::Contains("tagFilters")),
        jsonb("properties", "Extra properties of the run."),
        jsonb("demands", "What the agent had to have."),
        jsonb("validation_results", "Why a run could not start."),
        jsonb("plans", "All plans of the run."),
        jsonb("agent_specification", "Agent that was asked for.").at("/agentSpecification"),
        jsonb("controller", "XAML build controller."),
        text("quality", "Quality that somebody gave an XAML build."),
        boolean("retained_by_release", "Whether a release keeps it from being deleted.")
            .or("false"),
        boolean("append_commit_message_to_run_name", "Whether the commit message is in the name."),
        boolean("deleted", "Whether it was deleted; such rows appear only when asked for.")
            .or("false")
            .push(Push::Flag("deletedFilter", Some("onlyDeleted"), None)),
        timestamptz("deleted_date", "When it was deleted."),
        uuid("deleted_by_id", "Identity that deleted it.").at("/deletedBy/id"),
        text("deleted_by_name", "Display name of that identity.").at("/deletedBy/displayName"),
        text("deleted_by_unique_name", "Sign-in name of that identity.")
            .at("/deletedBy/uniqueName"),
        text("deleted_reason", "Why it was deleted."),
        text("uri", "Identifier of the form vstfs:///Build/Build/{id}."),
        text("url", "REST address of the build."),
        jsonb("attrs", "The whole element as the API sent it.").at(""),
    ],
};
