"""Right-hand sides that are known only when the query runs travel like constants."""

import pytest

from pushed import COMPLETED, copy, same_rows, sent, whole_second_before, window


@pytest.fixture
def db(new_org, new_db):
    return copy(new_db(new_org()))


def test_now_minus_an_interval_travels(db):
    with db.connection.transaction():
        now = db.value("SELECT now() - interval '30 days'")
        same_rows(db, "builds", "queue_time > now() - interval '30 days'")
    lower = whole_second_before(now)
    assert {p.get("minTime") for p in sent(db, "builds")} == {lower}


@pytest.mark.parametrize("mode", ["force_generic_plan", "force_custom_plan"])
def test_parameters_of_prepared_statements_travel(db, mode):
    db.execute(f"SET plan_cache_mode = {mode}")
    db.execute(
        "PREPARE q (timestamptz, text[]) AS SELECT id FROM ado.builds"
        " WHERE queue_time >= $1 AND result = ANY($2) ORDER BY id"
    )
    for day, results in [("2026-05-01", "{failed}"), ("2026-06-01", "{failed,canceled}")] * 3:
        db.org.simulator.clear()
        found = db.column(f"EXECUTE q ('{day}', '{results}')")
        local = "SELECT id FROM local.builds WHERE queue_time >= %s AND result = ANY(%s) ORDER BY 1"
        assert found == db.column(local, [day, results])
        lower = whole_second_before(day)
        filters = ",".join(sorted(results.strip("{}").split(",")))
        assert {(p["minTime"], p["resultFilter"]) for p in sent(db, "builds")} == {(lower, filters)}


@pytest.mark.parametrize("mode", ["force_generic_plan", "force_custom_plan"])
@pytest.mark.parametrize(
    "arguments", ["NULL, '{1001}'", "'2026-05-01', NULL", "'2026-05-01', '{}'"]
)
def test_null_and_empty_parameters_need_no_request(db, mode, arguments):
    db.execute(f"SET plan_cache_mode = {mode}")
    db.execute(
        "PREPARE q (timestamptz, int[]) AS SELECT id FROM ado.builds"
        " WHERE queue_time > $1 AND id = ANY($2)"
    )
    assert db.rows(f"EXECUTE q ({arguments})") == []
    assert db.org.requests() == []


def test_variables_of_functions_travel(db):
    db.execute(
        """CREATE FUNCTION failed_since(since timestamptz) RETURNS SETOF int LANGUAGE plpgsql AS $$
        DECLARE wanted text := 'failed';
        BEGIN
            RETURN QUERY SELECT id FROM ado.builds WHERE queue_time > since AND result = wanted;
        END $$"""
    )
    for day in ("2026-05-01", "2026-06-01", "2026-04-01") * 3:
        db.org.simulator.clear()
        found = db.column("SELECT failed_since(%s) AS id ORDER BY 1", [day])
        query = "SELECT id FROM local.builds WHERE queue_time > %s AND result = 'failed' ORDER BY 1"
        assert found == db.column(query, [day])
        lower = whole_second_before(day)
        pushed = {(p["minTime"], p["resultFilter"]) for p in sent(db, "builds")}
        assert pushed == {(lower, "failed")}


def test_the_result_of_a_subquery_travels(db):
    db.execute("CREATE TABLE seen AS SELECT timestamptz '2026-05-20 12:00:00.5+00' AS until")
    same_rows(db, "builds", "finish_time >= (SELECT max(until) FROM seen)")
    expected = window("finish_time", "2026-05-20T11:59:59Z", None)
    assert sent(db, "builds") == [{**expected, **COMPLETED}]
    db.org.simulator.clear()
    same_rows(db, "builds", "id = ANY(ARRAY(SELECT id FROM local.builds ORDER BY id LIMIT 2))")
    assert all("buildIds" in parameters for parameters in sent(db, "builds"))
    db.org.simulator.clear()
    db.execute("DELETE FROM seen")
    assert same_rows(db, "builds", "finish_time >= (SELECT max(until) FROM seen)") == []
    assert db.org.requests() == []


@pytest.mark.parametrize(
    "table, where",
    [
        ("builds", "queue_time > NULL"),
        ("builds", "id = ANY('{}')"),
        ("builds", "id = -1"),
        ("builds", "id = 0"),
        ("builds", "id = 3000000000"),
        ("builds", "queue_time > '2026-06-01' AND queue_time < '2026-05-01'"),
        ("builds", "id = 1001 AND id = 1002"),
        ("builds", "id = 1001 AND id IN (1002, 1003)"),
        ("builds", "status = 'completed' AND status = 'inProgress'"),
        ("builds", "status = 'inProgress' AND finish_time > '2026-05-01'"),
        ("builds", "queue_time > 'infinity'"),
        ("builds", "queue_time < '-infinity'"),
        ("builds", "queue_time = 'infinity'"),
        ("pull_requests", "status = 'active' AND status = 'completed'"),
        ("pull_requests", "creation_date >= '2026-06-01' AND creation_date <= '2026-05-01'"),
        ("pull_requests", "pull_request_id = -3"),
        ("work_item_revisions", "changed_date > '2026-06-01' AND changed_date < '2026-05-01'"),
        ("projects", "state = 'new' AND state = 'deleting'"),
    ],
)
def test_conditions_that_nothing_can_meet_need_no_request(db, table, where):
    assert same_rows(db, table, where) == []
    assert db.org.requests() == []
