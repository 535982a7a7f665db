"""A join with a few rows asks for those; one with many reads the table once."""

import pytest


def parameters(db, endpoint: str) -> list[dict]:
    return [dict(request["query"]) for request in db.org.requests() if request["endpoint"] == endpoint]


def visited_projects(db) -> set[str]:
    return {r["path"].split("/")[2] for r in db.org.requests() if r["endpoint"] == "builds"}


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
    asked = [query.get("buildIds") for query in parameters(db, "builds")]
    # Together, once per project.
    assert asked == [",".join(map(str, [*ids, 1_000_000]))] * len(visited_projects(db))


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


@pytest.mark.parametrize(
    "query",
    [
        "SELECT w.id, b.id FROM wanted w LEFT JOIN {}.builds b ON b.id = w.id",
        "SELECT b.id, w.id FROM {}.builds b LEFT JOIN wanted w ON b.id = w.id",
        "SELECT b.id, w.id FROM {}.builds b FULL JOIN wanted w ON b.id = w.id",
        "SELECT b.id, 0 FROM {}.builds b WHERE EXISTS (SELECT FROM wanted w WHERE w.id = b.id)",
        "SELECT b.id, 0 FROM {}.builds b WHERE NOT EXISTS (SELECT FROM wanted w WHERE w.id = b.id)",
        "SELECT w.id, 0 FROM wanted w WHERE NOT EXISTS (SELECT FROM {}.builds b WHERE w.id = b.id)",
        "SELECT b.id, 0 FROM {}.builds b WHERE b.id IN (SELECT w.id FROM wanted w WHERE w.id % 2 = 0)",
        "SELECT b.id, 0 FROM {}.builds b WHERE b.id NOT IN (SELECT w.id FROM wanted w)",
        "SELECT v.id, b.id FROM wanted v LEFT JOIN (wanted w JOIN {}.builds b USING (id)) ON v.id = b.id + 1",
        "SELECT b.id, w.id FROM wanted w JOIN {}.builds b ON b.id = w.id AND b.status = 'completed'",
        "SELECT b.id, c.id FROM wanted w JOIN {0}.builds b USING (id) LEFT JOIN {0}.builds c ON c.id = b.id + 1",
    ],
)
def test_every_kind_of_join_finds_the_rows_of_a_local_copy(db, wanted, query):
    builds = [build["id"] for build in db.org.dump("builds")]
    wanted([*builds[3:9], builds[-1], 1_000_000])
    db.execute("INSERT INTO wanted VALUES (NULL)")
    db.execute("CREATE SCHEMA local; CREATE TABLE local.builds AS SELECT * FROM ado.builds")
    there, here = (sorted(map(str, db.rows(query.format(schema)))) for schema in ("ado", "local"))
    assert there == here


def test_a_batch_of_keys_is_read_anew_at_every_execution(db, wanted):
    first, second, third = [build["id"] for build in db.org.dump("builds")][:3]
    wanted([first])
    db.execute(
        "PREPARE joined(int) AS SELECT b.id FROM wanted w JOIN ado.builds b ON b.id = w.id"
        " WHERE w.id >= $1 ORDER BY 1"
    )
    db.execute("SET plan_cache_mode = force_generic_plan")
    assert db.column("EXECUTE joined(0)") == [first]
    db.execute("INSERT INTO wanted VALUES (%s)", [second])
    assert db.column("EXECUTE joined(0)") == sorted([first, second])
    assert db.column("EXECUTE joined(%s)" % second) == sorted(id for id in (first, second) if id >= second)
    lateral = (
        "SELECT g, j.id FROM generate_series(1, 2) g, LATERAL (SELECT b.id FROM wanted w"
        " JOIN ado.builds b ON b.id = w.id WHERE w.id < 1000000 * g OFFSET 0) j"
    )
    assert sorted(db.rows(lateral)) == sorted((g, id) for g in (1, 2) for id in (first, second))


def test_a_batch_that_finds_no_key_sends_no_request_for_builds(db, wanted):
    wanted([])
    assert db.rows("SELECT b.id FROM wanted w JOIN ado.builds b ON b.id = w.id") == []
    assert parameters(db, "builds") == []


def test_rows_locked_by_a_join_are_those_of_the_local_table(db, wanted):
    ids = [build["id"] for build in db.org.dump("builds")][:2]
    wanted(ids)
    found = db.column("SELECT b.id FROM wanted w JOIN ado.builds b ON b.id = w.id FOR UPDATE OF w")
    assert sorted(found) == sorted(ids)
