"""What every request looks like: parameters, headers, projects, connections, how many at once."""

import pytest

from harness.database import TABLES
from truth import assert_complete, keys_held

LISTS = ("builds", "pull_requests", "revisions")


def parameters(request):
    return {name: value for name, value in request["query"]}


def project_of(request):
    """The project in the path of `/{organization}/{project}/_apis/…`."""
    return request["path"].split("/")[2]


def read_everything(db):
    for table in TABLES:
        db.rows(f"SELECT * FROM ado.{table}")


def test_every_request_says_who_asks_and_in_which_version(db):
    version = db.value("SELECT extversion FROM pg_extension WHERE extname = 'azure_devops_fdw'")
    db.server_options(page_size=7)
    read_everything(db)
    requests = db.org.requests()
    assert {r["endpoint"] for r in requests} >= {"projects", "repositories", *LISTS}
    for request in requests:
        headers = request["headers"]
        assert parameters(request)["api-version"] == "7.1"
        assert headers["x-tfs-fedauthredirect"] == "Suppress"
        assert "gzip" in headers["accept-encoding"]
        assert headers["user-agent"] == f"azure_devops_fdw/{version}"
        assert headers["accept"].startswith("application/json")
        assert headers["authorization"] == "Basic valid"


def test_another_api_version_is_sent_everywhere(db):
    db.server_options(api_version="7.0")
    read_everything(db)
    assert {parameters(r)["api-version"] for r in db.org.requests()} == {"7.0"}


def test_no_request_has_a_parameter_that_the_service_would_ignore(db):
    db.server_options(page_size=7)
    read_everything(db)
    assert [(r["path"], r["ignored"]) for r in db.org.requests() if r["ignored"]] == []


@pytest.mark.parametrize("page_size", [3, 500])
def test_builds_are_read_by_status_and_never_mixed(db, page_size):
    db.server_options(page_size=page_size)
    times = ("queue_time > '2026-05-01'", "start_time > '2026-05-01'")
    for where in ("true", "result = 'failed'", *times):
        db.rows(f"SELECT id FROM ado.builds WHERE {where}")
    seen = {}
    for request in db.org.requests("builds"):
        statuses = set(parameters(request)["statusFilter"].split(","))
        assert statuses == {"completed"} or "completed" not in statuses
        assert "queryOrder" in parameters(request)
        seen.setdefault(project_of(request), set()).update(statuses)
    all_of_them = {"completed", "inProgress", "notStarted", "cancelling", "postponed"}
    assert len(seen) == 3 and all(statuses == all_of_them for statuses in seen.values())


def test_builds_asked_for_by_id_are_asked_for_in_any_status(db):
    (first,), *_ = keys_held(db.org, "builds")
    db.rows(f"SELECT id FROM ado.builds WHERE id = {first}")
    requests = db.org.requests("builds")
    assert requests
    for request in requests:
        assert parameters(request)["buildIds"] == str(first)
        assert parameters(request)["statusFilter"] == "all"


@pytest.mark.parametrize("page_size", [3, 500])
def test_pull_requests_are_always_asked_for_by_status(db, page_size):
    db.server_options(page_size=page_size)
    for where in ("true", "status = 'active'", "creation_date > '2026-05-01'", "is_draft"):
        db.rows(f"SELECT pull_request_id FROM ado.pull_requests WHERE {where}")
    statuses = [parameters(r)["searchCriteria.status"] for r in db.org.requests("pull_requests")]
    assert set(statuses) == {"all", "active"}


@pytest.mark.parametrize("page_size", [7, 500])
def test_revisions_are_always_asked_for_with_deleted_ones(db, page_size):
    db.server_options(page_size=page_size)
    for where in ("true", "NOT is_deleted", "changed_date > '2026-05-01'"):
        db.rows(f"SELECT id FROM ado.work_item_revisions WHERE {where}")
    requests = db.org.requests("revisions")
    assert {parameters(r)["includeDeleted"] for r in requests} == {"true"}
    # The service lets the token win, or starts over: never both.
    both = {"startDateTime", "continuationToken"}
    assert not [r for r in requests if both <= set(parameters(r))]


def test_projects_that_are_not_well_formed_are_skipped(new_org, new_db):
    org = new_org(projects=8, builds_per_project=5, pull_requests_per_project=5)
    states = {project["id"]: project["state"] for project in org.dump("projects")}
    formed = {id for id, state in states.items() if state == "wellFormed"}
    assert len(formed) == 6
    db = new_db(org)
    for table in ("builds", "pull_requests"):
        assert_complete(db, table)
        assert {project_of(request) for request in org.requests(table)} == formed
    assert_complete(db, "projects")
    assert db.take_notices() == []


def test_disabled_repositories_are_listed_and_their_pull_requests_skipped(db):
    repositories = db.org.dump("repositories")
    disabled = [r["id"] for r in repositories if r["isDisabled"]]
    assert len(disabled) == 1
    query = "SELECT id::text FROM ado.repositories WHERE is_disabled"
    assert db.column(query) == disabled
    assert_complete(db, "pull_requests")
    query = "SELECT count(*) FROM ado.pull_requests WHERE repository_id = %s::uuid"
    assert db.value(query, disabled) == 0


def test_a_repository_disabled_since_has_no_pull_requests_any_more(db):
    repository = next(r for r in db.org.dump("repositories") if not r["isDisabled"])
    before = db.value("SELECT count(*) FROM ado.pull_requests")
    db.org.mutate({"op": "put_repository", "id": repository["id"], "values": {"isDisabled": True}})
    assert_complete(db, "pull_requests")
    assert db.value("SELECT count(*) FROM ado.pull_requests") < before


def test_connections_are_used_again_by_later_scans(db):
    for _ in range(10):
        read_everything(db)
    summary = db.org.summary()
    assert summary["requests"] > 100
    # As many as may be busy at once, however many scans there were.
    assert summary["connections"] <= 8


def test_one_list_uses_one_connection(new_org, new_db):
    db = new_db(new_org(projects=1), page_size=7)
    db.rows("SELECT id FROM ado.builds")
    # A request may start in the moment before the last connection is back in the pool.
    assert db.org.summary()["connections"] <= 2 < db.org.summary()["requests"]


@pytest.mark.parametrize("limit", [1, 2, 3, 64])
def test_no_more_requests_at_once_than_allowed(new_org, new_db, limit):
    org = new_org(projects=9, builds_per_project=15, pull_requests_per_project=15, latency_ms=30)
    db = new_db(org, max_concurrency=limit, page_size=7)
    for table in ("builds", "pull_requests"):
        assert_complete(db, table)
    most = org.summary()["max_concurrent"]
    assert most == min(limit, 7)


def test_several_projects_are_read_at_once_by_default(new_org, new_db):
    org = new_org(projects=20, builds_per_project=5, latency_ms=30)
    db = new_db(org)
    assert_complete(db, "builds")
    assert 1 < org.summary()["max_concurrent"] <= 8


def test_a_table_limited_to_a_project_asks_for_no_other(db):
    name = next(p["name"] for p in db.org.dump("projects") if " " in p["name"])
    (id,) = [p["id"] for p in db.org.dump("projects") if p["name"] == name]
    for table in ("builds", "pull_requests", "repositories"):
        db.execute(f"ALTER FOREIGN TABLE ado.{table} OPTIONS (ADD project '{name}')")
        rows = db.value(f"SELECT count(*) FROM ado.{table}")
        column = {"builds": lambda e: e["project"]["id"]}
        column["repositories"] = column["builds"]
        column["pull_requests"] = lambda e: e["repository"]["project"]["id"]
        held = keys_held(db.org, table, lambda e, table=table: column[table](e) == id)
        assert rows == len(held) > 0
    for request in db.org.requests():
        assert request["endpoint"] == "projects" or project_of(request) in (id, name)
