"""Whatever a query does with foreign tables, it gives the rows that ordinary tables give."""

import psycopg
import pytest

TABLES = ("projects", "repositories", "builds", "pull_requests", "work_item_revisions")

# {s} is the schema. The first column of each query makes its rows comparable in any order.
JOINS = {
    "plain": "SELECT b.id, p.name FROM {s}.builds b JOIN {s}.projects p ON p.id = b.project_id",
    "outer": "SELECT p.id, b.id FROM {s}.projects p LEFT JOIN {s}.builds b"
    " ON b.project_id = p.id AND b.result = 'failed'",
    "full": "SELECT coalesce(a.id, b.id), a.id, b.id FROM"
    " (SELECT id FROM {s}.builds WHERE result = 'failed') a FULL JOIN"
    " (SELECT id FROM {s}.builds WHERE reason = 'manual') b ON a.id = b.id",
    "with a local table": "SELECT b.id, l.note FROM wanted l JOIN {s}.builds b ON b.id = l.id",
    "local left": "SELECT l.id, b.build_number FROM wanted l LEFT JOIN {s}.builds b ON b.id = l.id",
    "semi": "SELECT id FROM wanted w WHERE EXISTS (SELECT 1 FROM {s}.builds b WHERE b.id = w.id)",
    "anti": "SELECT id FROM wanted w"
    " WHERE NOT EXISTS (SELECT 1 FROM {s}.builds b WHERE b.id = w.id)",
    "lateral": "SELECT p.id, x.id FROM {s}.projects p, LATERAL (SELECT b.id FROM {s}.builds b"
    " WHERE b.project_id = p.id ORDER BY b.id DESC LIMIT 3) x",
    "lateral left": "SELECT w.id, x.n FROM wanted w LEFT JOIN LATERAL (SELECT b.build_number AS n"
    " FROM {s}.builds b WHERE b.id = w.id) x ON true",
    "lateral union": "SELECT p.id, x.id FROM {s}.projects p, LATERAL ("
    " SELECT b.id::bigint FROM {s}.builds b WHERE b.project_id = p.id AND b.result = 'failed'"
    " UNION ALL SELECT r.pull_request_id FROM {s}.pull_requests r WHERE r.project_id = p.id) x",
    "three": "SELECT b.id, r.name, p.name FROM {s}.builds b JOIN {s}.projects p"
    " ON p.id = b.project_id JOIN {s}.repositories r ON r.project_id = p.id",
    "self": "SELECT a.id, count(*) FROM {s}.builds a JOIN {s}.builds b"
    " ON b.definition_id = a.definition_id AND b.queue_time < a.queue_time GROUP BY 1",
    "inequality": "SELECT w.id, count(b.id) FROM wanted w JOIN {s}.builds b"
    " ON b.queue_time > w.since GROUP BY 1",
    "two rescans": "SELECT w.id, p.id, b.id FROM wanted w, {s}.projects p, {s}.builds b"
    " WHERE b.id = w.id AND p.id = b.project_id",
}

PLANS = {
    "the planner's own choice": [],
    "nested loops": ["enable_hashjoin", "enable_mergejoin", "enable_material"],
    "nested loops without memoize": [
        "enable_hashjoin",
        "enable_mergejoin",
        "enable_material",
        "enable_memoize",
    ],
    "merge joins": ["enable_hashjoin", "enable_nestloop"],
    "hash joins": ["enable_mergejoin", "enable_nestloop"],
}

SUBQUERIES = {
    "correlated": "SELECT w.id, (SELECT b.build_number FROM {s}.builds b WHERE b.id = w.id)"
    " FROM wanted w",
    "correlated in WHERE": "SELECT b.id FROM {s}.builds b WHERE b.queue_time ="
    " (SELECT max(c.queue_time) FROM {s}.builds c WHERE c.definition_id = b.definition_id)",
    "initplan": "SELECT id FROM {s}.builds WHERE id = (SELECT max(id) FROM {s}.builds)",
    "initplan on a local table": "SELECT id FROM {s}.builds WHERE id = (SELECT max(id) FROM wanted)",
    "initplan of a time": "SELECT id FROM {s}.builds"
    " WHERE finish_time >= (SELECT max(since) FROM wanted)",
    "initplan that is null": "SELECT id FROM {s}.builds"
    " WHERE id = (SELECT max(id) FROM wanted WHERE false)",
    "array of a subquery": "SELECT id FROM {s}.builds WHERE id = ANY (ARRAY(SELECT id FROM wanted))",
    "in a subquery": "SELECT id FROM {s}.builds WHERE id IN (SELECT id FROM wanted)",
    "not in a subquery": "SELECT id FROM {s}.builds"
    " WHERE id NOT IN (SELECT id FROM wanted WHERE id IS NOT NULL)",
    "union all": "SELECT id FROM {s}.builds WHERE result = 'failed'"
    " UNION ALL SELECT id FROM {s}.builds WHERE result = 'succeeded'",
    "union": "SELECT status FROM {s}.builds UNION SELECT status FROM {s}.pull_requests",
    "intersect": "SELECT id FROM {s}.builds WHERE reason = 'manual'"
    " INTERSECT SELECT id FROM {s}.builds WHERE result = 'failed'",
    "except": "SELECT id FROM {s}.builds EXCEPT SELECT id FROM wanted",
    "materialized cte": "WITH c AS MATERIALIZED (SELECT * FROM {s}.builds)"
    " SELECT a.id FROM c a JOIN c b USING (id) WHERE b.result = 'failed'",
    "recursive cte": "WITH RECURSIVE c(id, n) AS (SELECT min(id), 1 FROM {s}.builds UNION ALL"
    " SELECT (SELECT min(b.id) FROM {s}.builds b WHERE b.id > c.id), n + 1 FROM c WHERE n < 4)"
    " SELECT * FROM c",
}

CLAUSES = {
    "in": "id IN (SELECT id FROM wanted) OR id IN (1, 2, 3)",
    "in with null": "result IN ('failed', NULL)",
    "not in": "result NOT IN ('failed', 'succeeded')",
    "not in with null": "result NOT IN ('failed', NULL)",
    "any": "result = ANY (ARRAY['failed', 'canceled'])",
    "any with null": "result = ANY (ARRAY['failed', NULL])",
    "any of only null": "result = ANY (ARRAY[NULL]::text[])",
    "any of null": "result = ANY (NULL::text[])",
    "any of nothing": "id = ANY ('{{}}'::int[])",
    "all of nothing": "id = ALL ('{{}}'::int[])",
    "any of two dimensions": "result = ANY ('{{{{failed,canceled}},{{x,NULL}}}}'::text[])",
    "not any": "NOT (result = ANY (ARRAY['failed', 'canceled']))",
    "all": "id <> ALL (ARRAY[1, 2, 3])",
    "null": "result = NULL",
    "is null": "result IS NULL",
    "is distinct": "result IS DISTINCT FROM 'failed'",
    "unknown value": "result = 'exploded' OR status = 'resting'",
    "another case": "result = 'FAILED'",
    "text of spaces": "source_branch = ' '",
    "not": "NOT deleted AND retained_by_release IS NOT TRUE",
    "is not true": "deleted IS NOT TRUE",
    "is unknown": "deleted IS UNKNOWN",
    "or": "result = 'failed' OR reason = 'manual'",
    "contradiction": "id > 5 AND id < 5",
    "negative id": "id = -5",
    "id beyond int": "id = 99999999999",
    "ids of two widths": "id IN (1::smallint, 99999999999)",
    "range": "queue_time BETWEEN (SELECT min(since) FROM wanted) AND now()",
    "infinite": "queue_time < 'infinity' AND queue_time > '-infinity'",
    "last days": "queue_time > timestamptz '2026-06-30 12:00Z' - interval '7 days'",
    "far times": "queue_time > '4713-01-01 BC' AND finish_time < '294000-01-01'",
    "equal time": "finish_time = (SELECT max(finish_time) FROM truth.builds)",
    "two times": "queue_time > (SELECT min(since) FROM wanted) AND finish_time < now()",
    "date": "queue_time::date = (SELECT max(queue_time)::date FROM truth.builds)",
    "volatile": "id > random() * 0",
    "unfinished by finish time": "finish_time IS NULL OR finish_time > '2026-06-01'",
    "like": "source_branch LIKE 'refs/heads/%'",
    "collation": "result COLLATE \"C\" = 'failed'",
    "cast": "id::text = (SELECT min(id)::text FROM wanted)",
    "jsonb": "tags ? 'release' OR attrs -> 'project' ->> 'name' = 'x'",
    "row": "(id, result) = (SELECT id, result FROM truth.builds WHERE result IS NOT NULL LIMIT 1)",
}

OTHERS = {
    "count": "SELECT count(*) FROM {s}.builds",
    "count of nothing": "SELECT count(*) FROM {s}.builds WHERE false",
    "constant": "SELECT 1 FROM {s}.builds",
    "whole row": "SELECT b::text FROM {s}.builds b",
    "whole row as json": "SELECT row_to_json(b)::text FROM {s}.builds b",
    "whole row of a join": "SELECT p::text, b::text FROM {s}.builds b"
    " JOIN {s}.projects p ON p.id = b.project_id WHERE b.result = 'failed'",
    "whole row that is null": "SELECT w.id, (b IS NULL) FROM wanted w"
    " LEFT JOIN {s}.builds b ON b.id = w.id",
    "whole row with filter": "SELECT b::text FROM {s}.builds b WHERE b.result = 'failed'",
    "distinct": "SELECT DISTINCT result, status FROM {s}.builds",
    "distinct on": "SELECT DISTINCT ON (definition_id) definition_id, id FROM {s}.builds"
    " ORDER BY definition_id, id DESC",
    "group": "SELECT result, count(*), min(queue_time), max(id) FROM {s}.builds GROUP BY 1",
    "grouping sets": "SELECT result, reason, count(*) FROM {s}.builds GROUP BY ROLLUP (1, 2)",
    "having": "SELECT definition_id FROM {s}.builds GROUP BY 1 HAVING count(*) > 2",
    "window": "SELECT id, row_number() OVER (PARTITION BY definition_id ORDER BY id),"
    " lag(id) OVER (ORDER BY id) FROM {s}.builds",
    "window and limit": "SELECT id, count(*) OVER () FROM {s}.builds ORDER BY id LIMIT 3",
    "order and limit": "SELECT id FROM {s}.builds ORDER BY finish_time DESC NULLS LAST, id LIMIT 5",
    "offset": "SELECT id FROM {s}.builds ORDER BY id OFFSET 100",
    "offset beyond": "SELECT id FROM {s}.builds OFFSET 100000",
    "offset and limit": "SELECT id FROM {s}.builds ORDER BY id LIMIT 7 OFFSET 55",
    "limit zero": "SELECT id FROM {s}.builds LIMIT 0",
    "limit null": "SELECT id FROM {s}.builds LIMIT NULL",
    "limit of all": "SELECT id FROM {s}.builds LIMIT 100000",
    "with ties": "SELECT result FROM {s}.builds ORDER BY result FETCH FIRST 2 ROWS WITH TIES",
    "limit in a join": "SELECT b.id, p.name FROM {s}.builds b JOIN {s}.projects p"
    " ON p.id = b.project_id ORDER BY b.id LIMIT 9",
    "limit of a filter": "SELECT count(*) FROM (SELECT id FROM {s}.builds"
    " WHERE build_number_revision IS NULL AND definition_name LIKE '%a%' LIMIT 20) x",
    "set returning": "SELECT id, jsonb_array_elements_text(tags) FROM {s}.builds",
    "aggregate of order": "SELECT array_agg(id ORDER BY id) FROM {s}.builds",
    "filter clause": "SELECT count(*) FILTER (WHERE result = 'failed') FROM {s}.builds",
    "exists": "SELECT EXISTS (SELECT FROM {s}.builds WHERE result = 'failed')",
    "values": "SELECT v.r, count(b.id) FROM (VALUES ('failed'), ('x'), (NULL)) v(r)"
    " LEFT JOIN {s}.builds b ON b.result = v.r GROUP BY 1",
}


@pytest.fixture
def db(new_db, org):
    """Several pages per project; `truth` holds the same tables as ordinary ones."""
    db = new_db(org, page_size=15)
    db.execute("CREATE SCHEMA truth")
    for table in TABLES:
        db.execute(f"CREATE TABLE truth.{table} AS TABLE ado.{table}")
        assert db.value(f"SELECT count(*) FROM truth.{table}") == len(org.dump(table))
    db.execute(
        "CREATE TABLE wanted AS SELECT id, 'note ' || id AS note, queue_time AS since"
        " FROM truth.builds ORDER BY id LIMIT 6 OFFSET 50;"
        " INSERT INTO wanted VALUES (-1, 'none', now()), (NULL, 'null', NULL)"
    )
    return db


def check(db, query: str) -> None:
    """The same rows from both schemas, as texts: records of two tables are of two types."""

    def rows(schema: str) -> list[str]:
        return sorted(map(repr, db.rows(query.format(s=schema))))

    found, expected = rows("ado"), rows("truth")
    assert found == expected


@pytest.mark.parametrize("plan", PLANS)
def test_joins_give_the_right_rows(db, plan, subtests):
    for setting in PLANS[plan]:
        db.execute(f"SET {setting} = off")
    for name, query in JOINS.items():
        with subtests.test(name):
            check(db, query)


def test_nested_loops_really_rescan_the_foreign_table(db):
    for setting in PLANS["nested loops without memoize"]:
        db.execute(f"SET {setting} = off")
    query = "EXPLAIN (ANALYZE, FORMAT JSON) " + JOINS["lateral"].format(s="ado")
    (plan,) = db.value(query)
    scans = []

    def walk(node):
        scans.extend([node["Actual Loops"]] if node["Node Type"] == "Foreign Scan" else [])
        for child in node.get("Plans", []):
            walk(child)

    walk(plan["Plan"])
    assert max(scans) > 1


def test_subqueries_give_the_right_rows(db, subtests):
    for name, query in SUBQUERIES.items():
        with subtests.test(name):
            check(db, query)


def test_clauses_leave_the_right_rows(db, subtests):
    for name, clause in CLAUSES.items():
        with subtests.test(name):
            check(db, f"SELECT id, result FROM {{s}}.builds WHERE {clause}")


def test_every_shape_of_query_gives_the_right_rows(db, subtests):
    for name, query in OTHERS.items():
        with subtests.test(name):
            check(db, query)


def test_tableoid_and_the_whole_row_name_the_foreign_table(db):
    query = "SELECT DISTINCT tableoid::regclass::text, pg_typeof(b)::text FROM ado.builds b"
    assert db.rows(query) == [("ado.builds", "ado.builds")]
    both = "SELECT DISTINCT tableoid = 'ado.builds'::regclass FROM ado.builds WHERE id > 0"
    assert db.column(both) == [True]


def test_other_system_columns_do_no_harm(db):
    for column in ("xmin", "cmin", "xmax", "cmax", "ctid"):
        try:
            db.rows(f"SELECT {column}, id FROM ado.builds")
        except psycopg.Error as error:
            assert "cannot retrieve a system column" in str(error)
    assert db.value("SELECT count(*) FROM ado.builds") == db.value(
        "SELECT count(*) FROM truth.builds"
    )


def test_offset_as_a_parameter_gives_the_right_rows(db):
    db.execute("SET plan_cache_mode = force_generic_plan")
    ids = db.column("SELECT id FROM truth.builds ORDER BY id")
    db.execute("PREPARE sorted(bigint) AS SELECT id FROM ado.builds ORDER BY id LIMIT 2 OFFSET $1")
    db.execute("PREPARE plain(bigint) AS SELECT id FROM ado.builds LIMIT $1")
    for offset in (0, 1, 50, len(ids) - 1, len(ids)):
        assert db.column(f"EXECUTE sorted({offset})") == ids[offset : offset + 2]
        assert len(db.column(f"EXECUTE plain({offset})")) == offset


def test_joins_over_every_table_agree(db):
    check(
        db,
        "SELECT p.name, (SELECT count(*) FROM {s}.builds b WHERE b.project_id = p.id),"
        " (SELECT count(*) FROM {s}.pull_requests r WHERE r.project_id = p.id),"
        " (SELECT count(*) FROM {s}.repositories r WHERE r.project_id = p.id),"
        " (SELECT count(*) FROM {s}.work_item_revisions w WHERE w.team_project = p.name)"
        " FROM {s}.projects p",
    )
