"""For each table, column and operator that the catalogue names: the exact request.

`columns()` shows users the same list; a row that is missing here, or too much, fails.
"""

import pytest

from pushed import ALL, BUILDS, COMPLETED, DELETED_TOO, UNFINISHED, both, copy, in_order, sent

GUID = "11111111-2222-3333-4444-555555555555"
TIME = "'2026-05-01 10:20:30.5+00'"
BEFORE, AFTER = "2026-05-01T10:20:29Z", "2026-05-01T10:20:32Z"
QUEUE, START, FINISH = (f"{name}TimeAscending" for name in ("queue", "start", "finish"))
CREATED, CLOSED = "created", "closed"


def windows(table, column, send):
    """The five comparisons with a time; `send` makes the requests of a lower and an upper bound."""
    return {
        (table, column, "="): (f"= {TIME}", send(BEFORE, AFTER)),
        (table, column, ">"): (f"> {TIME}", send(BEFORE, None)),
        (table, column, ">="): (f">= {TIME}", send(BEFORE, None)),
        (table, column, "<"): (f"< {TIME}", send(None, AFTER)),
        (table, column, "<="): (f"<= {TIME}", send(None, AFTER)),
    }


def builds_window(order, lists):
    def send(lower, upper):
        bounds = {"minTime": lower, "maxTime": upper}
        bounds = {name: value for name, value in bounds.items() if value}
        return [{**states, "queryOrder": order, **bounds} for states in lists]

    return send


def pull_requests_window(kind):
    def send(lower, upper):
        bounds = {"searchCriteria.minTime": lower, "searchCriteria.maxTime": upper}
        bounds = {name: value for name, value in bounds.items() if value}
        return [{**ALL, "searchCriteria.queryTimeRangeType": kind, **bounds}]

    return send


def text(table, column, parameter, send, value="x", several=None):
    """`=` with a value, and where `several` is given, IN with two."""
    rows = {(table, column, "="): (f"= '{value}'", send({parameter: value}))}
    if several:
        listed = ", ".join(f"'{v}'" for v in several)
        rows[table, column, "IN"] = (f"IN ({listed})", send({parameter: ",".join(sorted(several))}))
    return rows


def of_builds(more):
    return both(**more)


def of_pull_requests(more):
    return [{**ALL, **more}]


BY_ID = {"statusFilter": "all", "queryOrder": QUEUE}

# (table, column, operator): the condition behind the column's name, and the parameters of the
# requests for the table's list. None: the condition changes the paths, which have tests below.
EXPECTED = {
    ("projects", "state", "="): ("= 'new'", [{"stateFilter": "new"}]),
    ("repositories", "project_id", "="): (f"= '{GUID}'", None),
    ("repositories", "project_id", "IN"): (f"IN ('{GUID}')", None),
    ("repositories", "project_name", "="): ("= 'x'", None),
    ("repositories", "project_name", "IN"): ("IN ('x')", None),
    ("builds", "id", "="): ("= 7", [{**BY_ID, "buildIds": "7"}]),
    ("builds", "id", "IN"): ("IN (9, 7)", [{**BY_ID, "buildIds": "7,9"}]),
    ("builds", "project_id", "="): (f"= '{GUID}'", None),
    ("builds", "project_id", "IN"): (f"IN ('{GUID}')", None),
    ("builds", "project_name", "="): ("= 'x'", None),
    ("builds", "project_name", "IN"): ("IN ('x')", None),
    **text("builds", "build_number", "buildNumber", of_builds),
    ("builds", "definition_id", "="): ("= 3", both(definitions="3")),
    ("builds", "definition_id", "IN"): ("IN (3, 2)", both(definitions="2,3")),
    ("builds", "status", "="): ("= 'completed'", [{**BUILDS, **COMPLETED}]),
    ("builds", "status", "IN"): (
        "IN ('inProgress', 'postponed')",
        [{**BUILDS, "statusFilter": "postponed,inProgress"}],
    ),
    ("builds", "status", "<>"): ("<> 'completed'", [{**BUILDS, **UNFINISHED}]),
    ("builds", "status", "NOT IN"): (
        "NOT IN ('completed', 'postponed')",
        [{**BUILDS, "statusFilter": "notStarted,inProgress,cancelling"}],
    ),
    **text("builds", "result", "resultFilter", of_builds, "failed", ["failed", "canceled"]),
    **text("builds", "reason", "reasonFilter", of_builds, "manual", ["manual", "schedule"]),
    **windows("builds", "queue_time", builds_window(QUEUE, [UNFINISHED, COMPLETED])),
    **windows("builds", "start_time", builds_window(START, [UNFINISHED, COMPLETED])),
    **windows("builds", "finish_time", builds_window(FINISH, [COMPLETED])),
    ("builds", "finish_time", "IS NOT NULL"): ("IS NOT NULL", [{**BUILDS, **COMPLETED}]),
    **text("builds", "source_branch", "branchName", of_builds, "refs/heads/main"),
    ("builds", "repository_id", "="): (
        f"= '{GUID}' AND repository_type = 'TfsGit'",
        both(repositoryId=GUID, repositoryType="TfsGit"),
    ),
    ("builds", "repository_type", "="): ("= 'TfsGit'", both()),
    **text("builds", "requested_for_id", "requestedFor", of_builds, GUID),
    ("builds", "tags", "@>"): ("""@> '["b", "a"]'""", both(tagFilters="a,b")),
    ("builds", "tags", "?"): ("? 'a'", both(tagFilters="a")),
    ("builds", "tags", "?&"): ("?& ARRAY['b', 'a', NULL]", both(tagFilters="a,b")),
    ("builds", "deleted", "="): ("= true", both(deletedFilter="onlyDeleted")),
    ("pull_requests", "pull_request_id", "="): ("= 7", None),
    ("pull_requests", "pull_request_id", "IN"): ("IN (7, 9)", None),
    ("pull_requests", "project_id", "="): (f"= '{GUID}'", None),
    ("pull_requests", "project_id", "IN"): (f"IN ('{GUID}')", None),
    ("pull_requests", "project_name", "="): ("= 'x'", None),
    ("pull_requests", "project_name", "IN"): ("IN ('x')", None),
    **text("pull_requests", "repository_id", "searchCriteria.repositoryId", of_pull_requests, GUID),
    ("pull_requests", "status", "="): ("= 'active'", [{"searchCriteria.status": "active"}]),
    **windows("pull_requests", "creation_date", pull_requests_window(CREATED)),
    **windows("pull_requests", "closed_date", pull_requests_window(CLOSED)),
    **text("pull_requests", "created_by_id", "searchCriteria.creatorId", of_pull_requests, GUID),
    **text("pull_requests", "source_ref_name", "searchCriteria.sourceRefName", of_pull_requests),
    **text("pull_requests", "target_ref_name", "searchCriteria.targetRefName", of_pull_requests),
    ("pull_requests", "reviewers", "@>"): (
        f"""@> '[{{"id": "{GUID}"}}]'""",
        of_pull_requests({"searchCriteria.reviewerId": GUID}),
    ),
    ("work_item_revisions", "changed_date", "="): (
        f"= {TIME}",
        [{**DELETED_TOO, "startDateTime": BEFORE}],
    ),
    ("work_item_revisions", "changed_date", ">"): (
        f"> {TIME}",
        [{**DELETED_TOO, "startDateTime": BEFORE}],
    ),
    ("work_item_revisions", "changed_date", ">="): (
        f">= {TIME}",
        [{**DELETED_TOO, "startDateTime": BEFORE}],
    ),
    ("work_item_revisions", "work_item_type", "="): ("= 'Bug'", [{**DELETED_TOO, "types": "Bug"}]),
    ("work_item_revisions", "work_item_type", "IN"): (
        "IN ('Task', 'Bug')",
        [{**DELETED_TOO, "types": "Bug,Task"}],
    ),
}


def test_every_operator_of_the_catalogue_is_listed_here(db):
    named = {
        (table, column, operator)
        for table, column, operators in db.rows(
            "SELECT table_name, column_name, pushed_operators FROM azure_devops.columns()"
        )
        for operator in operators
    }
    assert named == set(EXPECTED)


@pytest.mark.parametrize(
    "table, column, operator",
    [key for key, (_, parameters) in EXPECTED.items() if parameters is not None],
)
def test_each_operator_sends_exactly_these_parameters(db, table, column, operator):
    condition, parameters = EXPECTED[table, column, operator]
    db.rows(f"SELECT {column} FROM ado.{table} WHERE {column} {condition}")
    assert sent(db, table) == in_order(parameters)


def paths(db, endpoint=None):
    return {request["path"].split("/", 2)[2] for request in db.org.requests(endpoint)}


@pytest.mark.parametrize("form", ["= {}", "IN ({})"])
@pytest.mark.parametrize("column", ["project_id", "project_name"])
@pytest.mark.parametrize(
    "table, list",
    [
        ("builds", "build/builds"),
        ("pull_requests", "git/pullrequests"),
        ("repositories", "git/repositories"),
    ],
)
def test_a_project_is_the_only_one_whose_list_is_read(db, table, list, column, form):
    project = db.org.dump("projects")[0]
    value = project["id" if column == "project_id" else "name"]
    db.rows(f"SELECT 1 FROM ado.{table} WHERE {column} {form.format('%s')}", [value])
    segment = value if table == "repositories" else project["id"]
    assert paths(db, table) == {f"{segment}/_apis/{list}"}


def test_pull_requests_are_asked_for_by_their_ids(db):
    ids = sorted(element["pullRequestId"] for element in db.org.dump("pull_requests"))[:2]
    db.rows("SELECT title FROM ado.pull_requests WHERE pull_request_id = %s", ids[:1])
    assert paths(db) == {f"_apis/git/pullrequests/{ids[0]}"}
    db.rows("SELECT title FROM ado.pull_requests WHERE pull_request_id IN (%s, %s)", ids)
    assert paths(db) == {f"_apis/git/pullrequests/{id}" for id in ids}


def test_only_wanted_fields_of_revisions_are_asked_for(db):
    db.rows("SELECT id, title, state FROM ado.work_item_revisions WHERE work_item_type = 'Bug'")
    (request,) = db.org.requests("revisions")
    fields = dict(request["query"])["fields"].split(",")
    always = {"System.Id", "System.Rev", "System.ChangedDate"}
    assert set(fields) == always | {"System.Title", "System.State", "System.WorkItemType"}
    db.org.simulator.clear()
    for query in ("SELECT attrs", "SELECT fields", "SELECT url"):
        db.rows(f"{query} FROM ado.work_item_revisions")
    assert not any("fields" in dict(request["query"]) for request in db.org.requests("revisions"))


def test_many_fields_and_types_go_into_the_body_of_a_post(new_org, new_db):
    org = new_org(work_items=30)
    db = copy(new_db(org, page_size=10))
    columns = "id, rev, title, state, work_item_type, area_path, iteration_path, created_date"
    types = ["Bug", "Task", *(f"A type that nobody has ever seen: number {n}" for n in range(30))]
    query = f"SELECT {columns} FROM {{}}.work_item_revisions WHERE work_item_type = ANY(%s)"
    there, here = (sorted(map(str, db.rows(query.format(s), [types]))) for s in ("ado", "local"))
    assert there == here and there
    requests = org.requests("revisions")
    assert {request["method"] for request in requests} == {"POST"}
    assert not any({"fields", "types"} & dict(request["query"]).keys() for request in requests)
    # POST pages are the service's own size.
    assert all("$maxPageSize" not in dict(request["query"]) for request in requests)


def test_a_field_that_the_organization_does_not_know_is_no_error(db):
    rows = db.rows("SELECT id, effort FROM ado.work_item_revisions WHERE title <> ''")
    assert len(rows) == len(db.org.dump("revisions"))


def test_a_filter_that_the_service_refuses_is_left_out(db):
    db.org.faults({"kind": "status", "status": 400, "endpoint": "builds", "times": 1})
    found = db.rows("SELECT id FROM ado.builds WHERE result = 'failed'")
    failed = [build for build in db.org.dump("builds") if build.get("result") == "failed"]
    assert sorted(found) == sorted((build["id"],) for build in failed)
