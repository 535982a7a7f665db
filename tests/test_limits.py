"""The service's limits are kept before they are reached."""

from truth import assert_complete

LIMITED = {"requests": 50, "seconds": 5}


def blocked(org) -> int:
    return sum(request["status"] == 429 for request in org.requests())


def test_requests_slow_down_before_the_service_blocks_them(new_org, new_db):
    org = new_org(projects=2, builds_per_project=200, latency_ms=5)
    db = new_db(org, page_size=6, max_concurrency=4)
    org.patch(traps={"limited": LIMITED})
    assert_complete(db, "builds")
    assert len(org.requests()) > LIMITED["requests"] * 1.2, "more than one span allows"
    assert blocked(org) == 0


def test_a_limit_that_is_far_away_is_no_reason_to_wait(new_org, new_db):
    org = new_org(projects=2, builds_per_project=200)
    db = new_db(org, page_size=6)
    org.patch(traps={"limited": {"requests": 100_000, "seconds": 3600}})
    plan = db.value("EXPLAIN (ANALYZE, VERBOSE, FORMAT JSON) SELECT * FROM ado.builds")
    while "Plans" in (scan := plan[0]["Plan"]):
        plan = [{"Plan": scan["Plans"][0]}]
    assert scan["API Throttled Milliseconds"] == 0


def test_a_limit_that_is_used_up_is_waited_for(new_org, new_db):
    """Others use the same credential: the first answer says that nothing is left."""
    org = new_org(projects=1)
    db = new_db(org)
    org.faults(
        {
            "kind": "retry_after_200",
            "endpoint": "revisions",
            "times": 1,
            "retry_after": 0,
            "headers": {"X-RateLimit-Delay": "1.5", "X-RateLimit-Remaining": "0"},
        }
    )
    assert_complete(db, "work_item_revisions")
    assert_complete(db, "builds")
    first, *later = org.requests()
    assert min(r["started_ms"] for r in later) >= first["finished_ms"] + 1500 - 50


def test_blocked_requests_without_any_header_are_asked_again_later(new_org, new_db):
    org = new_org(projects=3)
    db = new_db(org)
    org.faults({"kind": "throttle_429_html", "endpoint": "builds", "nth": [2, 3]})
    assert_complete(db, "builds")
    assert blocked(org) == 2
    throttled = [r for r in org.requests() if r["status"] == 429]
    last = max(r["finished_ms"] for r in throttled)
    # One answer holds back all: what is sent in the same moment is under way already.
    later = [r["started_ms"] for r in org.requests() if r["started_ms"] > last + 50]
    assert min(later) >= last + 1000 - 50


def test_waits_are_shown_by_explain(new_org, new_db):
    org = new_org(projects=1)
    db = new_db(org)
    org.faults({"kind": "service_503", "endpoint": "revisions", "times": 1, "retry_after": 1})
    plan = db.value("EXPLAIN (ANALYZE, VERBOSE, FORMAT JSON) SELECT * FROM ado.work_item_revisions")
    scan = plan[0]["Plan"]
    assert scan["API Throttled Milliseconds"] >= 1000
    assert scan["API Retries"] == 1
