"""Which conditions travel with the requests, in which parameters, and which stay here.

The rows are compared with a local copy each time: a pushed condition may narrow what is
downloaded, never what is found.
"""

import pytest

from pushed import ALL, BUILDS, COMPLETED, UNFINISHED, both, check, copy, in_order, same_rows, sent


STARTING = {"statusFilter": "notStarted,inProgress"}


@pytest.fixture
def db(new_org, new_db):
    return copy(new_db(new_org()))


@pytest.mark.parametrize(
    "where, more",
    [
        ("result = 'failed'", {"resultFilter": "failed"}),
        ("'failed' = result", {"resultFilter": "failed"}),
        ("result IN ('failed', 'canceled')", {"resultFilter": "canceled,failed"}),
        ("result = 'failed' OR result = 'canceled'", {"resultFilter": "canceled,failed"}),
        ("result = ANY(ARRAY['failed', NULL])", {"resultFilter": "failed"}),
        ("reason = 'schedule'", {"reasonFilter": "schedule"}),
        ("reason IN ('schedule', 'manual')", {"reasonFilter": "manual,schedule"}),
        ("source_branch = 'refs/heads/main'", {"branchName": "refs/heads/main"}),
        ("build_number = '20260501.7'", {"buildNumber": "20260501.7"}),
        ("deleted", {"deletedFilter": "onlyDeleted"}),
        ("deleted = true", {"deletedFilter": "onlyDeleted"}),
        ("deleted IS TRUE", {"deletedFilter": "onlyDeleted"}),
        ("NOT deleted", {}),
        ("deleted IS NOT TRUE", {}),
        (
            "result = 'failed' AND source_branch = 'refs/heads/main'",
            {"resultFilter": "failed", "branchName": "refs/heads/main"},
        ),
        ("result = 'failed' AND length(build_number) > 3", {"resultFilter": "failed"}),
    ],
)
def test_columns_of_builds_become_parameters(db, where, more):
    rows = f"({where})"
    if "deleted" in where and not more == {}:
        # Deleted builds are in no full read, so there is nothing to compare with.
        db.rows(f"SELECT id FROM ado.builds WHERE {rows}")
        assert sent(db, "builds") == in_order(both(**more))
        assert db.value(f"SELECT bool_and(deleted) AND count(*) > 0 FROM ado.builds WHERE {rows}")
    else:
        check(db, "builds", rows, *both(**more))


@pytest.mark.parametrize(
    "where, expected",
    [
        ("status = 'completed'", [COMPLETED]),
        ("status = 'inProgress'", [{"statusFilter": "inProgress"}]),
        ("status IN ('notStarted', 'postponed')", [{"statusFilter": "postponed,notStarted"}]),
        ("status = 'inProgress' OR 'notStarted' = status", [STARTING]),
        ("status IN ('completed', 'postponed')", [COMPLETED, {"statusFilter": "postponed"}]),
        ("status <> 'completed'", [UNFINISHED]),
        ("NOT status = 'completed'", [UNFINISHED]),
        ("status NOT IN ('completed', 'postponed', 'cancelling')", [STARTING]),
        ("status <> ALL(ARRAY['completed', 'postponed', 'cancelling', 'x'])", [STARTING]),
        ("status NOT IN ('postponed', 'notStarted', 'inProgress', 'cancelling')", [COMPLETED]),
        ("status IS DISTINCT FROM 'completed'", [UNFINISHED, COMPLETED]),
        ("NOT status = 'COMPLETED'", [UNFINISHED, COMPLETED]),
        ("status = 'COMPLETED'", [UNFINISHED, COMPLETED]),
        ("status = 'abandoned'", [UNFINISHED, COMPLETED]),
        ("status IN ('completed', 'abandoned')", [UNFINISHED, COMPLETED]),
        ("status LIKE 'comp%'", [UNFINISHED, COMPLETED]),
    ],
)
def test_the_status_of_builds_chooses_the_lists(db, where, expected):
    check(db, "builds", where, *[{**BUILDS, **states} for states in expected])


@pytest.mark.parametrize(
    "where",
    [
        "NOT result = 'failed'",
        "result <> 'failed'",
        "result IS DISTINCT FROM 'failed'",
        "result IS NULL",
        "result = 'Failed'",
        "result = 'resultOfTomorrow'",
        "result IN ('failed', 'resultOfTomorrow')",
        "result > 'failed'",
        "lower(result) = 'failed'",
        "reason = 'Schedule'",
        "reason LIKE 'sched%'",
        "result ILIKE 'FAILED'",
        "result NOT IN ('failed', 'succeeded')",
        "result = 'failed' OR reason = 'manual'",
        "NOT (result = 'failed' AND reason = 'manual')",
        "source_branch LIKE 'refs/heads/%'",
        "source_branch = ''",
        "build_number = ''",
        "definition_id <> 11",
        "definition_id > 11",
        "id > 1050",
        "id <> 1050",
        "id BETWEEN 1010 AND 1050",
        "id % 2 = 1",
        "queue_time <> '2026-05-01'",
        "NOT queue_time > '2026-05-01' OR id > 1050",
        "date_trunc('month', queue_time) = '2026-05-01'",
        "queue_time::date = '2026-05-02'",
        "finish_time IS NULL",
        "queue_time < start_time",
        "project_name LIKE 'F%'",
        "project_name <> 'Fabrikam'",
        "upper(project_name) = 'FABRIKAM'",
    ],
)
def test_conditions_that_could_lose_rows_stay_here(db, where):
    check(db, "builds", where, *both())


@pytest.mark.parametrize("unknown", [False, True])
def test_values_that_nobody_listed_are_found(new_org, new_db, unknown):
    db = copy(new_db(new_org(traps={"unknown_enum_values": unknown})))
    for value in ("resultOfTomorrow", "failed"):
        same_rows(db, "builds", f"result = '{value}'")
    query = "SELECT count(*) > 0 FROM ado.builds WHERE result = 'resultOfTomorrow'"
    assert db.value(query) == unknown


def test_definitions_of_builds_become_a_list(db):
    first, second = db.column("SELECT DISTINCT definition_id FROM local.builds ORDER BY 1 LIMIT 2")
    check(db, "builds", f"definition_id = {first}", *both(definitions=str(first)))
    db.org.simulator.clear()
    either = f"definition_id IN ({second}, {first})"
    check(db, "builds", either, *both(definitions=f"{first},{second}"))
    db.org.simulator.clear()
    check(db, "builds", f"definition_id = {first}::bigint", *both(definitions=str(first)))


def test_ids_of_builds_are_asked_for_and_nothing_else(db):
    ids = db.column("SELECT id FROM local.builds ORDER BY id LIMIT 3")
    listed = ",".join(map(str, ids))
    expected = {**BUILDS, "statusFilter": "all", "buildIds": listed}
    where = f"id IN ({listed}) AND status = 'completed' AND result = 'failed'"
    check(db, "builds", where, expected)
    db.org.simulator.clear()
    check(db, "builds", f"id IN ({listed}, -5, 0, 77777777777)", expected)


@pytest.mark.parametrize("table", ["builds", "pull_requests"])
def test_only_the_projects_that_are_named_are_visited(db, table):
    projects = {p["name"]: p["id"] for p in db.org.dump("projects")}
    (name, id), (other, other_id), *_ = sorted(projects.items())
    cases = [
        (f"project_id = '{id}'", {id}),
        (f"project_id = '{id.upper()}'", {id}),
        (f"project_name = '{name}'", {id}),
        (f"project_name IN ('{name}', '{other}')", {id, other_id}),
        (f"project_id IN ('{id}', '{other_id}') AND project_name = '{other}'", {other_id}),
        (f"project_id = '{id}' AND project_name = '{other}'", set()),
        ("project_name = 'No such project'", set()),
        (f"project_id = '{id}' OR project_name = '{other}'", set(projects.values())),
    ]
    for where, visited in cases:
        same_rows(db, table, where)
        assert {r["path"].split("/")[2] for r in db.org.requests(table)} == visited, where
        db.org.simulator.clear()


def test_names_of_projects_differ_by_case_in_sql_only(db):
    assert same_rows(db, "builds", "project_name = 'FABRIKAM'") == []
    assert same_rows(db, "builds", "project_name = 'Fabrikam'") != []


@pytest.mark.parametrize(
    "where, more",
    [
        ("status = 'active'", {"searchCriteria.status": "active"}),
        ("status IN ('active')", {"searchCriteria.status": "active"}),
        ("status IN ('active', 'completed')", {}),
        ("status = 'Active'", {}),
        ("status = 'all'", {}),
        ("status = 'notSet'", {}),
        ("status <> 'active'", {}),
        ("NOT status = 'active'", {}),
        ("source_ref_name = 'r/x y+&'", {"searchCriteria.sourceRefName": "r/x y+&"}),
        ("'refs/heads/a' = source_ref_name", {"searchCriteria.sourceRefName": "refs/heads/a"}),
        ("target_ref_name = 'refs/heads/a'", {"searchCriteria.targetRefName": "refs/heads/a"}),
        ("target_ref_name IN ('refs/heads/main', 'refs/heads/x')", {}),
        ("is_draft", {}),
        ("title LIKE 'A%'", {}),
        ("pull_request_id > 10", {}),
        ("pull_request_id = 10 OR status = 'active'", {}),
    ],
)
def test_columns_of_pull_requests_become_parameters(db, where, more):
    check(db, "pull_requests", where, {**ALL, **more})


@pytest.mark.parametrize(
    "column, parameter",
    [
        ("repository_id", "searchCriteria.repositoryId"),
        ("created_by_id", "searchCriteria.creatorId"),
    ],
)
def test_ids_around_pull_requests_become_parameters(db, column, parameter):
    value = str(db.value(f"SELECT min({column}::text) FROM local.pull_requests"))
    rows = check(db, "pull_requests", f"{column} = '{value}'", {**ALL, parameter: value})
    assert rows
    unknown = "00000000-0000-4000-8000-000000000000"
    assert same_rows(db, "pull_requests", f"{column} = '{unknown}'") == []


def test_pull_requests_are_fetched_by_id(db):
    ids = db.column("SELECT pull_request_id FROM local.pull_requests ORDER BY 1 LIMIT 3")
    listed = ",".join(map(str, ids))
    same_rows(db, "pull_requests", f"pull_request_id IN ({listed}, 0, 99999)")
    paths = [r["path"].split("/_apis/")[1] for r in db.org.requests()]
    assert sorted(paths) == sorted(f"git/pullrequests/{id}" for id in [*ids, 99999])


def test_pull_requests_of_many_ids_are_found_in_the_lists(db):
    same_rows(db, "pull_requests", "pull_request_id = ANY(%s)", [list(range(1, 200))])
    assert len(db.org.requests()) < 20


@pytest.mark.parametrize(
    "where, state",
    [
        ("state = 'wellFormed'", "wellFormed"),
        ("state = 'deleting'", "deleting"),
        ("state = 'WellFormed'", "all"),
        ("state = 'all'", "all"),
        ("state <> 'wellFormed'", "all"),
        ("state IN ('wellFormed', 'deleting')", "all"),
        ("name = 'Fabrikam'", "all"),
    ],
)
def test_the_state_of_projects_becomes_a_parameter(new_org, new_db, where, state):
    db = copy(new_db(new_org(projects=8)))
    check(db, "projects", where, {"stateFilter": state})


@pytest.mark.parametrize("where", ["is_disabled", "name LIKE '%k%'", "default_branch IS NULL"])
def test_repositories_are_read_in_one_request(db, where):
    same_rows(db, "repositories", where)
    assert len(db.org.requests()) == 1
