"""EXPLAIN calls nothing, and neither does a query that never asks for a row."""

import json

import psycopg
import pytest

QUERIES = [
    "SELECT * FROM ado.builds",
    "SELECT id FROM ado.builds WHERE id = 5 AND result = 'failed' AND NOT deleted",
    "SELECT id FROM ado.builds WHERE queue_time > now() - interval '7 days'",
    "SELECT id FROM ado.builds WHERE id = (SELECT max(id) FROM ado.builds)",
    "SELECT id FROM ado.builds WHERE id = ANY (ARRAY(SELECT pull_request_id FROM ado.pull_requests))",
    "SELECT b, p FROM ado.builds b JOIN ado.projects p ON p.id = b.project_id",
    "SELECT g, (SELECT count(*) FROM ado.builds WHERE id = g) FROM generate_series(1, 3) g",
    "SELECT p.id, x.id FROM ado.projects p, LATERAL (SELECT b.id FROM ado.builds b"
    " WHERE b.project_id = p.id AND b.id = length(p.name) LIMIT 3) x",
    "SELECT id FROM ado.builds UNION ALL SELECT pull_request_id FROM ado.pull_requests",
    "SELECT count(*), max(attrs ->> 'x') FROM ado.work_item_revisions WHERE changed_date > '2026-01-01'",
    "SELECT id FROM ado.repositories ORDER BY name LIMIT 3",
]

# Queries that are planned and begun but never ask a foreign table for a row.
LAZY = {
    "limit zero": "SELECT * FROM ado.builds LIMIT 0",
    "limit zero of a parameter": "SELECT * FROM ado.builds LIMIT (SELECT 0)",
    "false": "SELECT * FROM ado.builds WHERE false",
    "subplan never run": "SELECT CASE WHEN g > 10 THEN (SELECT count(*) FROM ado.builds"
    " WHERE id = g) END FROM generate_series(1, 3) g",
    "initplan never run": "SELECT CASE WHEN g > 10 THEN (SELECT count(*) FROM ado.builds) END"
    " FROM generate_series(1, 3) g",
    "exists never asked": "SELECT 1 FROM generate_series(1, 3) g"
    " WHERE g > 10 AND EXISTS (SELECT 1 FROM ado.builds WHERE id = g)",
    "outer side empty": "SELECT * FROM (SELECT 1 AS id WHERE random() < 0) l,"
    " LATERAL (SELECT * FROM ado.builds b WHERE b.id = l.id OFFSET 0) x",
    "first branch enough": "SELECT 1 UNION ALL SELECT id FROM ado.builds LIMIT 1",
    "filter of no column": "SELECT * FROM ado.builds WHERE current_date < '2000-01-01'",
    "equal to null": "SELECT * FROM ado.builds WHERE id = (SELECT NULL::int)",
    "any of nothing": "SELECT * FROM ado.builds WHERE id = ANY ((SELECT '{}'::int[])::int[])",
    "any of nulls": "SELECT * FROM ado.builds WHERE id = ANY ('{NULL,NULL}'::int[])",
    "impossible id": "SELECT * FROM ado.builds WHERE id = -1",
    "empty window": "SELECT * FROM ado.builds WHERE id > 3"
    " AND queue_time > '2026-02-01' AND queue_time < '2026-01-01'",
    "two ids": "SELECT * FROM ado.builds WHERE id = 5 AND id = ANY (ARRAY[6, 7])",
}


def no_duplicates(pairs):
    names = [name for name, _ in pairs]
    assert len(set(names)) == len(names), names
    return dict(pairs)


def lines(db, query: str) -> str:
    return "\n".join(map(str, db.column(query)))


@pytest.mark.parametrize("form", ["TEXT", "JSON", "XML", "YAML"])
def test_explain_sends_no_request(db, form, subtests):
    for query in QUERIES:
        with subtests.test(query):
            for verbose in ("", "VERBOSE, "):
                assert "Foreign Scan" in lines(db, f"EXPLAIN ({verbose}FORMAT {form}) {query}")
            assert db.org.requests() == []


def test_explain_as_json_has_each_key_once(db, subtests):
    db.execute(
        "CREATE FUNCTION explained(q text) RETURNS text LANGUAGE plpgsql AS $$"
        " DECLARE plan json; BEGIN EXECUTE q INTO plan; RETURN plan::text; END $$"
    )
    for query in QUERIES:
        with subtests.test(query):
            for options in ("", "VERBOSE, ", "ANALYZE, VERBOSE, "):
                explain = f"EXPLAIN ({options}FORMAT JSON) {query}"
                text = db.value("SELECT explained(%s)", [explain])
                assert json.loads(text, object_pairs_hook=no_duplicates)


def test_explain_as_xml_is_well_formed(db):
    query = (
        "EXPLAIN (ANALYZE, VERBOSE, FORMAT XML) SELECT * FROM ado.builds WHERE result = 'failed'"
    )
    db.execute(
        "CREATE FUNCTION explained(q text) RETURNS xml LANGUAGE plpgsql AS $$"
        " DECLARE plan xml; BEGIN EXECUTE q INTO plan; RETURN plan; END $$"
    )
    names = "SELECT (xpath('count(//*[local-name()=\"API-Requests\"])', explained(%s)))[1]::text"
    assert db.value(names, [query]) == "1"


def test_explain_execute_sends_no_request_and_can_be_repeated(db):
    db.execute("SET plan_cache_mode = force_generic_plan")
    db.execute(
        "PREPARE q(int, timestamptz) AS SELECT * FROM ado.builds WHERE id = $1 AND queue_time > $2"
    )
    for _ in range(3):
        text = lines(db, "EXPLAIN (VERBOSE) EXECUTE q(5, now())")
        assert "$1" in text
        assert "queue_time" in text
    assert db.org.requests() == []


def test_explain_verbose_names_the_endpoint_and_what_is_pushed(db):
    text = lines(
        db,
        "EXPLAIN (VERBOSE, COSTS OFF) SELECT id FROM ado.builds"
        " WHERE result = 'failed' AND quality LIKE 'x%'",
    )
    assert "/_apis/build/builds" in text
    (pushed,) = [line for line in text.splitlines() if "Azure DevOps Filter" in line]
    assert "result" in pushed
    assert "quality" not in pushed
    assert "API Parameters: resultFilter: (builds.result = 'failed'::text)" in text
    assert "API Fan-out: every wellFormed project" in text
    assert "API Rechecked Only: (builds.quality ~~ 'x%'::text)" in text
    plain = lines(db, "EXPLAIN SELECT id FROM ado.builds WHERE result = 'failed'")
    assert "Azure DevOps" not in plain


def test_explain_verbose_shows_parameters_with_their_expressions(db):
    def api(query):
        text = lines(db, f"EXPLAIN (VERBOSE, COSTS OFF) {query}")
        found = [line.strip() for line in text.splitlines() if "API " in line]
        return dict(line.split(": ", 1) for line in found)

    window = api("SELECT id FROM ado.builds WHERE queue_time > now() - interval '7 days'")
    assert window["API Parameters"] == "minTime: (builds.queue_time > (now() - '7 days'::interval))"
    single = api("SELECT title FROM ado.pull_requests WHERE pull_request_id IN (7, 8)")
    assert single["API Fan-out"] == "none, single elements by id"
    assert single["API Parameters"].startswith("path /_apis/git/pullrequests/{}: ")
    computed = api("SELECT id FROM ado.builds WHERE queue_time > (SELECT min(oid)::text::timestamptz FROM pg_class)")
    assert computed["API Parameters"] == "minTime: queue_time by a value that the plan computes"
    project = api("SELECT id FROM ado.builds WHERE project_name = 'x' AND id < 5")
    assert project["API Fan-out"] == "wellFormed projects that the conditions name"
    assert project["API Rechecked Only"] == "(builds.id < 5)"
    db.execute("CREATE TABLE wanted AS SELECT generate_series(1, 5) AS id; ANALYZE wanted")
    joined = api("SELECT b.id FROM wanted w JOIN ado.builds b ON b.id = w.id")
    assert joined["API Parameters"] == "buildIds: id of the rows below"
    assert db.org.requests() == []


def test_explain_analyze_counts_what_the_service_saw(db):
    (plan,) = db.value("EXPLAIN (ANALYZE, FORMAT JSON) SELECT * FROM ado.builds")
    scan = plan["Plan"]
    requests = db.org.requests()
    assert scan["API Requests"] == len(requests)
    assert scan["API Rows"] == scan["Actual Rows"] == len(db.org.dump("builds"))
    assert scan["API Retries"] == 0
    assert scan["API Bytes"] > 0


def test_explain_analyze_counts_over_all_rescans(db):
    db.execute("SET enable_hashjoin = off; SET enable_mergejoin = off; SET enable_memoize = off")
    query = (
        "SELECT p.id, x.id FROM ado.projects p, LATERAL (SELECT b.id FROM ado.builds b"
        " WHERE b.project_id = p.id OFFSET 0) x"
    )
    (plan,) = db.value(f"EXPLAIN (ANALYZE, FORMAT JSON) {query}")

    def requests(node):
        return node.get("API Requests", 0) + sum(requests(child) for child in node.get("Plans", []))

    assert requests(plan["Plan"]) == len(db.org.requests())


def test_explain_analyze_of_a_scan_that_never_ran_says_so(db):
    (plan,) = db.value(
        "EXPLAIN (ANALYZE, FORMAT JSON) SELECT 1 FROM generate_series(1, 3) g"
        " WHERE g > 10 AND EXISTS (SELECT 1 FROM ado.builds WHERE id = g)"
    )
    assert plan
    assert db.org.requests() == []


def test_a_query_that_asks_for_no_row_sends_no_request(db, subtests):
    for setting in ("enable_hashjoin", "enable_mergejoin"):
        db.execute(f"SET {setting} = off")
    for name, query in LAZY.items():
        before = len(db.org.requests())
        with subtests.test(name):
            db.rows(query)
            assert len(db.org.requests()) == before


def test_preparing_and_declaring_sends_no_request(db):
    db.execute("PREPARE q AS SELECT * FROM ado.builds")
    db.execute("BEGIN; DECLARE c CURSOR FOR SELECT * FROM ado.builds")
    db.execute("CLOSE c; COMMIT; DEALLOCATE q")
    assert db.org.requests() == []


def test_defining_views_and_functions_sends_no_request(db):
    db.execute("CREATE VIEW v AS SELECT * FROM ado.builds")
    db.execute("CREATE MATERIALIZED VIEW m AS SELECT * FROM ado.builds WITH NO DATA")
    db.execute(
        "CREATE FUNCTION f() RETURNS bigint LANGUAGE sql AS 'SELECT count(*) FROM ado.builds'"
    )
    db.execute("ANALYZE")
    db.execute("VACUUM")
    assert db.org.requests() == []


def test_limit_stops_the_downloads(new_db, new_org):
    org = new_org(projects=1, builds_per_project=500)
    db = new_db(org, page_size=10)
    assert len(db.rows("SELECT id FROM ado.builds LIMIT 5")) == 5
    # Pages in flight and waiting are few and constant; the whole list has fifty.
    assert len(org.requests("builds")) <= 10


def test_explain_shows_no_credential(db):
    text = lines(db, "EXPLAIN (ANALYZE, VERBOSE) SELECT * FROM ado.builds")
    assert db.org.pat not in text


def test_explain_of_a_table_without_credential_works(db):
    db.execute("DROP USER MAPPING FOR CURRENT_USER SERVER ado")
    assert lines(db, "EXPLAIN (VERBOSE) SELECT * FROM ado.builds")
    with pytest.raises(psycopg.errors.InvalidAuthorizationSpecification):
        db.execute("SELECT * FROM ado.builds")
