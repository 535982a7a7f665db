"""azure_devops_fdw.progress: a long scan says how far it is, also while nothing comes."""

import re

import psycopg
import pytest

LINE = re.compile(
    r'scan of "(\w+)": (?:(\d+) of (\d+) projects, )?(\d+) rows, (\d+) requests, \d+ MB, throttled for (\d+) s'
)


def lines(db) -> list[tuple]:
    found = [LINE.fullmatch(notice) for notice in db.take_notices()]
    assert all(found), "no other notice"
    return [(m[1], *(None if n is None else int(n) for n in m.groups()[1:])) for m in found]


def test_a_scan_that_takes_long_says_how_far_it_is(new_org, new_db):
    db = new_db(new_org(projects=6, latency_ms=700), max_concurrency=1)
    db.execute("SET azure_devops_fdw.progress = on")
    assert db.value("SELECT count(*) FROM ado.builds") == len(db.org.dump("builds"))
    (table, done, projects, rows, requests, throttled), *_ = lines(db)
    visited = [p for p in db.org.dump("projects") if p["state"] == "wellFormed"]
    assert (table, projects, throttled) == ("builds", len(visited), 0)
    assert 0 < done < projects
    assert 0 < rows < len(db.org.dump("builds"))
    assert done <= requests <= 2 * projects + 1


def test_a_scan_that_is_throttled_says_so_while_it_waits(db):
    db.org.faults({"kind": "throttle_429", "endpoint": "revisions", "retry_after": 60})
    db.execute("SET azure_devops_fdw.progress = on; SET statement_timeout = '6s'")
    with pytest.raises(psycopg.errors.QueryCanceled):
        db.value("SELECT count(*) FROM ado.work_item_revisions")
    ((table, done, projects, rows, requests, throttled),) = lines(db)
    assert (table, done, projects, rows, requests) == ("work_item_revisions", None, None, 0, 1)
    assert throttled >= 4


def test_without_the_setting_nothing_is_said(new_org, new_db):
    db = new_db(new_org(projects=1, latency_ms=2000), max_concurrency=1)
    db.value("SELECT count(*) FROM ado.builds")
    assert db.take_notices() == []
