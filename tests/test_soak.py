"""Thousands of scans in one session, with faults and cancels: nothing grows, nothing hangs."""

import os
import random

import psycopg
import pytest

from test_faults_random import LASTING, PASSING
from test_leaks import KB, Session, count, settled, status
from truth import keys_held

SCANS = int(os.environ.get("SOAK_SCANS", "2000"))
# Waits of seconds would only make it long; they have tests of their own.
KINDS = [kind for kind in PASSING + LASTING if not kind.startswith(("throttle", "retry_after", "slow"))]
QUERIES = [
    "SELECT id FROM ado.builds",
    "SELECT attrs FROM ado.builds",
    "SELECT id FROM ado.builds WHERE queue_time > '2026-04-01' AND result = 'failed'",
    "SELECT pull_request_id, title FROM ado.pull_requests",
    "SELECT id, rev, title FROM ado.work_item_revisions",
    "SELECT id FROM ado.builds UNION ALL SELECT pull_request_id FROM ado.pull_requests",
    "SELECT b.id FROM ado.builds b JOIN ado.projects p ON p.id = b.project_id LIMIT 5",
    "SELECT azure_devops.check('ado')",
]


@pytest.mark.timeout(900)
def test_a_session_survives_thousands_of_scans(new_org, new_db):
    org = new_org(builds_per_project=30, pull_requests_per_project=20, work_items=20, element_bytes=1500)
    db = new_db(org, page_size=10, max_retries=0, request_timeout=1)
    session = Session(db)
    chance = random.Random(4)
    outcomes = {"rows": 0, "error": 0, "cancelled": 0}
    for number in range(SCANS):
        faults = []
        if chance.random() < 0.6:
            faults = [{"kind": chance.choice(KINDS), "nth": [chance.randint(1, 12)]}]
        if chance.random() < 0.02:
            faults = [{"kind": chance.choice(["stalled_body", "stalled_headers"]), "nth": [2]}]
        org.faults(*faults)
        timeout = chance.choice([0, 0, 0, 3, 10, 30])
        try:
            # Ends with the transaction, however that ends.
            with session.connection.transaction():
                session.execute(f"SET LOCAL statement_timeout = {timeout}")
                session.execute(chance.choice(QUERIES)).fetchall()
                # It is for the query: a COMMIT that is cancelled would leave the transaction open.
                session.execute("SET LOCAL statement_timeout = 0")
            outcomes["rows"] += 1
        except psycopg.errors.QueryCanceled:
            outcomes["cancelled"] += 1
        except psycopg.Error as error:
            assert error.sqlstate, error
            outcomes["error"] += 1
        if number == SCANS // 4:
            org.faults()
            memory, contexts = status(session.pid, "VmRSS"), session.contexts()
            threads, files = count(session.pid, "task"), count(session.pid, "fd")
    org.faults()
    found = session.execute("SELECT id FROM ado.builds").fetchall()
    assert sorted(found) == keys_held(org, "builds")
    assert min(outcomes.values()) > SCANS / 20, f"{outcomes}: all three ends are meant"
    assert status(session.pid, "VmRSS") < memory + 15 * KB
    assert settled(session.pid, "task", threads) <= threads
    assert settled(session.pid, "fd", files) <= files + 2
    # Nothing of a scan is left in PostgreSQL's memory either.
    after = session.contexts()
    grown = {
        name: (size, after[name][1])
        for name, (_, size) in contexts.items()
        if name in after and after[name][1] > size + (1 << 20)
    }
    assert not grown
