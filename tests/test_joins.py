"""A join with a few rows asks for those; one with many reads the table once."""

import pytest


def parameters(db, endpoint: str) -> list[dict]:
    return [dict(request["query"]) for request in db.org.requests() if request["endpoint"] == endpoint]


@pytest.fixture
def wanted(db):
    """Makes product.wanted, a local table of the given ids."""

    def make(ids):
        db.execute("CREATE TABLE wanted (id integer); ANALYZE wanted")
        for id in ids:
            db.execute("INSERT INTO wanted VALUES (%s)", [id])
        db.execute("ANALYZE wanted")
        db.org.simulator.clear()

    return make


def test_a_join_on_few_build_ids_asks_for_those_builds_only(db, wanted):
    ids = [build["id"] for build in db.org.dump("builds")][5:8]
    wanted([*ids, 1_000_000])
    rows = db.rows("SELECT b.id, b.result FROM wanted w JOIN ado.builds b ON b.id = w.id")
    results = {build["id"]: build.get("result") for build in db.org.dump("builds")}
    assert sorted(rows) == sorted((id, results[id]) for id in ids)
    asked = {query.get("buildIds") for query in parameters(db, "builds")}
    assert asked == {str(id) for id in [*ids, 1_000_000]}


def test_a_join_lists_the_projects_once(db, wanted):
    wanted([build["id"] for build in db.org.dump("builds")][:4])
    db.rows("SELECT b.id FROM wanted w JOIN ado.builds b ON b.id = w.id")
    assert len(parameters(db, "projects")) == 1


def test_a_join_on_few_pull_request_ids_gets_each_directly(db, wanted):
    ids = [element["pullRequestId"] for element in db.org.dump("pull_requests")][:3]
    wanted(ids)
    rows = db.column("SELECT p.pull_request_id FROM wanted w JOIN ado.pull_requests p ON p.pull_request_id = w.id")
    assert sorted(rows) == sorted(ids)
    paths = [request["path"] for request in db.org.requests()]
    assert sorted(paths) == sorted(f"/{db.org.name}/_apis/git/pullrequests/{id}" for id in ids)


def test_a_join_with_one_project_visits_that_project_only(db):
    name = db.value("SELECT name FROM ado.projects WHERE state = 'wellFormed' ORDER BY name LIMIT 1")
    db.execute("CREATE TABLE chosen AS SELECT id FROM ado.projects WHERE name = %s", [name])
    db.execute("ANALYZE chosen")
    db.org.simulator.clear()
    rows = db.rows("SELECT b.id, b.project_name FROM chosen c JOIN ado.builds b ON b.project_id = c.id")
    assert {project for _, project in rows} == {name}
    (id,) = db.row("SELECT id::text FROM chosen")
    visited = [r["path"].split("/")[2] for r in db.org.requests() if r["endpoint"] == "builds"]
    assert set(visited) == {id}


def test_a_join_with_many_rows_reads_the_table_once(db, wanted):
    db.execute("CREATE TABLE many AS SELECT g AS id FROM generate_series(1, 5000) AS g")
    db.execute("ANALYZE many")
    db.org.simulator.clear()
    found = db.column("SELECT b.id FROM many m JOIN ado.builds b ON b.id = m.id")
    assert sorted(found) == sorted(b["id"] for b in db.org.dump("builds") if b["id"] <= 5000)
    assert not any("buildIds" in query for query in parameters(db, "builds"))


def test_the_planner_believes_an_estimate_of_rows(db):
    def rows():
        (plan,) = db.value("EXPLAIN (FORMAT json) SELECT * FROM ado.builds")
        return plan["Plan"]["Plan Rows"]

    assert rows() == 100_000
    db.execute("ALTER FOREIGN TABLE ado.builds OPTIONS (ADD rows_estimate '120')")
    assert rows() == 120
